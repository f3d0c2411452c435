"""LPIPS (Zhang et al. 2018): differences of activations, weighed as people judged patches."""

from collections.abc import Mapping

import torch
from torch import Tensor

from impasto.errors import ShapeError

_EPSILON = 1e-10


def measure_lpips(
    one: Mapping[str, Tensor], other: Mapping[str, Tensor], heads: Mapping[str, Tensor]
) -> float:
    """Perceptual distance (eq. 1): unit vectors at each place, squared differences, weighed.

    Args:
        one: Layer -> activations (1, C, H, W).
        other: The same layers of another picture of the same size.
        heads: Layer -> what each channel counts, C values, in any shape.

    Returns:
        The sum over layers: 0 for equals, about 0.7 for strangers; symmetric.

    Raises:
        ShapeError: If shapes differ.
    """
    total = 0.0
    for layer, head in heads.items():
        a, b = one[layer], other[layer]
        if a.shape != b.shape or head.numel() != a.shape[1]:
            raise ShapeError(
                f"Activations {tuple(a.shape)} and {tuple(b.shape)} of {layer} cannot be compared"
                f" by {head.numel()} weights."
            )
        apart = (_normalise(a) - _normalise(b)).square()  # (1, C, H, W)
        total += float(torch.einsum("bchw,c->bhw", apart, head.flatten().to(apart)).mean())
    return total


def _normalise(features: Tensor) -> Tensor:
    """Unit length at each position."""
    lengths: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (lengths + _EPSILON)
