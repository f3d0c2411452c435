"""A linocut: gouge marks that follow the forms, black over one warm block."""

from __future__ import annotations

import numpy as np

from impasto.gallery.brush import Brush, Canvas, lay_dabs, pick, scatter_seeds
from impasto.gallery.fields import (
    Array,
    Rng,
    blend_palette,
    make_noise,
    make_paper,
    make_turbulence,
    parse_palette,
    parse_pigment,
    rise_smoothly,
)
from impasto.gallery.scenes import Limb, Scene, make_shape, shrink_picture

_PAPER = parse_pigment("#efe6d0")
_BLACK = parse_pigment("#15131a")


def paint_linocut(size: int, rng: Rng) -> Array:
    """An owl before the moon, cut with a V-gouge and printed in two blocks."""
    scene = Scene(make_shape(size, 0.8))
    warm = np.zeros(scene.shape, np.float32)
    tone = _lay_night(scene, warm, rng)
    tone = _lay_owl(scene, tone, warm, rng)
    tone = _lay_branch(scene, tone, rng)
    block = _carve_block(scene, tone, rng)
    return _print_blocks(scene, block, warm, rng)


def _lay_night(scene: Scene, warm: Array, rng: Rng) -> Array:
    """Moon, rays and hills; returns the tone (H, W): 0 uncut black, 1 cut away."""
    x, y = scene.x, scene.y
    dx, dy = x - 0.40, y - 0.36
    away = np.hypot(dx, dy)
    scene.angle = np.arctan2(dy, dx).astype(np.float32)
    tone = 0.72 - 0.9 * np.abs(away - 0.36)
    tone = np.where(away < 0.345, 1.0, tone)
    tone = np.where((away > 0.345) & (away < 0.365), 0.0, tone)
    moon = away < 0.345
    warm[moon] = 1.0
    scene.angle = np.where(moon, scene.angle + np.pi / 2, scene.angle)
    for level, height, sway, lean in ((0.76, 0.05, 0.4, 0.25), (0.85, 0.04, 2.2, -0.2)):
        line = level + height * np.sin(x * 6.5 + sway)
        hill = y > line
        row = np.clip(0.75 - 3.4 * (y - line), 0.12, 1)
        tone = np.where(hill, row, tone)
        tone = np.where(np.abs(y - line) < 0.006, 0.0, tone)
        scene.angle = np.where(hill, lean + 0.9 * np.cos(x * 6.5 + sway), scene.angle)
        warm[hill] = 0.0
    return tone + 0.05 * make_noise(scene.shape, scene.unit * 0.05, rng)


def _lay_owl(scene: Scene, tone: Array, warm: Array, rng: Rng) -> Array:
    shaky = 0.004 * make_noise((2 * scene.shape[0], scene.shape[1]), scene.unit * 0.03, rng)
    x, y = scene.x + shaky[: scene.shape[0]], scene.y + shaky[scene.shape[0] :]
    dx = x - 0.40
    side = np.abs(dx)
    body = np.hypot(dx / 0.165, (y - 0.52) / 0.235)
    head = np.hypot(dx / 0.150, (y - 0.285) / 0.120)
    ears = (side > 0.06) & (side < 0.150) & (y > 0.125 + 0.55 * (0.150 - side)) & (y < 0.28)
    owl = (body < 1) | (head < 1) | ears
    border = (np.hypot(dx / 0.180, (y - 0.52) / 0.250) < 1) | (
        np.hypot(dx / 0.164, (y - 0.285) / 0.134) < 1
    )
    tone = np.where(border & ~owl, 0.0, tone)
    rows = (y - 0.345 - 0.25 * side**2) / 0.047
    row = np.floor(rows)
    across = (dx / 0.055 + 0.5 * (row % 2)) % 1 - 0.5
    arch = rows % 1 - (0.97 - 2.1 * across**2)
    barbs = (np.abs(across) * 7 - (rows % 1) * 2.2) % 1
    feather = np.where((arch > -0.30) & (arch < -0.10), 1.0, 0.0)
    inner = (arch < -0.42) & (barbs > 0.55) & (np.abs(across) > 0.04) & (rows % 1 > 0.12)
    feather = np.where(inner, 1.0, feather)
    chest = np.where(body < 1, feather, tone)
    wing = (body < 1) & (side > 0.098 - 0.10 * (y - 0.40))
    slats = np.sin(side * 260 + 34 * (y - 0.3)) * 0.5 + 0.5
    chest = np.where(wing, np.where(slats > 0.55, 0.85, 0.0), chest)
    tone = np.where(body < 1, chest, tone)
    scene.angle = np.where(owl, np.pi / 2 + 1.6 * dx, scene.angle)
    tone = np.where((head < 1) | ears, 0.62, tone)
    tuft = np.sin(side * 300) > 0.2
    tone = np.where(ears & tuft & ~(head < 0.9), 0.0, tone)
    warm[owl] = 0.0
    return _lay_face(scene, tone, warm)


def _lay_face(scene: Scene, tone: Array, warm: Array) -> Array:
    """Eyes in their discs of feathers, and the beak."""
    x, y = scene.x, scene.y
    for sign in (-1, 1):
        ex, ey = x - 0.40 - sign * 0.064, y - 0.285
        eye = np.hypot(ex, ey)
        turn = np.arctan2(ey, ex)
        rays = np.sin(turn * 26) > -0.1
        face = eye < 0.078
        tone = np.where(face, np.where(rays, 1.0, 0.0), tone)
        scene.angle = np.where(face, turn, scene.angle)
        tone = np.where(np.abs(eye - 0.080) < 0.004, 0.0, tone)
        tone = np.where(eye < 0.046, 0.0, tone)
        tone = np.where(eye < 0.040, 1.0, tone)
        warm[eye < 0.040] = 1.0
        tone = np.where(np.hypot(ex, ey) < 0.022, 0.0, tone)
        tone = np.where(np.hypot(ex + 0.008, ey + 0.009) < 0.007, 1.0, tone)
    beak = scene.mask_shapes([(0.40, 0.375), (0.376, 0.312), (0.40, 0.292), (0.424, 0.312)]) > 0.5
    tone = np.where(beak, np.where(x < 0.40, 1.0, 0.0), tone)
    warm[beak] = 1.0
    return tone


def _lay_branch(scene: Scene, tone: Array, rng: Rng) -> Array:
    x, y = scene.x, scene.y
    middle = 0.765 + 0.05 * np.sin(x * 5.5 + 0.5) - 0.03 * x
    half = 0.026 + 0.008 * np.sin(x * 17)
    bark = np.abs(y - middle) < half
    halo = np.abs(y - middle) < half + 0.012
    tone = np.where(halo, 0.0, tone)
    grain = np.sin((y - middle) / half * 9 + 1.5 * np.sin(x * 23))
    tone = np.where(bark, np.where(grain > 0.25, 0.95, 0.0), tone)
    scene.angle = np.where(halo, 0.28 * np.cos(x * 5.5 + 0.5), scene.angle)
    for cx, cy, turn, length in (
        (0.10, 0.72, -2.1, 0.15),
        (0.16, 0.80, 2.0, 0.13),
        (0.70, 0.71, -0.8, 0.16),
        (0.64, 0.78, 1.0, 0.13),
        (0.05, 0.80, 1.4, 0.12),
        (0.74, 0.79, 0.5, 0.11),
        (0.20, 0.71, -1.2, 0.11),
        (0.60, 0.70, -1.75, 0.11),
    ):
        dx, dy = x - cx, y - cy
        along = (dx * np.cos(turn) + dy * np.sin(turn)) / length
        across = (-dx * np.sin(turn) + dy * np.cos(turn)) / length
        wide = 0.26 * np.sin(np.pi * np.clip(along, 0, 1) ** 0.85)
        edge = (along > -0.05) & (along < 1.08) & (np.abs(across) < wide + 0.06)
        leaf = (along > 0) & (along < 1) & (np.abs(across) < wide)
        vein = np.sin((along - 0.9 * np.abs(across)) * 42)
        cut = np.where(across > 0, vein > -0.35, vein > 0.55)
        tone = np.where(edge, 0.0, tone)
        tone = np.where(leaf & cut & (np.abs(across) > 0.022), 1.0, tone)
        scene.angle = np.where(leaf, turn + 0.8 * np.sign(across), scene.angle)
    for cx in (0.335, 0.365, 0.435, 0.465):
        toe = Limb(
            np.array([[cx, 0.735], [cx, 0.78], [cx + 0.004, 0.805]]), np.array([0.03, 0.026, 0.006])
        )
        rim = Limb(toe.points, toe.widths + 0.012)
        tone = np.where(scene.mask_limbs([rim]) > 0.5, 0.0, tone)
        tone = np.where(scene.mask_limbs([toe]) > 0.5, 1.0, tone)
    return tone


def _carve_block(scene: Scene, tone: Array, rng: Rng) -> Array:
    """Ink left on the block, (H, W): cut with tapered gouge marks along the forms."""
    unit = scene.unit
    canvas = Canvas(np.zeros((*scene.shape, 3), np.float32))
    clean = rise_smoothly(0.90, 0.98, tone)
    face = np.minimum(
        np.hypot(scene.x - 0.336, scene.y - 0.285), np.hypot(scene.x - 0.464, scene.y - 0.285)
    )
    loose = np.where(face < 0.086, 0.0, 1.0)  # the face is cut with care, not scribbled over
    brush = Brush(1, 1, opacity=1, bristle=0, relief=0, dryness=0.12, jitter=(0.0, 0.0), blunt=2.0)
    for width, length, spacing, floor in ((0.0085, 0.050, 1.25, 0.10), (0.0055, 0.030, 1.5, 0.30)):
        seeds = scatter_seeds(scene.shape, width * spacing * unit, rng)
        own = pick(tone, seeds)
        angles = pick(scene.angle, seeds) + rng.normal(0, 0.05, len(seeds))
        run = np.stack([np.sin(angles), np.cos(angles)], 1) * length * unit * 0.42
        ends = np.minimum(pick(tone, seeds + run), pick(tone, seeds - run))
        chance = np.clip((own - floor) * 0.62, 0, 0.8) * (ends > 0.04) * pick(loose, seeds)
        keep = rng.random(len(seeds)) < chance
        seeds, angles, own = seeds[keep], angles[keep], own[keep]
        size = np.exp(rng.normal(0, 0.25, len(seeds)))
        wide = width * unit * size * np.clip(0.45 + 0.7 * own, 0.4, 1.1)
        sizes = wide, length * unit * size * np.clip(0.4 + 0.7 * own, 0.4, 1)
        lay_dabs(canvas, seeds, angles, sizes, np.ones((len(seeds), 3)), brush, rng)
    cut = np.maximum(canvas.color[..., 0], clean)
    stay = np.zeros((*scene.shape, 3), np.float32)
    chatter = Canvas(stay)
    seeds = scatter_seeds(scene.shape, unit * 0.016, rng)
    seeds = seeds[(pick(clean * loose, seeds) > 0.5) & (rng.random(len(seeds)) < 0.42)]
    angles = pick(scene.angle, seeds) + rng.normal(0, 0.12, len(seeds))
    sizes = (
        unit * rng.uniform(0.0012, 0.0032, len(seeds)),
        unit * rng.uniform(0.008, 0.03, len(seeds)),
    )
    lay_dabs(chatter, seeds, angles, sizes, np.ones((len(seeds), 3)), brush, rng)
    ink: Array = np.maximum(1 - cut, chatter.color[..., 0] * (tone < 2))
    return ink


def _print_blocks(scene: Scene, block: Array, warm: Array, rng: Rng) -> Array:
    unit = scene.unit
    tooth = make_paper(scene.shape, unit * 0.0035, rng)
    patch = make_turbulence(scene.shape, unit * 0.06, rng, 4)
    color = np.broadcast_to(_PAPER, (*scene.shape, 3)) * (1 + 0.018 * tooth[..., None])
    ramp = parse_palette("#c93a20 #e0602a #f0a03c #f4c766")
    glow = blend_palette(1.05 - scene.y * 1.55 + 0.03 * patch, ramp)
    cover = np.clip(warm * (0.90 - 0.09 * np.clip(tooth - 0.6, 0, 3) + 0.05 * patch), 0, 1)
    color = color + (glow - color) * cover[..., None]
    salt = rise_smoothly(1.25, 1.9, tooth + 0.30 * patch)
    ink = block * (1 - 0.75 * salt) * (0.96 + 0.02 * patch)
    edge = np.minimum(np.minimum(scene.x, 0.8 - scene.x), np.minimum(scene.y, 1 - scene.y))
    ink = ink * rise_smoothly(0.018, 0.0205, edge + 0.0015 * patch)
    return shrink_picture(color + (_BLACK - color) * np.clip(ink, 0, 1)[..., None])
