"""Colours of a style by their statistics, transferred in opponent colours."""

import math

import torch
from torch import Tensor

from impasto.networks.blocks import EPSILON, Ledger

#: Brightness, red against blue, green against both: an orthonormal basis in which the colours of
#: natural pictures are hardly correlated (Ruderman et al. 1998, without their logarithm).
_BASIS = (
    (1 / math.sqrt(3), 1 / math.sqrt(3), 1 / math.sqrt(3)),
    (1 / math.sqrt(2), 0.0, -1 / math.sqrt(2)),
    (1 / math.sqrt(6), -2 / math.sqrt(6), 1 / math.sqrt(6)),
)
#: Deviation that a photograph is taken to have at least: less is not stretched to a style's.
_LEAST = 0.05
#: Numbers that a style's colours are told in.
COLORS = 6


def describe_colors(style: Tensor) -> Tensor:
    """Means, then deviations, of opponent colours of pictures (B, 3, H, W) in [0, 1]; (B, 6)."""
    return torch.cat(_measure_turned(style.float()), dim=1).flatten(1)


def recolor(image: Tensor, colors: Tensor, ledger: Ledger | None = None) -> Tensor:
    """Give pictures the mean and deviation of a style's colours (Reinhard et al. 2001).

    Args:
        image: Shape (B, 3, H, W), values in [0, 1].
        colors: What `describe_colors` says of the style, (B or 1, 6).
        ledger: Statistics of the picture to go by, or to be written.

    Returns:
        Shape (B, 3, H, W); values may lie beyond [0, 1].
    """
    with torch.autocast(image.device.type, enabled=False):
        # Processors take four times as long if the three channels lie last in memory.
        exact = image.to(torch.promote_types(image.dtype, torch.float32)).contiguous()
        mean, deviation = colors.to(exact).chunk(2, dim=1)
        if ledger is None:
            own, spread = _measure_turned(exact)
        else:
            own, spread = ledger.consult(exact, _measure_turned)
        factor = deviation / spread.flatten(1).clamp(min=_LEAST)
        basis = exact.new_tensor(_BASIS)
        # Into opponent colours, stretched, and back: one matrix.
        matrix = (basis.T * factor[:, None]) @ basis
        shift = (mean - own.flatten(1) * factor) @ basis
        pixels = exact.flatten(2)
        matrix, shift = (part.expand(len(pixels), *part.shape[1:]) for part in (matrix, shift))
        return torch.baddbmm(shift[..., None], matrix, pixels).view(image.shape).to(image.dtype)


def _measure_turned(image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of opponent colours, each (B, 3, 1, 1), by those of red, green, blue."""
    basis, pixels = image.new_tensor(_BASIS), image.contiguous().flatten(2)
    mean = pixels.mean(dim=2)
    away = pixels - mean[..., None]
    covariance = away @ away.transpose(1, 2) / pixels.shape[2]
    deviation = (((basis @ covariance) * basis).sum(dim=2) + EPSILON).sqrt()
    return (mean @ basis.T)[..., None, None], deviation[..., None, None]
