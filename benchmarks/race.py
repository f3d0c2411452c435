"""impasto against pastiche 1.6.0 on the reference objective, each in its own process.

Both get the same PNG files, already at size, and are scored on the 8-bit picture that they save;
see `benchmarks.judge` for the objective. Seconds run from process start to the saved file.
"""

import statistics
import time
from collections.abc import Mapping, Sequence

from benchmarks.bench import Bench
from benchmarks.judge import OBJECTIVE, Judge
from benchmarks.peer import Point, Record, load_record, measure_peer, save_record
from benchmarks.processes import command_painting, imitate_cli, measure, read_rows
from benchmarks.report import Row, describe_surroundings
from benchmarks.whole import compare_with_target
from impasto.config import PaintConfig

#: Settings that go for the reference objective, beside those of `OBJECTIVE`.
SETTINGS: dict[str, dict[str, object]] = {
    "REFERENCE": {"preset": "draft", "steps": (12, 60), "detail_steps": 20},
}
#: Whole runs of the command line, whose last picture is scored.
FINALS: dict[str, PaintConfig] = {
    "same objective, standard": OBJECTIVE,
    "same objective, draft": OBJECTIVE.model_copy(update={"preset": "draft"}),
    "own objective, standard": PaintConfig(),
}
#: Final losses are told as shares of pastiche's after so many steps.
YARDSTICK = 200
#: The largest such share that a whole run may end with.
TARGETS: dict[str, float] = {"same objective, standard": 0.25}
#: Roughly how long pastiche takes beside one of our runs; only the time left is told by it.
_PEER_WORK = 20


def race(
    bench: Bench,
    *,
    measure_anew: bool = False,
    settings: Mapping[str, Mapping[str, object]] = SETTINGS,
    finals: Mapping[str, PaintConfig] = FINALS,
) -> list[Row]:
    """When we reach the loss of each of pastiche's pictures, and how far whole runs come.

    Args:
        bench: Where and how to measure.
        measure_anew: Measure pastiche too, and keep that as its record.
        settings: Name -> settings whose way down is followed step by step.
        finals: Name -> settings of whole runs.
    """
    runs = bench.repeats * (2 * len(settings) + len(finals))
    bench.watch.expect(_PEER_WORK * measure_anew + runs)
    if measure_anew:
        bench.watch.begin("pastiche", _PEER_WORK)
        save_record(measure_peer(bench))
    record = load_record()
    rows = _list_peer(record, bench)
    curves: dict[str, list[Point]] = {}
    for name, chosen in settings.items():
        config = PaintConfig(**(OBJECTIVE.to_dict() | dict(chosen) | {"size": bench.size}))
        curves[name], same = measure_curve(bench, name, config)
        table = f"{name}: time to the loss of pastiche"
        rows += compare_curves(table, curves[name], record)
        if not same:
            note = "Runs gave different pictures; losses are those of the first."
            rows.append({"table": table, "note": note})
    return rows + _compare_results(_gather_results(bench, record, curves, finals), record)


def time_to_loss(curve: Sequence[Point], loss: float) -> float | None:
    """Seconds to the first picture that is at least as good as `loss`; None if none is."""
    return next((point.seconds for point in curve if point.loss <= loss), None)


def compare_curves(table: str, curve: Sequence[Point], record: Record | None) -> list[Row]:
    """When each of pastiche's pictures is equalled, and how many times sooner."""
    rows: list[Row] = []
    for point in record.points if record else ():
        seconds = time_to_loss(curve, point.loss)
        rows.append(
            {
                "table": table,
                "what": f"pastiche after {point.steps} steps",
                "loss": point.loss,
                "pastiche seconds": point.seconds,
                "impasto seconds": seconds,
                "times sooner": None if seconds is None else point.seconds / seconds,
                "reached": "never" if seconds is None else "yes",
            }
        )
    return rows


def measure_curve(bench: Bench, name: str, config: PaintConfig) -> tuple[list[Point], bool]:
    """Follow our picture at full size: median seconds of all runs, losses of the first.

    The same settings give the same pictures on one machine, so that one run tells all losses.

    Returns:
        The curve, and whether all runs ended with the same picture indeed.
    """
    runs = []
    for number in range(bench.repeats):
        bench.watch.begin(f"{name}, run {number + 1} of {bench.repeats}", 2.0)
        order = {
            "photo": str(bench.pair.photo),
            "style": str(bench.pair.style),
            "output": str(bench.folder / "curve.png"),
            "settings": config.to_dict(),
            "device": bench.device,
            "score": number == 0,
            "began": time.time(),
        }
        runs.append(read_rows("benchmarks.runner", order, bench.watch, imitate_cli()))
    curve = [
        Point.model_validate(
            {
                "steps": together[0]["steps"],
                "seconds": statistics.median(float(str(row["seconds"])) for row in together),
                "loss": together[0]["loss"],
            }
        )
        for together in zip(*runs, strict=False)
    ]
    return curve, len({str(rows[-1]["sha256"]) for rows in runs}) == 1


def _list_peer(record: Record | None, bench: Bench) -> list[Row]:
    """What is recorded of pastiche, and a line on whether it holds for what is measured now."""
    table = "pastiche 1.6.0"
    if record is None:
        note = "pastiche is not recorded yet; run with --only race --measure-peer."
        return [{"table": table, "note": note}]
    rows: list[Row] = [
        {"table": table, "steps": point.steps, "seconds": point.seconds, "loss": point.loss}
        for point in record.points
    ]
    differences = record.list_differences(bench.pair, describe_surroundings())
    remark = f"; NOT as now: {'; '.join(differences)}" if differences else ", as now"
    note = f"Recorded {record.when}, {record.seconds_per_step:.2f} s a step{remark}."
    return [*rows, {"table": table, "note": note}]


def _gather_results(
    bench: Bench,
    record: Record | None,
    curves: Mapping[str, Sequence[Point]],
    finals: Mapping[str, PaintConfig],
) -> dict[str, tuple[float, float]]:
    """Name -> (seconds, loss) of the photograph, of what is measured already, and of `finals`."""
    judge, saved = Judge(*bench.pair), bench.folder / "final.png"
    results = {"the photograph": (0.0, judge.score(bench.pair.photo))}
    for point in record.points if record else ():
        results[f"pastiche, {point.steps} steps"] = (point.seconds, point.loss)
    for name, curve in curves.items():
        results[f"same objective, {name}"] = (curve[-1].seconds, curve[-1].loss)
    for name, config in finals.items():
        sized = config.model_copy(update={"size": bench.size})
        seconds = []
        for number in range(bench.repeats):
            bench.watch.begin(f"{name}, run {number + 1} of {bench.repeats}")
            command = command_painting(*bench.pair, saved, sized, device=bench.device)
            seconds.append(measure(command).seconds)
        results[name] = (statistics.median(seconds), judge.score(saved))
    return results


def _compare_results(
    results: Mapping[str, tuple[float, float]], record: Record | None
) -> list[Row]:
    yardstick = record.at(YARDSTICK) if record else None
    rows: list[Row] = []
    for name, (seconds, loss) in results.items():
        row: Row = {
            "table": f"Final losses, and their ratio to pastiche's after {YARDSTICK} steps",
            "what": name,
            "seconds": seconds,
            "loss": loss,
            "time ratio": seconds / yardstick.seconds if yardstick else None,
            "loss ratio": loss / yardstick.loss if yardstick else None,
        }
        target = TARGETS.get(name) if yardstick else None
        share = loss / yardstick.loss if yardstick else 0.0
        rows.append(row | compare_with_target(share, target))
    return rows
