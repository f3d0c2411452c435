"""One evaluation of the objective, against plain convolutions of the same shapes.

A program of its own (`python -m benchmarks.evaluation ORDER`), since the environment that the
command line paints in must be set before PyTorch is imported.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from benchmarks.bench import Bench
from benchmarks.processes import imitate_cli, read_rows, say
from benchmarks.report import Row
from impasto import weights
from impasto.config import PaintConfig
from impasto.devices import choose_device, choose_precision, keep_freed_memory
from impasto.encoders.vgg import BLOCKS, CHANNELS, VGG
from impasto.objective import build_objective


class Case(NamedTuple):
    """What is evaluated.

    Attributes:
        height: Of the picture in px.
        width: Of the picture in px.
        precision: `bfloat16`, `float32`, or `auto` for what painting takes.
    """

    height: int
    width: int
    precision: str


#: Half precision first: the largest float32 case would take a minute and tell nothing new.
CASES = (
    *(Case(size, size, "bfloat16") for size in (256, 512, 1024)),
    *(Case(size, size, "float32") for size in (256, 512)),
)


def measure_evaluations(bench: Bench, cases: Sequence[Case] = CASES) -> list[Row]:
    """Seconds per evaluation, and its share of what the convolutions alone reach."""
    notes: list[Row] = []
    fast = choose_precision("auto", choose_device(bench.device).device) == torch.bfloat16
    if not fast:
        # It would be emulated, and take minutes.
        cases = [case for case in cases if case.precision != "bfloat16"]
        notes.append({"note": "bfloat16 is left out: it is not fast on this machine."})
    bench.watch.expect(1)
    bench.watch.begin("evaluations and convolutions in turns")
    return _run_child(bench, cases, bench.repeats, convolutions=True) + notes


def measure_unit(bench: Bench, size: tuple[int, int]) -> tuple[float, str]:
    """Median seconds of one evaluation of (H, W) px as painting does it, and its precision."""
    (row,) = _run_child(bench, [Case(*size, "auto")], 3, convolutions=False)
    return float(str(row["seconds"])), str(row["precision"])


def _run_child(
    bench: Bench, cases: Sequence[Case], repeats: int, *, convolutions: bool
) -> list[Row]:
    order = {
        "cases": cases,
        "repeats": repeats,
        "device": bench.device,
        "convolutions": convolutions,
    }
    return read_rows("benchmarks.evaluation", order, bench.watch, imitate_cli())


def evaluate(
    cases: Sequence[Case], repeats: int, device: str, *, convolutions: bool = True
) -> None:
    """Measure in this process; says a row for each case."""
    keep_freed_memory()
    place = choose_device(device).device
    state, architecture, preprocessing = weights.read("vgg19")
    encoder = VGG(architecture, state, preprocessing=preprocessing, pooling="average").to(place)
    work = sum(case.height * case.width for case in cases)
    done = 0
    for case in cases:
        dtype = choose_precision(case.precision, place)
        size = (case.height, case.width)
        picture = torch.rand(1, 3, *size).to(place)
        objective = build_objective(
            encoder.with_precision(dtype), PaintConfig().resolve(), picture, [picture.flip(3)], size
        )
        runs: list[Callable[[], object]] = [lambda: objective(picture)]  # noqa: B023
        if convolutions:
            runs.append(_plain_convolutions(size, dtype, place))
        medians = _take_turns(runs, repeats, place)
        row: Row = {
            "size": f"{case.width}x{case.height}",
            "precision": str(dtype).removeprefix("torch."),
            "seconds": medians[0],
        }
        if convolutions:
            row |= {"plain convolutions": medians[1], "share of peak": medians[1] / medians[0]}
        done += case.height * case.width
        say(row)
        say({"progress": [done, work]})


def _plain_convolutions(
    size: tuple[int, int], dtype: torch.dtype, device: torch.device
) -> Callable[[], object]:
    """Forward and backward through the bare convolutions of VGG-19 up to relu5_1."""
    layers = []
    inputs = 3
    for block, count in enumerate(BLOCKS["vgg19"]):
        for _ in range(count if block < 4 else 1):
            height, width, outputs = size[0] >> block, size[1] >> block, CHANNELS[block]
            x, w, g = (
                torch.rand(shape).to(device, dtype, memory_format=torch.channels_last)
                for shape in (
                    (1, inputs, height, width),
                    (outputs, inputs, 3, 3),
                    (1, outputs, height, width),
                )
            )
            layers.append((x.requires_grad_(True), w, g))
            inputs = outputs

    def run() -> None:
        for x, w, g in layers:
            torch.autograd.grad(F.conv2d(x, w, padding=1), x, g)

    return run


def _take_turns(
    runs: Sequence[Callable[[], object]], repeats: int, device: torch.device
) -> list[float]:
    """Median seconds of each, run in turns so that a busy moment hits all; first a warm-up."""
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats + 1):
        for run, taken in zip(runs, seconds, strict=True):
            wait_for(device)
            began = time.perf_counter()
            run()
            wait_for(device)
            taken.append(time.perf_counter() - began)
    return [statistics.median(taken[1:]) for taken in seconds]


def wait_for(device: torch.device) -> None:
    """Let a GPU finish what it was given, so that the clock sees it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def main(text: str) -> None:
    """Do what `_run_child` has asked for, as JSON."""
    order = json.loads(text)
    evaluate([Case(*case) for case in order.pop("cases")], **order)


if __name__ == "__main__":
    main(sys.argv[1])
