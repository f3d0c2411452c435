"""Pictures that repeat: what lies beyond a tile's border, and sheets of tiles.

A tile covers the endless plane in one of four ways:

    straight      in rows and columns
    half-drop     each column half a tile lower than the one before it
    half-brick    each row half a tile further right than the one before it
    mirror        in rows and columns, every second tile turned over

The first three only move the tile, so that the plane closes on itself and no place of it is a
border. A mirrored tile meets its own reflection: colours agree there whatever it shows.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.config import Pattern, Seamless

#: Stride of a VGG's fifth block in px: sides that it does not divide would lose their last rows.
UNIT = 16

#: First row or column of a window, and the one after its last.
Stretch = tuple[int, int]


def wraps(kind: Seamless) -> TypeGuard[Pattern]:
    """Whether tiles are moved and not turned over: what leaves on one side enters on another."""
    return kind in ("straight", "half-drop", "half-brick")


def round_size(size: tuple[float, float], kind: Seamless, unit: int = UNIT) -> tuple[int, int]:
    """The nearest (H, W) at which a pattern repeats for a network too.

    Args:
        size: (H, W) in px.
        kind: How it repeats; "none" rounds to whole pixels only.
        unit: What each side is to be a multiple of. Where a neighbour is moved by half a side,
            that side becomes a multiple of twice as much.

    Returns:
        The size, each side at least its unit.
    """
    if kind == "none":
        return round(size[0]), round(size[1])
    units = (unit * (1 + (kind == "half-drop")), unit * (1 + (kind == "half-brick")))
    height, width = (
        max(one, round(side / one) * one) for side, one in zip(size, units, strict=True)
    )
    return height, width


def cut_window(tile: Tensor, rows: Stretch, columns: Stretch, kind: Pattern) -> Tensor:
    """Cut a rectangle out of the plane that a tile covers.

    Args:
        tile: Shape (B, C, H, W).
        rows: Where the rectangle lies; the tile itself is (0, H). Rows below 0 and from H on
            belong to its neighbours.
        columns: The same across.
        kind: How the tile repeats.

    Returns:
        Shape (B, C, rows, columns), in the memory layout of `tile`; differentiable.
    """
    shape = (*tile.shape[:2], rows[1] - rows[0], columns[1] - columns[0])
    channels_last = tile.stride(1) == 1 and tile.shape[1] > 1
    layout = torch.channels_last if channels_last else torch.contiguous_format
    window = torch.empty(shape, dtype=tile.dtype, device=tile.device, memory_format=layout)
    for row, column in _list_patches(rows, columns, tile.shape[-2:], kind):
        window[..., row.window, column.window] = tile[..., row.tile, column.tile]
    return window


def add_window(
    tile: Tensor, window: Tensor, rows: Stretch, columns: Stretch, kind: Pattern
) -> None:
    """Add to a tile, in place, what lies in a window of its plane: `cut_window` transposed."""
    for row, column in _list_patches(rows, columns, tile.shape[-2:], kind):
        tile[..., row.tile, column.tile] += window[..., row.window, column.window]


def continue_picture(tile: Tensor, border: int, kind: Pattern) -> Tensor:
    """Continue a tile by `border` px on each side; shape (B, C, H + 2 border, W + 2 border)."""
    height, width = tile.shape[-2:]
    return cut_window(tile, (-border, height + border), (-border, width + border), kind)


def fold_border(window: Tensor, border: int, kind: Pattern) -> Tensor:
    """Add a border back to the places that it shows: `continue_picture` transposed.

    Args:
        window: Shape (B, C, H + 2 border, W + 2 border); overwritten.
        border: In px.
        kind: How the tile repeats.

    Returns:
        Shape (B, C, H, W), a view of `window`.
    """
    height, width = window.shape[-2] - 2 * border, window.shape[-1] - 2 * border
    inner = window[..., border : border + height, border : border + width]
    rows, columns = (-border, height + border), (-border, width + border)
    for row, column in _list_patches(rows, columns, (height, width), kind):
        if row.turn or column.turn:
            inner[..., row.tile, column.tile] += window[..., row.window, column.window]
    return inner


def make_seamless(image: Tensor, kind: Seamless) -> Tensor:
    """Take out of a picture what keeps it from repeating: its periodic part.

    The slopes inside the picture are kept as they are and the steps across its border asked to
    vanish; the picture that comes nearest to both, by least squares, solves a Poisson equation
    on the torus (Moisan 2011, "Periodic Plus Smooth Image Decomposition"). A difference between
    opposite borders becomes a soft gradient of colour. Nothing is shown twice.

    Args:
        image: Shape (B, C, H, W), values in [0, 1]; the side along which neighbours are moved
            by a half is even.
        kind: How it shall repeat. Mirrored, every picture does.

    Returns:
        Same shape, clamped to [0, 1]; `image` itself for "none" and "mirror".
    """
    if not wraps(kind):
        return image
    height, width = image.shape[-2:]
    # Plane by plane, for a large picture's spectrum takes much memory.
    solved = [_solve_on_torus(_bend(plane), kind) for plane in torch.split(image, 1, dim=1)]
    periodic = torch.cat([plane[..., :height, :width] for plane in solved], dim=1)
    return (periodic + image.mean(dim=(-2, -1), keepdim=True)).clamp_(0, 1)


def soften_border(mask: Tensor, kind: Seamless) -> Tensor:
    """Let a mask pass softly into what it shows in the neighbouring tiles.

    Unlike a photograph's colours, what a mask says inside must not change for that, so that only
    a sixteenth of the short side along the border fades into its own blur.

    Args:
        mask: Shape (1, 1, H, W), values in [0, 1].
        kind: How it shall repeat. Mirrored, every mask does.

    Returns:
        Same shape and range; `mask` itself for "none" and "mirror".
    """
    if not wraps(kind):
        return mask
    height, width = mask.shape[-2:]
    reach = max(1, min(height, width) // 16)
    around = continue_picture(mask, reach, kind)
    blurred = F.avg_pool2d(around, (2 * reach + 1, 1), stride=1)
    blurred = F.avg_pool2d(blurred, (1, 2 * reach + 1), stride=1)
    down, across = (_fade(side, reach).to(mask) for side in (height, width))
    return torch.lerp(mask, blurred, torch.maximum(down[:, None], across))


def make_sheet(tile: Tensor, kind: Pattern, repeats: int = 3) -> Tensor:
    """Lay out a tile as it repeats.

    Args:
        tile: Shape (B, C, H, W).
        kind: How it repeats.
        repeats: Tiles in each direction; where rows or columns are moved, the sheet cuts some.

    Returns:
        Shape (B, C, repeats * H, repeats * W).
    """
    height, width = tile.shape[-2:]
    if kind == "mirror":
        pair = torch.cat([tile, tile.flip(-1)], dim=-1)
        tile, kind = torch.cat([pair, pair.flip(-2)], dim=-2), "straight"
    return cut_window(tile, (0, repeats * height), (0, repeats * width), kind)


def measure_seam(tile: Tensor, kind: Pattern) -> float:
    """Mean absolute step across the border, in units of that between neighbours inside.

    About 1 means that the border cannot be told from the rest, 2 that it shows, and 0 that both
    sides are the same, as they are for every mirrored tile.

    Args:
        tile: Shape (B, C, H, W), each side at least 2 px.
        kind: How it repeats.

    Returns:
        The larger of the ratios across horizontal and across vertical borders.
    """
    height, width = tile.shape[-2:]
    across = cut_window(tile, (0, height), (width - 1, width + 1), kind).diff(dim=-1)
    down = cut_window(tile, (height - 1, height + 1), (0, width), kind).diff(dim=-2)
    return max(
        _mean_size(step) / max(_mean_size(tile.diff(dim=dim)), 1e-12)
        for step, dim in ((across, -1), (down, -2))
    )


class _Run(NamedTuple):
    """A stretch of a window, the stretch of the tile that fills it, and tiles in between."""

    window: slice
    tile: slice
    turn: int


def _list_runs(
    stretch: Stretch, side: int, *, shift: int = 0, mirrored: bool = False
) -> Iterator[_Run]:
    start, stop = stretch
    place = start
    while place < stop:
        turn, offset = divmod(place + shift, side)
        length = min(stop - place, side - offset)
        if mirrored and turn % 2:
            # Slices only run forwards, so that a reflection is had pixel by pixel.
            length, offset = 1, side - 1 - offset
        window = slice(place - start, place - start + length)
        yield _Run(window, slice(offset, offset + length), turn)
        place += length


def _list_patches(
    rows: Stretch, columns: Stretch, size: tuple[int, ...], kind: Pattern
) -> Iterator[tuple[_Run, _Run]]:
    """Rectangles that make up a window, each from one place of the tile; rows before columns.

    The tile itself is the patch for which both turns are zero.
    """
    height, width = size
    if kind == "half-brick":
        for row in _list_runs(rows, height):
            for column in _list_runs(columns, width, shift=row.turn * (width // 2)):
                yield row, column
        return
    drop = height // 2 if kind == "half-drop" else 0
    mirrored = kind == "mirror"
    for column in _list_runs(columns, width, mirrored=mirrored):
        for row in _list_runs(rows, height, shift=column.turn * drop, mirrored=mirrored):
            yield row, column


def _bend(image: Tensor) -> Tensor:
    """Sum of differences to the neighbours inside the picture (Laplacian, free border)."""
    down, across = image.diff(dim=-2), image.diff(dim=-1)
    vertical = F.pad(down, (0, 0, 0, 1)) - F.pad(down, (0, 0, 1, 0))
    return vertical + F.pad(across, (0, 1)) - F.pad(across, (1, 0))


def _solve_on_torus(bend: Tensor, kind: Pattern) -> Tensor:
    """The picture of mean zero whose Laplacian on a pattern's plane is `bend`.

    Two tiles side by side repeat in rows and columns where one is moved by a half.
    """
    height, width = bend.shape[-2:]
    height, width = height * (1 + (kind == "half-brick")), width * (1 + (kind == "half-drop"))
    spectrum = torch.fft.rfft2(cut_window(bend, (0, height), (0, width), kind))
    down = torch.fft.fftfreq(height, device=bend.device)[:, None]
    across = torch.fft.rfftfreq(width, device=bend.device)
    # 2 cos w - 2, in a form that keeps its digits at low frequencies.
    factors = -4 * ((math.pi * down).sin() ** 2 + (math.pi * across).sin() ** 2)
    factors[0, 0] = -1
    spectrum /= factors
    spectrum[..., 0, 0] = 0
    solution: Tensor = torch.fft.irfft2(spectrum, s=(height, width))
    return solution


def _fade(side: int, reach: int) -> Tensor:
    """About 1 at both ends and 0 from `reach` px on."""
    places = torch.arange(side) + 0.5
    return (1 - torch.minimum(places, side - places) / reach).clamp(min=0)


def _mean_size(steps: Tensor) -> float:
    return float(steps.abs().mean())
