"""Fields over the picture plane: noise, blurs, distances, sampling, palettes.

A field is a float array of shape (H, W). Lengths are in pixels unless said otherwise.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array: TypeAlias = NDArray[Any]
Rng: TypeAlias = np.random.Generator


def parse_pigment(code: str) -> Array:
    """Turn a colour such as ``"#1b3a8c"`` into sRGB in [0, 1], shape (3,)."""
    digits = code.removeprefix("#")
    return np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / 255


def parse_palette(codes: str) -> Array:
    """Turn space-separated colours into an array of shape (N, 3) in [0, 1]."""
    return np.stack([parse_pigment(code) for code in codes.split()])


def blend_palette(t: Array, palette: Array) -> Array:
    """Read a colour ramp.

    Args:
        t: Positions in [0, 1], any shape; values outside are clipped.
        palette: Evenly spaced colours, shape (N, 3).

    Returns:
        Colours of shape (*t.shape, 3), linear between neighbours.
    """
    position = np.clip(t, 0, 1) * (len(palette) - 1)
    low = np.minimum(position.astype(np.intp), len(palette) - 2)
    part = (position - low)[..., None].astype(np.float32)
    mixed: Array = palette[low] * (1 - part) + palette[low + 1] * part
    return mixed


def rise_smoothly(low: float, high: float, value: Array) -> Array:
    """Hermite step: 0 below `low`, 1 above `high` (or the reverse when low > high)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    risen: Array = t * t * (3 - 2 * t)
    return risen


def resize_field(field: Array, shape: tuple[int, int]) -> Array:
    """Resample a field to (H, W), bicubic with antialiasing."""
    image = Image.fromarray(np.ascontiguousarray(field, np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def make_noise(shape: tuple[int, int], cell: float | tuple[float, float], rng: Rng) -> Array:
    """Smooth random field with mean about 0 and deviation about 1.

    Args:
        shape: (H, W).
        cell: Size of a blob in pixels, or (vertical, horizontal) for streaks.
        rng: Source of randomness.

    Returns:
        Field of shape (H, W), float32.
    """
    tall, wide = cell if isinstance(cell, tuple) else (cell, cell)
    tall, wide = max(tall, 1.0), max(wide, 1.0)
    rows, columns = shape[0] / tall, shape[1] / wide
    lattice = rng.standard_normal((int(rows) + 5, int(columns) + 5)).astype(np.float32)
    box = (1.5, 1.5, 1.5 + columns, 1.5 + rows)
    size = (shape[1], shape[0])
    smooth = np.asarray(Image.fromarray(lattice).resize(size, Image.Resampling.BICUBIC, box=box))
    return smooth * np.float32(1.35)


def make_turbulence(
    shape: tuple[int, int],
    cell: float | tuple[float, float],
    rng: Rng,
    octaves: int = 5,
    gain: float = 0.55,
) -> Array:
    """Sum of noises of halving size (fractional Brownian motion), deviation about 1."""
    tall, wide = cell if isinstance(cell, tuple) else (cell, cell)
    total = np.zeros(shape, np.float32)
    power = 0.0
    for octave in range(octaves):
        if min(tall, wide) / 2**octave < 1:
            break
        total += gain**octave * make_noise(shape, (tall / 2**octave, wide / 2**octave), rng)
        power += gain ** (2 * octave)
    return total / np.float32(max(power, 1e-6) ** 0.5)


def blur(field: Array, sigma: float) -> Array:
    """Gaussian blur (three box passes) of an array of shape (H, W) or (H, W, C)."""
    radius = round(sigma * 0.97)
    if radius < 1:
        return field
    smooth = field
    for _ in range(3):
        smooth = _average_box(_average_box(smooth, radius, 0), radius, 1)
    return smooth.astype(np.float32)


def _average_box(field: Array, radius: int, axis: int) -> Array:
    padding = [(0, 0)] * field.ndim
    padding[axis] = (radius + 1, radius)
    sums = np.cumsum(np.pad(field, padding, mode="edge"), axis=axis, dtype=np.float64)
    length = field.shape[axis]
    upper = np.take(sums, np.arange(2 * radius + 1, 2 * radius + 1 + length), axis=axis)
    lower = np.take(sums, np.arange(length), axis=axis)
    averaged: Array = (upper - lower) / (2 * radius + 1)
    return averaged


def sample(field: Array, y: Array, x: Array) -> Array:
    """Read `field` (H, W) or (H, W, C) at real positions, bilinear, clamped at the border."""
    height, width = field.shape[:2]
    y = np.clip(y, 0, height - 1.001)
    x = np.clip(x, 0, width - 1.001)
    row, column = y.astype(np.intp), x.astype(np.intp)
    down, right = (y - row).astype(np.float32), (x - column).astype(np.float32)
    if field.ndim == 3:
        down, right = down[..., None], right[..., None]
    upper = field[row, column] * (1 - right) + field[row, column + 1] * right
    lower = field[row + 1, column] * (1 - right) + field[row + 1, column + 1] * right
    value: Array = upper * (1 - down) + lower * down
    return value


def warp(field: Array, shift_y: Array, shift_x: Array) -> Array:
    """Pull every pixel from a place (shift_y, shift_x) pixels away."""
    rows, columns = np.indices(field.shape[:2], np.float32)
    return sample(field, rows + shift_y, columns + shift_x)


def smear(field: Array, angle: Array, reach: float, steps: int = 10) -> Array:
    """Average a field along a direction field (line integral convolution).

    Args:
        field: Usually noise, shape (H, W).
        angle: Directions in radians, shape (H, W), y down.
        reach: Length to either side in pixels.
        steps: Samples to either side.

    Returns:
        Streaks that follow `angle`, shape (H, W).
    """
    rows, columns = np.indices(field.shape, np.float32)
    cosine, sine = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    total = field.astype(np.float32).copy()
    for sign in (-1, 1):
        y, x = rows.copy(), columns.copy()
        for _ in range(steps):
            row = np.clip(y, 0, field.shape[0] - 1).astype(np.intp)
            column = np.clip(x, 0, field.shape[1] - 1).astype(np.intp)
            y += sign * reach / steps * sine[row, column]
            x += sign * reach / steps * cosine[row, column]
            total += sample(field, y, x)
    return total / np.float32(2 * steps + 1)


def measure_distance(mask: Array, limit: int) -> Array:
    """Distance of every pixel to the nearest pixel of `mask`, exact up to `limit` pixels."""
    far = float(limit + 1)
    height, width = mask.shape
    columns = np.broadcast_to(np.arange(width, dtype=np.float32), mask.shape)
    left = np.maximum.accumulate(np.where(mask, columns, -1e6), axis=1)
    right = np.minimum.accumulate(np.where(mask, columns, 1e6)[:, ::-1], axis=1)[:, ::-1]
    across = np.minimum(np.minimum(columns - left, right - columns), far) ** 2
    padded = np.pad(across, ((limit, limit), (0, 0)), constant_values=far**2)
    nearest = across
    for shift in range(-limit, limit + 1):
        rows = padded[limit + shift : limit + shift + height]
        nearest = np.minimum(nearest, rows + shift * shift)
    distance: Array = np.sqrt(np.minimum(nearest, far**2)).astype(np.float32)
    return distance


def find_edges(labels: Array) -> Array:
    """Mask of the pixels whose right or lower neighbour has another label."""
    edges = np.zeros(labels.shape, bool)
    edges[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edges[:-1] |= labels[:-1] != labels[1:]
    return edges


def light_relief(color: Array, height: Array, depth: float, gloss: float = 0.0) -> Array:
    """Light a painted surface from the upper left.

    Args:
        color: sRGB in [0, 1], shape (H, W, 3).
        height: Thickness of the paint, shape (H, W).
        depth: How steep a height of 1 per pixel looks.
        gloss: Strength of the wet highlight, 0 for none.

    Returns:
        The lit colours, shape (H, W, 3), in [0, 1].
    """
    slope_y, slope_x = np.gradient(height * np.float32(depth))
    norm = np.sqrt(slope_x**2 + slope_y**2 + 1)
    facing = (slope_x * 0.5 + slope_y * 0.62 + 0.6) / norm / 0.6
    shade = np.clip(facing, 0.35, 1.7)[..., None]
    lit = np.where(shade < 1, color * shade, color + (1 - color) * (shade - 1) * 0.55)
    shine = np.clip((slope_x * 0.3 + slope_y * 0.37 + 0.88) / norm, 0, 1) ** 40
    lit = lit + gloss * (shine - shine.mean())[..., None]
    clipped: Array = np.clip(lit, 0, 1)
    return clipped


def weave_canvas(shape: tuple[int, int], thread: float, rng: Rng) -> Array:
    """Height of a woven canvas, mean 0, about -1 to 1; `thread` is the pitch in pixels."""
    plane = np.indices(shape, np.float32)
    rows = plane[0] + make_noise(shape, thread * 8, rng) * thread * 0.25
    columns = plane[1] + make_noise(shape, thread * 8, rng) * thread * 0.25
    turn = np.pi / thread
    over = np.sin(rows * turn) ** 2 * (np.cos(columns * turn) > 0)
    under = np.sin(columns * turn) ** 2 * (np.cos(rows * turn) > 0)
    cloth = blur(over + under, 1) + 0.25 * make_noise(shape, thread * 0.7, rng)
    leveled: Array = cloth - cloth.mean()
    return leveled


def make_paper(shape: tuple[int, int], grain: float, rng: Rng) -> Array:
    """Height of a paper's tooth, deviation about 1; `grain` is its size in pixels."""
    pits = make_noise(shape, grain, rng) + 0.6 * make_noise(shape, grain * 1.9, rng)
    flecks = make_turbulence(shape, grain * 0.5, rng, octaves=2)
    return (pits + 0.5 * flecks) / np.float32(1.27)
