"""Distances that a painting is pulled along: content, style, total variation.

Each is a function of tensors that returns a scalar. `LOSS_FORMS` pairs the content and style
scaling of one source, so that a paper's own balance can be reproduced exactly.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from impasto.config import Seamless
from impasto.patterns import cut_window, wraps
from impasto.statistics import Moments, moments_distance


def squared_difference(features: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Sum of (F - P)^2 over all channels and positions, summed in float32.

    Every content loss is this sum times a factor that depends on the target alone.

    Args:
        features: Activations F, any shape and floating precision.
        target: Activations P of the same shape; no gradient flows to it.
        weights: How much each position counts, shape (1, 1, H, W); all alike if left out.
    """
    total: Tensor = _SquaredDifference.apply(features, target, weights)  # type: ignore[no-untyped-call]
    return total


def sum_squares(features: Tensor) -> float:
    """Summed square of activations over all channels and positions, in float32."""
    return float(squared_difference(features, features.new_zeros(())))


def content_gatys(features: Tensor, target: Tensor) -> Tensor:
    """Half the summed squared difference (Gatys et al. 2016, eq. 1)."""
    return squared_difference(features, target) * 0.5


def content_mean(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference (Johnson et al. 2016, feature reconstruction loss)."""
    return squared_difference(features, target) / target.numel()


def content_relative(features: Tensor, target: Tensor) -> Tensor:
    """Squared difference as a share of the target's own squared size.

    Free of units: one weight means the same in every layer, network and picture.
    """
    scale = _one_by_energy(sum_squares(target), target.numel())
    return squared_difference(features, target) * scale


def style_gatys(actual: Moments, target: Moments, positions: int) -> Tensor:
    """Squared difference of Gram matrices (Gatys et al. 2016, eq. 4).

    The paper sums over positions in both Gram matrices and divides by (2 N M)^2, which presumes
    two pictures of one size; with the matrices divided by their own M it holds for any two.
    """
    channels = actual.mean.shape[1]
    return (actual.second - target.second).square().sum() / (4 * channels**2)


def style_johnson(actual: Moments, target: Moments, positions: int) -> Tensor:
    """Squared difference of Gram matrices divided by C*H*W (Johnson et al. 2016, eq. 4)."""
    channels = actual.mean.shape[1]
    return (actual.second - target.second).square().sum() / channels**2


def style_tutorial(actual: Moments, target: Moments, positions: int) -> Tensor:
    """Mean squared difference of undivided Gram matrices, over N*M.

    The form most tutorials use: no paper states it, but published weights such as 1e3 for
    content and 1e-2 for style only make sense with it.
    """
    channels = actual.mean.shape[1]
    difference = (actual.second - target.second) * positions
    return difference.square().mean() / (channels * positions)


def style_relative(actual: Moments, target: Moments, positions: int) -> Tensor:
    """Mean and covariance, free of units; see `impasto.statistics.moments_distance`."""
    return moments_distance(actual, target)


def total_variation(image: Tensor, seamless: Seamless = "none") -> Tensor:
    """Mean squared slope per pixel over a nine-point stencil, in (level / px)^2.

    Diagonal neighbours join the four direct ones, so that no direction is cheaper than
    another (Gatys and Johnson use two neighbours).

    Args:
        image: Shape (B, 3, H, W), values in [0, 1].
        seamless: How it repeats: slopes into the neighbouring tiles count too.
    """
    (height, width), count = image.shape[-2:], image.numel()
    if wraps(seamless):
        image = cut_window(image, (0, height + 1), (0, width + 1), seamless)
    return sum_slopes(image, height, width) / count


def sum_slopes(image: Tensor, rows: int, columns: int) -> Tensor:
    """Summed squared slopes that begin in the first `rows` and `columns` of a picture.

    A piece of a larger picture brings one row and column more than it owns, so that the sums of
    all pieces make up the whole.
    """
    across = (image[..., :rows, 1:] - image[..., :rows, :-1]).square()
    down = (image[..., 1:, :columns] - image[..., :-1, :columns]).square()
    falling = (image[..., 1:, 1:] - image[..., :-1, :-1]).square()
    rising = (image[..., 1:, :-1] - image[..., :-1, 1:]).square()
    straight = across.sum() + down.sum()
    return straight * (2 / 3) + (falling.sum() + rising.sum()) / 6


def _half(energy: float, count: int) -> float:
    return 0.5


def _one_by_count(energy: float, count: int) -> float:
    return 1 / count


def _one_by_energy(energy: float, count: int) -> float:
    return 1 / max(energy, 1e-12 * count)


class _SquaredDifference(torch.autograd.Function):
    """Keeps the activations as they are; autograd would keep a float32 copy of each."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
        ctx.save_for_backward(features, target, weights)
        squares = (features.float() - target.float()).square_()
        return squares.sum() if weights is None else squares.mul_(weights).sum()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        features, target, weights = ctx.saved_tensors
        scale = 2 * slope if weights is None else 2 * slope * weights
        return (features - target).mul_(scale.to(features.dtype)), None, None


class LossForm(NamedTuple):
    """How one source scales its content and its style term.

    Attributes:
        content: Loss of activations against a target.
        style: Loss of moments against target moments, given the number of positions.
        content_factor: What `content` multiplies the summed squared difference with, given the
            target's summed square and the number of its values.
    """

    content: Callable[[Tensor, Tensor], Tensor]
    style: Callable[[Moments, Moments, int], Tensor]
    content_factor: Callable[[float, int], float]


LOSS_FORMS: dict[str, LossForm] = {
    "impasto": LossForm(content_relative, style_relative, _one_by_energy),
    "gatys": LossForm(content_gatys, style_gatys, _half),
    "johnson": LossForm(content_mean, style_johnson, _one_by_count),
    "tutorial": LossForm(content_mean, style_tutorial, _one_by_count),
}
