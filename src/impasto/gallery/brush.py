"""The stroke engine: curved ribbons of paint with bristles, own colours and thickness.

Painting goes from large brushes to small ones, a stroke only where the canvas still differs
from the scene (Hertzmann 1998, "Painterly rendering with curved brush strokes of multiple
sizes"). We depart from the paper: strokes grow from their middle both ways, thousands are laid
at once, and each carries a height, so that the paint can be lit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from impasto.gallery.fields import Array, Rng, blur, make_noise

_STEP = 0.7  # distance between paint samples in pixels; below 0.71 no pixel is missed
_BATCH = 600_000  # paint samples laid at once
_GRAIN = (512, 192)  # bristle pattern: along the stroke, across the stroke


@dataclass(frozen=True)
class Brush:
    """One brush and how the hand uses it.

    Attributes:
        width: Of a stroke, in pixels.
        length: Of a stroke, in pixels.
        opacity: 0 to 1; what is left lets the wet paint below mix in.
        bristle: How far single hairs differ in lightness, 0 to 0.3.
        relief: Thickness of the paint.
        dryness: 0 for a full brush; towards 1 the stroke breaks up at its end.
        jitter: Deviation of a stroke's colour from the scene: (lightness, hue).
        spread: Relative deviation of width and length from stroke to stroke.
        wobble: Deviation of the direction in radians.
        blunt: Shape of the ends: 2 is round, 8 is square.
    """

    width: float
    length: float
    opacity: float = 0.92
    bristle: float = 0.07
    relief: float = 1.0
    dryness: float = 0.25
    jitter: tuple[float, float] = (0.05, 0.03)
    spread: float = 0.3
    wobble: float = 0.12
    blunt: float = 5.0


@dataclass
class Canvas:
    """What has been painted so far: colour (H, W, 3) in [0, 1] and thickness (H, W).

    `top` is scratch space of the stroke engine, (H * W,).
    """

    color: Array
    height: Array = field(init=False)
    top: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.color = np.ascontiguousarray(self.color, np.float32)
        self.height = np.zeros(self.color.shape[:2], np.float32)
        self.top = np.zeros(self.height.size, np.int32)


@dataclass(frozen=True)
class Strokes:
    """Many strokes: paths (S, P, 2) as (y, x), the used part of each path, width, colour."""

    paths: Array
    first: Array  # (S,) index of the first used point
    last: Array  # (S,) index of the last used point
    widths: Array  # (S,)
    colors: Array  # (S, 3)


def scatter_seeds(shape: tuple[int, int], spacing: float, rng: Rng) -> Array:
    """Jittered grid of (y, x) places in random order, shape (S, 2)."""
    rows = np.arange(0, shape[0] + spacing, spacing)
    columns = np.arange(0, shape[1] + spacing, spacing)
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    grid = grid + rng.uniform(-0.6, 0.6, grid.shape) * spacing
    inside = (grid >= 0).all(1) & (grid[:, 0] < shape[0]) & (grid[:, 1] < shape[1])
    grid = grid[inside].astype(np.float32)
    shuffled: Array = grid[rng.permutation(len(grid))]
    return shuffled


def pick(values: Array, places: Array) -> Array:
    """Values of a field (H, W, ...) at the nearest pixels of `places` (..., 2)."""
    rows = np.clip(np.rint(places[..., 0]), 0, values.shape[0] - 1).astype(np.intp)
    columns = np.clip(np.rint(places[..., 1]), 0, values.shape[1] - 1).astype(np.intp)
    picked: Array = values[rows, columns]
    return picked


def jitter_colors(colors: Array, amount: tuple[float, float], rng: Rng) -> Array:
    """Vary colours (S, 3) in lightness and along the two opponent axes."""
    light, hue = amount
    shift = rng.normal(0, 1, (len(colors), 3)).astype(np.float32)
    axes = np.array([[1, 1, 1], [1, 0, -1], [-0.6, 1, -0.6]], np.float32)
    scaled = shift * np.array([light, hue, hue], np.float32)
    varied: Array = np.clip(colors + scaled @ axes, 0, 1)
    return varied


def trace_strokes(
    seeds: Array,
    angle: Array,
    lengths: Array,
    wobble: Array,
    reference: Array | None = None,
    tolerance: float = 0.25,
    points: int = 9,
) -> tuple[Array, Array, Array]:
    """Let strokes grow from their seeds along a direction field, both ways.

    Args:
        seeds: Middle of each stroke, (S, 2) as (y, x).
        angle: Directions in radians, (H, W); opposite directions are the same stroke.
        lengths: Of each stroke in pixels, (S,).
        wobble: Added to the angle, (S,).
        reference: Colours (H, W, 3): a stroke ends where they leave its own colour.
        tolerance: Colour distance that ends a stroke.
        points: Points of a half.

    Returns:
        Paths (S, 2 * points + 1, 2) and the first and last used index of each.
    """
    halves = []
    counts = []
    own = pick(reference, seeds) if reference is not None else None
    for sign in (-1.0, 1.0):
        place: Array = seeds.astype(np.float32)
        heading: Array | None = None
        alive = np.ones(len(seeds), bool)
        count = np.zeros(len(seeds), np.intp)
        half = []
        for _ in range(points):
            turn = pick(angle, place) + wobble
            step: Array = np.stack([np.sin(turn), np.cos(turn)], -1)
            step *= sign if heading is None else np.sign((step * heading).sum(-1) + 1e-9)[:, None]
            heading = step
            place = place + step * (lengths / (2 * points))[:, None]
            if reference is not None:
                alive &= np.abs(pick(reference, place) - own).sum(-1) < tolerance * 3
            count += alive
            half.append(place)
        halves.append(half)
        counts.append(count)
    path = np.stack([*halves[0][::-1], seeds.astype(np.float32), *halves[1]], axis=1)
    return path, points - counts[0], points + counts[1]


def lay_strokes(canvas: Canvas, strokes: Strokes, brush: Brush, rng: Rng) -> None:
    """Paint strokes onto the canvas in their order; changes the canvas."""
    if not len(strokes.widths):
        return
    hairs = make_bristles(rng)
    span = np.linalg.norm(np.diff(strokes.paths, axis=1), axis=-1).mean(1)
    lengths = span * (strokes.last - strokes.first)
    along = max(3, int(np.percentile(lengths, 97) / _STEP) + 2)
    across = max(3, int(np.percentile(strokes.widths, 97) / _STEP) + 2)
    batch = max(1, _BATCH // (along * across))
    for start in range(0, len(strokes.widths), batch):
        _lay_batch(canvas, strokes, slice(start, start + batch), (along, across), hairs, brush, rng)


def make_bristles(rng: Rng) -> Array:
    """Streak pattern of a brush, deviation about 1, shape `_GRAIN`."""
    fine = make_noise(_GRAIN, (90, 3.6), rng)
    coarse = make_noise(_GRAIN, (160, 11), rng)
    crumb = make_noise(_GRAIN, (12, 3), rng)
    return (fine + coarse + 0.35 * crumb) / np.float32(1.45)


def _lay_batch(
    canvas: Canvas,
    strokes: Strokes,
    part: slice,
    grid: tuple[int, int],
    hairs: Array,
    brush: Brush,
    rng: Rng,
) -> None:
    u = np.linspace(0, 1, grid[0], dtype=np.float32)
    v = np.linspace(-1, 1, grid[1], dtype=np.float32)
    y, x = _place_samples(strokes, part, u, v, brush.blunt)
    hair = _read_bristles(hairs, len(y), grid, rng)
    edge = np.clip((1 - np.abs(v)) * (grid[1] / 2), 0, 1)
    wear = brush.dryness * (2.6 * u**2.2 + 0.4) - 0.2
    covered = np.clip((hair + 1.6 - 2.2 * wear[:, None]) * 1.6, 0, 1)
    alpha = covered * edge * brush.opacity
    kept, index = _find_topmost(y, x, alpha, canvas)
    alpha, hair_kept = alpha.reshape(-1)[kept], hair.reshape(-1)[kept]
    owner = kept // (grid[0] * grid[1])
    first, second = strokes.colors[part], jitter_colors(strokes.colors[part], brush.jitter, rng)
    mixing = np.clip(0.5 + 0.6 * hair_kept, 0, 1)[:, None]
    paint = first[owner] + mixing * (second - first)[owner] + brush.bristle * hair_kept[:, None]
    flat = canvas.color.reshape(-1, 3)
    below = flat[index]
    flat[index] = below + alpha[:, None] * (np.clip(paint, 0, 1) - below)
    profile = (0.55 + 0.3 * np.abs(v) ** 3 - 0.25 * u[:, None]).astype(np.float32)
    ridge = np.broadcast_to(profile, y.shape).reshape(-1)[kept] + 0.33 * hair_kept
    level = canvas.height.reshape(-1)
    old = level[index]
    level[index] = old + alpha * (brush.relief * ridge - 0.65 * old)


def _find_topmost(y: Array, x: Array, alpha: Array, canvas: Canvas) -> tuple[Array, Array]:
    """Samples that stay visible, the last at each pixel, and their pixels: flat indices."""
    height, width = canvas.height.shape
    rows, columns = np.rint(y).astype(np.int32), np.rint(x).astype(np.int32)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & (alpha > 0.03)
    kept = np.flatnonzero(inside)
    index = rows.reshape(-1)[kept] * width + columns.reshape(-1)[kept]
    order = np.arange(len(kept), dtype=np.int32)
    canvas.top[index] = order  # of equal pixels, the last one stays
    visible = canvas.top[index] == order
    return kept[visible], index[visible]


def _place_samples(
    strokes: Strokes, part: slice, u: Array, v: Array, blunt: float
) -> tuple[Array, Array]:
    """Positions (S, U, V) of the paint samples of the strokes in `part`."""
    paths, first, last = strokes.paths[part], strokes.first[part], strokes.last[part]
    index = first[:, None] + u * (last - first)[:, None]  # (S, U)
    low = np.minimum(index.astype(np.intp), paths.shape[1] - 2)
    share = (index - low)[..., None]
    stroke = np.arange(len(paths))[:, None]
    center = paths[stroke, low] * (1 - share) + paths[stroke, low + 1] * share
    tangent = np.gradient(paths, axis=1)
    tangent = tangent[stroke, low] * (1 - share) + tangent[stroke, low + 1] * share
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True) + 1e-6
    taper = np.sqrt(np.clip(1 - np.abs(2 * u - 1) ** blunt, 0, 1))
    offset = strokes.widths[part][:, None, None] / 2 * taper[:, None] * v  # (S, U, V)
    y = center[..., 0, None] + offset * tangent[..., 1, None]
    x = center[..., 1, None] - offset * tangent[..., 0, None]
    return y.astype(np.float32), x.astype(np.float32)


def _read_bristles(hairs: Array, count: int, grid: tuple[int, int], rng: Rng) -> Array:
    """A different piece of the bristle pattern for each stroke, (S, U, V)."""
    top = rng.integers(0, _GRAIN[0], (count, 1, 1))
    left = rng.integers(0, _GRAIN[1], (count, 1, 1))
    stretch = max(1.0, 8 / grid[1])  # a thin stroke still shows several hairs
    rows = (top + np.arange(grid[0])[:, None]) % _GRAIN[0]
    columns = (left + (np.arange(grid[1]) * stretch).astype(np.intp)) % _GRAIN[1]
    read: Array = hairs[rows, columns]
    return read


def paint_layer(
    canvas: Canvas,
    color: Array,
    angle: Array,
    brush: Brush,
    rng: Rng,
    spacing: float = 0.6,
    threshold: float = 0.0,
    mask: Array | None = None,
    tolerance: float = 0.25,
) -> None:
    """Cover the canvas with strokes of one brush where it differs from the scene.

    Args:
        canvas: Changed in place.
        color: The scene, sRGB in [0, 1], shape (H, W, 3).
        angle: Direction of the strokes in radians, shape (H, W).
        brush: What to paint with.
        rng: Source of randomness.
        spacing: Distance of strokes as a share of the brush's width.
        threshold: Mean colour difference below which no stroke is laid.
        mask: Chance of a stroke, [0, 1], shape (H, W).
        tolerance: Colour difference that ends a stroke: small keeps the forms' edges.
    """
    reference = blur(color, brush.width * 0.25)
    seeds = scatter_seeds(canvas.height.shape, max(brush.width * spacing, 1.0), rng)
    chance = np.ones(len(seeds), np.float32) if mask is None else pick(mask, seeds)
    miss = np.abs(pick(canvas.color, seeds) - pick(reference, seeds)).mean(-1)
    seeds = seeds[(rng.random(len(seeds)) < chance) & (miss >= threshold)]
    if not len(seeds):
        return
    vary = np.exp(rng.normal(0, brush.spread, (2, len(seeds))).clip(-0.9, 0.9))
    wobble = rng.normal(0, brush.wobble, len(seeds))
    path, first, last = trace_strokes(
        seeds, angle, brush.length * vary[0], wobble, reference, tolerance
    )
    tint = jitter_colors(pick(reference, seeds), brush.jitter, rng)
    strokes = Strokes(path, first, last, (brush.width * vary[1]).astype(np.float32), tint)
    lay_strokes(canvas, strokes, brush, rng)


def lay_dabs(
    canvas: Canvas,
    places: Array,
    angles: Array,
    sizes: tuple[Array, Array],
    colors: Array,
    brush: Brush,
    rng: Rng,
) -> None:
    """Set single straight touches of the brush.

    Args:
        canvas: Changed in place.
        places: Middle of each touch (S, 2) as (y, x).
        angles: Direction of each, (S,).
        sizes: Widths (S,) and lengths (S,) in pixels.
        colors: (S, 3) in [0, 1].
        brush: Its width and length are not used.
        rng: Source of randomness.
    """
    widths, lengths = sizes
    run = np.stack([np.sin(angles), np.cos(angles)], -1) * lengths[:, None] / 2
    t = np.linspace(-1, 1, 5)[:, None]
    paths = (places[:, None] + run[:, None] * t).astype(np.float32)  # (S, 5, 2)
    ends = np.full(len(places), 4, np.intp)
    strokes = Strokes(paths, ends * 0, ends, widths.astype(np.float32), colors.astype(np.float32))
    lay_strokes(canvas, strokes, brush, rng)
