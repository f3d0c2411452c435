"""Wasserstein-2 distance of normal distributions, exactly."""

from typing import Any

import torch
from torch import Tensor

from impasto.statistics.moments import Moments, covariance, energy

#: Added to both covariances, as a share of the target's mean variance: layers with fewer
#: positions than channels have singular ones, whose transport has no slope.
_DAMPING = 1e-3


def wasserstein_distance(actual: Moments, target: Moments) -> Tensor:
    """|mu - mu*|^2 + tr(S + S* - 2 (S*^1/2 S S*^1/2)^1/2), as a share of E |f*|^2.

    Dowson and Landau 1982; as a style loss in Mroueh 2019, "Wasserstein Style Transfer".
    Roots by eigenvalues in float64: unlike Newton-Schulz's iteration, they need no tolerance and
    stay exact where eigenvalues nearly vanish; the gradient is the closed form, which does not
    divide by differences of eigenvalues.
    """
    mean_term = (actual.mean - target.mean).square().sum(dim=1)
    bures = bures_distance(covariance(actual), covariance(target))
    size = energy(target) * target.mean.shape[1]
    return ((mean_term + bures) / size.clamp(min=1e-12)).mean()


def bures_distance(actual: Tensor, target: Tensor) -> Tensor:
    """tr(S + T - 2 (T^1/2 S T^1/2)^1/2) of symmetric matrices, shape (B, C, C) -> (B,).

    No gradient flows to `target`.
    """
    distance: Tensor = _Bures.apply(actual, target)  # type: ignore[no-untyped-call]
    return distance


def matrix_root(matrix: Tensor) -> Tensor:
    """Square root of symmetric matrices that have no negative eigenvalues but by rounding."""
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=0).sqrt().unsqueeze(-2)) @ vectors.mT
    return root


class _Bures(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, actual: Tensor, target: Tensor) -> Tensor:
        s, t = (_to_double(one) for one in (actual, target))
        one = torch.eye(t.shape[-1], dtype=t.dtype, device=t.device)
        size = t.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-24)
        damping = _DAMPING * size[:, None, None] * one
        s, root = s + damping, matrix_root(t + damping)
        values, vectors = torch.linalg.eigh(root @ s @ root)
        values = values.clamp(min=(_DAMPING * size[:, None]) ** 2)
        cross = values.sqrt().sum(1)
        # d tr (R S R)^1/2 / d S = R (R S R)^-1/2 R / 2
        turned = root @ vectors
        transport = (turned / values.sqrt().unsqueeze(1)) @ turned.mT
        ctx.save_for_backward((one - transport).to(actual))
        trace = (s + t + damping).diagonal(dim1=1, dim2=2).sum(1)
        distance: Tensor = (trace - 2 * cross).to(actual)
        return distance

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return slope[:, None, None] * gradient, None


def _to_double(matrix: Tensor) -> Tensor:
    # Metal has no float64.
    matrix = (matrix.cpu() if matrix.device.type == "mps" else matrix).double()
    return (matrix + matrix.mT) / 2
