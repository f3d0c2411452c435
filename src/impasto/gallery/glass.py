"""Stained glass: leaded cells of streaky, luminous glass."""

from __future__ import annotations

import numpy as np

from impasto.gallery.brush import scatter_seeds
from impasto.gallery.fields import (
    Array,
    Rng,
    blend_palette,
    blur,
    find_edges,
    make_noise,
    make_turbulence,
    measure_distance,
    parse_palette,
    rise_smoothly,
    smear,
)
from impasto.gallery.scenes import Limb, Scene, make_shape, shrink_picture

_SKY = parse_palette("#0b2a7a #1650b8 #2f86d8 #7cc0e8 #c9e6ee")
_RAYS = parse_palette("#fff3b8 #ffd23f #f79a1e #e8571f #c22a3a #7a1f5f")
_HILLS = parse_palette("#0d4f3f #1f8f4f #7cc242 #d7e04f")
_VIOLET = parse_palette("#3b1a6a #6a2f9a #a05fc8 #d8a8e6")
_WATER = parse_palette("#0a3f7f #1173b0 #2fb0c8 #a8e6df")
_WOOD = parse_palette("#3a1410 #7a2f1a #b8602a")
_PETALS = parse_palette("#8f0f2f #d8213f #f2605f #ffc0b0")


def paint_stained_glass(size: int, rng: Rng) -> Array:
    """A rising sun, hills, a river and lilies in lead came."""
    scene = Scene(make_shape(size, 0.8))
    region = _lay_window(scene, rng)
    cells = _split_cells(scene, region, rng)
    edges = find_edges(cells)
    reach = max(int(scene.unit * 0.03), 2)
    away = measure_distance(edges, reach) / scene.unit
    color = _color_glass(scene, region, cells, away, rng)
    return _lead_cells(scene, color, away, rng)


def _lay_window(scene: Scene, rng: Rng) -> Array:
    """Numbers of the parts of the scene, (H, W); hundreds name the kind of glass."""
    x, y = scene.x, scene.y
    region = np.zeros(scene.shape, np.int32)
    sun = (0.40, 0.37)
    away = np.hypot(x - sun[0], y - sun[1])
    turn = np.arctan2(y - sun[1], x - sun[0])
    ray = np.floor((turn / (2 * np.pi) * 22 + 0.25 * np.sin(away * 9)) % 22).astype(np.int32)
    ring = np.digitize(away, [0.19, 0.30, 0.44, 0.60])
    region[:] = 100 + ray * 5 + ring
    region[away < 0.105] = 300
    core = (away >= 0.05) & (away < 0.105)
    region[core] = 350 + np.floor((turn[core] / (2 * np.pi) * 9 + 0.4) % 9).astype(np.int32)
    halo = (away >= 0.105) & (away < 0.145)
    region[halo] = 310 + np.floor((turn[halo] / (2 * np.pi) * 11) % 11).astype(np.int32)
    for number, (level, height, sway) in enumerate(
        ((0.47, 0.035, 0.0), (0.545, 0.04, 2.1), (0.63, 0.035, 4.0))
    ):
        line = level + height * np.sin(x * (7 + 1.5 * number) + sway)
        region[y > line] = 400 + 10 * number
    middle = 0.42 + 0.16 * np.sin((y - 0.50) * 13) * np.clip((y - 0.48) * 4, 0, 1)
    river = (y > 0.50) & (np.abs(x - middle) < 0.012 + 0.42 * np.clip(y - 0.5, 0, 1) ** 1.25)
    lane = np.floor((x - middle) / (0.02 + 0.16 * np.clip(y - 0.5, 0, 1)) + 8).astype(np.int32)
    region[river] = 500 + lane[river] * 3
    _lay_tree(scene, region, rng)
    _lay_lilies(scene, region)
    _lay_frame(scene, region)
    return region


def _lay_tree(scene: Scene, region: Array, rng: Rng) -> None:
    spread = [
        (0.63, 0.30, 0.075),
        (0.715, 0.21, 0.085),
        (0.66, 0.13, 0.075),
        (0.745, 0.335, 0.065),
        (0.57, 0.20, 0.065),
        (0.74, 0.085, 0.06),
    ]
    for number, (cx, cy, radius) in enumerate(spread):
        dx, dy = scene.x - cx, scene.y - cy
        lobed = radius * (1 + 0.07 * np.sin(6 * np.arctan2(dy, dx) + number))
        region[np.hypot(dx, dy) < lobed] = 700 + number
    trunk = [
        Limb(
            np.array([[0.70, 0.78], [0.672, 0.62], [0.685, 0.48], [0.665, 0.30]]),
            np.array([0.06, 0.04, 0.034, 0.016]),
        ),
        Limb(
            np.array([[0.682, 0.47], [0.725, 0.37], [0.735, 0.26]]), np.array([0.024, 0.018, 0.01])
        ),
        Limb(
            np.array([[0.675, 0.42], [0.62, 0.31], [0.585, 0.23]]), np.array([0.022, 0.016, 0.009])
        ),
    ]
    region[scene.mask_limbs(trunk) > 0.5] = 600


def _lay_lilies(scene: Scene, region: Array) -> None:
    for flower, (cx, cy, size) in enumerate(
        ((0.16, 0.80, 0.10), (0.30, 0.885, 0.075), (0.61, 0.865, 0.095))
    ):
        for leaf, turn in enumerate((2.7, 0.45, 1.57)):
            wide = 0.16 if leaf < 2 else 0.07
            region[_mask_petal(scene, (cx, cy), turn, size * 1.7, wide)] = 420 + leaf + 5 * flower
        for petal, turn in enumerate((-2.75, -0.4, -2.2, -0.95, -1.57)):
            region[_mask_petal(scene, (cx, cy), turn, size * 1.15, 0.30)] = (
                800 + petal + 10 * flower
            )
        region[np.hypot(scene.x - cx, (scene.y - cy + 0.1 * size) * 1.3) < size * 0.24] = (
            320 + flower
        )


def _mask_petal(
    scene: Scene, foot: tuple[float, float], turn: float, length: float, wide: float
) -> Array:
    dx, dy = scene.x - foot[0], scene.y - foot[1]
    along = (dx * np.cos(turn) + dy * np.sin(turn)) / length
    across = (-dx * np.sin(turn) + dy * np.cos(turn)) / length
    half = wide * np.sin(np.pi * np.clip(along, 0, 1) ** 0.8)
    petal: Array = (along > 0) & (along < 1) & (np.abs(across) < half)
    return petal


def _lay_frame(scene: Scene, region: Array) -> None:
    x, y = scene.x, scene.y
    right, low = scene.x.max(), scene.bottom
    edge = np.minimum(np.minimum(x, right - x), np.minimum(y, low - y))
    side = np.where(np.minimum(x, right - x) < np.minimum(y, low - y), y, x)
    step = np.floor(side / 0.0667).astype(np.int32)
    frame = edge < 0.042
    region[frame] = 900 + (step % 2)[frame] + 2 * (step[frame] % 7)
    corner = np.maximum(np.minimum(x, right - x), np.minimum(y, low - y)) < 0.042
    region[corner] = 330


def _split_cells(scene: Scene, region: Array, rng: Rng) -> Array:
    """Break large parts into pieces that a glazier could cut."""
    unit = scene.unit
    places = scatter_seeds(scene.shape, unit * 0.10, rng)
    bend_y = make_noise(scene.shape, unit * 0.08, rng) * unit * 0.008
    bend_x = make_noise(scene.shape, unit * 0.08, rng) * unit * 0.008
    rows, columns = np.indices(scene.shape, np.float32)
    best = np.full(scene.shape, np.inf, np.float32)
    piece = np.zeros(scene.shape, np.int32)
    for number, (py, px) in enumerate(places):
        away = ((rows + bend_y - py) * 1.25) ** 2 + ((columns + bend_x - px) * 0.85) ** 2
        closer = away < best
        best[closer] = away[closer]
        piece[closer] = number
    kind = region // 100
    breakable = (kind == 4) & (region < 420) | (kind == 5) | (kind == 7)
    return region * 1000 + np.where(breakable, piece, 0)


def _color_glass(scene: Scene, region: Array, cells: Array, away: Array, rng: Rng) -> Array:
    """Luminous colour of the glass, (H, W, 3)."""
    _, index = np.unique(cells, return_inverse=True)
    index = index.reshape(cells.shape)
    count = int(index.max()) + 1
    level = rng.normal(0, 0.17, count)[index]
    turn = rng.uniform(0, np.pi, count)[index]
    unit = scene.unit
    streak = smear(make_noise(scene.shape, unit * 0.010, rng), turn, unit * 0.035, 8)
    streak = streak / streak.std()
    cloud = make_turbulence(scene.shape, unit * 0.06, rng, 4)
    mass = np.bincount(index.ravel(), minlength=count)
    mid_y = (np.bincount(index.ravel(), scene.y.ravel(), count) / mass)[index]
    mid_x = (np.bincount(index.ravel(), scene.x.ravel(), count) / mass)[index]
    glow = (scene.x - mid_x) * np.cos(turn) * 2.2 - np.abs(scene.y - mid_y) * 1.0
    tone = 0.5 + level + 0.09 * streak + 0.08 * cloud + glow
    kind = region // 100
    color = blend_palette(tone, _HILLS)
    sun = np.hypot(scene.x - 0.40, scene.y - 0.37)
    ray = (region - 100) // 5 % 2
    warm = blend_palette(np.clip(sun * 1.35 - 0.12, 0, 1) + 0.35 * (tone - 0.5), _RAYS)
    cold = blend_palette(0.95 - sun * 1.1 + 0.5 * (tone - 0.5), _SKY)
    in_sky = kind <= 2
    color = np.where(in_sky[..., None], np.where((ray == 0)[..., None], warm, cold), color)
    for number, palette in ((5, _WATER), (6, _WOOD), (8, _PETALS), (9, _VIOLET)):
        color = np.where((kind == number)[..., None], blend_palette(tone, palette), color)
    gold = blend_palette(0.30 * (0.5 - tone) + np.clip(sun * 2.6, 0, 0.42), _RAYS)
    color = np.where((kind == 3)[..., None], gold, color)
    blue = (kind == 9) & (region % 2 == 1)
    color = np.where(blue[..., None], blend_palette(tone * 0.8, _SKY), color)
    middle = (region >= 410) & (region < 420)
    color = np.where(middle[..., None], blend_palette(tone, _VIOLET), color)
    dusk = rise_smoothly(0.0, 0.022, away) * 0.34 + 0.66
    ripple = make_noise(scene.shape, (unit * 0.004, unit * 0.012), rng)
    shade = dusk * (1 + 0.05 * streak + 0.03 * ripple)
    lit: Array = np.clip(color * shade[..., None], 0, 1).astype(np.float32)
    return lit


def _lead_cells(scene: Scene, color: Array, away: Array, rng: Rng) -> Array:
    """Set the cells in rounded lead, with seeds in the glass and a bloom of light."""
    unit = scene.unit
    bubbles = make_noise(scene.shape, unit * 0.0045, rng)
    color = color + 0.16 * rise_smoothly(2.6, 3.2, bubbles)[..., None]
    slope_y, slope_x = np.gradient(make_turbulence(scene.shape, unit * 0.018, rng, 3))
    shine = np.clip(slope_x + slope_y, -0.3, 0.3)[..., None] * 0.75
    color = np.clip(color * (1 + shine), 0, 1)
    half = 0.0046 * (1 + 0.16 * make_noise(scene.shape, unit * 0.03, rng))
    lead = rise_smoothly(0.0, -0.0012, away - half)[..., None]
    round_ = np.sqrt(np.clip(1 - (away / half) ** 2, 0, 1))
    slope_y, slope_x = np.gradient(blur(round_, 1.0))
    metal = 0.115 + 0.5 * np.clip(slope_x * 0.5 + slope_y * 0.6, -0.12, 0.5)
    metal = metal + 0.025 * make_noise(scene.shape, 4, rng)
    cast = metal[..., None] * np.array([0.95, 1.0, 1.12], np.float32)
    window = color * (1 - lead) + np.clip(cast, 0, 1) * lead
    halo = blur(np.clip(color - 0.55, 0, 1) * (1 - lead), unit * 0.012)
    return shrink_picture(np.clip(window + 0.35 * halo, 0, 1))
