"""Peak memory of whole runs at growing sizes."""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.pictures import enlarge, measure_size
from benchmarks.processes import ProgramError, command_painting, measure
from benchmarks.report import Row
from impasto.config import PaintConfig


class Case(NamedTuple):
    """A long side in px, and the budget that `--memory` gives it; None for what is free."""

    size: int
    budget: str | None = None


CASES = (Case(512), Case(1024), Case(2048), Case(4096), Case(4096, "4GiB"))
LARGE = Case(8192, "8GiB")


def measure_memory(bench: Bench, cases: Sequence[Case] = CASES) -> list[Row]:
    """Peak resident set of two steps at full size, start-up and all; once each, it hardly varies.

    A run that is refused or fails is a row that says why.
    """
    rows: list[Row] = []
    bench.watch.expect(sum(case.size**2 for case in cases))
    for case in cases:
        bench.watch.begin(f"{case.size} px within {case.budget or 'what is free'}", case.size**2)
        larger = enlarge(bench.pair, case.size)
        height, width = measure_size(larger.photo)
        row: Row = {
            "size": case.size,
            "WxH": f"{width}x{height}",
            "budget": case.budget or "free",
            "peak GiB": None,
            "bytes per pixel": None,
            "seconds": None,
        }
        rows.append(row)
        command = command_painting(
            *larger,
            bench.folder / "memory.png",
            PaintConfig(size=case.size, scales=1, steps=(2,)),
            device=bench.device,
            memory=case.budget,
        )
        try:
            run = measure(command)
        except ProgramError as error:
            rows.append({"note": f"{case.size} px, {row['budget']}: {error}"})
        else:
            row["peak GiB"] = run.peak / 2**30
            row["bytes per pixel"] = run.peak / (height * width)
            row["seconds"] = run.seconds
        larger.photo.unlink()
    return rows
