"""Distances that a painting is pulled along: content, style, total variation.

Each is a function of tensors that returns a scalar. `LOSS_FORMS` pairs the content and style
scaling of one source, so that a paper's own balance can be reproduced exactly.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from impasto.statistics import Moments, covariance, energy


def content_gatys(features: Tensor, target: Tensor) -> Tensor:
    """Half the summed squared difference (Gatys et al. 2016, eq. 1)."""
    return (features.float() - target.float()).square().sum() / 2


def content_mean(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference (Johnson et al. 2016, feature reconstruction loss)."""
    return (features.float() - target.float()).square().mean()


def content_relative(features: Tensor, target: Tensor) -> Tensor:
    """Squared difference as a share of the target's own squared size.

    Free of units: one weight means the same in every layer, network and picture.
    """
    return content_mean(features, target) / target.float().square().mean().clamp(min=1e-12)


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
    """Distance of mean and covariance as a share of the target's own activation energy.

    An inexpensive stand-in for the Wasserstein-2 distance between the two normal distributions:
    |mu - mu*|^2 + |S - S*|^2 / (4 tr S*), which agrees with it to second order when S* is
    isotropic, and needs no matrix roots.
    """
    wanted = covariance(target)
    mean_term = (actual.mean - target.mean).square().mean(dim=1)
    trace = wanted.diagonal(dim1=1, dim2=2).sum(dim=1).clamp(min=1e-12)
    covariance_term = (covariance(actual) - wanted).square().sum(dim=(1, 2)) / (4 * trace)
    return ((mean_term + covariance_term) / energy(target).clamp(min=1e-12)).mean()


def total_variation(image: Tensor) -> Tensor:
    """Mean squared slope per pixel over a nine-point stencil, in (level / px)^2.

    Diagonal neighbours join the four direct ones, so that no direction is cheaper than
    another (Gatys and Johnson use two neighbours).

    Args:
        image: Shape (B, 3, H, W), values in [0, 1].
    """
    across = (image[..., :, 1:] - image[..., :, :-1]).square()
    down = (image[..., 1:, :] - image[..., :-1, :]).square()
    falling = (image[..., 1:, 1:] - image[..., :-1, :-1]).square()
    rising = (image[..., 1:, :-1] - image[..., :-1, 1:]).square()
    straight = across.sum() + down.sum()
    diagonal = falling.sum() + rising.sum()
    return (straight * (2 / 3) + diagonal / 6) / image.numel()


class LossForm(NamedTuple):
    """How one source scales its content and its style term."""

    content: Callable[[Tensor, Tensor], Tensor]
    style: Callable[[Moments, Moments, int], Tensor]


LOSS_FORMS: dict[str, LossForm] = {
    "impasto": LossForm(content_relative, style_relative),
    "gatys": LossForm(content_gatys, style_gatys),
    "johnson": LossForm(content_mean, style_johnson),
    "tutorial": LossForm(content_mean, style_tutorial),
}
