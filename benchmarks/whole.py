"""Whole paintings from process start to saved file, in seconds and in evaluations."""

import statistics
from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.evaluation import measure_unit
from benchmarks.pictures import measure_size
from benchmarks.processes import command_painting, measure
from benchmarks.report import Row
from impasto.config import PaintConfig, Preset
from impasto.pyramid import fit_size

#: What a preset may take, start-up and all, in full-size evaluations of the same run.
TARGETS: dict[str, float] = {"draft": 8.0, "standard": 28.0}
#: Roughly how long each takes beside the others; only the time left is told by it.
_WORK: dict[str, float] = {"draft": 1.0, "standard": 3.0, "fine": 9.0}


def measure_whole(
    bench: Bench, presets: Sequence[Preset] = ("draft", "standard", "fine")
) -> list[Row]:
    """Median seconds of each preset; unit and presets take turns within a round."""
    painted = fit_size(measure_size(bench.pair.photo), bench.size)
    repeats, watch = bench.repeats, bench.watch
    units: list[float] = []
    precision = ""
    seconds: dict[Preset, list[float]] = {preset: [] for preset in presets}
    watch.expect(repeats * (1 + sum(_WORK[preset] for preset in presets)))
    for round_ in range(repeats):
        watch.begin(f"one evaluation, round {round_ + 1} of {repeats}")
        unit, precision = measure_unit(bench, painted)
        units.append(unit)
        for preset in presets:
            watch.begin(f"{preset}, round {round_ + 1} of {repeats}", _WORK[preset])
            command = command_painting(
                *bench.pair,
                bench.folder / f"whole-{preset}.png",
                PaintConfig(size=bench.size, preset=preset),
                device=bench.device,
            )
            seconds[preset].append(measure(command).seconds)
    unit = statistics.median(units)
    rows: list[Row] = [
        {
            "what": f"one evaluation, {painted[1]}x{painted[0]}, {precision}",
            "seconds": unit,
            "evaluations": 1.0,
            "target": None,
            "verdict": None,
        }
    ]
    for preset in presets:
        median = statistics.median(seconds[preset])
        rows.append(
            {"what": preset, "seconds": median, "evaluations": median / unit}
            | compare_with_target(median / unit, TARGETS.get(preset))
        )
    return rows


def compare_with_target(value: float, target: float | None) -> Row:
    """Whether a value that should be small is at most its target: hit or miss."""
    verdict = None if target is None else "hit" if value <= target else "miss"
    return {"target": target, "verdict": verdict}
