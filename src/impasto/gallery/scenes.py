"""The scene behind a picture: what colour lies where, and which way a stroke runs there.

Places in a scene are given in units of its long side: x from 0 to 1 across a landscape format,
y downwards. Angles are in radians, clockwise from the right, as y points down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from impasto.gallery.fields import Array, Rng, blur

Point = tuple[float, float]


@dataclass
class Scene:
    """A colour field and a direction field that grow shape by shape.

    Attributes:
        shape: (H, W) in pixels.
        x: Horizontal place of every pixel, in long sides, (H, W).
        y: Vertical place of every pixel.
        color: sRGB in [0, 1], (H, W, 3).
        angle: Direction of the strokes, (H, W).
        detail: 0 to 1, where small brushes are wanted, (H, W).
    """

    shape: tuple[int, int]
    x: Array = field(init=False)
    y: Array = field(init=False)
    color: Array = field(init=False)
    angle: Array = field(init=False)
    detail: Array = field(init=False)

    def __post_init__(self) -> None:
        rows, columns = np.indices(self.shape, np.float32)
        self.y, self.x = rows / self.unit, columns / self.unit
        self.color = np.zeros((*self.shape, 3), np.float32)
        self.angle = np.zeros(self.shape, np.float32)
        self.detail = np.zeros(self.shape, np.float32)

    @property
    def unit(self) -> int:
        """Pixels of the long side."""
        return max(self.shape)

    @property
    def bottom(self) -> float:
        """The greatest y."""
        return self.shape[0] / self.unit

    def lay(
        self,
        mask: Array,
        color: Array,
        angle: Array | float | None = None,
        detail: float | None = None,
    ) -> None:
        """Put a shape in front: `mask` in [0, 1], its colour, directions and detail."""
        cover = np.asarray(mask, np.float32)
        self.color += cover[..., None] * (np.asarray(color, np.float32) - self.color)
        if angle is not None:
            self.angle = np.where(cover > 0.5, angle, self.angle).astype(np.float32)
        if detail is not None:
            self.detail = np.where(cover > 0.3, detail, self.detail).astype(np.float32)

    def mask_below(self, line: Array, softness: float = 0.002) -> Array:
        """Mask of everything under a horizon line; `line` is y for each x, (W,) or (H, W)."""
        below: Array = np.clip((self.y - line) / softness + 0.5, 0, 1)
        return below

    def mask_disc(self, center: Point, radius: float, softness: float = 0.002) -> Array:
        """Mask of a disc around `center` (x, y)."""
        away = np.hypot(self.x - center[0], self.y - center[1])
        disc: Array = np.clip((radius - away) / softness + 0.5, 0, 1)
        return disc

    def mask_shapes(self, *polygons: Sequence[Point]) -> Array:
        """Mask of filled polygons, each a list of (x, y)."""
        sheet = Image.new("L", (self.shape[1], self.shape[0]))
        draw = ImageDraw.Draw(sheet)
        for polygon in polygons:
            draw.polygon([(x * self.unit, y * self.unit) for x, y in polygon], fill=255)
        return np.asarray(sheet, np.float32) / 255

    def mask_limbs(self, limbs: Iterable[Limb]) -> Array:
        """Mask of tapering lines, such as branches."""
        sheet = Image.new("L", (self.shape[1], self.shape[0]))
        draw = ImageDraw.Draw(sheet)
        for limb in limbs:
            draw.polygon([(x * self.unit, y * self.unit) for x, y in limb.outline()], fill=255)
            for (x, y), width in zip(limb.points, limb.widths, strict=True):
                r = width / 2 * self.unit
                if r > 0.4:
                    draw.ellipse(
                        (
                            x * self.unit - r,
                            y * self.unit - r,
                            x * self.unit + r,
                            y * self.unit + r,
                        ),
                        fill=255,
                    )
        return np.asarray(sheet, np.float32) / 255


@dataclass(frozen=True)
class Limb:
    """A tapering curved line: points (N, 2) as (x, y) and a width at each."""

    points: Array
    widths: Array

    def outline(self) -> list[Point]:
        """Closed outline as a polygon."""
        run = np.gradient(self.points, axis=0)
        run /= np.linalg.norm(run, axis=1, keepdims=True) + 1e-9
        across = np.stack([-run[:, 1], run[:, 0]], 1) * self.widths[:, None] / 2
        sides = np.concatenate([self.points + across, (self.points - across)[::-1]])
        return [(float(x), float(y)) for x, y in sides]


def make_box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """Corners of an upright rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def make_shape(size: int, ratio: float, finer: int = 2) -> tuple[int, int]:
    """Working (H, W) for a picture of `size` px on its long side; ratio is width / height."""
    if ratio >= 1:
        return round(size / ratio) * finer, size * finer
    return size * finer, round(size * ratio) * finer


def shrink_picture(color: Array, finer: int = 2) -> Array:
    """Average blocks of finer x finer pixels, (H, W, 3) -> (H / finer, W / finer, 3)."""
    height, width = color.shape[0] // finer, color.shape[1] // finer
    blocks = color.reshape(height, finer, width, finer, 3)  # (H, finer, W, finer, 3)
    picture: Array = np.clip(blocks.mean((1, 3)), 0, 1)
    return picture


def make_ridge(scene: Scene, level: float, height: float, cell: float, rng: Rng) -> Array:
    """A skyline: y for each x, shape (W,); `level`, `height` and `cell` in long sides."""
    x = scene.x[0]
    line = np.zeros_like(x)
    for octave in range(6):
        knots = rng.standard_normal(int(2**octave / cell) + 4)
        place = x * 2**octave / cell + 1
        low = place.astype(np.intp)
        part = place - low
        part = part * part * (3 - 2 * part)
        line += 0.46**octave * (knots[low] * (1 - part) + knots[low + 1] * part)
    ridge: Array = level + height * line
    return ridge


def add_vortex(angle: Array, scene: Scene, center: Point, radius: float, turn: float) -> Array:
    """Wind a direction field around a centre; `turn` is the sense and strength."""
    dx, dy = scene.x - center[0], scene.y - center[1]
    near = np.exp(-(((dx**2 + dy**2) / radius**2) ** 1.3))
    spin = np.arctan2(dx * np.sign(turn), -dy * np.sign(turn))
    pull = np.clip(near * abs(turn), 0, 1)
    wound: Array = np.arctan2(
        np.sin(angle) * (1 - pull) + np.sin(spin) * pull,
        np.cos(angle) * (1 - pull) + np.cos(spin) * pull,
    )
    return wound


def follow_tone(color: Array, sigma: float) -> tuple[Array, Array]:
    """Directions along the contours of a picture, from its smoothed structure tensor.

    Returns:
        Angles (H, W) and how clear each is, [0, 1].
    """
    tone = blur(color.mean(-1), max(sigma / 3, 1))
    dy, dx = np.gradient(tone)
    xx, yy, xy = blur(dx * dx, sigma), blur(dy * dy, sigma), blur(dx * dy, sigma)
    across = 0.5 * np.arctan2(2 * xy, xx - yy)
    clarity = np.sqrt((xx - yy) ** 2 + 4 * xy**2) / (xx + yy + 1e-9)
    return across + np.pi / 2, clarity


def grow_tree(
    root: Point,
    heading: float,
    length: float,
    width: float,
    rng: Rng,
    depth: int = 5,
    bend: float = 0.5,
) -> list[Limb]:
    """Grow a bare tree.

    Args:
        root: Foot of the trunk (x, y).
        heading: Direction of the trunk in radians.
        length: Of the trunk.
        width: Of the trunk at its foot.
        rng: Source of randomness.
        depth: Times that branches fork.
        bend: How crooked the limbs are.

    Returns:
        All limbs, trunk first.
    """
    steps = 9
    turns = heading + np.cumsum(rng.normal(0, bend / 3, steps)) + rng.normal(0, 0.05)
    moves = np.stack([np.cos(turns), np.sin(turns)], 1) * length / steps
    points = np.concatenate([[root], np.asarray(root) + np.cumsum(moves, 0)])
    limbs = [Limb(points, np.linspace(width, width * 0.62, steps + 1))]
    if depth == 0:
        return limbs
    for side in rng.permutation([-1, 1, rng.choice([-1, 1])])[: 2 + (rng.random() < 0.5)]:
        start = points[rng.integers(steps - 4, steps + 1)]
        turn = float(turns[-1]) + side * rng.uniform(0.25, 0.75)
        limbs += grow_tree(
            (float(start[0]), float(start[1])),
            turn,
            length * rng.uniform(0.6, 0.85),
            width * 0.6,
            rng,
            depth - 1,
            bend,
        )
    return limbs
