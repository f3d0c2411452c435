"""One evaluation of the objective, against plain convolutions of the same shapes."""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from impasto import weights
from impasto.config import PaintConfig
from impasto.encoders.vgg import BLOCKS, CHANNELS, VGG
from impasto.objective import build_objective


def measure_evaluations(sizes: tuple[int, ...], repeats: int) -> list[dict[str, object]]:
    """Seconds per evaluation at square sizes, and its share of the convolution peak."""
    state, architecture, preprocessing = weights.read("vgg19")
    rows: list[dict[str, object]] = []
    for dtype in (torch.float32, torch.bfloat16):
        encoder = VGG(architecture, state, preprocessing=preprocessing, pooling="average")
        encoder = encoder.with_precision(dtype)
        for size in sizes:
            picture = torch.rand(1, 3, size, size)
            objective = build_objective(
                encoder, PaintConfig().resolve(), picture, [picture.flip(3)], (size, size)
            )
            seconds = _median(lambda: objective(picture), repeats)  # noqa: B023
            peak = _median(_plain_convolutions(size, dtype), repeats)
            rows.append(
                {
                    "size": f"{size} x {size}",
                    "precision": str(dtype).removeprefix("torch."),
                    "seconds": seconds,
                    "plain convolutions": peak,
                    "share of peak": peak / seconds,
                }
            )
    return rows


def _plain_convolutions(size: int, dtype: torch.dtype) -> Callable[[], object]:
    """Forward and backward through the bare convolutions of VGG-19 up to relu5_1."""
    layers = []
    inputs = 3
    for block, count in enumerate(BLOCKS["vgg19"]):
        for _ in range(count if block < 4 else 1):
            side, outputs = size >> block, CHANNELS[block]
            shape = (1, inputs, side, side)
            layout = torch.channels_last
            x = torch.rand(shape).to(dtype, memory_format=layout).requires_grad_(True)
            w = torch.rand(outputs, inputs, 3, 3).to(dtype, memory_format=layout)
            g = torch.rand(1, outputs, side, side).to(dtype, memory_format=layout)
            layers.append((x, w, g))
            inputs = outputs

    def run() -> None:
        for x, w, g in layers:
            torch.autograd.grad(F.conv2d(x, w, padding=1), x, g)

    return run


def _median(run: Callable[[], object], repeats: int) -> float:
    run()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
