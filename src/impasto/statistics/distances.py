"""Distances of styles that are functions of mean and second moments alone.

All are free of units: a share of what the target itself measures.
"""

import torch
from torch import Tensor

from impasto.statistics.moments import Moments, covariance, energy

#: Smallest size that anything is divided by.
_LEAST = 1e-12


def moments_distance(actual: Moments, target: Moments) -> Tensor:
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


def gram_distance(actual: Moments, target: Moments) -> Tensor:
    """Squared difference of Gram matrices (Gatys et al. 2016) as a share of the target's."""
    return polynomial_mmd(actual, target, offset=0.0)


def covariance_distance(actual: Moments, target: Moments) -> Tensor:
    """The covariance's part of `moments_distance`: contrasts and their relations, no colours."""
    wanted = covariance(target)
    trace = wanted.diagonal(dim1=1, dim2=2).sum(dim=1).clamp(min=_LEAST)
    difference = (covariance(actual) - wanted).square().sum(dim=(1, 2))
    return (difference / (4 * trace * energy(target).clamp(min=_LEAST))).mean()


def mean_std_distance(actual: Moments, target: Moments) -> Tensor:
    """Squared difference of means and of standard deviations (Li et al. 2017).

    What batch normalisation knows of a layer, and what AdaIN transfers (Huang and Belongie 2017).
    It is the Wasserstein-2 distance of normal distributions with independent channels.
    """
    floor = 1e-6 * energy(target).clamp(min=_LEAST)[:, None]
    spread, wanted = (_variances(one).clamp(min=0) + floor for one in (actual, target))
    difference = (actual.mean - target.mean).square() + (spread.sqrt() - wanted.sqrt()).square()
    return (difference.mean(dim=1) / energy(target).clamp(min=_LEAST)).mean()


def linear_mmd(actual: Moments, target: Moments) -> Tensor:
    """Maximum mean discrepancy with the kernel x.y: squared distance of means.

    Li et al. 2017, "Demystifying Neural Style Transfer"; a share of E |y|^2.
    """
    difference = (actual.mean - target.mean).square().mean(dim=1)
    return (difference / energy(target).clamp(min=_LEAST)).mean()


def polynomial_mmd(actual: Moments, target: Moments, offset: float = 1.0) -> Tensor:
    """Maximum mean discrepancy with the kernel (x.y + c)^2, as a share of the target's own size.

    Li et al. 2017: with c = 0 it is the Gram loss. The discrepancy is
    |G - G*|^2 + 2 c |mu - mu*|^2, and |G*|^2 + 2 c |mu*|^2 + c^2 what it is a share of.

    Args:
        actual: Of the picture.
        target: Of the style.
        offset: c as a multiple of |mu*|^2.
    """
    mean = target.mean.square().sum(dim=1)
    constant = offset * mean
    difference = (actual.second - target.second).square().sum(dim=(1, 2))
    difference = difference + 2 * constant * (actual.mean - target.mean).square().sum(dim=1)
    size = target.second.square().sum(dim=(1, 2)) + 2 * constant * mean + constant.square()
    return (difference / size.clamp(min=_LEAST)).mean()


def _variances(moments: Moments) -> Tensor:
    return torch.diagonal(moments.second, dim1=1, dim2=2) - moments.mean.square()
