"""What is told of a painting while it is painted, and what an interrupted one goes on from."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from impasto.palettes import Palette
from impasto.pyramid import Scale, Size


@dataclass(frozen=True)
class PaintState:
    """Everything an interrupted painting needs to go on to the same result.

    Attributes:
        scale: Index of the scale that is being painted.
        step: Steps done at that scale.
        image: The solver's picture, shape (1, 3, h, w).
        solver: The solver's own memory.
        average: Running average of iterates, or None.
        precise: Whether the network had to be switched to float32.
        failures: Steps in a row that led nowhere.
        details_over: Whether the detail steps of this scale ended before their number was done.
    """

    scale: int
    step: int
    image: Tensor
    solver: dict[str, Tensor] = field(default_factory=dict)
    average: Tensor | None = None
    precise: bool = False
    failures: int = 0
    details_over: bool = False


@dataclass(frozen=True)
class Progress:
    """What happened in one step.

    Attributes:
        scale: Index of the scale, from 0.
        scales: Number of scales.
        size: (H, W) of this scale in px.
        step: Steps done at this scale, from 1.
        steps: Steps planned at this scale.
        loss: The objective that the step looked at, which for detail steps is less than the
            whole; for L-BFGS of the picture after the step, for Adam and SGD before.
        terms: Its weighted parts: content, style, tv.
        seconds: Time since the start.
        seconds_left: Estimated time to the end.
        note: Something the user should know, or an empty string.
        done: Whether this is the last event.
        picture: Makes the picture so far, (1, 3, H, W) in [0, 1], at this scale's size.
        state: Takes a snapshot that `paint` can go on from.
        palettes: Measures the colours before and after they are drawn toward a family's; None
            without one.
    """

    scale: int
    scales: int
    size: Size
    step: int
    steps: int
    loss: float
    terms: dict[str, float]
    seconds: float
    seconds_left: float
    note: str
    done: bool
    picture: Callable[[], Tensor]
    state: Callable[[], PaintState]
    palettes: Callable[[], tuple[Palette, Palette]] | None = None


class Clock:
    """Estimates the time left from the work done: a step costs as much as it has pixels.

    Detail steps cost less than half of that.
    """

    def __init__(self, plan: Sequence[Scale]) -> None:
        self._plan = plan
        self._began = time.perf_counter()
        self._before: float | None = None
        self._last = self._began
        self._rate = 0.0
        self._left = 0.0

    def tick(self, scale: int, step: int) -> None:
        """Note that so many steps of a scale are done."""
        now = time.perf_counter()
        total = sum(_count_work(one, one.steps) for one in self._plan)
        done = sum(_count_work(one, one.steps) for one in self._plan[:scale])
        done += _count_work(self._plan[scale], step)
        if self._before is not None and done > self._before:
            rate = (now - self._last) / (done - self._before)
            # Small pictures cost more per pixel, so that what was measured last counts most.
            self._rate = rate if not self._rate else 0.7 * self._rate + 0.3 * rate
        self._before, self._last = done, now
        self._left = self._rate * (total - done)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._began

    @property
    def seconds_left(self) -> float:
        """As far as one can tell; 0 before the second step."""
        return self._left


def _count_work(scale: Scale, steps: int) -> float:
    details = min(steps, scale.detail_steps)
    return (steps - 0.55 * details) * scale.size[0] * scale.size[1]
