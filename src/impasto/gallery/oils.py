"""Oil paintings: thick strokes that follow the forms, lit from the upper left."""

from __future__ import annotations

import numpy as np

from impasto.gallery.brush import Brush, Canvas, paint_layer
from impasto.gallery.fields import (
    Array,
    Rng,
    blend_palette,
    blur,
    light_relief,
    make_noise,
    make_turbulence,
    parse_palette,
    parse_pigment,
    rise_smoothly,
    smear,
    weave_canvas,
)
from impasto.gallery.scenes import (
    Scene,
    add_vortex,
    make_ridge,
    make_shape,
    shrink_picture,
)


def finish_oil(canvas: Canvas, depth: float, rng: Rng, weave: float = 0.12) -> Array:
    """Light the paint and the cloth under it, and bring the picture to its size."""
    cloth = weave_canvas(canvas.height.shape, max(canvas.height.shape) / 260, rng)
    relief = blur(canvas.height + weave * cloth, 1)  # paint has no edges sharper than a hair
    lit = light_relief(canvas.color, relief, depth * 1.35, gloss=0.10)
    return shrink_picture(lit)


_NIGHT_SKY = parse_palette("#0a1236 #12246b #1c3f9c #2f6cc0 #6aa6d6 #b7d9d2")
_STAR = parse_palette("#fff8d2 #ffe27a #f6b93a #d9d58e #7fb6c9 #2f6cc0")
_STARS = (
    (0.17, 0.13, 0.085, 1.0),
    (0.43, 0.085, 0.055, -1.0),
    (0.60, 0.235, 0.105, 1.0),
    (0.865, 0.10, 0.075, -1.0),
    (0.31, 0.30, 0.045, -1.0),
    (0.04, 0.34, 0.05, 1.0),
    (0.755, 0.055, 0.03, 1.0),
    (0.955, 0.30, 0.045, 1.0),
)


def paint_swirling_night(size: int, rng: Rng) -> Array:
    """A lighthouse under a turning night sky: long loaded strokes along a flow."""
    scene = Scene(make_shape(size, 4 / 3))
    _lay_night_sky(scene, rng)
    _lay_night_sea(scene, rng)
    _lay_headland(scene, rng)
    unit = scene.unit
    canvas = Canvas(np.broadcast_to(parse_pigment("#1a2350"), scene.color.shape).copy())
    for width, length, spacing, threshold in (
        (0.026, 0.13, 0.5, 0.0),
        (0.0165, 0.085, 0.62, 0.02),
        (0.0105, 0.055, 0.75, 0.085),
    ):
        brush = Brush(
            width * unit, length * unit, bristle=0.05, relief=3, jitter=(0.065, 0.035), wobble=0.1
        )
        paint_layer(canvas, scene.color, scene.angle, brush, rng, spacing, threshold)
    fine = Brush(0.0065 * unit, 0.026 * unit, relief=3, jitter=(0.04, 0.03), wobble=0.08)
    paint_layer(canvas, scene.color, scene.angle, fine, rng, 0.8, 0.10, scene.detail)
    return finish_oil(canvas, 0.55, rng)


def _lay_night_sky(scene: Scene, rng: Rng) -> None:
    x, y = scene.x, scene.y
    angle = 0.35 * np.sin(7 * x + 9 * y + 0.6) - 0.15
    for cx, cy, radius, turn in _STARS:
        angle = add_vortex(angle, scene, (cx, cy), radius * 1.5, turn * 1.5)
    angle = add_vortex(angle, scene, (0.335, 0.215), 0.13, 1.3)
    angle = add_vortex(angle, scene, (0.80, 0.30), 0.10, -1.3)
    unit = scene.unit
    streak = smear(make_noise(scene.shape, unit * 0.016, rng), angle, unit * 0.10, 16)
    cloud = make_turbulence(scene.shape, unit * 0.22, rng, 3)
    tone = 0.40 + 0.21 * streak / streak.std() + 0.09 * cloud + 0.30 * (y - 0.2)
    scene.lay(np.ones(scene.shape), blend_palette(tone, _NIGHT_SKY), angle, 0.5)
    for cx, cy, radius, _ in _STARS:
        away = np.hypot(x - cx, y - cy) / radius + 0.10 * streak
        rings = away + 0.11 * np.sin(away * 14) + 0.05 * cloud
        glow = rise_smoothly(1.15, 0.25, rings)
        scene.lay(glow, blend_palette(rings / 1.15, _STAR), detail=1.0)


def _lay_night_sea(scene: Scene, rng: Rng) -> None:
    x, y, unit = scene.x, scene.y, scene.unit
    line = 0.515 + 0 * x
    wave = 0.12 * np.sin(x * 21 + 40 * y) + 0.10 * make_noise(scene.shape, unit * 0.06, rng)
    streak = smear(make_noise(scene.shape, (unit * 0.008, unit * 0.04), rng), wave, unit * 0.03, 8)
    depth = (y - 0.515) / 0.235
    tone = 0.42 - 0.28 * depth + 0.22 * streak
    color = blend_palette(tone, parse_palette("#071029 #10245c #1d4a8f #3a86ab #8fc4b9"))
    scene.lay(scene.mask_below(line), color, wave, 0.6)
    for cx, cy, radius, _ in (*_STARS[:5], (0.725, 0.4, 0.06, 1.0)):
        sway = cx + 0.012 * np.sin(y * 90 + cx * 30) * (0.4 + depth)
        column = np.exp(-(((x - sway) / (radius * (0.25 + 0.35 * depth))) ** 2))
        broken = rise_smoothly(0.0, 0.5, streak + 0.15 * np.sin(y * 260 + 5 * np.sin(x * 60)))
        strength = column * broken * scene.mask_below(line) * (1.05 - 0.5 * depth + cy * 0)
        scene.lay(np.clip(strength, 0, 1), parse_pigment("#f3c551"), detail=1.0)


def _lay_headland(scene: Scene, rng: Rng) -> None:
    x, y = scene.x, scene.y
    far = make_ridge(scene, 0.497, 0.010, 0.16, rng)
    hills = scene.mask_below(far) * (1 - scene.mask_below(0.517 + 0 * x))
    scene.lay(hills, parse_pigment("#16254f"), 0.05, 0.8)
    crest = (
        0.82 - 0.39 * rise_smoothly(0.44, 0.80, x) ** 0.7 + make_ridge(scene, 0, 0.007, 0.06, rng)
    )
    rock_angle = 1.0 - 1.6 * (x - 0.5) + 0.22 * make_noise(scene.shape, scene.unit * 0.05, rng)
    tone = 0.72 - 5.5 * (y - crest) + 0.13 * make_turbulence(scene.shape, scene.unit * 0.04, rng)
    rock = blend_palette(tone, parse_palette("#0b0f26 #141a3c #232a55 #4a3f5c #8a6a4a #c9a45a"))
    scene.lay(scene.mask_below(crest), rock, rock_angle, 1.0)
    _lay_lighthouse(scene)


def _lay_lighthouse(scene: Scene) -> None:
    x, y = scene.x, scene.y
    left = (x - 0.725) / 0.026
    tower = scene.mask_shapes([(0.703, 0.47), (0.711, 0.27), (0.739, 0.27), (0.747, 0.47)])
    shade = blend_palette(0.5 + 0.5 * left, parse_palette("#f4e3b4 #e0b98a #a4617a #3f2f63"))
    bands = ((y * 17.5) % 1 < 0.5).astype(np.float32)[..., None]
    red = blend_palette(0.5 + 0.5 * left, parse_palette("#e0633a #b93a32 #74243f #3a1a3c"))
    scene.lay(tower, bands * red + (1 - bands) * shade, np.pi / 2, 1.0)
    halo = np.hypot(x - 0.725, (y - 0.248) * 1.1)
    beam = np.exp(-(((y - 0.248 + 0.18 * (x - 0.725)) / (0.012 + 0.16 * abs(x - 0.725))) ** 2))
    beam *= np.clip(0.9 - 2.6 * abs(x - 0.725), 0, 1) * (1 - tower)
    scene.lay(beam * 0.75, parse_pigment("#ffe58a"), np.arctan2(-0.18, 1.0), 1.0)
    scene.lay(rise_smoothly(0.05, 0.015, halo), parse_pigment("#ffd458"))
    lamp = scene.mask_shapes([(0.711, 0.27), (0.711, 0.232), (0.739, 0.232), (0.739, 0.27)])
    scene.lay(lamp, parse_pigment("#fff6c4"), np.pi / 2, 1.0)
    roof = scene.mask_shapes([(0.702, 0.234), (0.725, 0.20), (0.748, 0.234)])
    rail = scene.mask_shapes([(0.70, 0.276), (0.70, 0.267), (0.75, 0.267), (0.75, 0.276)])
    scene.lay(np.maximum(roof, rail), parse_pigment("#241a3d"), 0.3, 1.0)
