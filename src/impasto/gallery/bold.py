"""Modern oils: an expressionist village and a cubist still life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from impasto.gallery.brush import Brush, Canvas, lay_dabs, paint_layer, pick
from impasto.gallery.fields import (
    Array,
    Rng,
    blend_palette,
    blur,
    find_edges,
    make_noise,
    make_turbulence,
    parse_palette,
    parse_pigment,
    rise_smoothly,
)
from impasto.gallery.oils import finish_oil
from impasto.gallery.scenes import Limb, Point, Scene, follow_tone, make_box, make_ridge, make_shape


def paint_expressionist(size: int, rng: Rng) -> Array:
    """A mountain village in pure complementary colours, broad strokes, dark outlines."""
    scene = Scene(make_shape(size, 4 / 3))
    ids = np.zeros(scene.shape, np.int32)
    _lay_burning_sky(scene, rng)
    _lay_mountains(scene, ids, rng)
    _lay_village(scene, ids)
    _lay_road(scene, ids, rng)
    _lay_red_trees(scene, ids, rng)
    unit = scene.unit
    canvas = Canvas(np.broadcast_to(parse_pigment("#6b2a2f"), scene.color.shape).copy())
    for width, length, spacing, threshold in (
        (0.044, 0.17, 0.5, 0.0),
        (0.030, 0.10, 0.6, 0.065),
        (0.018, 0.05, 0.7, 0.12),
    ):
        brush = Brush(
            width * unit,
            length * unit,
            bristle=0.06,
            relief=4,
            jitter=(0.06, 0.07),
            dryness=0.4,
            wobble=0.12,
            blunt=8,
        )
        paint_layer(canvas, scene.color, scene.angle, brush, rng, spacing, threshold)
    _draw_outlines(canvas, ids, unit * 0.0085, rng, parse_palette("#12123a #1c1040 #0b1f3c"))
    return finish_oil(canvas, 0.55, rng, weave=0.3)


def _draw_outlines(canvas: Canvas, ids: Array, width: float, rng: Rng, inks: Array) -> None:
    """Dark strokes along the borders of the regions."""
    edges = find_edges(ids)
    contour, _ = follow_tone(blur(edges.astype(np.float32), 2)[..., None], width)
    rows, columns = np.nonzero(edges)
    chosen = rng.permutation(len(rows))[: max(len(rows) // max(int(width * 0.8), 1), 1)]
    places = np.stack([rows, columns], 1)[chosen].astype(np.float32)
    count = len(places)
    colors = inks[rng.integers(0, len(inks), count)]
    widths = width * np.exp(rng.normal(0, 0.28, count))
    angles = pick(contour, places) + rng.normal(0, 0.08, count)
    brush = Brush(1, 1, opacity=0.9, relief=4, dryness=0.55, jitter=(0.03, 0.03))
    lay_dabs(canvas, places, angles, (widths, widths * 3.6), colors, brush, rng)


def _lay_burning_sky(scene: Scene, rng: Rng) -> None:
    x, y = scene.x, scene.y
    swing = 0.35 * np.sin(5.5 * x + 1.0) + 0.12 * make_noise(scene.shape, scene.unit * 0.15, rng)
    bands = y + 0.05 * np.sin(5.5 * x - 0.5) + 0.02 * np.sin(13 * x)
    warm = parse_palette("#d3273e #f0562a #f99a1c #ffd23a #f7e27a #f39ab0")
    tone = bands / 0.36 + 0.10 * np.sin(bands * 75)
    scene.lay(np.ones(scene.shape), blend_palette(tone, warm), swing * 0.8)
    teal = rise_smoothly(0.55, 0.95, np.sin(bands * 48 + 2 * np.sin(x * 6)))
    scene.lay(teal * rise_smoothly(0.2, 0.05, y) * 0.9, parse_pigment("#1f8f8a"))
    sun = scene.mask_disc((0.27, 0.17), 0.052)
    ring = np.arctan2(x - 0.27, 0.17 - y)
    scene.lay(scene.mask_disc((0.27, 0.17), 0.085, 0.05) * 0.9, parse_pigment("#ff7f1f"), ring)
    scene.lay(sun, parse_pigment("#fff3b0"), ring)


def _lay_mountains(scene: Scene, ids: Array, rng: Rng) -> None:
    x, y = scene.x, scene.y
    peaks: tuple[tuple[Sequence[Point], str, str], ...] = (
        (
            [(-0.1, 0.5), (0.02, 0.25), (0.10, 0.30), (0.20, 0.21), (0.34, 0.34), (0.5, 0.5)],
            "#2a49b8 #3f7fd0 #9a5fc0",
            "#1b2a80 #2d3fa0 #5a2f90",
        ),
        (
            [(0.25, 0.5), (0.43, 0.25), (0.52, 0.17), (0.60, 0.24), (0.70, 0.36), (0.85, 0.5)],
            "#e86aa8 #7f5fd0 #2f6fd0",
            "#38208a #233a9a #14285f",
        ),
        (
            [(0.58, 0.5), (0.72, 0.30), (0.82, 0.22), (0.90, 0.27), (1.1, 0.12), (1.1, 0.5)],
            "#2fa6a0 #2a7fc0 #6a5fd0",
            "#14406f #1f2f80 #301a60",
        ),
    )
    for number, (outline, bright, dark) in enumerate(peaks, 1):
        mask = scene.mask_shapes(outline)
        top = outline[2]
        light = x < top[0] + 0.25 * (y - top[1]) + 0.03 * np.sin(y * 60)
        tone = (y - top[1]) / 0.22 + 0.1 * make_noise(scene.shape, scene.unit * 0.04, rng)
        sunny = blend_palette(tone, parse_palette(bright))
        shady = blend_palette(tone, parse_palette(dark))
        slope = np.where(light, 2.25, 0.85)
        scene.lay(mask, np.where(light[..., None], sunny, shady), slope)
        ids[mask > 0.5] = 2 * number + light[mask > 0.5]
    meadow = make_ridge(scene, 0.375, 0.012, 0.3, rng)
    hill = scene.mask_below(meadow)
    stripe = 0.5 + 0.4 * np.sin((y + 0.25 * x) * 95) - 0.6 * (y - 0.45)
    field = blend_palette(stripe, parse_palette("#11655a #2f9a4a #9ac832 #f4d92f"))
    scene.lay(hill, field, -0.25)
    ids[hill > 0.5] = 10


_HOUSES = (
    (0.10, 0.43, 0.085, "#f6d33c", "#d92f3f", "#7a3f9a"),
    (0.225, 0.405, 0.07, "#f08fb0", "#2a49b8", "#8f2f6a"),
    (0.325, 0.445, 0.095, "#f7f0d8", "#e8562a", "#3f6fc0"),
    (0.72, 0.42, 0.08, "#f4a63a", "#2f7f5a", "#a8324f"),
    (0.865, 0.455, 0.105, "#e85a6f", "#23308a", "#6a1f5f"),
)


def _lay_village(scene: Scene, ids: Array) -> None:
    for number, (cx, cy, w, wall, roof, shade) in enumerate(_HOUSES):
        front, side, gable, slab, door, pane = _outline_house(cx, cy, w)
        parts = ((front, wall, 1.5), (side, shade, 1.45), (gable, wall, 1.5), (slab, roof, 0.95))
        openings = ((door, "#1b2a6a", 1.5), (pane, "#1f6f9a", 1.5))
        for step, (outline, code, lean) in enumerate(parts + openings):
            mask = scene.mask_shapes(outline)
            scene.lay(mask, parse_pigment(code), lean)
            # openings keep the wall's number: they get no outline of their own
            ids[mask > 0.5] = 100 + number * 10 + step if step < 4 else 100 + number * 10


def _outline_house(cx: float, cy: float, w: float) -> tuple[list[Point], ...]:
    """Front, side, gable, roof, door and window of a house of width `w`."""
    left, right = cx - w / 2, cx + w / 2
    front = [(left, cy), (right, cy - 0.004), (right, cy + w), (left, cy + w)]
    far = cx + w * 0.9
    side = [(right, cy), (far, cy - 0.02), (far, cy + w * 0.8), (right, cy + w)]
    top, eave = (cx - 0.02 * w, cy - w * 0.66), (cx + w * 0.6, cy + 0.006)
    gable = [(cx - w * 0.62, cy + 0.01), top, eave]
    slab = [top, (cx + w * 0.5, cy - w * 0.76), (cx + w * 1.02, cy - 0.02), eave]
    door = make_box(cx - 0.1 * w, cy + 0.5 * w, cx + 0.12 * w, cy + w)
    pane = make_box(cx - 0.37 * w, cy + 0.16 * w, cx - 0.19 * w, cy + 0.42 * w)
    return front, side, gable, slab, door, pane


def _lay_road(scene: Scene, ids: Array, rng: Rng) -> None:
    x, y = scene.x, scene.y
    near = np.clip((y - 0.47) / 0.28, 0, 1)
    front = scene.mask_below(0.555 + 0.02 * np.sin(x * 8) - 0.06 * (x - 0.5))
    patch = 0.5 + 0.28 * make_turbulence(scene.shape, scene.unit * 0.09, rng, 3)
    grass = blend_palette(patch, parse_palette("#0f4f6a #1f8a5a #6fc03a #f0d83a #f08f2a"))
    scene.lay(front, grass, 0.35 * np.sin(x * 7) - 0.3)
    ids[front > 0.5] = 20
    middle = 0.56 - 0.13 * np.sin(near * 2.6) + 0.02
    road = rise_smoothly(1.03, 0.97, np.abs(x - middle) / (0.018 + 0.15 * near**1.4))
    road = road * scene.mask_below(0.455 + 0 * x)
    warm = blend_palette(
        patch + 0.2 * near - 0.15, parse_palette("#a83f8a #f08fa0 #f9c8a0 #fff0c0")
    )
    scene.lay(road, warm, 1.25 - 0.9 * near * np.sign(x - middle))
    ids[road > 0.5] = 30
    shadow = rise_smoothly(1.0, 0.9, np.abs(y - 0.655 - 0.15 * (x - 0.5)) / 0.018)
    scene.lay(shadow * road * 0.9, parse_pigment("#4a3fc0"), 0.15)


def _lay_red_trees(scene: Scene, ids: Array, rng: Rng) -> None:
    trees = (
        (np.array([[0.50, 0.72], [0.475, 0.5], [0.50, 0.3], [0.47, 0.12]]), 0.045),
        (np.array([[0.965, 0.76], [0.985, 0.52], [0.95, 0.28], [0.975, 0.06]]), 0.06),
        (np.array([[0.485, 0.42], [0.43, 0.32], [0.405, 0.23]]), 0.020),
        (np.array([[0.49, 0.36], [0.55, 0.27], [0.565, 0.19]]), 0.018),
        (np.array([[0.965, 0.40], [0.90, 0.28], [0.87, 0.2]]), 0.026),
    )
    crowns = ((0.44, 0.13, 0.085), (0.53, 0.12, 0.075), (0.89, 0.11, 0.10), (0.99, 0.07, 0.10))
    leafy = make_noise(scene.shape, scene.unit * 0.03, rng)
    for number, (cx, cy, radius) in enumerate(crowns):
        dx, dy = (scene.x - cx) / radius, (scene.y - cy) / radius
        lobes = 1 + 0.13 * np.sin(6 * np.arctan2(dy, dx) + number) + 0.05 * leafy
        mask = rise_smoothly(1.02, 0.98, np.hypot(dx, dy * 1.25) / lobes)
        tone = 0.5 - 0.35 * dx - 0.35 * dy + 0.12 * leafy
        leaf = blend_palette(tone, parse_palette("#101f5a #0f5f6f #1f9a5f #b5d836"))
        scene.lay(mask, leaf, 0.9 + 0.9 * leafy)
        ids[mask > 0.5] = 200 + number
    for number, (points, width) in enumerate(trees):
        limb = Limb(points, width * np.linspace(1, 0.45, len(points)))
        mask = scene.mask_limbs([limb])
        middle = np.interp(scene.y, points[::-1, 1], points[::-1, 0])
        side = 0.5 + (scene.x - middle) / (width * 0.9)
        bark = blend_palette(side, parse_palette("#ff7a3a #e02f3f #a01f5a #3a1f7a"))
        scene.lay(mask, bark, 1.45)
        ids[mask > 0.5] = 300 + number


_EARTHS = parse_palette("#1e1a17 #4a3a2b #7b6242 #a98e5c #cfbb8b #ece2c6")
_STONES = parse_palette("#171b1c #38413f #66706a #949b8f #c5c6b6 #efeadb")
_INK = parse_palette("#16110d #2a1d14 #0e0e10")
_RUST = parse_palette("#1d1412 #4d2a1f #86492e #b97a4b #dcb184 #f3e3c6")


def paint_cubist(size: int, rng: Rng) -> Array:
    """A guitar and a bottle broken into shaded planes of ochre and grey."""
    scene = Scene(make_shape(size, 0.8))
    x, y = scene.x, scene.y
    grain = make_turbulence(scene.shape, scene.unit * 0.12, rng, 4)
    middle = np.exp(-(((x - 0.4) / 0.33) ** 2) - ((y - 0.5) / 0.42) ** 2)
    tone = (0.38 + 0.24 * middle + 0.06 * grain).astype(np.float32)
    planes = _Planes(tone, np.zeros((*scene.shape, 2)), np.zeros(scene.shape), [])
    scene.angle = 0.5 + 0.5 * grain
    for number in range(110):
        _lay_plane(scene, planes, number / 110, rng)
    still, family, lines = _lay_still_life(scene, planes.offset)
    tone = np.where(still >= 0, 0.80 * planes.tone + 0.50 * still - 0.14, planes.tone)
    family = np.clip(family + planes.family, 0, 2)
    stack = np.stack([blend_palette(tone, p) for p in (_STONES, _EARTHS, _RUST)])
    low = np.minimum(family.astype(np.intp), 1)
    part = (family - low)[..., None]
    near = np.take_along_axis(stack, low[None, ..., None], 0)[0]
    far = np.take_along_axis(stack, low[None, ..., None] + 1, 0)[0]
    scene.color = (near * (1 - part) + far * part).astype(np.float32)
    scene.lay(lines * 0.8, parse_pigment("#16120f"))
    canvas = Canvas(np.broadcast_to(parse_pigment("#8a7350"), scene.color.shape).copy())
    _paint_planes(canvas, scene, rng)
    _rule_edges(canvas, scene, planes.edges, rng)
    return finish_oil(canvas, 0.34, rng, weave=0.4)


def _rule_edges(canvas: Canvas, scene: Scene, edges: list[Limb], rng: Rng) -> None:
    """One long dry stroke along each hard edge."""
    ends = np.stack([limb.points[[0, -1], ::-1] for limb in edges]) * scene.unit  # (S, 2, 2)
    run = ends[:, 1] - ends[:, 0]
    lengths = np.hypot(run[:, 0], run[:, 1])
    widths = scene.unit * 0.0036 * np.exp(rng.normal(0, 0.25, len(edges)))
    brush = Brush(1, 1, opacity=0.85, relief=1.5, dryness=0.75, jitter=(0.03, 0.01))
    colors = _INK[rng.integers(0, len(_INK), len(edges))]
    angles = np.arctan2(run[:, 0], run[:, 1])
    lay_dabs(canvas, ends.mean(1), angles, (widths, lengths), colors, brush, rng)


def _paint_planes(canvas: Canvas, scene: Scene, rng: Rng) -> None:
    for width, length, spacing, threshold in (
        (0.030, 0.06, 0.5, 0.0),
        (0.016, 0.036, 0.55, 0.012),
        (0.0085, 0.022, 0.7, 0.032),
    ):
        brush = Brush(
            width * scene.unit,
            length * scene.unit,
            bristle=0.035,
            relief=2.4,
            jitter=(0.035, 0.014),
            dryness=0.3,
            wobble=0.10,
            blunt=9,
        )
        color, angle = scene.color, scene.angle
        paint_layer(canvas, color, angle, brush, rng, spacing, threshold, tolerance=0.06)


@dataclass
class _Planes:
    """What the planes add up to: tone, shift of the still life, palette, hard edges."""

    tone: Array
    offset: Array
    family: Array
    edges: list[Limb]


def _lay_plane(scene: Scene, planes: _Planes, age: float, rng: Rng) -> None:
    """One plane: hard and strong along one edge, fading into what lies behind it."""
    size = (0.34 - 0.25 * age**0.7) * rng.uniform(0.7, 1.25)
    spread = 0.24 - 0.06 * age
    cx = 0.40 + rng.normal(0, spread * 0.85)
    cy = 0.5 + rng.normal(0, spread * 1.15)
    turn = rng.choice([0.28, 1.22, 1.85, 2.72, 0.80, 1.57]) + rng.normal(0, 0.07)
    dx, dy = scene.x - cx, scene.y - cy
    along = dx * np.cos(turn) + dy * np.sin(turn)
    across = -dx * np.sin(turn) + dy * np.cos(turn)
    half = size * rng.uniform(0.35, 0.7)
    straight = rng.random() > 0.16
    if not straight:
        along = np.hypot(along, across) - 0.15 * size  # a round edge, as of a body or a jar
    depth = along / size
    inside = (depth > 0) & (depth < 1) & (np.abs(across) < half)
    strength = np.where(inside, (1 - np.clip(depth, 0, 1)) ** 1.25, 0) * rng.uniform(0.85, 1.0)
    level = rng.choice([0.04, 0.16, 0.72, 0.9, 1.0], p=[0.2, 0.22, 0.2, 0.22, 0.16])
    planes.tone += (strength * (level - planes.tone)).astype(np.float32)
    seen = inside & (strength > 0.3)
    planes.offset[seen] = rng.normal(0, 0.022, 2)
    shift = rng.choice([-0.5, 0.0, 0.5, 1.0], p=[0.25, 0.35, 0.25, 0.15])
    planes.family += strength * (shift - planes.family)
    scene.angle = np.where(seen, turn + np.pi / 2, scene.angle).astype(np.float32)
    end = np.array([-np.sin(turn), np.cos(turn)]) * half
    if straight and rng.random() < 0.55:
        points = np.array([[cx, cy] - end, [cx, cy] + end * rng.uniform(0.2, 1)])
        planes.edges.append(Limb(points, np.full(2, 0.004)))
    if straight and rng.random() < 0.3:
        down = np.array([np.cos(turn), np.sin(turn)]) * size * 0.55
        points = np.array([[cx, cy] - end, [cx, cy] - end + down])
        planes.edges.append(Limb(points, np.full(2, 0.004)))


def _lay_still_life(scene: Scene, offset: Array) -> tuple[Array, Array, Array]:
    """Tone (-1 where nothing stands), palette and ink lines of the objects, plane by plane."""
    still = Scene(scene.shape)
    tone = np.full(scene.shape, -1, np.float32)
    family = np.where(scene.y > 0.72 + 0.10 * (scene.x - 0.4), 0.8, 0.25)
    lines = np.zeros(scene.shape, np.float32)
    for outline, level, kind in _outline_objects():
        mask = still.mask_shapes(outline)
        tone = np.where(mask > 0.5, level, tone)
        family = np.where(mask > 0.5, kind, family)
        closed = np.array([*outline, outline[0]])
        lines = np.maximum(lines, still.mask_limbs([Limb(closed, np.full(len(closed), 0.006))]))
    for step in range(6):
        chord = np.array([[0.315 + 0.011 * step, 0.80], [0.475 + 0.007 * step, 0.10]])
        lines = np.maximum(lines, still.mask_limbs([Limb(chord, np.full(2, 0.0022))]))
    rows, columns = np.indices(scene.shape)
    places = np.stack([rows, columns], -1) + offset * scene.unit
    return pick(tone, places), pick(family, places), pick(lines, places)


_NECK = [(0.385, 0.52), (0.475, 0.10), (0.53, 0.11), (0.435, 0.53)]
_HEAD = [(0.465, 0.115), (0.478, 0.035), (0.56, 0.05), (0.54, 0.125)]
_BOTTLE = [
    (0.585, 0.76),
    (0.58, 0.45),
    (0.60, 0.38),
    (0.625, 0.34),
    (0.625, 0.20),
    (0.68, 0.20),
    (0.68, 0.34),
    (0.71, 0.39),
    (0.725, 0.46),
    (0.725, 0.765),
]
_LABEL = [(0.585, 0.52), (0.723, 0.52), (0.723, 0.64), (0.585, 0.64)]
_GLASS = [
    (0.09, 0.52),
    (0.215, 0.50),
    (0.185, 0.66),
    (0.165, 0.76),
    (0.20, 0.79),
    (0.10, 0.80),
    (0.135, 0.76),
    (0.12, 0.66),
]
_PAGE = [(0.43, 0.84), (0.70, 0.80), (0.76, 0.93), (0.47, 0.975)]


def _outline_objects() -> list[tuple[list[Point], float, float]]:
    """Guitar, bottle, glass and pages as (outline, tone, palette number)."""
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    waist = 0.135 + 0.045 * np.cos(2 * t) - 0.022 * np.cos(t)
    along, across = 0.21 * np.cos(t), waist * np.sin(t) * 1.05
    turn = 0.22
    body = [
        (0.36 - a * np.sin(turn) * 1 + c * np.cos(turn), 0.66 + a * np.cos(turn) + c * np.sin(turn))
        for a, c in zip(along, across, strict=True)
    ]
    hole = [(0.375 + 0.042 * np.cos(u), 0.60 + 0.042 * np.sin(u)) for u in t]
    return [
        (_PAGE, 0.95, 0.4),
        (_BOTTLE, 0.12, 0.1),
        (_LABEL, 0.85, 0.9),
        (_GLASS, 0.80, 0.2),
        ([(float(a), float(b)) for a, b in body], 0.62, 1.9),
        (_NECK, 0.22, 1.6),
        (_HEAD, 0.32, 1.6),
        ([(float(a), float(b)) for a, b in hole], 0.0, 1.0),
    ]
