"""Pen and ink: tone from nothing but lines, after the habit of engravers."""

from __future__ import annotations

import numpy as np

from impasto.gallery.brush import (
    Brush,
    Canvas,
    Strokes,
    lay_strokes,
    pick,
    scatter_seeds,
    trace_strokes,
)
from impasto.gallery.fields import (
    Array,
    Rng,
    blur,
    make_noise,
    make_paper,
    make_turbulence,
    rise_smoothly,
)
from impasto.gallery.scenes import Scene, grow_tree, make_shape, shrink_picture


def paint_hatching(size: int, rng: Rng) -> Array:
    """A ruined tower and an old oak, modelled only by crossing pen lines."""
    scene = Scene(make_shape(size, 4 / 3))
    tone = np.full(scene.shape, 0.08, np.float32)
    tone = _tone_sky(scene, tone, rng)
    tone = _tone_hills(scene, tone, rng)
    tone = _tone_tower(scene, tone)
    tone = _tone_oak(scene, tone, rng)
    scene.color = np.repeat(tone[..., None], 3, 2)
    canvas = Canvas(np.ones((*scene.shape, 3), np.float32))
    for turn, floor, pitch in (
        (0.0, 0.07, 0.0052),
        (0.62, 0.36, 0.0048),
        (-0.75, 0.58, 0.0044),
        (1.4, 0.76, 0.0040),
    ):
        _hatch(canvas, scene, tone, turn, floor, pitch, rng)
    _draw_contours(canvas, scene, tone, rng)
    return _ink_paper(scene, canvas, rng)


def _hatch(
    canvas: Canvas, scene: Scene, tone: Array, turn: float, floor: float, pitch: float, rng: Rng
) -> None:
    """Patches of parallel lines; a line is there where the tone is darker than `floor`."""
    unit = scene.unit
    centers = scatter_seeds(scene.shape, unit * 0.030, rng)
    lean = pick(scene.angle, centers) + turn + rng.normal(0, 0.07, len(centers))
    step = np.arange(-4, 5) + 0.0
    normal = np.stack([np.cos(lean), -np.sin(lean)], 1)
    seeds = centers[:, None] + normal[:, None] * (step * pitch * unit)[None, :, None]
    seeds = seeds.reshape(-1, 2) + rng.normal(0, unit * 0.0009, (len(centers) * 9, 2))
    offset = np.repeat(lean - pick(scene.angle, centers), 9)
    inside = (seeds >= 0).all(1) & (seeds[:, 0] < scene.shape[0]) & (seeds[:, 1] < scene.shape[1])
    dark = pick(tone, seeds)
    keep = inside & (dark > floor + rng.normal(0, 0.035, len(seeds)))
    seeds, offset, dark = seeds[keep], offset[keep], dark[keep]
    lengths = unit * rng.uniform(0.034, 0.062, len(seeds)) * (1.25 - 0.6 * dark)
    path, first, last = trace_strokes(
        seeds, scene.angle, lengths, offset, scene.color, tolerance=0.13
    )
    weight = (
        unit * (0.00085 + 0.0017 * np.clip(dark - floor, 0, 0.5)) * rng.uniform(0.8, 1.2, len(dark))
    )
    _draw_lines(canvas, path, first, last, weight, rng)


def _draw_lines(
    canvas: Canvas, path: Array, first: Array, last: Array, weight: Array, rng: Rng
) -> None:
    ink = np.array([0.10, 0.065, 0.05], np.float32) + rng.uniform(0, 0.08, (len(path), 1))
    strokes = Strokes(
        path, first, last, np.maximum(weight, 1.3).astype(np.float32), ink.astype(np.float32)
    )
    pen = Brush(
        1, 1, opacity=0.94, bristle=0.0, relief=0, dryness=0.12, jitter=(0.02, 0), blunt=3.0
    )
    lay_strokes(canvas, strokes, pen, rng)


def _draw_contours(canvas: Canvas, scene: Scene, tone: Array, rng: Rng) -> None:
    """Broken outlines where the tone jumps."""
    soft = blur(tone, 2)
    dy, dx = np.gradient(soft)
    steep = np.hypot(dx, dy)
    seeds = scatter_seeds(scene.shape, scene.unit * 0.006, rng)
    seeds = seeds[pick(steep, seeds) > 0.035]
    along = np.arctan2(dy, dx) + np.pi / 2
    lengths = scene.unit * rng.uniform(0.012, 0.028, len(seeds))
    path, first, last = trace_strokes(seeds, along, lengths, rng.normal(0, 0.03, len(seeds)))
    _draw_lines(
        canvas, path, first, last, scene.unit * rng.uniform(0.0012, 0.0024, len(seeds)), rng
    )


def _tone_sky(scene: Scene, tone: Array, rng: Rng) -> Array:
    cloud = make_turbulence(scene.shape, (scene.unit * 0.075, scene.unit * 0.17), rng, 3)
    lit = make_turbulence(scene.shape, scene.unit * 0.05, rng, 2)
    slope_y, slope_x = np.gradient(blur(cloud, scene.unit * 0.012))
    under = np.clip(-(slope_y * 0.8 + slope_x * 0.4) * scene.unit * 0.05, -0.4, 0.6)
    tone = 0.17 - 0.22 * scene.y + np.where(cloud > 0.1, 0.7 * under - 0.12, 0.07) + 0.02 * lit
    scene.angle = (0.10 * np.sin(scene.x * 5) - 0.12 + 0.07 * cloud).astype(np.float32)
    return np.clip(tone, 0.0, 0.33).astype(np.float32)


def _tone_hills(scene: Scene, tone: Array, rng: Rng) -> Array:
    x, y = scene.x, scene.y
    for level, height, wave, sway, dark, lean in (
        (0.44, 0.030, 6.0, 0.5, 0.10, 0.5),
        (0.50, 0.035, 5.0, 2.6, 0.20, 0.75),
        (0.58, 0.030, 4.0, 4.5, 0.26, 0.35),
        (0.68, 0.020, 5.0, 1.0, 0.42, 0.15),
    ):
        line = level + height * np.sin(x * wave + sway) + 0.004 * np.sin(x * 37 + sway)
        land = y > line
        deep = (y - line) / 0.10
        slope = height * wave * np.cos(x * wave + sway)
        shade = dark + 1.1 * slope - 0.16 * np.clip(deep, 0, 1) + 0.05 * np.sin(x * 40 + y * 60)
        tone = np.where(land, np.clip(shade, 0.02, 0.85), tone)
        scene.angle = np.where(land, np.arctan(slope) + lean, scene.angle)
    path = np.abs(x - (0.46 + 0.14 * np.sin((y - 0.5) * 11))) < 0.006 + 0.32 * np.clip(
        y - 0.52, 0, 1
    )
    path &= y > 0.54
    tone = np.where(path, 0.05, tone)
    scene.angle = np.where(path, 0.05, scene.angle)
    grass = make_turbulence(scene.shape, (scene.unit * 0.03, scene.unit * 0.05), rng, 3)
    return np.clip(tone + 0.10 * grass * (y > 0.55) * ~path, 0, 1).astype(np.float32)


def _tone_tower(scene: Scene, tone: Array) -> Array:
    x, y = scene.x, scene.y
    for cx, half, top, foot in ((0.69, 0.066, 0.155, 0.57), (0.795, 0.042, 0.295, 0.575)):
        u = (x - cx) / half
        ragged = (
            top
            + 0.022 * np.sign(np.sin(x * 130)) * (np.sin(x * 47) > -0.6)
            + 0.03 * np.clip(u, 0, 1)
        )
        wall = (np.abs(u) < 1 + 0.06 * np.clip((y - 0.48) * 9, 0, 1)) & (y > ragged) & (y < foot)
        shade = 0.03 + 0.95 * rise_smoothly(-0.35, 0.6, u) - 0.12 * rise_smoothly(0.6, 1.0, u)
        row = np.floor(y / 0.0165)
        brick = np.abs(((u * 2.6 + 0.5 * (row % 2)) % 1) - 0.5) > 0.46
        course = np.abs((y / 0.0165) % 1 - 0.5) > 0.44
        speckle = np.sin(np.floor(u * 2.6 + 0.5 * (row % 2)) * 37.3 + row * 91.7)
        shade = shade + 0.13 * (brick | course) + 0.13 * (speckle > 0.75)
        tone = np.where(wall, shade, tone)
        scene.angle = np.where(wall, 0.25 * u * u * np.sign(u), scene.angle)
    for cx, cy, w, h in (
        (0.672, 0.26, 0.010, 0.034),
        (0.694, 0.385, 0.011, 0.036),
        (0.785, 0.37, 0.008, 0.026),
    ):
        arch = (np.abs(x - cx) < w) & (y > cy - h + (x - cx) ** 2 / w) & (y < cy)
        tone = np.where(arch, 1.0, tone)
    door = (np.abs(x - 0.668) < 0.020) & (y > 0.492 + (x - 0.668) ** 2 * 45) & (y < 0.57)
    tone = np.where(door, 0.98, tone)
    wall = (x > 0.83) & (y > 0.50 + 0.02 * np.sign(np.sin(x * 90)) - 0.10 * (x - 0.83)) & (y < 0.58)
    tone = np.where(wall, 0.45 + 0.2 * (np.abs((y / 0.015) % 1 - 0.5) > 0.42), tone)
    cast = (y > 0.565) & (y < 0.60 + 0.03 * np.sin(x * 30)) & (x > 0.70) & (x < 1.0)
    result: Array = np.where(cast, np.maximum(tone, 0.72), tone)
    return result


_CROWN = (
    (0.22, 0.22, 0.13),
    (0.10, 0.29, 0.10),
    (0.34, 0.28, 0.095),
    (0.17, 0.14, 0.085),
    (0.29, 0.15, 0.08),
    (0.06, 0.20, 0.07),
    (0.25, 0.335, 0.08),
    (0.385, 0.21, 0.055),
)


def _tone_oak(scene: Scene, tone: Array, rng: Rng) -> Array:
    x, y, unit = scene.x, scene.y, scene.unit
    limbs = grow_tree((0.215, 0.70), -1.50, 0.20, 0.062, rng, depth=5, bend=0.55)
    wood = scene.mask_limbs(limbs)
    clump = make_turbulence(scene.shape, unit * 0.055, rng, 3)
    leafy = make_noise(scene.shape, unit * 0.018, rng)
    crown = np.zeros(scene.shape, bool)
    shade = np.zeros(scene.shape, np.float32)
    for cx, cy, radius in _CROWN:
        dx, dy = (x - cx) / radius, (y - cy) / radius
        inside = np.hypot(dx, dy) + 0.10 * clump + 0.07 * leafy < 0.96
        level = 0.52 + 0.40 * dx + 0.52 * dy + 0.16 * leafy
        shade = np.where(inside, level, shade)
        crown |= inside
    gaps = make_turbulence(scene.shape, unit * 0.03, rng, 3) > 1.7
    crown &= ~gaps
    tone = np.where(crown, np.clip(shade, 0.12, 1.0), tone)
    scene.angle = np.where(crown, 0.75 + 0.55 * leafy, scene.angle)
    bark = (wood > 0.5) & ((y > 0.40) | (crown & (leafy > 0.9)))
    side = (
        0.5
        + 14 * (x - 0.215) * (y > 0.45)
        + 0.25 * make_noise(scene.shape, (unit * 0.05, unit * 0.008), rng)
    )
    tone = np.where(bark, np.clip(side + 0.12, 0.30, 1.0), tone)
    scene.angle = np.where(bark, 1.45 + 0.3 * leafy, scene.angle)
    cast = (
        (np.abs(y - 0.705 - 0.04 * (x - 0.2)) < 0.016 + 0.008 * clump)
        & (x > 0.18)
        & (x < 0.50 + 0.03 * clump)
    )
    result: Array = np.where(cast & ~bark, 0.95 - 0.9 * np.clip(x - 0.2, 0, 1), tone)
    return result.astype(np.float32)


def _ink_paper(scene: Scene, canvas: Canvas, rng: Rng) -> Array:
    unit = scene.unit
    tooth = make_paper(scene.shape, unit * 0.0038, rng)
    age = make_turbulence(scene.shape, unit * 0.3, rng, 5)
    paper = (
        np.array([0.945, 0.905, 0.815], np.float32) * (1 + 0.02 * age + 0.014 * tooth)[..., None]
    )
    edge = np.minimum(np.minimum(scene.x, 1 - scene.x), np.minimum(scene.y, scene.bottom - scene.y))
    stain = rise_smoothly(0.06, 0.0, edge + 0.02 * age)[..., None] * np.array([0.05, 0.09, 0.14])
    return shrink_picture(np.clip((paper - stain) * canvas.color, 0, 1))
