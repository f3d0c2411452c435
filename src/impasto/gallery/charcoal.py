"""Charcoal and white chalk on toned paper: rubbed shadow, broad strokes, accents."""

from __future__ import annotations

import numpy as np

from impasto.gallery.brush import Brush, Canvas, lay_dabs, pick, scatter_seeds
from impasto.gallery.fields import (
    Array,
    Rng,
    blur,
    make_noise,
    make_paper,
    make_turbulence,
    rise_smoothly,
    smear,
)
from impasto.gallery.scenes import Scene, make_shape, shrink_picture

_PAPER = np.array([0.70, 0.645, 0.565], np.float32)
_COAL = np.array([0.075, 0.07, 0.075], np.float32)
_CHALK = np.array([0.97, 0.955, 0.92], np.float32)
_LIGHT = np.array([-0.55, -0.62, 0.56])

# Profiles as (height share, radius share) from the top to the foot.
_JUG = (
    (0.0, 0.36),
    (0.04, 0.40),
    (0.10, 0.30),
    (0.20, 0.27),
    (0.34, 0.50),
    (0.52, 0.82),
    (0.66, 0.92),
    (0.82, 0.78),
    (0.94, 0.52),
    (1.0, 0.50),
)
_BOTTLE = (
    (0.0, 0.26),
    (0.05, 0.30),
    (0.07, 0.24),
    (0.30, 0.25),
    (0.42, 0.55),
    (0.50, 0.86),
    (0.60, 0.92),
    (0.95, 0.90),
    (1.0, 0.84),
)
_PEAR = (
    (0.0, 0.10),
    (0.10, 0.32),
    (0.30, 0.46),
    (0.48, 0.66),
    (0.66, 0.94),
    (0.82, 0.96),
    (0.94, 0.70),
    (1.0, 0.30),
)
_APPLE = (
    (0.0, 0.20),
    (0.06, 0.62),
    (0.25, 0.94),
    (0.50, 1.0),
    (0.75, 0.86),
    (0.93, 0.55),
    (1.0, 0.26),
)
_BOWL = (
    (0.0, 1.0),
    (0.06, 1.0),
    (0.30, 0.92),
    (0.60, 0.72),
    (0.84, 0.42),
    (0.92, 0.34),
    (1.0, 0.44),
)


def paint_charcoal(size: int, rng: Rng) -> Array:
    """A jug, a bottle and fruit in window light."""
    scene = Scene(make_shape(size, 4 / 3))
    tone = _shade_room(scene, rng)
    for profile, place, high, wide, local in (
        (_BOTTLE, (0.655, 0.155), 0.405, 0.062, 0.50),
        (_JUG, (0.365, 0.125), 0.455, 0.150, 0.05),
        (_BOWL, (0.795, 0.440), 0.150, 0.135, 0.12),
        (_APPLE, (0.745, 0.375), 0.105, 0.056, 0.20),
        (_APPLE, (0.845, 0.380), 0.100, 0.054, 0.02),
        (_PEAR, (0.555, 0.445), 0.185, 0.066, 0.00),
        (_APPLE, (0.205, 0.515), 0.110, 0.062, 0.16),
    ):
        tone = _set_solid(scene, tone, np.array(profile), place, high, wide, local)
    tone = _draw_handle(scene, tone)
    return _rub_and_draw(scene, tone, rng)


def _shade_room(scene: Scene, rng: Rng) -> Array:
    """Wall and table; tone (H, W) from -1, white chalk, over 0, bare paper, to 1, black."""
    x, y = scene.x, scene.y
    cloud = make_turbulence(scene.shape, scene.unit * 0.16, rng, 3)
    wall = 0.18 + 0.55 * rise_smoothly(0.15, 0.95, x) - 0.18 * y + 0.06 * cloud
    wall = wall - 0.30 * np.exp(-(((x - 0.13) / 0.16) ** 2) - ((y - 0.22) / 0.2) ** 2)
    table = 0.05 - 0.22 * np.exp(-(((x - 0.24) / 0.24) ** 2)) + 0.25 * (x - 0.3) + 0.04 * cloud
    table = table + 0.75 * rise_smoothly(0.685, 0.70, y + 0.012 * np.sin(x * 4))
    scene.angle = np.where(y < 0.50, -0.95, 0.04 + 0.05 * cloud).astype(np.float32)
    edge = rise_smoothly(0.498, 0.506, y + 0.004 * cloud)
    tone: Array = wall * (1 - edge) + table * edge
    for cx, cy, wide, long_ in (
        (0.365, 0.575, 0.13, 0.22),
        (0.655, 0.558, 0.06, 0.20),
        (0.795, 0.588, 0.07, 0.22),
        (0.555, 0.628, 0.06, 0.15),
        (0.205, 0.622, 0.06, 0.13),
    ):
        dx, dy = x - cx, y - cy
        along = dx - 0.2 * dy
        side = np.abs(dy - 0.16 * dx) / 0.026
        strip = rise_smoothly(1.15, 0.65, side) * rise_smoothly(-wide, -0.4 * wide, along)
        strip = strip * rise_smoothly(long_, 0.35 * long_, along)
        tone = tone + (0.88 - tone) * strip * (y > 0.5)
    return tone


def _set_solid(
    scene: Scene,
    tone: Array,
    profile: Array,
    place: tuple[float, float],
    high: float,
    wide: float,
    local: float,
) -> Array:
    """A turned vessel or fruit: shaded by the normal of its surface of revolution."""
    x, y = scene.x, scene.y
    v = (y - place[1]) / high
    fine = np.linspace(0, 1, 200)
    radius = np.interp(fine, profile[:, 0], profile[:, 1])
    radius = np.convolve(np.pad(radius, 6, mode="edge"), np.ones(13) / 13, "valid") * wide
    slope = np.gradient(radius, fine * high)
    r = np.interp(v, fine, radius)
    u = (x - place[0]) / np.maximum(r, 1e-4)
    bow = 0.10 * r * np.sqrt(np.clip(1 - u**2, 0, 1))  # seen a little from above
    inside = (np.abs(u) < 1) & (v > 0) & (y < place[1] + high + bow)
    nx, nz = u, np.sqrt(np.clip(1 - u**2, 0, 1))
    ny = -np.interp(np.clip(v, 0, 1), fine, slope)
    norm = np.sqrt(nx**2 + nz**2 + ny**2)
    facing = (nx * _LIGHT[0] + ny * _LIGHT[1] + nz * _LIGHT[2]) / norm
    bounce = 0.22 * np.clip(nx - 0.55, 0, 1) + 0.16 * np.clip(-ny / norm, 0, 1) * 0.6
    shade = 0.66 - 0.86 * facing - bounce + local
    glint = np.clip((nx * -0.42 + ny * -0.30 + nz * 0.86) / norm, 0, 1) ** 70
    shade = np.clip(shade - 0.95 * glint, -1, 0.97)
    scene.angle = np.where(inside, np.pi / 2 - 0.9 * u, scene.angle).astype(np.float32)
    scene.detail = np.where(inside, 1.0, scene.detail).astype(np.float32)
    rim = inside & (np.abs(u) > 0.965)
    shade = np.where(rim & (u > 0), np.minimum(shade + 0.25, 1), shade)
    shade = np.where(rim & (u < 0), np.minimum(shade + 0.30, 1), shade)
    covered: Array = np.where(inside, shade, tone)
    mouth = ((x - place[0]) / (radius[0] * 0.94)) ** 2 + ((y - place[1]) / (radius[0] * 0.26)) ** 2
    if profile[0, 1] > 0.25:
        covered = np.where(mouth < 1, 0.85 - 0.5 * (x - place[0]) / radius[0], covered)
        covered = np.where((mouth >= 1) & (mouth < 1.35), -0.35 + local, covered)
    return covered


def _draw_handle(scene: Scene, tone: Array) -> Array:
    """The jug's handle and the stalks of the fruit."""
    x, y = scene.x, scene.y
    dx, dy = (x - 0.475) / 0.075, (y - 0.255) / 0.115
    away = np.hypot(dx, dy)
    ring = (np.abs(away - 1) < 0.15) & (dx > -0.30)
    shade = 0.35 + 1.6 * (away - 1) + 0.35 * dy
    tone = np.where(ring, np.clip(shade, -0.6, 0.95), tone)
    for cx, cy, lean in ((0.556, 0.452, 0.3), (0.746, 0.385, -0.4), (0.207, 0.525, 0.35)):
        rise = cy - y
        stalk = (rise > 0) & (rise < 0.038) & (np.abs(x - cx - lean * rise) < 0.0034)
        tone = np.where(stalk, 0.95, tone)
    return tone


def _rub_and_draw(scene: Scene, tone: Array, rng: Rng) -> Array:
    """Rub in the masses, draw over them along the forms, then set lights with chalk."""
    unit = scene.unit
    tooth = make_paper(scene.shape, unit * 0.0021, rng)
    soft = blur(tone, unit * 0.0045)
    streak = smear(make_noise(scene.shape, unit * 0.006, rng), scene.angle, unit * 0.022, 8)
    rubbed = np.clip(soft, 0, 1) * (0.62 + 0.22 * streak / streak.std()) - 0.02 * tooth
    coal = np.clip(rubbed, 0, 1) * 0.85
    strokes = _draw_strokes(scene, np.clip(tone, 0, 1), rng, 0.0105, 0.055)
    fine = _draw_strokes(scene, np.clip(tone - 0.25, 0, 1), rng, 0.0050, 0.034)
    catch = rise_smoothly(1.3, -0.9, tooth - 1.5 * np.maximum(strokes, fine))
    coal = coal + (1 - coal) * np.maximum(strokes * 0.85, fine * 0.95) * catch
    slope_y, slope_x = np.gradient(blur(tone, 1.5))
    contour = rise_smoothly(0.03, 0.10, np.hypot(slope_y, slope_x))
    coal = np.maximum(coal, contour * 0.85 * rise_smoothly(0.9, -0.4, tooth))
    white = _draw_strokes(scene, np.clip(-tone * 1.35, 0, 1), rng, 0.0085, 0.040)
    white = np.maximum(white, 0.8 * np.clip(-soft * 1.1 - 0.10, 0, 1))
    chalk = white * rise_smoothly(1.5, -1.1, tooth - 1.1 * white)
    fleck = make_turbulence(scene.shape, unit * 0.2, rng, 4)
    paper = _PAPER * (1 + 0.03 * fleck + 0.022 * tooth)[..., None]
    color = paper + (_COAL - paper) * np.clip(coal * 1.06, 0, 1)[..., None]
    color = color + (_CHALK - color) * np.clip(chalk, 0, 1)[..., None]
    return shrink_picture(np.clip(color, 0, 1))


def _draw_strokes(scene: Scene, tone: Array, rng: Rng, width: float, length: float) -> Array:
    """Parallel side-of-the-stick strokes whose pressure follows the tone, (H, W) in [0, 1]."""
    unit = scene.unit
    canvas = Canvas(np.zeros((*scene.shape, 3), np.float32))
    seeds = scatter_seeds(scene.shape, width * 0.85 * unit, rng)
    press = pick(tone, seeds)
    keep = rng.random(len(seeds)) < rise_smoothly(0.06, 0.5, press)
    seeds, press = seeds[keep], press[keep]
    lean = pick(scene.angle, seeds) + rng.normal(0, 0.09, len(seeds))
    long_ = unit * length * np.exp(rng.normal(0, 0.25, len(seeds)))
    run = np.stack([np.sin(lean), np.cos(lean)], 1) * long_[:, None] * 0.45
    spread = np.maximum(abs(pick(tone, seeds + run) - press), abs(pick(tone, seeds - run) - press))
    long_ = long_ * np.where(spread > 0.25, 0.32, 1.0)  # short where the form ends
    colors = np.repeat(np.clip(press * rng.uniform(0.75, 1.2, len(press)), 0, 1)[:, None], 3, 1)
    wide = unit * width * np.exp(rng.normal(0, 0.3, len(seeds)))
    stick = Brush(
        1, 1, opacity=0.8, bristle=0.10, relief=0, dryness=0.55, jitter=(0.05, 0), blunt=7
    )
    lay_dabs(canvas, seeds, lean, (wide, long_), colors, stick, rng)
    return np.clip(canvas.color[..., 0], 0, 1)
