"""A colour woodblock print: flat inks, a carved key line, grain of wood and paper."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from impasto.gallery.fields import (
    Array,
    Rng,
    blend_palette,
    blur,
    make_noise,
    make_paper,
    make_turbulence,
    parse_palette,
    parse_pigment,
    rise_smoothly,
    warp,
)
from impasto.gallery.scenes import Limb, Point, Scene, make_ridge, make_shape, shrink_picture

_INDIGO = parse_pigment("#12294f")
_BLUES = parse_palette("#183a6b #2f6a9c #6fa5bf #b9d3d0")
_PAPER = parse_pigment("#efe3c6")
_FOAM = parse_pigment("#f7f0dc")


def trace_spline(knots: list[Point], count: int = 60) -> Array:
    """Smooth curve (Catmull-Rom) through points, shape (count, 2) as (x, y)."""
    p = np.array([knots[0], *knots, knots[-1]], float)
    t = np.linspace(0, len(knots) - 1 - 1e-6, count)
    i = t.astype(np.intp)
    f = (t - i)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    curve: Array = 0.5 * (
        2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3
    )
    return curve


def paint_woodblock(size: int, rng: Rng) -> Array:
    """Rolling seas under a red sun, printed in indigo, blue and vermilion."""
    scene = Scene(make_shape(size, 4 / 3))
    key = np.zeros(scene.shape, np.float32)
    _lay_print_sky(scene, key, rng)
    _lay_swell(scene, key, 0.50, 0.016, 0.12, rng)
    _lay_swell(scene, key, 0.54, 0.022, 0.16, rng)
    _lay_breaker(scene, key, rng, _BIG)
    _lay_breaker(scene, key, rng, _SMALL)
    _lay_spray(scene, key, rng)
    return _pull_print(scene, key, rng)


def _ink_shape(scene: Scene, key: Array, mask: Array, color: Array, line: float) -> None:
    """Print a flat shape in front and cut its outline into the key block."""
    scene.lay(mask, color)
    rim = blur(mask, line * scene.unit)
    edge = rise_smoothly(0.12, 0.3, rim) * rise_smoothly(0.92, 0.6, rim)
    np.multiply(key, 1 - (mask > 0.5) * (rim > 0.9), out=key)
    np.maximum(key, edge, out=key)


def _lay_print_sky(scene: Scene, key: Array, rng: Rng) -> None:
    x, y = scene.x, scene.y
    ramp = parse_palette("#23507f #7fa9ba #d9d6bd #efdfbd #f0c9a0 #e3a184")
    scene.lay(np.ones(scene.shape), blend_palette((y + 0.012 * np.sin(x * 5)) / 0.52, ramp))
    sun = scene.mask_disc((0.215, 0.185), 0.105)
    scene.lay(sun, blend_palette((y - 0.08) / 0.21, parse_palette("#b8271f #d8402a #e8774a")))
    for cy, left, right, thick in (
        (0.165, 0.02, 0.30, 0.012),
        (0.215, 0.11, 0.47, 0.015),
        (0.265, -0.05, 0.22, 0.011),
    ):
        across = np.clip((x - left) / (right - left), 0, 1)
        half = (
            thick * np.clip(np.sin(np.pi * across), 0, 1) ** 0.35 * (1 + 0.3 * np.sin(across * 21))
        )
        band = rise_smoothly(1.05, 0.95, np.abs(y - cy) / np.maximum(half, 1e-4)) * (half > 1e-3)
        scene.lay(band, parse_pigment("#f1e4c8"))
    peak = make_ridge(scene, 0.445, 0.008, 0.1, rng) - 0.105 * np.exp(
        -(np.abs((scene.x[0] - 0.44) / 0.085) ** 1.25)
    )
    _ink_shape(scene, key, scene.mask_below(peak), parse_pigment("#6d86a3"), 0.0016)
    snow = scene.mask_below(peak) * (y < 0.372 + 0.012 * np.sin(x * 160) + 0.006 * np.sin(x * 410))
    scene.lay(snow, _FOAM)
    _draw_birds(scene, key)


def _draw_birds(scene: Scene, key: Array) -> None:
    for cx, cy, s in (
        (0.36, 0.27, 1.0),
        (0.415, 0.245, 0.75),
        (0.315, 0.305, 0.8),
        (0.395, 0.315, 0.65),
        (0.27, 0.335, 0.55),
        (0.35, 0.355, 0.5),
    ):
        wing = trace_spline(
            [
                (cx - 0.024 * s, cy - 0.012 * s),
                (cx - 0.008 * s, cy - 0.008 * s),
                (cx, cy),
                (cx + 0.010 * s, cy - 0.011 * s),
                (cx + 0.026 * s, cy - 0.006 * s),
            ],
            24,
        )
        swell = 0.0075 * s * np.sin(np.linspace(0.1, np.pi - 0.1, 24))
        np.maximum(key, scene.mask_limbs([Limb(wing, swell)]), out=key)


def _lay_swell(
    scene: Scene, key: Array, level: float, height: float, length: float, rng: Rng
) -> None:
    """A row of pointed seas with bands below each crest."""
    x = scene.x[0] + 0.02 * np.sin(scene.x[0] * 5 + level * 50)
    line = level - height * (1 - np.abs(np.sin(np.pi * (x / length + level * 7)))) ** 1.5 * 1.4
    deep = scene.y - line
    color = np.where((deep < 0.011)[..., None], _FOAM, _BLUES[2])
    color = np.where((deep > 0.017)[..., None], _BLUES[1], color)
    color = np.where((deep > 0.036)[..., None], _BLUES[0], color)
    ripple = np.sin((deep * 130 + 0.6 * np.sin(scene.x * 30)) * 2) > 0.55
    color = np.where(((deep > 0.045) & ripple)[..., None], _BLUES[1], color)
    _ink_shape(scene, key, scene.mask_below(line), color, 0.0016)


_BIG = (
    [
        (1.02, 0.98),
        (1.13, 0.55),
        (1.06, 0.27),
        (0.92, 0.14),
        (0.76, 0.075),
        (0.62, 0.085),
        (0.525, 0.145),
        (0.475, 0.235),
        (0.485, 0.305),
    ],
    [
        (0.20, 0.80),
        (0.40, 0.665),
        (0.57, 0.59),
        (0.665, 0.50),
        (0.690, 0.40),
        (0.645, 0.310),
        (0.565, 0.278),
        (0.505, 0.310),
    ],
    1.0,
)
_SMALL = (
    [
        (-0.12, 0.98),
        (-0.20, 0.72),
        (-0.06, 0.52),
        (0.06, 0.485),
        (0.15, 0.50),
        (0.225, 0.545),
        (0.255, 0.605),
        (0.235, 0.645),
    ],
    [
        (0.72, 0.82),
        (0.45, 0.755),
        (0.25, 0.735),
        (0.145, 0.70),
        (0.125, 0.645),
        (0.165, 0.61),
        (0.215, 0.635),
    ],
    0.62,
)


def _lay_breaker(
    scene: Scene, key: Array, rng: Rng, wave: tuple[list[Point], list[Point], float]
) -> None:
    """A curling wave between its back and its hollow face, striped, with foam fingers."""
    back, face = trace_spline(wave[0]), trace_spline(wave[1])
    scale = wave[2]
    side = 1.2 if back[0, 0] > 0.5 else -0.2
    corner = [(side, float(back[0, 1])), (side, 0.9), (float(face[0, 0]), 0.9)]
    outline = [*map(tuple, back), *map(tuple, face[::-1]), *corner[::-1]]
    mask = scene.mask_shapes(outline)
    _ink_shape(scene, key, mask, _BLUES[0], 0.002)
    for share in np.linspace(0.06, 0.975, 17):
        path = (1 - share) * back + share * face
        wide = 0.027 * scale * np.sin(np.linspace(0.45, np.pi - 0.08, 60))
        odd = round(share * 17.5) % 2 == 0
        stripe = scene.mask_limbs([Limb(path, wide * (1.0 if odd else 0.62))]) * mask
        _ink_shape(scene, key, stripe, _BLUES[2] if odd else _FOAM, 0.0012)
    rim = face[14:]
    pale = scene.mask_limbs([Limb(rim, np.linspace(0.004, 0.026, len(rim)) * scale)])
    _ink_shape(scene, key, pale, _BLUES[3], 0.0012)
    _lay_foam(scene, key, back, face, scale, rng)


def _lay_foam(scene: Scene, key: Array, back: Array, face: Array, scale: float, rng: Rng) -> None:
    """Scalloped foam along the crest, with hooked fingers reaching into the hollow."""
    crest = back[24:]
    sizes = np.linspace(0.009, 0.026, len(crest)) * scale
    spots = np.repeat(crest, 4, 0) + rng.normal(0, 0.62, (4 * len(crest), 2)) * np.repeat(sizes, 4)[
        :, None
    ] * np.array([1.0, 1.0])
    round_ = np.repeat(sizes, 4) * rng.uniform(0.35, 0.95, len(spots))
    blobs = [
        Limb(np.array([p, p + 1e-4]), np.full(2, 2 * s)) for p, s in zip(spots, round_, strict=True)
    ]
    rng.shuffle(blobs)
    fingers = []
    for step in range(4, len(crest)):
        for _ in range(2):
            lean = np.array([-0.35, 1.0]) if back[0, 0] > 0.5 else np.array([0.35, 1.0])
            reach = (0.022 + 0.055 * step / len(crest)) * scale * rng.uniform(0.5, 1.4)
            start = crest[step] + rng.normal(0, 0.012 * scale, 2) + lean * 0.02 * scale
            turn = np.arctan2(lean[1], lean[0]) + rng.normal(0, 0.35)
            curl = rng.choice([-1, 1]) * rng.uniform(0.6, 1.7)
            run = turn + curl * np.linspace(0, 1, 9)
            path = start + np.cumsum(np.stack([np.cos(run), np.sin(run)], 1), 0) * reach / 9
            fingers.append(Limb(path, np.linspace(0.014, 0.004, 9) * scale))
            knob = path[-1]
            fingers.append(Limb(np.array([knob, knob + 1e-4]), np.full(2, 0.0085 * scale)))
    shade = scene.mask_limbs([*blobs, *fingers])
    shift = scene.unit * 0.005 * scale
    under = warp(shade, np.full(scene.shape, -shift), np.full(scene.shape, shift))
    _ink_shape(scene, key, under, _BLUES[2], 0.0012)
    _ink_shape(scene, key, shade, _FOAM, 0.0014)
    scene.lay(_draw_scallops(scene, blobs) * (blur(shade, scene.unit * 0.002) > 0.97), _BLUES[1])


def _draw_scallops(scene: Scene, blobs: list[Limb]) -> Array:
    """Outlines of overlapping bubbles, each hiding those before it."""
    sheet = Image.new("L", (scene.shape[1], scene.shape[0]))
    draw = ImageDraw.Draw(sheet)
    for blob in blobs:
        (x, y), r = blob.points[0] * scene.unit, blob.widths[0] / 2 * scene.unit
        line = max(round(scene.unit * 0.0016), 1)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=0, outline=255, width=line)
    return np.asarray(sheet, np.float32) / 255


def _lay_spray(scene: Scene, key: Array, rng: Rng) -> None:
    drops = []
    for _ in range(75):
        turn, away = rng.uniform(2.0, 4.6), rng.gamma(3.0, 0.030)
        place = np.array([0.52, 0.17]) + away * np.array([np.cos(turn), np.sin(turn)])
        drops.append(Limb(np.array([place, place + 1e-4]), np.full(2, rng.uniform(0.0025, 0.0095))))
    _ink_shape(scene, key, scene.mask_limbs(drops), _FOAM, 0.001)


def _pull_print(scene: Scene, key: Array, rng: Rng) -> Array:
    """Press the blocks onto paper: wood grain, mottled ink, worn key line, fibres."""
    unit = scene.unit
    bend = make_noise(scene.shape, unit * 0.3, rng) * unit * 0.035
    rows = np.indices(scene.shape, np.float32)[0]
    knot = make_turbulence(scene.shape, (unit * 0.05, unit * 0.7), rng, 3)
    rings = np.sin((rows + bend) / unit * 420 + 5.5 * knot)
    fine = make_noise(scene.shape, (unit * 0.0016, unit * 0.07), rng)
    mottle = make_turbulence(scene.shape, unit * 0.010, rng, 3)
    wear = 0.085 + 0.050 * rings + 0.045 * fine + 0.050 * mottle
    strength = 1 - np.clip(wear, 0, 0.5)
    color = _PAPER + (scene.color - _PAPER) * strength[..., None]
    ragged = key + 0.13 * mottle + 0.05 * fine
    line = rise_smoothly(0.42, 0.62, warp(ragged, np.full_like(key, 1.2), np.full_like(key, -1.0)))
    color = color + (_INDIGO - color) * (line * (0.93 - 0.5 * np.clip(wear, 0, 0.4)))[..., None]
    paper = make_paper(scene.shape, unit * 0.004, rng)
    slope_y, slope_x = np.gradient(blur(paper, 1))
    color = color * (1 + 0.09 * np.clip(slope_x + slope_y, -0.4, 0.4))[..., None]
    age = make_turbulence(scene.shape, unit * 0.35, rng, 4)[..., None]
    edge = np.minimum(np.minimum(scene.x, 1 - scene.x), np.minimum(scene.y, scene.bottom - scene.y))
    margin = rise_smoothly(0.016, 0.018, edge + 0.0012 * mottle)[..., None]
    color = _PAPER * (1 + 0.02 * paper[..., None]) * (1 - margin) + color * margin
    return shrink_picture(np.clip(color * (1 + 0.025 * age), 0, 1))
