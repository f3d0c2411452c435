"""Colours of a style by their statistics, transferred in opponent colours."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.networks.blocks import Ledger, measure_instance

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
    return torch.cat(measure_instance(_turn(style)), dim=1).flatten(1)


def recolor(image: Tensor, colors: Tensor, ledger: Ledger | None = None) -> Tensor:
    """Give pictures the mean and deviation of a style's colours (Reinhard et al. 2001).

    Args:
        image: Shape (B, 3, H, W), values in [0, 1].
        colors: What `describe_colors` says of the style, (B or 1, 6).
        ledger: Statistics of the picture to go by, or to be written.

    Returns:
        Shape (B, 3, H, W); values may lie beyond [0, 1].
    """
    mean, deviation = colors[..., None, None].chunk(2, dim=1)
    turned = _turn(image)
    own, spread = measure_instance(turned) if ledger is None else ledger.consult(turned)
    factor = deviation / spread.clamp(min=_LEAST)
    turned = torch.addcmul(mean - own * factor, turned, factor)
    return _turn(turned, back=True)


def _turn(image: Tensor, *, back: bool = False) -> Tensor:
    """Into opponent colours, or back."""
    basis = torch.tensor(_BASIS, dtype=image.dtype, device=image.device)
    # Processors take four times as long if the three channels lie last in memory.
    return F.conv2d(image.contiguous(), (basis.T if back else basis)[..., None, None])
