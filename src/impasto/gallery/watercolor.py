"""Watercolour: transparent pigment on white paper, wet edges, blooms and granulation.

Pigments are added as optical densities, so that washes darken each other as glazes do (Beer's
law, the thin-layer limit of Kubelka and Munk). Edge darkening, blooms and granulation after
Curtis et al. 1997, "Computer-generated watercolor", without the fluid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impasto.gallery.brush import scatter_seeds
from impasto.gallery.fields import (
    Array,
    Rng,
    blur,
    make_paper,
    make_turbulence,
    parse_pigment,
    rise_smoothly,
    warp,
)
from impasto.gallery.scenes import Limb, Scene, make_box, make_ridge, make_shape, shrink_picture

_ULTRAMARINE = "#3a56b0"
_CERULEAN = "#5fa8d0"
_VIOLET = "#7a5a9a"
_SIENNA = "#c9622f"
_OCHRE = "#e0ac4a"
_ROSE = "#d0506a"
_SAP = "#6a8a3a"
_VIRIDIAN = "#2f7f72"
_SEPIA = "#4a352c"


@dataclass
class Sheet:
    """Paper with what has soaked in: density (H, W, 3), tooth (H, W), slow and fast noise."""

    scene: Scene
    density: Array
    tooth: Array
    slow: Array
    fast: Array
    cross: Array
    rng: Rng

    def wash(
        self,
        mask: Array,
        pigment: str,
        strength: Array | float = 1.0,
        edge: float = 0.5,
        wander: float = 0.004,
        granulation: float = 0.16,
    ) -> None:
        """Lay one transparent wash.

        Args:
            mask: Where, (H, W) in [0, 1].
            pigment: Its colour at full strength on white.
            strength: Amount of pigment, a number or (H, W).
            edge: Extra pigment at the rim of the dried wash.
            wander: How far the rim strays, in long sides.
            granulation: How much pigment settles in the valleys of the paper.
        """
        unit = self.scene.unit
        window = _find_window(mask, round(unit * 0.05))
        slow, fast, cross, tooth = (
            noise[window] for noise in (self.slow, self.fast, self.cross, self.tooth)
        )
        reach = wander * unit
        wet = warp(mask[window], reach * (fast + 0.5 * slow), reach * cross)
        wet = rise_smoothly(0.25, 0.75, wet + 0.10 * tooth * (wet > 0.02) * (wet < 0.98))
        inner = blur(wet, unit * 0.0032)
        wide = blur(wet, unit * 0.014)
        rim = wet * (np.clip(1 - inner, 0, 1) * 1.5 + np.clip(1 - wide, 0, 1) * 0.5)
        pool = 1 + 0.24 * slow + 0.10 * fast
        amount = wet * np.clip(pool + edge * rim - granulation * tooth, 0.05, 3)
        absorbed = -np.log(np.clip(parse_pigment(pigment), 0.02, 0.995))
        strength = strength[window] if isinstance(strength, np.ndarray) else strength
        self.density[window] += (amount * strength)[..., None] * absorbed

    def soak(self, mask: Array, pigment: str, strength: float, spread: float) -> None:
        """Drop pigment into wet paper: a soft, feathered stain."""
        unit = self.scene.unit
        soft = blur(mask, spread * unit)
        branch = warp(soft, 0.6 * spread * unit * self.slow, 0.6 * spread * unit * self.fast)
        self.wash_soft(branch, pigment, strength)

    def wash_soft(self, amount: Array, pigment: str, strength: float) -> None:
        """Add pigment without an edge."""
        absorbed = -np.log(np.clip(parse_pigment(pigment), 0.02, 0.995))
        grainy = np.clip(amount * (1 - 0.16 * self.tooth + 0.15 * self.fast), 0, 3)
        self.density += (grainy * strength)[..., None] * absorbed

    def lift(self, amount: Array) -> None:
        """Take pigment out again, (H, W) in [0, 1]."""
        window = _find_window(amount, 1)
        self.density[window] *= 1 - amount[window][..., None]


def _find_window(mask: Array, margin: int) -> tuple[slice, slice]:
    """The part of the sheet that a mask touches."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    top, left = max(rows[0] - margin, 0), max(columns[0] - margin, 0)
    return slice(top, rows[-1] + margin + 1), slice(left, columns[-1] + margin + 1)


def paint_watercolor(size: int, rng: Rng) -> Array:
    """A hill town in the sun, painted wet in wet with much white paper."""
    scene = Scene(make_shape(size, 4 / 3))
    unit = scene.unit
    sheet = Sheet(
        scene,
        np.zeros((*scene.shape, 3), np.float32),
        make_paper(scene.shape, unit * 0.0048, rng),
        make_turbulence(scene.shape, unit * 0.13, rng, 3),
        make_turbulence(scene.shape, unit * 0.028, rng, 4),
        make_turbulence(scene.shape, unit * 0.028, rng, 4),
        rng,
    )
    _wash_sky(sheet)
    _wash_hills(sheet)
    _wash_town(sheet)
    _wash_foreground(sheet)
    _bloom(sheet)
    _splash(sheet)
    return _dry_sheet(sheet)


def _wash_sky(sheet: Sheet) -> None:
    x, y = sheet.scene.x, sheet.scene.y
    cloud = make_turbulence(
        sheet.scene.shape, (sheet.scene.unit * 0.10, sheet.scene.unit * 0.20), sheet.rng, 4
    )
    blue = rise_smoothly(-0.35, 0.75, -cloud + 0.5 - 1.6 * y) * rise_smoothly(0.36, 0.10, y)
    sheet.wash_soft(blue * (0.55 + 0.18 * sheet.slow), _ULTRAMARINE, 0.55)
    sheet.wash_soft(rise_smoothly(0.1, 0.9, -cloud) * rise_smoothly(0.4, 0.15, y), _CERULEAN, 0.30)
    warm = rise_smoothly(0.15, 0.33, y) * rise_smoothly(0.55, 0.36, y)
    sheet.wash_soft(warm * (0.7 + 0.3 * cloud * 0.5), _OCHRE, 0.34)
    under = (
        rise_smoothly(0.5, 1.3, cloud) * rise_smoothly(0.02, 0.12, y) * rise_smoothly(0.34, 0.2, y)
    )
    sheet.wash_soft(under, _VIOLET, 0.26)
    sheet.wash_soft(warm * rise_smoothly(0.3, 0.9, x), _ROSE, 0.16)


def _wash_hills(sheet: Sheet) -> None:
    scene, rng = sheet.scene, sheet.rng
    for level, height, cell, pigment, strength in (
        (0.335, 0.030, 0.30, _CERULEAN, 0.75),
        (0.365, 0.024, 0.22, _ULTRAMARINE, 0.62),
        (0.400, 0.018, 0.20, _VIRIDIAN, 0.50),
    ):
        line = make_ridge(scene, level, height, cell, rng)
        fade = np.clip(1.15 - (scene.y - line) * 7, 0, 1.2) * (scene.y < 0.62)
        sheet.wash(scene.mask_below(line), pigment, strength * fade, edge=0.35)
    near = 0.60 - 0.17 * np.exp(-(((scene.x - 0.57) / 0.30) ** 2)) + 0.004 * sheet.fast
    body = scene.mask_below(near)
    fade = np.clip(1.0 - (scene.y - near) * 4.5, 0.0, 1)
    sheet.wash(body, _OCHRE, 0.55 * fade, edge=0.3)
    spots = scene.mask_below(near + 0.02) * rise_smoothly(0.35, 0.9, sheet.fast)
    sheet.soak(spots * (scene.y < 0.66), _SAP, 0.8, 0.006)


def _wash_town(sheet: Sheet) -> None:
    """Houses from the back to the front, each hiding what lies behind it."""
    rng = sheet.rng
    _wash_tower(sheet, 0.60, 0.345, 0.036, 0.20)
    rows = ((0.395, 6, 0.13), (0.430, 8, 0.20), (0.470, 9, 0.27), (0.515, 9, 0.33))
    for level, count, spread in rows:
        for place in rng.permutation(count):
            share = (place + 0.5) / count * 2 - 1
            cx = 0.58 + spread * share + rng.normal(0, 0.008)
            cy = level + 0.055 * share**2 + rng.normal(0, 0.007)
            _wash_house(sheet, cx, cy, rng.uniform(0.046, 0.070))
    for cx, cy, tall in (
        (0.262, 0.565, 0.17),
        (0.300, 0.575, 0.13),
        (0.885, 0.575, 0.19),
        (0.852, 0.585, 0.13),
        (0.475, 0.455, 0.10),
        (0.705, 0.450, 0.11),
        (0.925, 0.59, 0.14),
    ):
        y = np.linspace(cy, cy - tall, 12)
        width = 0.17 * tall * np.sin(np.linspace(0.5, np.pi, 12)) ** 0.8 + 0.002
        path = np.stack([np.full(12, cx) + 0.002 * np.sin(y * 90), y], 1)
        mask = sheet.scene.mask_limbs([Limb(path, width)])
        sheet.wash(mask, _VIRIDIAN, 1.0, edge=0.7, wander=0.006)
        right = sheet.scene.x > cx
        sheet.wash(mask * right, _ULTRAMARINE, 0.75, edge=0.2, wander=0.006)
        sheet.soak(mask * ~right, _OCHRE, 0.5, 0.004)


def _wash_house(sheet: Sheet, cx: float, cy: float, w: float) -> None:
    rng, scene = sheet.rng, sheet.scene
    h = w * rng.uniform(0.85, 1.45)
    turn = rng.uniform(0.45, 0.7) * w
    front = [(cx - w / 2, cy), (cx + w * 0.18, cy), (cx + w * 0.18, cy + h), (cx - w / 2, cy + h)]
    side = [
        (cx + w * 0.18, cy),
        (cx + w * 0.18 + turn, cy - 0.004),
        (cx + w * 0.18 + turn, cy + h * 0.95),
        (cx + w * 0.18, cy + h),
    ]
    roof = [
        (cx - w * 0.57, cy + 0.004),
        (cx - w * 0.36, cy - 0.30 * w),
        (cx + w * 0.18 + turn * 0.75, cy - 0.34 * w),
        (cx + w * 0.2 + turn * 1.1, cy + 0.002),
        (cx + w * 0.18, cy + 0.008),
    ]
    whole = scene.mask_shapes(front, side, roof)
    sheet.lift(whole * 0.96)
    sheet.wash(scene.mask_shapes(front), _OCHRE, rng.uniform(0.04, 0.30), edge=0.6, wander=0.002)
    if rng.random() < 0.4:
        sheet.wash(scene.mask_shapes(front), _ROSE, 0.15, edge=0.5, wander=0.002)
    shade = rng.choice([_VIOLET, _ULTRAMARINE, _VIOLET])
    sheet.wash(scene.mask_shapes(side), shade, rng.uniform(0.55, 0.9), edge=0.6, wander=0.002)
    sheet.wash(scene.mask_shapes(side), _SIENNA, rng.uniform(0.1, 0.35), edge=0.3, wander=0.002)
    sheet.wash(scene.mask_shapes(roof), _SIENNA, rng.uniform(0.7, 1.15), edge=0.7, wander=0.003)
    right = cx + w * 0.2 + turn
    eave = [(cx - w * 0.5, cy + 0.003), (right, cy + 0.001), (right, cy + 0.011)]
    eave.append((cx - w * 0.5, cy + 0.011))
    sheet.wash(scene.mask_shapes(eave), _VIOLET, 0.55, edge=0.3, wander=0.002)
    _wash_windows(sheet, cx, cy, w, h, turn)


def _wash_windows(sheet: Sheet, cx: float, cy: float, w: float, h: float, turn: float) -> None:
    """A few dark openings in the front, and one in the side."""
    panes = []
    for column in (-0.33, -0.06):
        for row in (0.30, 0.68):
            if sheet.rng.random() < 0.75:
                px, py, s = cx + column * w, cy + row * h, w * 0.055
                panes.append(make_box(px - s, py - 1.6 * s, px + s, py + 1.6 * s))
    px = cx + w * 0.2 + turn * 0.5
    panes.append(make_box(px - 0.003, cy + 0.3 * h, px + 0.003, cy + 0.5 * h))
    sheet.wash(sheet.scene.mask_shapes(*panes), _SEPIA, 0.85, edge=0.3, wander=0.0015)


def _wash_tower(sheet: Sheet, cx: float, cy: float, w: float, h: float) -> None:
    scene = sheet.scene
    top = cy - 0.10
    left = [
        (cx - w / 2, top),
        (cx + w * 0.08, top),
        (cx + w * 0.08, top + h),
        (cx - w / 2, top + h),
    ]
    right = [
        (cx + w * 0.08, top),
        (cx + w / 2, top),
        (cx + w / 2, top + h),
        (cx + w * 0.08, top + h),
    ]
    cap = [(cx - w * 0.62, top + 0.002), (cx, top - w * 1.25), (cx + w * 0.62, top + 0.002)]
    sheet.lift(scene.mask_shapes(left, right, cap) * 0.97)
    sheet.wash(scene.mask_shapes(left), _OCHRE, 0.22, edge=0.6, wander=0.002)
    sheet.wash(scene.mask_shapes(right), _VIOLET, 0.85, edge=0.6, wander=0.002)
    sheet.wash(scene.mask_shapes(cap), _SIENNA, 1.15, edge=0.7, wander=0.002)
    bell = [
        (cx - 0.007, top + 0.02),
        (cx + 0.001, top + 0.02),
        (cx + 0.001, top + 0.05),
        (cx - 0.007, top + 0.05),
    ]
    ring = [
        (cx - w / 2, top + 0.065),
        (cx + w / 2, top + 0.065),
        (cx + w / 2, top + 0.071),
        (cx - w / 2, top + 0.071),
    ]
    sheet.wash(scene.mask_shapes(bell, ring), _SEPIA, 0.8, edge=0.3, wander=0.0015)


def _wash_foreground(sheet: Sheet) -> None:
    scene, rng = sheet.scene, sheet.rng
    x, y = scene.x, scene.y
    base = 0.585 + 0.045 * ((x - 0.58) / 0.45) ** 2
    field = scene.mask_below(base + 0.006 * sheet.fast)
    sheet.lift(field * 0.9)
    fade = np.clip(1.0 - (y - base) * 3.2, 0.25, 1)
    sheet.wash(field, _SAP, 0.62 * fade, edge=0.5, wander=0.008)
    sheet.wash_soft(field * rise_smoothly(-0.2, 1.2, sheet.slow), _OCHRE, 0.75)
    sheet.wash_soft(field * rise_smoothly(0.1, 1.2, -sheet.slow), _VIRIDIAN, 0.6)
    shade = rise_smoothly(0.02, 0.0, np.abs(y - base - 0.03 - 0.02 * sheet.slow) - 0.012)
    sheet.wash(shade * field, _VIRIDIAN, 0.8, edge=0.5, wander=0.012)
    rows = np.sin((y - base) * 210 / (0.5 + 2.2 * (y - base)) + 12 * x + 0.8 * sheet.slow)
    vines = field * rise_smoothly(0.45, 0.75, rows) * rise_smoothly(0.10, 0.6, sheet.slow + x - 0.4)
    sheet.wash(vines, _SAP, 0.7, edge=0.6, wander=0.006)
    for _ in range(90):
        cx, cy = rng.uniform(0.0, 0.62) ** 1.2, rng.uniform(0.63, 0.745)
        radius = rng.uniform(0.003, 0.0085) * (0.5 + 4 * (cy - 0.6))
        bloom = np.hypot(x - cx, (y - cy) * 1.2) < radius * 1.6
        sheet.lift(bloom * 0.8)
        sheet.wash(bloom.astype(np.float32), _ROSE, rng.uniform(0.8, 1.5), edge=0.8, wander=0.003)


def _bloom(sheet: Sheet) -> None:
    """Backruns: water that pushed the pigment outwards before it dried."""
    for cx, cy, radius in (
        (0.13, 0.12, 0.075),
        (0.86, 0.16, 0.06),
        (0.72, 0.69, 0.07),
        (0.12, 0.66, 0.05),
    ):
        turn = np.arctan2(sheet.scene.y - cy, sheet.scene.x - cx)
        away = np.hypot(sheet.scene.x - cx, sheet.scene.y - cy) / radius
        ragged = away + 0.10 * sheet.fast + 0.05 * np.sin(turn * 9 + sheet.slow * 3)
        front = np.exp(-(((ragged - 1) / 0.05) ** 2)) + 0.4 * np.exp(-np.abs(ragged - 1.1) / 0.1)
        sheet.density *= (1 + 0.55 * front - 0.45 * rise_smoothly(1.0, 0.55, ragged))[..., None]


def _splash(sheet: Sheet) -> None:
    scene, rng = sheet.scene, sheet.rng
    seeds = scatter_seeds(scene.shape, scene.unit * 0.09, rng)[:42] / scene.unit
    for pigment in (_SIENNA, _ULTRAMARINE, _SAP):
        drops = [
            Limb(np.array([[x, y], [x + 1e-4, y]]), np.full(2, rng.gamma(1.6, 0.0018) + 0.001))
            for y, x in seeds[rng.integers(0, len(seeds), 14)]
        ]
        sheet.wash(scene.mask_limbs(drops), pigment, 0.6, edge=0.9, wander=0.001)


def _dry_sheet(sheet: Sheet) -> Array:
    """Paper white times what the pigment lets through, with the light on the tooth."""
    scene = sheet.scene
    edge = np.minimum(np.minimum(scene.x, 1 - scene.x), np.minimum(scene.y, scene.bottom - scene.y))
    inside = rise_smoothly(0.010, 0.016, edge + 0.004 * sheet.fast)
    paper = np.array([0.985, 0.972, 0.94], np.float32)
    color = paper * np.exp(-sheet.density * inside[..., None] * 0.92)
    slope_y, slope_x = np.gradient(blur(sheet.tooth, 1))
    color = color * (1 + 0.16 * np.clip(slope_x + slope_y, -0.5, 0.5))[..., None]
    return shrink_picture(np.clip(color, 0, 1))
