"""Ink wash: a landscape in grey ink on rice paper."""

from __future__ import annotations

import numpy as np

from impasto.gallery.brush import (
    Brush,
    Canvas,
    lay_dabs,
    pick,
    scatter_seeds,
)
from impasto.gallery.fields import (
    Array,
    Rng,
    blur,
    make_noise,
    make_paper,
    make_turbulence,
    parse_pigment,
    rise_smoothly,
    warp,
)
from impasto.gallery.scenes import Limb, Scene, make_shape, shrink_picture

_SUMI = -np.log(np.array([0.090, 0.096, 0.115], np.float32))


def paint_ink_wash(size: int, rng: Rng) -> Array:
    """Peaks in mist behind a crooked pine: wet washes and dry brush on rice paper."""
    scene = Scene(make_shape(size, 0.75))
    tooth = make_paper(scene.shape, scene.unit * 0.0042, rng)
    ink = np.zeros(scene.shape, np.float32)
    ink += 0.035 * rise_smoothly(-0.5, 1.5, make_turbulence(scene.shape, scene.unit * 0.3, rng, 4))
    moon = np.hypot(scene.x - 0.545, scene.y - 0.135)
    halo = rise_smoothly(0.20, 0.05, moon) * rise_smoothly(0.050, 0.056, moon)
    ink += 0.16 * halo * (1 + 0.3 * make_turbulence(scene.shape, scene.unit * 0.06, rng, 4))
    for peaks, strength, foot in _RANGES:
        _wash_range(scene, ink, tooth, peaks, strength, foot, rng)
    _wash_water(scene, ink, tooth, rng)
    _brush_rock(scene, ink, tooth, rng)
    _brush_pine(scene, ink, tooth, rng)
    _brush_boat(scene, ink, tooth)
    return _mount_scroll(scene, ink, tooth, rng)


_RANGES = (
    (((0.15, 0.27, 0.05), (0.30, 0.21, 0.045), (0.43, 0.30, 0.06), (0.68, 0.25, 0.05)), 0.24, 0.20),
    (((0.05, 0.36, 0.05), (0.22, 0.31, 0.042), (0.60, 0.33, 0.05), (0.72, 0.29, 0.04)), 0.46, 0.20),
    (
        ((0.36, 0.40, 0.045), (0.46, 0.36, 0.038), (0.53, 0.43, 0.05), (0.72, 0.44, 0.05)),
        0.80,
        0.17,
    ),
    (((0.00, 0.52, 0.07), (0.10, 0.49, 0.045), (0.20, 0.555, 0.05)), 0.90, 0.13),
)


def _wash_range(
    scene: Scene,
    ink: Array,
    tooth: Array,
    peaks: tuple[tuple[float, float, float], ...],
    strength: float,
    foot: float,
    rng: Rng,
) -> None:
    """One range: dark ragged crest, rock folds, fading into mist below."""
    x = scene.x[0]
    line = np.full_like(x, 0.62)
    rough = 0.006 * make_turbulence((8, scene.shape[1]), scene.unit * 0.035, rng, 5)[4]
    for px, py, wide in peaks:
        slope = np.abs(x - px) / wide
        line = np.minimum(line, py + 0.045 * slope**1.15 + 0.008 * np.sin(slope * 5))
    line = line + rough
    deep = scene.y - line
    fold = make_turbulence(scene.shape, (scene.unit * 0.10, scene.unit * 0.016), rng, 5)
    fold = warp(fold, 0 * fold, scene.unit * 0.03 * make_noise(scene.shape, scene.unit * 0.1, rng))
    cloud = make_turbulence(scene.shape, (scene.unit * 0.05, scene.unit * 0.14), rng, 4)
    body = rise_smoothly(-0.0015, 0.0025, deep + 0.0012 * tooth)
    fade = np.clip(1 - deep / (foot * (1 + 0.30 * cloud)), 0, 1) ** 1.5
    crest = np.exp(-np.clip(deep, 0, None) / 0.012)
    dry = rise_smoothly(0.15, 1.0, fold + 0.35 * tooth) * fade
    amount = fade * (0.50 + 0.16 * fold) + 0.42 * crest * fade + 0.55 * dry
    ink *= 1 - 0.72 * body * rise_smoothly(0.0, 0.5, fade)
    ink += strength * body * np.clip(amount, 0, 2)


def _stain(ink: Array, mask: Array, strength: Array | float) -> None:
    """Add ink where a brush has touched; overlaps darken little."""
    np.maximum(ink, ink * 0.35 + mask * strength, out=ink)


def _wash_water(scene: Scene, ink: Array, tooth: Array, rng: Rng) -> None:
    """A few level strokes for the lake and its far bank."""
    canvas = Canvas(np.zeros((*scene.shape, 3), np.float32))
    unit, count = scene.unit, 34
    y = rng.uniform(0.66, 0.90, count)
    x = rng.uniform(0.0, 0.75, count)
    places = np.stack([y, x], 1) * unit
    sizes = unit * rng.uniform(0.0015, 0.006, count), unit * rng.uniform(0.06, 0.26, count)
    colors = np.ones((count, 3)) * rng.uniform(0.06, 0.30, (count, 1))
    brush = Brush(1, 1, opacity=0.9, bristle=0.03, dryness=0.8, jitter=(0.02, 0))
    lay_dabs(canvas, places, rng.normal(0, 0.015, count), sizes, colors, brush, rng)
    ink += np.clip(canvas.color[..., 0], 0, 1) * (1 - 0.25 * tooth)
    haze = np.exp(-(((scene.y - 0.63) / 0.035) ** 2))
    ink *= 1 - 0.75 * haze


def _brush_rock(scene: Scene, ink: Array, tooth: Array, rng: Rng) -> None:
    """The near bank: split-brush strokes over a wash."""
    x, y, unit = scene.x, scene.y, scene.unit
    edge = 0.800 - 0.26 * np.clip(x - 0.40, 0, 1) ** 0.9 + 0.016 * np.sin(x * 19)
    edge = edge + 1.5 * np.clip(0.44 - x, 0, 1) ** 1.5
    edge = edge + 0.010 * make_turbulence((8, scene.shape[1]), unit * 0.05, rng, 5)[4]
    left = 0.94 - 0.22 * np.clip(0.22 - x, 0, 1) + 0.012 * np.sin(x * 31)
    land = np.maximum(scene.mask_below(edge), scene.mask_below(left))
    cloud = make_turbulence(scene.shape, unit * 0.05, rng, 4)
    fade = np.clip(1 - (y - np.minimum(edge, left)) / 0.32, 0.12, 1)
    ink *= 1 - 0.8 * land
    ink += land * fade * (0.32 + 0.14 * cloud)
    canvas = Canvas(np.zeros((*scene.shape, 3), np.float32))
    seeds = scatter_seeds(scene.shape, unit * 0.020, rng)
    seeds = seeds[(pick(land, seeds) > 0.5) & (rng.random(len(seeds)) < 0.85)]
    count = len(seeds)
    dark = rng.uniform(0.35, 1.0, count) * pick(fade, seeds)
    lean = 1.05 + 0.55 * np.sin(seeds[:, 1] / unit * 17) + rng.normal(0, 0.25, count)
    sizes = unit * rng.uniform(0.006, 0.022, count), unit * rng.uniform(0.02, 0.085, count)
    brush = Brush(1, 1, opacity=0.95, bristle=0.10, dryness=1.0, jitter=(0.06, 0))
    lay_dabs(canvas, seeds, lean, sizes, np.repeat(dark[:, None], 3, 1), brush, rng)
    ink += 0.9 * canvas.color[..., 0] * land * np.clip(1 - 0.45 * tooth, 0, 2)


_TRUNK = [
    Limb(
        np.array(
            [
                [0.62, 0.72],
                [0.60, 0.64],
                [0.55, 0.585],
                [0.535, 0.53],
                [0.56, 0.47],
                [0.53, 0.41],
                [0.47, 0.375],
            ]
        ),
        np.array([0.044, 0.032, 0.027, 0.023, 0.019, 0.014, 0.008]),
    ),
    Limb(
        np.array([[0.56, 0.595], [0.48, 0.575], [0.40, 0.585], [0.33, 0.57]]),
        np.array([0.018, 0.013, 0.010, 0.005]),
    ),
    Limb(np.array([[0.545, 0.52], [0.61, 0.49], [0.67, 0.495]]), np.array([0.015, 0.011, 0.005])),
    Limb(np.array([[0.555, 0.46], [0.48, 0.455], [0.42, 0.465]]), np.array([0.012, 0.009, 0.004])),
    Limb(np.array([[0.54, 0.425], [0.59, 0.395], [0.63, 0.39]]), np.array([0.010, 0.007, 0.003])),
]

_TUFTS = (
    (0.335, 0.565, 0.065),
    (0.40, 0.572, 0.05),
    (0.665, 0.487, 0.055),
    (0.61, 0.482, 0.04),
    (0.425, 0.457, 0.055),
    (0.49, 0.447, 0.035),
    (0.47, 0.365, 0.075),
    (0.54, 0.378, 0.05),
    (0.625, 0.383, 0.045),
    (0.375, 0.60, 0.03),
)


def _brush_pine(scene: Scene, ink: Array, tooth: Array, rng: Rng) -> None:
    """A leaning pine with flat tiers of needles."""
    bark = scene.mask_limbs(_TRUNK)
    scaly = make_turbulence(scene.shape, scene.unit * 0.012, rng, 3)
    _stain(ink, bark, np.clip(1.0 + 0.26 * scaly - 0.16 * tooth, 0.2, 1.6))
    canvas = Canvas(np.zeros((*scene.shape, 3), np.float32))
    unit = scene.unit
    for cx, cy, wide in _TUFTS:
        pad = np.hypot((scene.x - cx) / wide, (scene.y - cy) / (0.38 * wide))
        ink += 0.30 * rise_smoothly(1.15, 0.5, pad + 0.15 * scaly)
        count = 210
        fx = rng.normal(0, 0.45, count) * wide
        fy = rng.normal(0, 0.13, count) * wide
        places = np.stack([cy + fy, cx + fx], 1) * unit
        lean = -np.pi / 2 + fx / wide * 0.9 + rng.normal(0, 0.55, count)
        sizes = np.full(count, unit * 0.0021), unit * rng.uniform(0.012, 0.024, count)
        dark = np.repeat(rng.uniform(0.55, 1.25, (count, 1)), 3, 1).clip(0, 1)
        brush = Brush(1, 1, opacity=0.95, bristle=0, dryness=0.35, jitter=(0.1, 0), blunt=2.0)
        lay_dabs(canvas, places, lean, sizes, dark, brush, rng)
    _stain(ink, canvas.color[..., 0], 1.15)


def _brush_boat(scene: Scene, ink: Array, tooth: Array) -> None:
    hull = [
        (0.155, 0.755),
        (0.20, 0.768),
        (0.27, 0.768),
        (0.315, 0.752),
        (0.28, 0.782),
        (0.195, 0.783),
    ]
    hat = [(0.215, 0.731), (0.232, 0.717), (0.250, 0.731)]
    coat = [(0.222, 0.731), (0.243, 0.731), (0.252, 0.768), (0.214, 0.768)]
    pole = Limb(np.array([[0.245, 0.745], [0.33, 0.70]]), np.array([0.0025, 0.0018]))
    line = Limb(np.array([[0.33, 0.70], [0.334, 0.775]]), np.array([0.0010, 0.0010]))
    mask = np.maximum(scene.mask_shapes(hull, hat, coat), scene.mask_limbs([pole, line]))
    _stain(ink, blur(mask, 1), np.clip(0.95 - 0.2 * tooth, 0.2, 1.5))
    for number in range(6):
        cx, cy = 0.12 + 0.035 * number, 0.165 + 0.016 * (number % 3) - 0.012 * number
        wing = Limb(
            np.array([[cx - 0.013, cy - 0.006], [cx, cy], [cx + 0.014, cy - 0.009]]),
            np.array([0.0008, 0.0038, 0.0008]),
        )
        _stain(ink, scene.mask_limbs([wing]), 0.8)


def _mount_scroll(scene: Scene, ink: Array, tooth: Array, rng: Rng) -> Array:
    """Let the ink bleed, put it on warm paper, and add the red seal."""
    unit = scene.unit
    feather = blur(ink, unit * 0.004)
    bleed = warp(feather, unit * 0.004 * tooth, unit * 0.004 * tooth[::-1])
    ink = np.clip(0.82 * blur(ink, 0.8) + 0.18 * bleed, 0, 2.2)
    granular = np.clip(ink * (1 - 0.13 * tooth), 0, None)
    fleck = make_turbulence(scene.shape, unit * 0.25, rng, 4)
    paper = (
        np.array([0.945, 0.915, 0.845], np.float32) * (1 + 0.022 * fleck + 0.012 * tooth)[..., None]
    )
    color = paper * np.exp(-granular[..., None] * _SUMI)
    seal = scene.mask_shapes([(0.055, 0.862), (0.103, 0.862), (0.103, 0.912), (0.055, 0.912)])
    sx, sy = (scene.x - 0.055) / 0.048, (scene.y - 0.862) / 0.05
    glyph = (
        (np.abs((sx * 3.1) % 1 - 0.5) < 0.17)
        & (np.abs(sx - 0.5) < 0.36)
        & (np.abs(sy - 0.5) < 0.38)
    )
    glyph |= (
        (np.abs((sy * 3.6 + 0.2) % 1 - 0.5) < 0.13)
        & (np.abs(sx - 0.5) < 0.30)
        & (np.abs(sy - 0.5) < 0.4)
    )
    stamped = seal * ~glyph * np.clip(0.95 - 0.28 * np.clip(tooth, 0, 2), 0, 1)
    red = parse_pigment("#b3261c")
    color = color + (red - color) * stamped[..., None]
    slope_y, slope_x = np.gradient(blur(tooth, 1))
    color = color * (1 + 0.07 * np.clip(slope_x + slope_y, -0.5, 0.5))[..., None]
    return shrink_picture(np.clip(color, 0, 1))
