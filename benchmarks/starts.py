"""`paint` begun from a fast network's picture, beside `paint` coarse to fine.

Both end at full size with the same objective. What the fast picture saves are the coarse scales:
how long does L-BFGS at full size take from there to the loss at which coarse to fine ends?
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.painters import name_network
from benchmarks.report import Row
from impasto.api import Painter
from impasto.config import PaintConfig, Preset
from impasto.fastconfig import FastConfig
from impasto.fastpainter import FastPainter
from impasto.progress import Progress
from impasto.trained import read_card

#: Full-size steps after which a start is given up.
MOST_STEPS = 80
_PRESETS: tuple[Preset, ...] = ("draft", "standard")


class _Trace(NamedTuple):
    """Processor seconds and losses, after each full-size step of the whole objective."""

    work: list[float]
    losses: list[float]

    def find(self, loss: float) -> int | None:
        """First step that is no worse."""
        return next((step for step, found in enumerate(self.losses) if found <= loss), None)


def measure_starts(bench: Bench, *, networks: Sequence[Path] = ()) -> list[Row]:
    """A row for each preset, and for each network that takes any style."""
    arbitrary = [path for path in networks if not read_card(path).styles]
    photo, style = bench.pair
    bench.watch.expect(len(_PRESETS) + len(arbitrary))
    painter = Painter(device=bench.device)
    ends: dict[str, float] = {}
    rows: list[Row] = []
    for preset in _PRESETS:
        bench.watch.begin(preset)
        config = PaintConfig(size=bench.size, preset=preset)
        began = time.process_time()
        trace = _follow(painter.prepare(photo, [style], config).run(), began)
        ends[preset] = trace.losses[-1]
        rows.append({"start": f"coarse to fine, {preset}", "loss": trace.losses[-1],
                     "processor s": trace.work[-1]})  # fmt: skip
    for path in arbitrary:
        bench.watch.begin(name_network(path))
        fast = FastPainter(path, device=bench.device)
        began = time.process_time()
        wishes = FastConfig(size=bench.size, refine=MOST_STEPS)
        trace = _follow(fast.prepare(photo, [style], wishes).run(), began)
        rows.append({"start": f"{name_network(path)}, {MOST_STEPS} steps", "loss": trace.losses[-1],
                     "processor s": trace.work[-1]})  # fmt: skip
        for goal, loss in ends.items():
            step = trace.find(loss)
            rows.append({
                "start": f"{name_network(path)}, as good as {goal}",
                "loss": None if step is None else trace.losses[step],
                "processor s": None if step is None else trace.work[step],
            })  # fmt: skip
    return [*rows, {"note": f"{bench.size} px; a dash: not reached in {MOST_STEPS} steps."}]


def _follow(events: Iterator[Progress], began: float) -> _Trace:
    trace = _Trace([], [])
    for event in events:
        if event.scale == event.scales - 1:
            trace.work.append(time.process_time() - began)
            trace.losses.append(event.loss)
    return trace
