"""Scores of a result: how much structure of the photograph is left, how near the colours are."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.colormodes import histogram_distance
from impasto.errors import ShapeError
from impasto.pyramid import fit_size, resize, resize_mask
from impasto.regions import Region

#: Window of Wang et al.: a normal distribution, cut off; and what keeps the ratios calm.
_SIGMA, _REACH = 1.5, 5
_K1, _K2 = 0.01, 0.03

#: ITU-R BT.601, of display values.
_LUMA = (0.299, 0.587, 0.114)

#: Part of the slopes that are steeper than what counts as a full edge.
_STEEPEST = 0.01

#: Larger pictures are compared at this long side in px, as one looks at them.
_SIDE, _SHORT = 1024, 64

#: Colours of a region's styles that are compared with.
_SAMPLE = 1 << 17


class Scores(NamedTuple):
    """What became of a photograph.

    Attributes:
        ssim: Structural similarity with the photograph; 1 is everything.
        edges: That of their edges, see `edge_ssim`.
        color_distance: From the style's colours, see `color_distance`.
        color_distance_before: The photograph's.
    """

    ssim: float
    edges: float
    color_distance: float
    color_distance_before: float


class Likeness(NamedTuple):
    """What two pictures of one motif have in common; 1 is everything.

    Attributes:
        ssim: Structural similarity of their luminance.
        edges: That of their edges, see `edge_ssim`.
    """

    ssim: float
    edges: float


def measure_likeness(picture: Tensor, photograph: Tensor) -> Likeness:
    """Compare a result with its photograph, at 1024 px if both are larger.

    Args:
        picture: Shape (1, 3, H, W), values in [0, 1].
        photograph: Shape (1, 3, any, any); resampled to the picture's size.
    """
    size = (picture.shape[-2], picture.shape[-1])
    # A panorama keeps enough rows for a window.
    side = max(_SIDE, _SHORT * max(size) // min(size))
    size = fit_size(size, min(side, max(size)))
    pair = (resize(picture, size), resize(photograph.to(picture), size))
    return Likeness(ssim(*pair), edge_ssim(*pair))


def color_distance(picture: Tensor, styles: Sequence[Tensor], regions: Sequence[Region]) -> float:
    """How far the colours of each region are from those of its styles, on average over the area.

    Sliced Wasserstein-1 distance in OkLab, see `histogram_distance`.

    Args:
        picture: Shape (1, 3, H, W), values in [0, 1].
        styles: Each (1, 3, any, any).
        regions: What is to look like which style; see `impasto.regions.pair_masks`.
    """
    total, area = 0.0, 0
    for region in regions:
        here = _gather(picture, region.mask)
        shares = sum(part.share for part in region.parts)
        wanted = [
            _thin(_gather(styles[part.style], part.mask), round(_SAMPLE * part.share / shares))
            for part in region.parts
            if part.share > 0
        ]
        if count := here.shape[-1]:
            total += histogram_distance(here, torch.cat(wanted, dim=-1)) * count
            area += count
    return total / max(area, 1)


def ssim(one: Tensor, other: Tensor) -> float:
    """Structural similarity of luminance (Wang et al. 2004, eq. 13, and their window).

    Means, variances and covariance in windows of 11 x 11 px, weighted by a normal distribution
    of 1.5 px; averaged over the windows that lie inside the picture.

    Args:
        one: Shape (1, 3, H, W), values in [0, 1].
        other: The same shape.

    Returns:
        1 for equal pictures; below 0 for one that is turned inside out.

    Raises:
        ShapeError: If the shapes differ, or no window fits.
    """
    _check_pair(one, other)
    return _compare(luminance(one), luminance(other))


def edge_ssim(one: Tensor, other: Tensor) -> float:
    """Structural similarity of edges: where they are and how strong beside one another.

    The SSIM of two maps of slopes: |Sobel gradient| of luminance, divided by what 99 % of the
    map's own values do not exceed, and cut off at 1. So a picture that is only darker or flatter
    as a whole loses nothing; edges that vanish, blur or are added cost.

    Args:
        one: Shape (1, 3, H, W), values in [0, 1].
        other: The same shape.

    Raises:
        ShapeError: If the shapes differ, or no window fits.
    """
    _check_pair(one, other)
    return _compare(measure_edges(one), measure_edges(other))


def measure_edges(image: Tensor) -> Tensor:
    """The map of slopes that `edge_ssim` compares, shape (1, 1, H - 2, W - 2), in [0, 1]."""
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=torch.float64) / 8
    kernels = torch.stack([across, across.mT])[:, None].to(image.device)
    slopes = F.conv2d(luminance(image), kernels)
    steepness = torch.linalg.vector_norm(slopes, dim=1, keepdim=True)
    steep = steepness.flatten().sort().values
    full = steep[round((1 - _STEEPEST) * (len(steep) - 1))]
    # A picture without any edge has none, rather than rounding errors blown up.
    edges: Tensor = (steepness / full.clamp(min=1e-4)).clamp(max=1)
    return edges


def luminance(image: Tensor) -> Tensor:
    """Luma of display values, (B, 1, H, W), in float64 (on Metal, which has none, on the CPU)."""
    pixels = (image.cpu() if image.device.type == "mps" else image).double()
    weights = torch.tensor(_LUMA, dtype=torch.float64, device=pixels.device)
    return torch.einsum("c,bchw->bhw", weights, pixels).unsqueeze(1)


def _gather(image: Tensor, mask: Tensor | None) -> Tensor:
    """The pixels that a mask holds, as a picture (1, 3, 1, N) on the CPU.

    What it holds is what has more than half of its highest value.
    """
    pixels = image.cpu().flatten(2)
    if mask is not None:
        fitted = resize_mask(mask.cpu(), (image.shape[-2], image.shape[-1])).flatten()
        pixels = pixels[..., fitted > fitted.max() / 2]
    return pixels.unsqueeze(2)


def _thin(pixels: Tensor, count: int) -> Tensor:
    """Take `count` pixels at even distances; the same one several times if there are fewer."""
    places = torch.linspace(0, pixels.shape[-1] - 1, max(1, count), dtype=torch.float64)
    return pixels[..., places.round().long()]


def _compare(one: Tensor, other: Tensor) -> float:
    """Mean SSIM of two maps (1, 1, H, W) with values in [0, 1]."""
    steps = torch.arange(-_REACH, _REACH + 1, dtype=torch.float64, device=one.device)
    weights = torch.exp(-0.5 * (steps / _SIGMA) ** 2)
    weights = weights / weights.sum()
    maps = torch.cat([one, other, one * one, other * other, one * other])  # (5, 1, H, W)
    rows = F.conv2d(maps, weights.view(1, 1, -1, 1))
    x, y, xx, yy, xy = F.conv2d(rows, weights.view(1, 1, 1, -1)).unbind()
    lights = (2 * x * y + _K1**2) / (x * x + y * y + _K1**2)
    shapes = (2 * (xy - x * y) + _K2**2) / (xx - x * x + yy - y * y + _K2**2)
    return float((lights * shapes).mean())


def _check_pair(one: Tensor, other: Tensor) -> None:
    if one.shape != other.shape or one.shape[:2] != (1, 3):
        raise ShapeError(
            f"Pictures of {tuple(one.shape)} and {tuple(other.shape)} cannot be compared place by"
            " place; bring both to one size (1, 3, H, W)."
        )
    if min(one.shape[-2:]) < 2 * _REACH + 3:
        raise ShapeError(f"A picture of {tuple(one.shape[-2:])} px is too small to be compared.")
