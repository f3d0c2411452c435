"""Mosaic: stones that follow the contours, after Hausner 2001, "Simulating decorative mosaics".

The stones are the cells of a Voronoi diagram in a metric that turns with the picture: squares
aligned with the contours, relaxed by Lloyd's method. Hausner draws cones on a graphics card; we
compare the stones near each pixel directly.
"""

from __future__ import annotations

import numpy as np

from impasto.gallery.brush import pick, scatter_seeds
from impasto.gallery.fields import (
    Array,
    Rng,
    blend_palette,
    blur,
    find_edges,
    light_relief,
    make_noise,
    make_turbulence,
    measure_distance,
    parse_palette,
    parse_pigment,
    rise_smoothly,
)
from impasto.gallery.scenes import Scene, make_shape, shrink_picture


def paint_mosaic(size: int, rng: Rng) -> Array:
    """Two fish in a roman floor: marble stones along the contours, sandy grout."""
    scene = Scene(make_shape(size, 1.0))
    outline = _lay_floor(scene, rng)
    _lay_fish(scene, outline, 1.0)
    _lay_fish(scene, outline, -1.0)
    angle = _follow_outlines(scene, outline)
    pitch = scene.unit / 82
    keep_off = find_edges(outline > 0.5)
    owner, gap, places = set_stones(angle, keep_off, pitch, rng)
    return _finish_floor(scene, owner, gap, places, pitch, rng)


def set_stones(
    angle: Array, keep_off: Array, pitch: float, rng: Rng, rounds: int = 10
) -> tuple[Array, Array, Array]:
    """Lay stones of about `pitch` pixels, sides along and across `angle` (H, W).

    Stones shrink back from the lines in `keep_off` (H, W), so that no stone straddles one.

    Returns:
        For every pixel its stone (H, W) and the distance to the nearest joint in pixels
        (H, W), and the stones' places (S, 2) as (y, x).
    """
    shape = angle.shape
    places = scatter_seeds(shape, pitch * 0.98, rng)
    rows, columns = np.indices(shape, np.float32)
    near = measure_distance(keep_off, max(int(pitch * 0.5), 1))
    weight = np.where(near < pitch * 0.22, 0.02, 1.0).ravel()
    for _ in range(rounds):
        owner, _ = _assign_stones(shape, places, pick(angle, places), pitch)
        mass = np.bincount(owner.ravel(), weight, len(places)) + 1e-6
        y = np.bincount(owner.ravel(), rows.ravel() * weight, len(places)) / mass
        x = np.bincount(owner.ravel(), columns.ravel() * weight, len(places)) / mass
        moved = np.stack([y, x], 1).astype(np.float32)
        places = np.where((mass > 1)[:, None], moved, places)
    owner, gap = _assign_stones(shape, places, pick(angle, places), pitch)
    return owner, gap, places


def _assign_stones(
    shape: tuple[int, int], places: Array, angles: Array, pitch: float
) -> tuple[Array, Array]:
    """Nearest stone of each pixel in the turned square metric, and the lead of the nearest."""
    reach = int(pitch * 1.55)
    height, width = shape
    wide = width + 2 * reach
    best = np.full((height + 2 * reach) * wide, 4 * pitch, np.float32)
    second = best.copy()
    owner = np.zeros(best.shape, np.int32)
    base_y = np.clip(np.rint(places[:, 0]), 0, height - 1)
    base_x = np.clip(np.rint(places[:, 1]), 0, width - 1)
    base = ((base_y + reach) * wide + base_x + reach).astype(np.intp)
    rest_y, rest_x = base_y - places[:, 0], base_x - places[:, 1]
    cosine, sine = np.cos(angles), np.sin(angles)
    number = np.arange(len(places), dtype=np.int32)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            y, x = dy + rest_y, dx + rest_x
            along, across = np.abs(x * cosine + y * sine), np.abs(y * cosine - x * sine)
            away = np.maximum(along, across) + 0.12 * np.minimum(along, across)
            index = base + dy * wide + dx
            old = best[index]
            wins = away < old
            second[index] = np.where(wins, old, np.minimum(second[index], away))
            best[index] = np.where(wins, away, old)
            owner[index] = np.where(wins, number, owner[index])
    inner = (slice(reach, reach + height), slice(reach, reach + width))
    lead = np.minimum(second - best, pitch).reshape(-1, wide)[inner]
    return owner.reshape(-1, wide)[inner], lead / 2


def _follow_outlines(scene: Scene, outline: Array) -> Array:
    """Directions along the nearest outline."""
    reach = max(int(scene.unit * 0.12), 2)
    away = blur(measure_distance(outline > 0.5, reach), scene.unit * 0.006)
    away = np.where(outline > 0.5, -away, away)
    dy, dx = np.gradient(blur(away, scene.unit * 0.004))
    doubled = 2 * np.arctan2(dy, dx)
    weight = np.hypot(dx, dy) + 1e-4
    soft = scene.unit * 0.010
    turn = np.arctan2(blur(np.sin(doubled) * weight, soft), blur(np.cos(doubled) * weight, soft))
    return turn / 2 + np.pi / 2


def _lay_floor(scene: Scene, rng: Rng) -> Array:
    """Sea ground, wave border and frame; returns the mask of the lines that stones follow."""
    x, y = scene.x, scene.y
    cloud = make_turbulence(scene.shape, scene.unit * 0.16, rng, 3)
    away = np.hypot(x - 0.5, y - 0.5)
    ground = blend_palette(0.6 + 0.16 * cloud, parse_palette("#cdbf9f #ded2b4 #ece3cb #f4eddb"))
    scene.lay(np.ones(scene.shape), ground)
    spiral = np.sin(16 * np.log(away + 0.05) + 2 * np.arctan2(y - 0.5, x - 0.5))
    wave = rise_smoothly(0.72, 0.9, spiral) * (away < 0.37)
    scene.lay(wave * 0.85, parse_palette("#7fa39f")[0])
    edge = 0.5 - np.maximum(np.abs(x - 0.5), np.abs(y - 0.5))
    outline = (away < 0.40).astype(np.float32)
    turn = np.arctan2(y - 0.5, x - 0.5)
    band = (away > 0.40) & (away < 0.425)
    scene.lay(band, parse_pigment("#7c2f22"))
    scene.lay((away > 0.385) & (away < 0.40), parse_pigment("#2a2f36"))
    corner = (away > 0.425) & (edge > 0.055)
    leaf = np.sin(turn * 2) ** 2
    scene.lay(corner, blend_palette(leaf, parse_palette("#d9b45e #c08a3e #8d4f2c #4d6a4a")))
    scene.lay((edge < 0.055) & (edge > 0.042), parse_pigment("#2a2f36"))
    side = np.where(np.abs(x - 0.5) > np.abs(y - 0.5), y, x)
    tooth = np.abs((side * 14.0) % 1 - 0.5) * 2
    dent = tooth * 0.034 > edge - 0.004
    scene.lay((edge < 0.042) & dent, parse_pigment("#7c2f22"))
    scene.lay((edge < 0.042) & ~dent, parse_pigment("#efe4c8"))
    scene.lay(edge < 0.006, parse_pigment("#2a2f36"))
    outline[edge < 0.05] = 1
    return outline


def _lay_fish(scene: Scene, outline: Array, sign: float) -> None:
    """A fish bent along a circle around the middle; sign 1 or -1 picks the side."""
    dx, dy = (scene.x - 0.5) * sign, (scene.y - 0.5) * sign
    radius = np.hypot(dx, dy)
    s = np.arctan2(dy, dx) / np.pi * 2 + 1.0  # 0 at the nose .. 2 behind the tail
    s = (s + 0.25) / 1.62
    v = (radius - 0.235) / 0.105
    body = np.clip(np.sin(np.pi * np.clip(s * 1.12, 0, 1) ** 0.62), 0, 1) ** 0.8
    tail = np.clip((s - 0.80) / 0.2, 0, 1)
    half = np.maximum(0.92 * body, np.where(s > 0.80, 0.10 + 0.95 * tail, 0))
    notch = (s > 0.93) & (np.abs(v) < (s - 0.93) * 6)
    inside = (s > 0) & (s < 1) & (np.abs(v) < half) & ~notch
    fin_top = (
        (s > 0.28) & (s < 0.66) & (v > 0) & (v < half + 0.55 * np.sin((s - 0.28) / 0.38 * np.pi))
    )
    fin_low = (
        (s > 0.40) & (s < 0.58) & (v < 0) & (-v < half + 0.45 * np.sin((s - 0.4) / 0.18 * np.pi))
    )
    fins = (fin_top | fin_low) & ~inside
    outline[inside | fins] = 1
    ink = parse_pigment("#20262e")
    ring = blur((inside | fins).astype(np.float32), scene.unit * 0.008)
    scene.lay((ring > 0.03) & ~inside & ~fins, ink)
    warm = "#f0c75a #d98a33 #a8452a #6b2320" if sign > 0 else "#e8e6cf #8fbcb4 #3f7f8c #1f4a63"
    back = blend_palette(0.5 + 0.5 * v / np.maximum(half, 0.2), parse_palette(warm))
    scene.lay(inside, back)
    rays = np.sin(s * 120) > 0
    scene.lay(fins, np.where(rays[..., None], parse_palette(warm)[2], parse_palette(warm)[0]))
    scale = np.sin(s * 62) * 0.5 + 0.5
    lateral = np.abs(np.abs(v) - 0.25 * body) < 0.05
    scene.lay(inside & (s > 0.3) & (s < 0.82) & (scale > 0.72), parse_palette(warm)[3])
    scene.lay(inside & lateral & (s > 0.3) & (s < 0.8), parse_pigment("#f6efd9"))
    scene.lay(inside & (np.abs(s - 0.235 - 0.03 * v**2) < 0.014), ink)
    scene.lay(inside & (s > 0.82) & (np.sin(v * 14) > 0.2), parse_palette(warm)[2])
    eye = np.hypot((s - 0.13) * 4.6, v - 0.22)
    scene.lay(inside & (eye < 0.25), parse_pigment("#f8f2dc"))
    scene.lay(inside & (eye < 0.13), ink)


def _finish_floor(
    scene: Scene, owner: Array, gap: Array, places: Array, pitch: float, rng: Rng
) -> Array:
    """Give each stone one colour, a bevel, a tilt and a grain; fill the joints."""
    count = len(places)
    mass = np.bincount(owner.ravel(), minlength=count) + 1e-6
    center = pick(scene.color, places)
    mean = np.stack(
        [np.bincount(owner.ravel(), scene.color[..., c].ravel(), count) / mass for c in range(3)], 1
    )
    stones = center * 0.75 + mean * 0.25
    stones = stones * np.exp(rng.normal(0, 0.10, (count, 1))) + rng.normal(0, 0.022, (count, 3))
    color: Array = np.clip(stones, 0, 1)[owner].astype(np.float32)
    unit = scene.unit
    vein = make_turbulence(scene.shape, pitch * 0.8, rng, 4)
    speck = make_noise(scene.shape, 2.2, rng)
    color = color * (1.06 + 0.055 * vein + 0.035 * speck)[..., None]
    ragged = gap - 0.06 * pitch + 0.035 * pitch * make_noise(scene.shape, pitch * 0.3, rng)
    stone = rise_smoothly(0.0, pitch * 0.05, ragged)
    mortar = parse_pigment("#8f826a") * (0.70 + 0.10 * make_noise(scene.shape, 3, rng)[..., None])
    color = mortar * (1 - stone[..., None]) + color * stone[..., None]
    tilt = rng.normal(0, 0.16, (count, 2))
    rows, columns = np.indices(scene.shape, np.float32)
    plane = (rows - places[owner, 0]) * tilt[owner, 0] + (columns - places[owner, 1]) * tilt[
        owner, 1
    ]
    dome = pitch * 0.12 * np.sqrt(np.clip(ragged / (pitch * 0.12), 0, 1))
    height = stone * (dome + 0.5 * plane) + 0.25 * vein + 0.14 * speck
    lit = light_relief(np.clip(color, 0, 1), blur(height, 1), 0.60, gloss=0.05)
    worn = 1 + 0.05 * make_turbulence(scene.shape, unit * 0.2, rng, 3)[..., None]
    return shrink_picture(lit * worn)
