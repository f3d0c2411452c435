"""How a style is measured: statistics of activations over all positions of a picture.

Every measure here depends on a picture only through sums over positions, so that it can be
accumulated piece by piece. `collect_moments` takes these sums; the rest are short functions of
them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from impasto.errors import ShapeError


class Moments(NamedTuple):
    """First and second moments of activations over positions.

    Attributes:
        mean: E[f], shape (B, C), float32.
        second: E[f f^T], shape (B, C, C), float32, symmetric.
    """

    mean: Tensor
    second: Tensor


def collect_moments(features: Tensor, weights: Tensor | None = None) -> Moments:
    """Average activations and their products over all positions.

    Args:
        features: Activations, shape (B, C, H, W), any floating precision. The moments are
            always taken in float32: a covariance is a small difference of large numbers.
        weights: How much each position counts, shape (1, 1, H, W), not negative; all alike if
            left out. The guided Gram matrices of Gatys et al. 2017, with T^2 for the weights.

    Returns:
        The moments; differentiable by the activations.

    Raises:
        ShapeError: If `features` is not 4-D, or `weights` does not fit.
    """
    _check_features(features)
    if weights is not None and weights.shape != (1, 1, *features.shape[2:]):
        raise ShapeError(
            f"Weights for activations {tuple(features.shape)} have shape"
            f" {(1, 1, *features.shape[2:])}, not {tuple(weights.shape)}."
        )
    mean, second = _MomentsFunction.apply(features, weights)  # type: ignore[no-untyped-call]
    return Moments(mean, second)


def gram_matrix(features: Tensor) -> Tensor:
    """Channel correlations of a feature map (Gatys et al. 2016, eq. 3).

    Args:
        features: Activations, shape (B, C, H, W).

    Returns:
        Symmetric matrices, shape (B, C, C), divided by H*W (the paper does not divide).

    Raises:
        ShapeError: If `features` is not 4-D.
    """
    return collect_moments(features).second


def covariance(moments: Moments) -> Tensor:
    """Covariance of the channels over positions, shape (B, C, C)."""
    return moments.second - moments.mean.unsqueeze(2) * moments.mean.unsqueeze(1)


def energy(moments: Moments) -> Tensor:
    """Mean squared activation E[f^2] averaged over channels, shape (B,)."""
    return moments.second.diagonal(dim1=1, dim2=2).mean(dim=1)


def blend_moments(moments: Sequence[Moments], weights: Sequence[float]) -> Moments:
    """Moments of a mixture: as if the pictures hung side by side, each `weights[i]` of the wall.

    Args:
        moments: One per picture, all of the same shape.
        weights: As many, not negative; they are normalised to a sum of one.

    Raises:
        ShapeError: If the numbers differ or there are none.
    """
    if not moments or len(moments) != len(weights):
        raise ShapeError(f"{len(moments)} statistics cannot be blended by {len(weights)} weights.")
    total = sum(weights)
    shares = [weight / total for weight in weights]
    return Moments(
        sum((m.mean * share for m, share in zip(moments, shares, strict=True)), torch.zeros(())),
        sum((m.second * share for m, share in zip(moments, shares, strict=True)), torch.zeros(())),
    )


def _check_features(features: Tensor) -> None:
    if features.ndim != 4:
        raise ShapeError(f"Activations have shape (B, C, H, W), not {tuple(features.shape)}.")


#: Values that are converted to float32 at a time: 2 MB, which stays in a processor's cache.
_PIECE = 1 << 19


def _list_positions(features: Tensor) -> Tensor:
    """View (B, C, H, W) as (B, H*W, C); no copy if the channels lie last in memory."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def _sum_products(rows: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Sum w f and w f f^T over positions in float32, a piece at a time: (B, C), (B, C, C)."""
    batch, _, channels = rows.shape
    total = rows.new_zeros((batch, channels), dtype=torch.float32)
    products = rows.new_zeros((batch, channels, channels), dtype=torch.float32)
    # On a GPU pieces would only be more kernels to start.
    size = max(1, _PIECE // channels) if rows.device.type == "cpu" else rows.shape[1]
    first = 0
    for piece in torch.split(rows, size, dim=1):
        exact = weighted = piece.float()
        if weights is not None:
            weighted = exact * weights[:, first : first + piece.shape[1]]
            first += piece.shape[1]
        total += weighted.sum(dim=1)
        products.baddbmm_(weighted.mT, exact)
    return total, products


class _MomentsFunction(torch.autograd.Function):
    """Moments with a backward pass that works in the precision of the activations.

    Autograd would keep a float32 copy of every style layer until the backward pass, and would
    multiply matrices in float32 there; the activations themselves suffice.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        count = features.shape[2] * features.shape[3]
        if weights is not None:
            weights = weights.flatten(2).mT.float()  # (1, H*W, 1)
            weights = weights / weights.sum().clamp(min=1e-12)
        ctx.save_for_backward(features, weights)
        total, products = _sum_products(_list_positions(features), weights)
        return (total / count, products / count) if weights is None else (total, products)

    @staticmethod
    def backward(ctx: Any, d_mean: Tensor, d_second: Tensor) -> tuple[Tensor, None]:
        features, weights = ctx.saved_tensors
        count = features.shape[2] * features.shape[3] if weights is None else 1
        mixing = ((d_second + d_second.mT) / count).to(features.dtype)
        offset = (d_mean / count).to(features.dtype).unsqueeze(1)
        # Channels stay last in memory: a gradient in another layout than the convolutions'
        # costs a slow copy at each addition to theirs.
        rows = torch.baddbmm(offset, _list_positions(features), mixing)  # (B, H*W, C)
        if weights is not None:
            rows.mul_(weights)
        batch, channels, height, width = features.shape
        return rows.view(batch, height, width, channels).permute(0, 3, 1, 2), None
