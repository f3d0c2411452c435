"""Grain: faint noise on a photograph, always the same at the same place.

In a flat place a network has nothing to make strokes of but rounding, JPEG's blocks and how far
away the nearest edge is: what it makes of those are lines and blots. Texture networks are fed noise
(Ulyanov et al. 2016, sec. 3.2), and generators of pictures draw on it in each layer (Karras et al.
2019); here it is laid on what goes in, so that it is no more than a rough paper.
"""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

#: Side in px after which the grain repeats.
SIDE = 256
#: It is as strong in spots of one pixel as in those of 2, 4 and 8.
_OCTAVES = 4
_MASK = 0xFFFFFFFF


def add_grain(image: Tensor, levels: float, origin: tuple[int, int] = (0, 0)) -> Tensor:
    """Lay grain on pictures (B, 3, H, W) in [0, 1]; the result may go beyond that.

    Args:
        image: The pictures.
        levels: Its standard deviation, of 255.
        origin: Row and column of the first pixel, where they are part of a larger picture.
    """
    grain = _draw_as(image.dtype, image.device) * (levels / 255)
    return image + _cover(grain, image, origin)


def draw_field(x: Tensor, origin: tuple[int, int] | Tensor) -> Tensor:
    """Grain for activations (B, C, H, W): shape (H, W), or (B, 1, H, W) for an origin each.

    Args:
        x: The activations.
        origin: Row and column of the first place; or a tensor of them, (B, 2), of whole numbers.
    """
    grain = _draw_as(x.dtype, x.device)
    if isinstance(origin, tuple):
        return _cover(grain, x, origin)
    rows, columns = (
        (first[:, None] + torch.arange(side, device=x.device)) % SIDE
        for first, side in zip(origin.unbind(1), x.shape[-2:], strict=True)
    )
    return grain[rows[:, :, None], columns[:, None, :]][:, None]


def choose_origins(pictures: Tensor) -> Tensor:
    """Where grain begins on each of some crops (B, 3, H, W), (B, 2): the same for the same crop.

    A network that learns from crops must see all of the grain, and not its first corner only.
    """
    height, width = pictures.shape[-2:]
    spots = pictures[:, :, height // 7 :: max(1, height // 3), width // 5 :: max(1, width // 3)]
    levels = (spots * 255).round().long().flatten(1)
    counts = torch.arange(1, levels.shape[1] + 1, device=levels.device)
    return torch.stack([(levels * counts).sum(1), (levels * counts**2).sum(1)], dim=1) % SIDE


def _cover(grain: Tensor, image: Tensor, origin: tuple[int, int]) -> Tensor:
    """Grain for a whole picture, (H, W)."""
    height, width = image.shape[-2:]
    top, left = (first % SIDE for first in origin)
    if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        # Written down for other runtimes, which learn of sizes only as they paint.
        rows, columns = (torch.arange(side, device=image.device) for side in (height, width))
        return grain[(rows + top) % SIDE][:, (columns + left) % SIDE]
    often = (-(-(top + height) // SIDE), -(-(left + width) // SIDE))
    return grain.repeat(often)[top : top + height, left : left + width]


@functools.cache
def draw_grain() -> Tensor:
    """Grain of mean zero and variance one that repeats without a seam, (SIDE, SIDE)."""
    total = torch.zeros(SIDE, SIDE)
    for octave in range(_OCTAVES):
        side = SIDE >> octave
        numbers = torch.arange(side * side) + (octave << 20)
        noise = (_hash(numbers).double() / 2**32 - 0.5).float().view(1, 1, side, side)
        # Continued as it repeats, so that the enlarged one does too.
        around = F.pad(noise, (1, 1, 1, 1), "circular")
        factor = 1 << octave
        large = F.interpolate(around, scale_factor=factor, mode="bilinear", align_corners=False)
        large = large[0, 0, factor:-factor, factor:-factor]
        total += (large - large.mean()) / large.std()
    return total / total.std()


@functools.lru_cache(maxsize=8)
def _draw_as(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Grain where it is needed, copied there once; networks that learn may want it later."""
    with torch.inference_mode(mode=False):
        return draw_grain().clone().to(device, dtype)


def _hash(numbers: Tensor) -> Tensor:
    """Mix the bits of whole numbers below 2^32: the same noise on all machines, by no generator."""
    for _ in range(3):
        numbers = (((numbers >> 16) ^ numbers) * 0x45D9F3B + 0x9E3779B9) & _MASK
    return (numbers >> 16) ^ numbers
