"""How the time of a whole painting grows with its pixels."""

import math
import statistics
from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.pictures import enlarge, measure_size
from benchmarks.processes import command_painting, measure
from benchmarks.report import Row
from impasto.config import PaintConfig, Preset

SIZES = (512, 1024, 2048)
LARGE = 4096
#: Longer runs are long enough to be steady by themselves.
_LARGEST_REPEATED = 1024


def measure_curve(
    bench: Bench, sizes: Sequence[int] = SIZES, preset: Preset = "standard"
) -> list[Row]:
    """Median seconds of whole runs, and the exponent with which they grow."""
    rows: list[Row] = []
    points: list[tuple[float, float]] = []
    counts = {size: bench.repeats if size <= _LARGEST_REPEATED else 1 for size in sizes}
    bench.watch.expect(sum(count * size**2 for size, count in counts.items()))
    for size, count in counts.items():
        larger = enlarge(bench.pair, size)
        height, width = measure_size(larger.photo)
        command = command_painting(
            *larger,
            bench.folder / "curve.png",
            PaintConfig(size=size, preset=preset),
            device=bench.device,
        )
        taken = []
        for run in range(count):
            bench.watch.begin(f"{preset} at {size} px, run {run + 1} of {count}", size**2)
            taken.append(measure(command).seconds)
        seconds, pixels = statistics.median(taken), height * width
        points.append((pixels, seconds))
        rows.append(
            {
                "size": size,
                "WxH": f"{width}x{height}",
                "runs": count,
                "seconds": seconds,
                "Mpx": pixels / 1e6,
                "seconds per Mpx": seconds / (pixels / 1e6),
                "slope since the row above": fit_slope(points[-2:]),
            }
        )
        larger.photo.unlink()
    slope = fit_slope(points)
    if slope is not None:
        rows.append({"note": f"Slope of log(time) by log(pixels): {slope:.3f}", "slope": slope})
    return rows


def fit_slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Exponent p of y ~ x^p by least squares on logarithms; None from fewer than two points."""
    if len(points) < 2:
        return None
    xs, ys = ([math.log(point[axis]) for point in points] for axis in (0, 1))
    return statistics.linear_regression(xs, ys).slope
