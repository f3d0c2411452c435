"""Edges of masks: brought to those of the photograph, or made soft."""

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.pyramid import resize, resize_mask

#: Long side, px, at which the filter is learned; it is applied at full size.
_LEARNED = 512


def follow_edges(mask: Tensor, photo: Tensor, radius: float, smoothness: float = 1e-4) -> Tensor:
    """Bring the edges of a coarse mask to those of the photograph.

    The guided filter (He, Sun and Tang 2013, eq. 19-21) with the colours as guide, its slopes
    learned on a small version (He and Sun 2015, "Fast guided filter") and applied at full size.

    Args:
        mask: Shape (1, 1, any, any), values in [0, 1].
        photo: The guide, shape (1, 3, H, W), values in [0, 1].
        radius: How far an edge may be off, as a share of the long side.
        smoothness: Variance of colour below which nothing counts as an edge.

    Returns:
        Shape (1, 1, H, W), values in [0, 1].
    """
    height, width = photo.shape[-2:]
    shrink = min(1.0, _LEARNED / max(height, width))
    size = max(1, round(height * shrink)), max(1, round(width * shrink))
    guide, coarse = resize(photo, size), resize_mask(mask, size)
    slopes, offset = _learn(guide, coarse, max(1, round(radius * max(size))), smoothness)
    slopes, offset = (
        F.interpolate(one, (height, width), mode="bilinear", align_corners=False)
        for one in (slopes, offset)
    )
    return ((slopes * photo).sum(1, keepdim=True) + offset).clamp_(0, 1)


def box_mean(image: Tensor, radius: int) -> Tensor:
    """Mean over a square of 2 radius + 1 px, of what lies inside the picture; same shape."""
    height, width = image.shape[-2:]
    return _mean_along(_mean_along(image, -1, min(radius, width)), -2, min(radius, height))


def sharpen_steps(mask: Tensor, low: float, high: float) -> Tensor:
    """Smooth step: 0 up to `low`, 1 from `high` on."""
    share = ((mask - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)


def _learn(guide: Tensor, mask: Tensor, radius: int, smoothness: float) -> tuple[Tensor, Tensor]:
    """Averaged slopes (1, 3, h, w) and offsets (1, 1, h, w) of mask over guide."""
    mean, mask_mean = box_mean(guide, radius), box_mean(mask, radius)
    joint = box_mean(guide * mask, radius) - mean * mask_mean  # (1, 3, h, w)
    products = (guide[:, :, None] * guide[:, None]).flatten(1, 2)  # (1, 9, h, w)
    spread = box_mean(products, radius) - (mean[:, :, None] * mean[:, None]).flatten(1, 2)
    matrices = spread[0].permute(1, 2, 0).reshape(*spread.shape[-2:], 3, 3)  # (h, w, 3, 3)
    matrices = matrices + smoothness * torch.eye(3).to(guide)
    slopes = torch.linalg.solve(matrices, joint[0].permute(1, 2, 0)).permute(2, 0, 1)[None]
    offset = mask_mean - (slopes * mean).sum(1, keepdim=True)
    return box_mean(slopes, radius), box_mean(offset, radius)


def _mean_along(image: Tensor, dim: int, radius: int) -> Tensor:
    length = image.shape[dim]
    sums = F.pad(image.double().cumsum(dim), (1, 0) if dim == -1 else (0, 0, 1, 0))
    places = torch.arange(length, device=image.device)
    low, high = (places - radius).clamp(min=0), (places + radius + 1).clamp(max=length)
    total = sums.index_select(dim, high) - sums.index_select(dim, low)
    counts = (high - low).to(total)
    counts = counts if dim == -1 else counts[:, None]
    return (total / counts).to(image.dtype)
