"""Sizes and resampling: from a small picture to the full one."""

import bisect
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.config import PRESETS, PaintConfig, Seamless
from impasto.errors import ConfigError
from impasto.lengths import fit_length
from impasto.patterns import cut_window, round_size, wraps

Size = tuple[int, int]

#: Of the kernel that enlarges, to each side.
_LOBES = 4

#: Short side in px that leaves one position in the fifth block of a VGG.
SMALLEST_SIDE = 16


class Scale(NamedTuple):
    """One size that a painting goes through, and how many solver steps are spent there.

    Attributes:
        size: (H, W) in px.
        steps: All steps.
        detail_steps: How many of them, the first, look at the fine layers only.
    """

    size: Size
    steps: int
    detail_steps: int = 0


def fit_size(size: Size, long_side: int) -> Size:
    """Scale (H, W) so that its long side is `long_side` px; the aspect is kept to the pixel."""
    height, width = size
    factor = long_side / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def plan_scales(long_side: int, smallest: int, ratio: float = math.sqrt(2)) -> list[int]:
    """Long sides from small to large, each about `ratio` times the one before.

    Args:
        long_side: The last, largest long side in px.
        smallest: Where to begin in px; a smaller `long_side` gives a single scale.
        ratio: Growth from one scale to the next, above 1.

    Returns:
        Increasing long sides; the last is exactly `long_side`.

    Raises:
        ConfigError: If `ratio` is not above 1 or a side is not positive.
    """
    if ratio <= 1 or long_side < 1 or smallest < 1:
        raise ConfigError("Scales need a ratio above 1 and positive sizes.")
    steps = max(0, round(math.log(long_side / smallest) / math.log(ratio)))
    return [round(long_side / ratio ** (steps - index)) for index in range(steps + 1)]


def resize(image: Tensor, size: Size, seamless: Seamless = "none") -> Tensor:
    """Resample a picture to (H, W), clamped to [0, 1].

    Bicubic with antialiasing where it shrinks. Where it grows, Lanczos with four lobes: bicubic
    steps from pixel to pixel are uneven, and a picture that is enlarged from scale to scale would
    show them as a grid.

    Args:
        image: Shape (B, C, H, W), values in [0, 1].
        size: New (H, W).
        seamless: How the picture repeats: where tiles are moved, the kernel sees the neighbours.

    Returns:
        Float tensor, shape (B, C, *size); `image` itself if it has that size already.
    """
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    return resample(image, size, seamless).clamp_(0, 1)


def resize_mask(mask: Tensor, size: Size) -> Tensor:
    """Resample a mask to (H, W), clamped to [0, 1]; nothing rings into its empty places.

    Args:
        mask: Shape (B, C, H, W), values in [0, 1].
        size: New (H, W).
    """
    if tuple(mask.shape[-2:]) == tuple(size):
        return mask
    return _interpolate(mask, size).clamp_(0, 1)


def resample(image: Tensor, size: Size, seamless: Seamless = "none") -> Tensor:
    """The same for planes of any values; not clamped, and always a new tensor."""
    height, width = image.shape[-2:]
    if not wraps(seamless):
        if size[0] < height or size[1] < width:
            return _interpolate(image, size)
        return _enlarge(_enlarge(image, size[0], -2), size[1], -1)
    top, new_top = _border(height, size[0])
    left, new_left = _border(width, size[1])
    window = cut_window(image, (-top, height + top), (-left, width + left), seamless)
    resized = resample(window, (size[0] + 2 * new_top, size[1] + 2 * new_left))
    return resized[..., new_top:-new_top, new_left:-new_left].contiguous()


def choose_side(config: PaintConfig, photograph: Size) -> int:
    """Long side in px at which a photograph of (H, W) is painted."""
    if isinstance(config.size, int):
        return config.size
    if config.size == "photo":
        return max(photograph)
    return max(1, round(fit_length(config.size, photograph) * config.print_dpi))


def choose_dpi(config: PaintConfig, photograph: Size, painted: Size) -> float | None:
    """Dots per inch of a painting of (H, W), or None if nothing is said about them.

    The print is as long as it was said to be: where the painting is a few pixels larger or
    smaller, as a pattern is, its dots are that much finer or coarser.
    """
    if isinstance(config.size, int) or config.size == "photo":
        return config.dpi
    if max(painted) == choose_side(config, photograph):
        return config.print_dpi
    return max(painted) / fit_length(config.size, photograph)


def plan_painting(config: PaintConfig, photograph: Size) -> list[Scale]:
    """Decide all sizes and steps of a painting, small to large.

    Args:
        config: Settings; preset, size, scales and steps matter here.
        photograph: (H, W) of the photograph.

    Raises:
        ConfigError: If a list of steps does not fit the number of scales, or leaves the last
            scale without any.
    """
    long_side = choose_side(config, photograph)
    if not config.is_painted:
        size = round_size(fit_size(photograph, long_side), config.seamless)
        return [Scale(size, 1 if config.photoreal == "none" else 2)]
    preset = PRESETS[config.preset]
    if config.scales is not None:
        smallest = round(long_side / preset.ratio ** (config.scales - 1))
    elif config.steps is not None and len(config.steps) > 1:
        smallest = round(long_side / preset.ratio ** (len(config.steps) - 1))
    else:
        smallest = preset.smallest
    sides = plan_scales(long_side, max(1, smallest), preset.ratio)
    if config.scales is None and (config.steps is None or len(config.steps) == 1):
        sides = _drop_thin(sides, photograph)
    given = config.steps
    if given is not None and len(given) not in (1, len(sides)):
        raise ConfigError(f"{len(given)} numbers of steps for {len(sides)} scales.")
    scales = []
    for index, side in enumerate(sides):
        whole, details = _count_steps(config, side, first=index == 0)
        if given is not None:
            whole = given[index if len(given) > 1 else 0]
        size = round_size(fit_size(photograph, side), config.seamless)
        scales.append(Scale(size, whole + details, details))
    if scales[-1].steps == 0:
        raise ConfigError("The last scale has no steps; give it at least one.")
    return scales


def trim_border(image: Tensor, share: float) -> Tensor:
    """Cut `share` of the long side off each border; a third of each side, or 16 px, stays."""
    height, width = image.shape[-2:]
    cut = round(share * max(height, width))
    rows, columns = (
        max(0, min(cut, side // 3, (side - SMALLEST_SIDE) // 2)) for side in (height, width)
    )
    return image[..., rows : height - rows, columns : width - columns]


def cover(image: Tensor, size: Size) -> Tensor:
    """Scale a picture until it covers (H, W) and cut the overhang evenly off both sides."""
    height, width = image.shape[-2:]
    factor = max(size[0] / height, size[1] / width)
    scaled = (max(size[0], round(height * factor)), max(size[1], round(width * factor)))
    top, left = (scaled[0] - size[0]) // 2, (scaled[1] - size[1]) // 2
    return resize(image, scaled)[..., top : top + size[0], left : left + size[1]]


def _interpolate(planes: Tensor, size: Size) -> Tensor:
    return F.interpolate(planes, size, mode="bicubic", align_corners=False, antialias=True)


def _enlarge(planes: Tensor, side: int, dim: int) -> Tensor:
    """Resample one dimension by Lanczos' kernel; always a new tensor."""
    count = planes.shape[dim]
    if side == count:
        return planes.clone()
    places = (torch.arange(side, dtype=torch.float64) + 0.5) * (count / side) - 0.5
    near = places.floor().long()[:, None] + torch.arange(1 - _LOBES, 1 + _LOBES)
    away = places[:, None] - near
    weights = torch.sinc(away) * torch.sinc(away / _LOBES)
    weights /= weights.sum(1, keepdim=True)
    weights, near = weights.to(planes), near.clamp_(0, count - 1).to(planes.device)
    shape = (side, 1) if dim == -2 else (side,)
    result = planes.new_zeros((*planes.shape[:dim], side, *planes.shape[dim:][1:]))
    for tap in range(2 * _LOBES):
        result.addcmul_(planes.index_select(dim, near[:, tap]), weights[:, tap].view(shape))
    return result


def _border(side: int, new: int) -> Size:
    """How far a picture is continued before it is resampled from `side` to `new` px.

    Returns:
        As far as the kernel sees or further, in px before and after: both whole numbers.
    """
    common = math.gcd(side, new)
    seen = max(_LOBES, 2 * side / new) + 1
    steps = math.ceil(seen * common / side)
    return steps * side // common, steps * new // common


def _drop_thin(sides: list[int], photograph: Size) -> list[int]:
    """Leave out the first scales of a panorama, where too few pixels would be left to look at."""
    wide = [side for side in sides if min(fit_size(photograph, side)) >= SMALLEST_SIDE]
    return wide or sides[-1:]


def _count_steps(config: PaintConfig, side: int, *, first: bool) -> tuple[int, int]:
    """Steps of the preset on the whole objective, and those before them on its fine layers."""
    preset = PRESETS[config.preset]
    whole = _look_up_steps(preset.steps, side)
    details = 0 if first else _look_up_steps(preset.detail_steps, side)
    if config.detail_steps is not None:
        # Where the preset has detail steps alone, somebody who turns them off wants others.
        return max(1, whole), 0 if first else config.detail_steps
    if config.steps is not None:
        return whole, 0
    # Moments of an objective that is no more would mislead Adam.
    return (whole, details) if config.optimizer == "lbfgs" else (whole + details, 0)


def _look_up_steps(table: dict[int, int], side: int) -> int:
    """Steps of the nearest side in the table, measured on a logarithmic scale."""
    sides = sorted(table)
    place = bisect.bisect(sides, side)
    around = sides[max(0, place - 1) : place + 1]
    return table[min(around, key=lambda known: abs(math.log(known / side)))]
