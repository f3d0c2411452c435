"""Paper marbling by exact formulas (Lu, Jaffer, Jin, Zhao, Mao 2012, "Mathematical marbling").

Every tool of the marbler is a map of the plane with a closed inverse. We run the inverses
backwards from each pixel until it lies in a drop: no simulation, no resampling, sharp lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from impasto.gallery.fields import (
    Array,
    Rng,
    blur,
    make_noise,
    make_paper,
    make_turbulence,
    parse_palette,
    rise_smoothly,
)
from impasto.gallery.scenes import Scene, make_shape, shrink_picture

_INKS = parse_palette("#12233f #1f5a86 #c8412f #f0e6d0 #e0a63a #2f7f72 #7a1f35 #8fb8c4")


@dataclass(frozen=True)
class _Drop:
    """Ink dropped at (y, x): pushes everything away by its own area."""

    y: float
    x: float
    radius: float
    ink: int


@dataclass(frozen=True)
class _Tine:
    """A needle drawn along a line: drags ink, less with distance from the line."""

    y: float
    x: float
    turn: float
    pull: float
    spread: float
    pitch: float  # distance between the needles of a comb; 0 for a single one


@dataclass(frozen=True)
class _Wave:
    """A comb drawn with a swaying hand: a sine shear."""

    turn: float
    height: float
    length: float
    phase: float


@dataclass(frozen=True)
class _Whirl:
    """A needle turned on the spot: rotates ink, less with distance from its circle."""

    y: float
    x: float
    radius: float
    pull: float
    spread: float


def paint_marbling(size: int, rng: Rng) -> Array:
    """Combed Turkish marbling: stones, feathers and two whirls."""
    scene = Scene(make_shape(size, 0.8, finer=3))  # combed lines get very thin
    width = float(scene.x.max())
    moves = _drop_inks(width, scene.bottom, rng) + _comb(width, rng)
    depth, ink = _trace_back(scene, moves)
    return _print_paper(scene, depth, ink, rng)


def _drop_inks(width: float, bottom: float, rng: Rng) -> list[object]:
    """Large stones first, then smaller ones between them."""
    drops: list[object] = []
    plan = ((26, 0.085, (0, 1)), (30, 0.055, (2, 3)), (46, 0.036, (4, 0, 1)), (60, 0.024, (3, 5)))
    for count, radius, inks in (*plan, (90, 0.014, (6, 2, 3)), (110, 0.008, (7, 3, 4))):
        for _ in range(count):
            drops.append(
                _Drop(
                    rng.uniform(-0.05, bottom + 0.05),
                    rng.uniform(-0.05, width + 0.05),
                    radius * float(np.exp(rng.normal(0, 0.28))),
                    int(rng.choice(inks)),
                )
            )
    return drops


def _comb(width: float, rng: Rng) -> list[object]:
    """Down and up with a wide comb, across with a fine one, then the whirls."""
    down, across = np.pi / 2, 0.0
    return [
        _Tine(0.0, 0.0, down, 0.10, 0.016, 0.135),
        _Tine(0.0, 0.0675, down, -0.10, 0.016, 0.135),
        _Tine(0.0, 0.0, across, 0.055, 0.008, 0.058),
        _Wave(0.0, 0.012, 0.30, rng.uniform(0, 6)),
        _Whirl(0.34, width * 0.36, 0.055, 0.20, 0.035),
        _Whirl(0.70, width * 0.66, 0.065, -0.22, 0.038),
        _Tine(0.0, width * 0.82, down, 0.10, 0.012, 0.0),
        _Tine(0.0, width * 0.13, down, -0.08, 0.012, 0.0),
    ]


def _trace_back(scene: Scene, moves: list[object]) -> tuple[Array, Array]:
    """Undo the moves from the last to the first.

    Returns:
        How deep each pixel lies under the rim of its drop, relative to its radius (H, W),
        and the number of its ink (H, W).
    """
    y, x = scene.y.ravel().astype(np.float32), scene.x.ravel().astype(np.float32)
    depth = np.ones(y.size, np.float32)
    ink = np.full(y.size, 3, np.int32)
    open_ = np.arange(y.size)
    for move in reversed(moves):
        if isinstance(move, _Drop):
            dy, dx = y - move.y, x - move.x
            square = dy * dy + dx * dx
            hit = square < move.radius**2
            if hit.any():
                ink[open_[hit]] = move.ink
                depth[open_[hit]] = 1 - np.sqrt(square[hit]) / move.radius
                rest = ~hit
                open_, dy, dx, square = open_[rest], dy[rest], dx[rest], square[rest]
            back = np.sqrt(1 - move.radius**2 / square)
            y, x = move.y + dy * back, move.x + dx * back
        else:
            y, x = _undo_tool(move, y, x)
    return depth.reshape(scene.shape), ink.reshape(scene.shape)


def _undo_tool(move: object, y: Array, x: Array) -> tuple[Array, Array]:
    if isinstance(move, _Tine):
        return _undo_tine(move, y, x)
    if isinstance(move, _Wave):
        return _undo_wave(move, y, x)
    if isinstance(move, _Whirl):
        return _undo_whirl(move, y, x)
    raise TypeError(f"no marbling tool: {move!r}")


def _undo_tine(move: _Tine, y: Array, x: Array) -> tuple[Array, Array]:
    cosine, sine = np.float32(np.cos(move.turn)), np.float32(np.sin(move.turn))
    away = (y - move.y) * cosine - (x - move.x) * sine
    if move.pitch:
        away = np.abs((away / move.pitch + 0.5) % 1 - 0.5) * move.pitch
    drag = move.pull * move.spread / (np.abs(away) + move.spread)
    return y - drag * sine, x - drag * cosine


def _undo_wave(move: _Wave, y: Array, x: Array) -> tuple[Array, Array]:
    cosine, sine = np.cos(move.turn), np.sin(move.turn)
    along = x * cosine + y * sine
    sway = move.height * np.sin(2 * np.pi * along / move.length + move.phase)
    return y - sway * cosine, x + sway * sine


def _undo_whirl(move: _Whirl, y: Array, x: Array) -> tuple[Array, Array]:
    dy, dx = y - move.y, x - move.x
    radius = np.hypot(dy, dx) + 1e-6
    away = np.abs(radius - move.radius)
    turn = -move.pull * move.spread / (away + move.spread) / np.maximum(radius, 0.02)
    cosine, sine = np.cos(turn), np.sin(turn)
    return move.y + dy * cosine + dx * sine, move.x + dx * cosine - dy * sine


def _print_paper(scene: Scene, depth: Array, ink: Array, rng: Rng) -> Array:
    """Lay the inks on paper: rims a little darker, granular, thinner here and there."""
    unit = scene.unit
    color: Array = _INKS[ink].astype(np.float32)
    rim = rise_smoothly(0.16, 0.0, depth)[..., None]
    color = color * (1 - 0.22 * rim)
    grain = make_turbulence(scene.shape, unit * 0.006, rng, 3)
    cloud = make_turbulence(scene.shape, unit * 0.10, rng, 4)
    thin = np.clip(0.10 + 0.05 * cloud + 0.055 * grain, 0, 0.5)[..., None]
    paper = np.array([0.94, 0.90, 0.80], np.float32)
    color = color * (1 - thin) + paper * thin
    specks = rise_smoothly(2.5, 2.9, make_noise(scene.shape, unit * 0.0035, rng))[..., None]
    color = color * (1 - 0.8 * specks) + paper * 0.8 * specks
    tooth = make_paper(scene.shape, unit * 0.004, rng)
    slope_y, slope_x = np.gradient(blur(tooth, 1))
    color = color * (1 + 0.13 * np.clip(slope_x + slope_y, -0.4, 0.4))[..., None]
    return shrink_picture(np.clip(color, 0, 1), finer=3)
