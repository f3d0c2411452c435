"""Loss curves as SVG that takes its colours from the page: light, dark and print alike.

Drawn here rather than by a plotting library: a few kilobytes a curve, and no further dependency.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _HEIGHT = 640, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 34
_MOST_POINTS = 240
#: Colours of lines are classes `c0` to `c7`; further lines begin again, dashed.
COLORS = 8
#: Name of the line that is the sum of the others.
WHOLE = "total"

Points = Sequence[tuple[float, float]]


class _Frame(NamedTuple):
    """Where values lie in the drawing; y is logarithmic."""

    x_end: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / self.x_end

    def y(self, value: float) -> float:
        low, high = math.log10(self.y_low), math.log10(self.y_high)
        share = (math.log10(value) - low) / (high - low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def draw_curves(
    lines: Mapping[str, Points], *, title: str, unit: str = "steps", marks: Sequence[float] = ()
) -> str:
    """An SVG of some curves over one axis; an empty text if nothing can be drawn.

    Args:
        lines: Name -> points (x, y); points with y at or below zero are left out.
        title: What a screen reader says.
        unit: Of the x axis.
        marks: Values of x to be marked, such as where a new scale begins.
    """
    drawn = {name: [p for p in points if p[1] > 0] for name, points in lines.items()}
    every = [point for points in drawn.values() for point in points]
    if len(every) < 2:
        return ""
    frame = _frame(every)
    parts = [
        f'<svg class="curves" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f' aria-label="{escape(title)}">',
        *_draw_grid(frame, unit),
    ]
    for mark in marks:
        x = f"{frame.x(mark):.1f}"
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
    for index, (name, points) in enumerate(drawn.items()):
        if not points:
            continue
        # The whole lies under its parts, which it hardly differs from where one of them rules.
        wide = " whole" if name == WHOLE else ""
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in _thin(points))
        parts.append(
            f'<polyline class="line {color_class(index)}{wide}" points="{path}">'
            f"<title>{escape(name)}</title></polyline>"
        )
    return "".join([*parts, "</svg>"])


def color_class(index: int) -> str:
    """The class of the line with this number."""
    return f"c{index % COLORS}" + (" again" if index >= COLORS else "")


def _frame(points: Points) -> _Frame:
    low, high = min(y for _, y in points), max(y for _, y in points)
    if high / low < 2:  # nearly flat: leave some air
        low, high = low / 1.5, high * 1.5
    return _Frame(max(1.0, max(x for x, _ in points)), low / 1.08, high * 1.08)


def _draw_grid(frame: _Frame, unit: str) -> list[str]:
    parts = []
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for value in _ticks_log(frame.y_low, frame.y_high):
        y = f"{frame.y(value):.1f}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 7}" y="{y}" text-anchor="end"'
            f' dominant-baseline="middle">{_spell(value)}</text>'
        )
    for value in _ticks(frame.x_end):
        x = f"{frame.x(value):.1f}"
        parts.append(
            f'<text class="tick" x="{x}" y="{bottom + 15}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(
        f'<text class="tick" x="{right}" y="{_HEIGHT - 3}" text-anchor="end">{escape(unit)}</text>'
    )
    return parts


def _ticks_log(low: float, high: float) -> list[float]:
    """About four to seven round values between two."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = last - first
    steps = (1, 2, 5) if decades <= 3 else (1,)
    every = max(1, round(decades / 6))
    found = [
        step * 10.0**power for power in range(first, last + 1, every) for step in steps
        if low <= step * 10.0**power <= high
    ]  # fmt: skip
    if len(found) >= 2:
        return found
    middle = math.sqrt(low * high)
    return [float(f"{value:.2g}") for value in (low * 1.05, middle, high / 1.05)]


def _ticks(end: float) -> list[float]:
    raw = end / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= raw)
    step = max(1.0, step)
    return [step * n for n in range(int(end / step) + 1)]


def _thin(points: Points) -> Points:
    """Every so many points, and the last."""
    every = max(1, math.ceil(len(points) / _MOST_POINTS))
    return [*points[::every], *([points[-1]] if (len(points) - 1) % every else [])]


def _spell(value: float) -> str:
    if 0.01 <= value < 10_000:
        return f"{value:g}"
    digits, power = f"{value:.1e}".split("e")
    return f"{float(digits):g}e{int(power)}"
