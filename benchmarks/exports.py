"""Fast networks as ONNX files: their size, their speed, and what is lost on the way.

The loss is measured on a photograph: mean difference of levels from what PyTorch makes of it, and
what the judges of `impasto score` say of both.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.bench import Bench
from benchmarks.painters import THREADS, list_driver
from benchmarks.report import Row
from benchmarks.turns import open_workers, take_turns
from impasto import gallery
from impasto.export import Arithmetic, export_network
from impasto.fastpainter import FastPainter
from impasto.judges import Opinion, find_critics, make_vgg19_critic
from impasto.scoring import key_of
from impasto.trained import read_card

ARITHMETICS: tuple[Arithmetic, ...] = ("float32", "float16", "int8")
_TORCH = "PyTorch"


def export_all(
    bench: Bench, networks: Sequence[Path], arithmetics: Sequence[str] = ARITHMETICS
) -> dict[tuple[Path, str], Path]:
    """Write each network in each arithmetic; it holds the pair's style, if it takes any."""
    written: dict[tuple[Path, str], Path] = {}
    for network in networks:
        painter = FastPainter(network, device="cpu")
        codes = painter.list_codes([] if painter.holds_styles else [bench.pair.style])
        for arithmetic in ARITHMETICS:
            if arithmetic not in arithmetics:
                continue
            path = bench.folder / f"{network.stem}-{arithmetic}.onnx"
            export_network(painter.network, painter.card, path, codes, arithmetic)
            written[network, arithmetic] = path
    return written


def measure_exports(
    bench: Bench, *, networks: Sequence[Path] = (), threads: int = THREADS
) -> list[Row]:
    """A row for each network and arithmetic.

    Args:
        bench: Pictures, size and repeats.
        networks: Files that `impasto train` has written.
        threads: That each may use.
    """
    if not networks:
        return [{"note": "No networks: name some with --networks, or put them into impasto/nets."}]
    bench.watch.expect(2 * len(networks))
    rows: list[Row] = []
    for network in networks:
        bench.watch.begin(f"{network.stem} is exported")
        files = export_all(bench, [network])
        bench.watch.begin(f"{network.stem} takes turns")
        rows += _compare(bench, network, files, threads)
    note = f"{bench.size} px, {threads} threads; ratios are PyTorch's processor seconds by ONNX's."
    return [*rows, {"note": note}]


def _compare(
    bench: Bench, network: Path, files: Mapping[tuple[Path, str], Path], threads: int
) -> list[Row]:
    own = read_card(network).styles[:1]
    kinds: dict[str, Path] = {_TORCH: network}
    kinds |= {name: files[network, name] for name in ARITHMETICS}
    kept = {name: bench.folder / f"{network.stem}-{name}.png" for name in kinds}
    commands = {name: list_driver(file, threads) for name, file in kinds.items()}
    with ExitStack() as stack:
        workers = open_workers(stack, commands, threads)
        piece = {"photo": str(bench.pair.photo), "style": str(bench.pair.style), "new": False}
        tally = take_turns(workers, piece, bench.repeats)
        for name, worker in workers.items():
            worker.ask({**piece, "keep": str(kept[name])})
    said = _judge(bench, own, kept)
    exact = _read(kept[_TORCH])
    rows: list[Row] = []
    for name, file in kinds.items():
        middle, least, most = tally.ratio(name, _TORCH)
        rows.append(
            {
                "network": f"{network.stem}, {name}",
                "MB": file.stat().st_size / 1e6,
                "s": tally.seconds(name),
                "processor s": tally.work(name),
                "ratio": f"{middle:.2f} ({least:.2f} to {most:.2f})",
                "levels away, mean": float(np.abs(_read(kept[name]) - exact).mean()),
                **said[name],
            }
        )
    return rows


def _judge(bench: Bench, own: Sequence[str], pictures: Mapping[str, Path]) -> dict[str, Row]:
    """What each critic says of style and content of each picture."""
    known = bool(own) and own[0] in gallery.STYLES
    style = gallery.picture_path(own[0]) if known else bench.pair.style
    critics = find_critics()
    if not any(critic.biased for critic in critics):
        critics.append(make_vgg19_critic())
    photo = _read(bench.pair.photo, 1)
    found: dict[str, Row] = {name: {} for name in pictures}
    for critic in critics:
        opinion = Opinion(critic, _shape(photo), [_shape(_read(style, 1))])
        for name, path in pictures.items():
            verdict = opinion.judge(critic.look(_shape(_read(path, 1))))
            found[name][f"style {key_of(critic)}"] = verdict.style
            found[name][f"content {key_of(critic)}"] = verdict.content
    return found


def _read(path: Path, white: float = 255.0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32) * np.float32(white / 255)


def _shape(pixels: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> torch.Tensor:
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())
