"""Gold leaf and ornament: flowing bands of inlay over a gilded ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impasto.gallery.fields import (
    Array,
    Rng,
    blend_palette,
    blur,
    light_relief,
    make_noise,
    make_turbulence,
    parse_palette,
    rise_smoothly,
)
from impasto.gallery.scenes import Scene, make_shape, shrink_picture

_GOLD = parse_palette("#5a3a0c #96681a #c79a35 #e3be5a #f5e3a0")
_GEMS = parse_palette("#14140f #f1ead2 #8f2320 #c9562f #1f5f7a #2f7a55 #6a3f86 #d98fa0 #b9b3a0")


@dataclass
class _Inlay:
    """The picture so far: colour (H, W, 3), relief (H, W), and where metal shows (H, W)."""

    color: Array
    relief: Array
    metal: Array

    def set_stone(self, mask: Array, color: Array, rise: float = 1.0) -> None:
        """Cover `mask` with colour, raised a little."""
        self.color = np.where(mask[..., None], color, self.color).astype(np.float32)
        self.relief = np.where(mask, rise, self.relief).astype(np.float32)
        self.metal = np.where(mask, 0.0, self.metal).astype(np.float32)

    def set_gold(self, mask: Array, rise: float) -> None:
        """Raise gold over `mask`."""
        self.relief = np.where(mask, rise, self.relief).astype(np.float32)
        self.metal = np.where(mask, 1.0, self.metal).astype(np.float32)


def paint_gold_ornament(size: int, rng: Rng) -> Array:
    """Bands of spirals, eyes, blossoms and black-and-silver blocks, flowing over gold."""
    scene = Scene(make_shape(size, 0.8))
    shape = scene.shape
    leaf = _gild_ground(scene, rng)
    inlay = _Inlay(leaf, np.zeros(shape, np.float32), np.ones(shape, np.float32))
    _coil_ground(scene, inlay, rng)
    place, along, across, wide = _bend_bands(scene)
    patterns = (_lay_blocks, _lay_coils, _lay_blossoms, _lay_triangles, _lay_eyes, _lay_scales)
    for number, kind in ((1, 0), (2, 3), (3, 2), (5, 4), (6, 1), (7, 0), (8, 5), (9, 2)):
        band = place == number
        rim = band & (np.abs(across) > 1 - 0.0045 / wide)
        inside = band & ~rim
        if band.any():
            patterns[kind](inlay, inside, along, across, wide, rng)
            inlay.set_gold(rim, 1.6)
    _plant_meadow(scene, inlay, rng)
    return _burnish(scene, inlay, rng)


def _gild_ground(scene: Scene, rng: Rng) -> Array:
    """Squares of leaf, each of its own tone, worn to the bole here and there."""
    unit = scene.unit
    rows = np.floor((scene.y + 0.004 * make_noise(scene.shape, unit * 0.1, rng)) / 0.104)
    columns = np.floor((scene.x + 0.03 * (rows % 2) + 0.01) / 0.104)
    sheet = np.sin(rows * 91.3 + columns * 47.7) * 0.5
    cloud = make_turbulence(scene.shape, unit * 0.10, rng, 5)
    crackle = make_turbulence(scene.shape, unit * 0.012, rng, 3)
    tone = 0.54 + 0.06 * sheet + 0.10 * cloud + 0.035 * crackle
    seam_y = np.abs((scene.y / 0.104) % 1 - 0.5) > 0.488
    seam_x = np.abs(((scene.x + 0.03 * (rows % 2) + 0.01) / 0.104) % 1 - 0.5) > 0.488
    tone = tone - 0.14 * (seam_y | seam_x) * (crackle > -0.4)
    worn = rise_smoothly(1.5, 2.3, cloud + 0.7 * crackle)[..., None]
    gold = blend_palette(tone, _GOLD)
    ground: Array = gold * (1 - worn) + parse_palette("#7a3320")[0] * worn
    return ground


def _coil_ground(scene: Scene, inlay: _Inlay, rng: Rng) -> None:
    """Large spirals in relief on the bare gold."""
    spots: list[tuple[float, float, float]] = []
    for _ in range(1500):
        cx, cy = rng.uniform(0, 0.8), rng.uniform(0, 0.9)
        radius = rng.choice([0.062, 0.048, 0.034, 0.022])
        if all(np.hypot(cx - a, cy - b) > radius + r + 0.004 for a, b, r in spots):
            spots.append((cx, cy, radius))
    for cx, cy, radius in spots:
        dx, dy = scene.x - cx, scene.y - cy
        away = np.hypot(dx, dy)
        turn = np.arctan2(dy, dx) * rng.choice([-1, 1]) + rng.uniform(0, 6)
        coil = np.abs((away / 0.0125 - turn / (2 * np.pi)) % 1 - 0.5) < 0.20
        inside = away < radius
        inlay.set_gold(inside & coil, 1.1)
        dark = inside & ~coil & (away > 0.004)
        inlay.color = np.where(dark[..., None], inlay.color * 0.80, inlay.color)


def _bend_bands(scene: Scene) -> tuple[Array, Array, Array, Array]:
    """Which band each pixel lies in, its place along and across it, and half the width."""
    x, y = scene.x, scene.y
    flow = x + 0.115 * np.sin(4.6 * y + 0.5) + 0.035 * np.sin(9.5 * y + 2.0) + 0.10 * (y - 0.5)
    slope = 0.115 * 4.6 * np.cos(4.6 * y + 0.5) + 0.035 * 9.5 * np.cos(9.5 * y + 2.0) + 0.10
    knots = np.array(
        [-0.30, 0.03, 0.115, 0.165, 0.285, 0.405, 0.455, 0.545, 0.655, 0.70, 0.835, 1.3]
    )
    place = np.clip(np.searchsorted(knots, flow.ravel()) - 1, 0, len(knots) - 2).reshape(x.shape)
    low, high = knots[place], knots[place + 1]
    across = (flow - (low + high) / 2) / ((high - low) / 2)
    stretch = np.sqrt(1 + slope**2)
    wide = (high - low) / 2 / stretch
    return place, y + 0 * x, across, wide


def _hash_cells(a: Array, b: Array | float) -> Array:
    """A fixed random number in [0, 1) for each cell (a, b)."""
    value: Array = np.abs(np.sin(a * 127.1 + b * 311.7 + 3.3) * 43758.5453) % 1
    return value


def _lay_blocks(
    inlay: _Inlay, band: Array, along: Array, across: Array, wide: Array, rng: Rng
) -> None:
    """Upright blocks in black, white, silver and gold, of uneven length."""
    column = np.floor((across + 1) * 2.5)
    start = rng.uniform(0, 1)
    tall = 0.030 + 0.030 * _hash_cells(column, start)
    row = np.floor(along / tall + column * 0.37)
    pick_ = _hash_cells(row, column + start)
    u = np.abs(((across + 1) * 2.5) % 1 - 0.5)
    v = np.abs((along / tall + column * 0.37) % 1 - 0.5)
    inside = band & (u < 0.41) & (v < 0.44)
    gems = np.digitize(pick_, [0.34, 0.60, 0.66, 0.72, 0.80])
    colors = _GEMS[np.array([0, 1, 2, 4, 8, 1])][gems]
    inlay.set_stone(inside & (pick_ < 0.80), colors)
    inner = inside & (u < 0.2) & (v < 0.24) & (pick_ > 0.8)
    inlay.set_stone(inner, _GEMS[0])
    inlay.set_gold(inside & (pick_ >= 0.80) & ~inner, 1.3)


def _locate_cells(
    along: Array, across: Array, wide: Array, pitch: float
) -> tuple[Array, Array, Array]:
    """Row number and the place in a cell, x and y, in long sides from its middle."""
    row = np.floor(along / pitch)
    return row, across * wide, ((along / pitch) % 1 - 0.5) * pitch


def _lay_coils(
    inlay: _Inlay, band: Array, along: Array, across: Array, wide: Array, rng: Rng
) -> None:
    """A chain of coloured spirals."""
    row, dx, dy = _locate_cells(along, across, wide, 0.092)
    away, turn = np.hypot(dx, dy), np.arctan2(dy, dx) * np.where(row % 2 == 0, 1, -1)
    inlay.set_stone(band, _GEMS[4] * 0.55)
    coil = np.abs((away / 0.0105 - turn / (2 * np.pi)) % 1 - 0.5) < 0.27
    inlay.set_gold(band & coil & (away < 0.042), 1.5)
    corner = np.hypot(np.abs(dx) - 0.040, np.abs(dy) - 0.040)
    inlay.set_stone(band & (corner < 0.011), _GEMS[3])
    inlay.set_gold(band & (corner < 0.0045), 1.6)


def _lay_blossoms(
    inlay: _Inlay, band: Array, along: Array, across: Array, wide: Array, rng: Rng
) -> None:
    """Round flowers of rings and petals on dark ground."""
    inlay.set_stone(band, parse_palette("#2a3f2c")[0], 0.6)
    leafy = np.sin(along * 310 + 4 * across) * np.sin(across * wide * 420) > 0.25
    inlay.set_stone(band & leafy, _GEMS[5], 0.8)
    for shift, pitch, scale in ((0.0, 0.078, 1.0), (0.039, 0.078, 0.62)):
        row, dx, dy = _locate_cells(along + shift, across, wide, pitch)
        sway = (0.30 if shift else -0.12) * wide * np.where(row % 2 == 0, 1, -1)
        away, turn = np.hypot(dx - sway, dy), np.arctan2(dy, dx - sway)
        radius = scale * np.minimum(0.034, wide * 0.72)
        ring = away / radius
        edge = 1 + 0.10 * np.cos(turn * 8)
        hue = np.floor(_hash_cells(row, shift + 0.7) * 4).astype(np.intp)
        outer = _GEMS[np.array([2, 6, 3, 7])][hue]
        middle = _GEMS[np.array([7, 1, 1, 2])][hue]
        inlay.set_stone(band & (ring < edge), outer, 1.2)
        inlay.set_gold(band & (np.abs(ring - 0.72) < 0.06), 1.5)
        inlay.set_stone(band & (ring < 0.58), middle, 1.4)
        inlay.set_stone(band & (ring < 0.34), _GEMS[4], 1.5)
        inlay.set_gold(band & (ring < 0.17), 1.9)


def _lay_triangles(
    inlay: _Inlay, band: Array, along: Array, across: Array, wide: Array, rng: Rng
) -> None:
    """Stacked triangles, pointing up and down."""
    row, _, dy = _locate_cells(along, across, wide, 0.034)
    v = dy / 0.034 + 0.5
    inside = np.abs(across) < v * 0.92
    hue = np.floor(_hash_cells(row, 2.2) * 5).astype(np.intp)
    colors = _GEMS[np.array([2, 0, 3, 1, 4])][hue]
    inlay.set_gold(band, 0.7)
    inlay.set_stone(band & inside & (v > 0.08) & (v < 0.93), colors, 1.2)
    inlay.set_gold(band & (np.abs(across) < (v - 0.35) * 0.55) & (v < 0.82), 1.6)


def _lay_eyes(
    inlay: _Inlay, band: Array, along: Array, across: Array, wide: Array, rng: Rng
) -> None:
    """Almond eyes with dark pupils, between scales of silver."""
    row, dx, dy = _locate_cells(along, across, wide, 0.066)
    bars = np.abs((along * 150 + np.abs(across) * 2.4) % 1 - 0.5) < 0.3
    inlay.set_stone(band, _GEMS[2] * 0.8, 0.7)
    inlay.set_gold(band & bars, 1.1)
    lid = np.abs(dy) < 0.021 * (1 - np.clip(np.abs(across) / 0.93, 0, 1) ** 1.7)
    inlay.set_stone(band & (np.abs(dy) < 0.030 * (1 - np.abs(across) ** 2)), _GEMS[0], 1.0)
    inlay.set_stone(band & lid, _GEMS[1], 1.3)
    away = np.hypot(dx, dy)
    inlay.set_stone(
        band & (away < 0.0165), np.where((row % 2 == 0)[..., None], _GEMS[4], _GEMS[5]), 1.5
    )
    inlay.set_stone(band & (away < 0.0085), _GEMS[0], 1.6)
    inlay.set_gold(band & (np.hypot(dx + 0.004, dy + 0.004) < 0.0032), 2.0)


def _lay_scales(
    inlay: _Inlay, band: Array, along: Array, across: Array, wide: Array, rng: Rng
) -> None:
    """Fish scales of gold, each with a coloured heart."""
    row = np.floor(along / 0.019)
    v = (along / 0.019) % 1
    u = (across * 1.5 + 0.5 * (row % 2)) % 1 - 0.5
    away = np.hypot(u * 1.9, v * 0.95)
    inlay.set_stone(band, _GEMS[0], 0.3)
    inlay.set_gold(band & (away < 0.90), 1.2)
    inlay.set_stone(band & (away < 0.52), _GEMS[3], 1.3)
    inlay.set_stone(band & (away < 0.28), _GEMS[1], 1.5)


def _plant_meadow(scene: Scene, inlay: _Inlay, rng: Rng) -> None:
    """Small round flowers thick as a carpet along the foot."""
    unit = scene.unit
    line = 0.865 + 0.035 * np.sin(scene.x * 8 + 1.0) + 0.02 * np.sin(scene.x * 21)
    turf = scene.y > line
    mottle = make_turbulence(scene.shape, unit * 0.02, rng, 3)
    green = blend_palette(0.45 + 0.2 * mottle, parse_palette("#12261c #24523a #4a7a3a #8f9a45"))
    inlay.set_stone(turf, green, 0.6)
    count = 620
    cx, cy = rng.uniform(0, 0.8, count), rng.uniform(0.82, 1.0, count)
    radius = rng.choice([0.0045, 0.0065, 0.009, 0.0125], count, p=[0.35, 0.3, 0.22, 0.13])
    hue = rng.choice([1, 2, 3, 4, 6, 7], count)
    for number in np.argsort(cy):
        top = 0.865 + 0.035 * np.sin(cx[number] * 8 + 1.0) + 0.02 * np.sin(cx[number] * 21)
        if cy[number] < top - 0.004:
            continue
        reach = radius[number] * 1.3
        rows = slice(max(int((cy[number] - reach) * unit), 0), int((cy[number] + reach) * unit) + 1)
        cols = slice(max(int((cx[number] - reach) * unit), 0), int((cx[number] + reach) * unit) + 1)
        dx, dy = scene.x[rows, cols] - cx[number], scene.y[rows, cols] - cy[number]
        ring = np.hypot(dx, dy) / radius[number] / (1 + 0.14 * np.cos(np.arctan2(dy, dx) * 6))
        color, relief = inlay.color[rows, cols], inlay.relief[rows, cols]
        metal = inlay.metal[rows, cols]
        color[ring < 1], relief[ring < 1], metal[ring < 1] = _GEMS[hue[number]], 1.4, 0
        color[ring < 0.45], relief[ring < 0.45], metal[ring < 0.45] = _GOLD[3], 1.9, 1


def _burnish(scene: Scene, inlay: _Inlay, rng: Rng) -> Array:
    """Light the relief: glittering where gold shows, enamel and paint elsewhere."""
    unit = scene.unit
    grain = make_turbulence(scene.shape, unit * 0.006, rng, 3)
    cloud = make_turbulence(scene.shape, unit * 0.06, rng, 4)
    sheen = 0.60 + 0.13 * cloud + 0.06 * grain + 0.09 * np.clip(inlay.relief, 0, 2)
    gold = blend_palette(sheen, _GOLD)
    raised = (inlay.relief > 0)[..., None]
    metal = inlay.metal[..., None]
    painted = inlay.color * (1 + 0.10 * cloud + 0.075 * grain)[..., None]
    color = np.where(raised, gold * metal + painted * (1 - metal), inlay.color)
    rub = rise_smoothly(1.6, 2.4, cloud + grain)[..., None] * (1 - metal)
    color = color * (1 - 0.6 * rub) + _GOLD[2] * 0.6 * rub
    hammered = make_turbulence(scene.shape, unit * 0.010, rng, 3)
    height = blur(inlay.relief, 1.1) * 1.5 + 0.22 * grain + 0.40 * hammered * inlay.metal
    lit = light_relief(np.clip(color, 0, 1), height, 0.55, gloss=0.0)
    slope_y, slope_x = np.gradient(blur(height, 1))
    glint = np.clip(slope_x * 0.6 + slope_y * 0.8, 0, 0.6)[..., None] * metal
    lit = lit + glint * np.array([0.75, 0.62, 0.35])
    return shrink_picture(np.clip(lit, 0, 1))
