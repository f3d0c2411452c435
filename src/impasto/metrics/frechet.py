"""Fréchet distances between distributions of activations, all in float64.

SIFID (Shaham et al. 2019) compares the positions of two pictures, FID (Heusel et al. 2017) two
sets of pictures. Both are defined on Inception's activations. Here any network may look, and so
the numbers do not compare with those of papers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.errors import ShapeError

#: Cells a side that a picture is cut into as a sample of a set.
_CELLS = 4


class Gaussian(NamedTuple):
    """A normal distribution.

    Attributes:
        mean: Shape (C,), float64.
        covariance: Shape (C, C), float64, symmetric.
    """

    mean: Tensor
    covariance: Tensor

    @property
    def energy(self) -> float:
        """E|x|^2."""
        return float(self.mean.square().sum() + self.covariance.diagonal().sum())


def estimate_gaussian(samples: Tensor, *, shrink: bool = False) -> Gaussian:
    """Fit a normal distribution to samples.

    Args:
        samples: Rows (N, C), or activations (1, C, H, W) whose positions are the samples.
        shrink: Make up for few samples, see `shrink_covariance`.

    Raises:
        ShapeError: If there are none, or the shape is another.
    """
    if samples.ndim == 4 and len(samples) == 1:
        samples = samples[0].flatten(1).mT
    if samples.ndim != 2 or not len(samples):
        raise ShapeError(f"Samples have shape (N, C) or (1, C, H, W), not {tuple(samples.shape)}.")
    rows = samples.detach().cpu().double()
    mean = rows.mean(0)
    rows = rows - mean
    spread = shrink_covariance(rows) if shrink else rows.mT @ rows / len(rows)
    return Gaussian(mean, spread)


def blend_gaussians(parts: Sequence[Gaussian], shares: Sequence[float]) -> Gaussian:
    """The mean and covariance of a mixture; `shares` need not sum to one.

    Raises:
        ShapeError: If the numbers differ or there are none.
    """
    if not parts or len(parts) != len(shares):
        raise ShapeError(f"{len(parts)} distributions cannot be blended by {len(shares)} shares.")
    weights = torch.tensor(shares, dtype=torch.float64)
    weights = weights / weights.sum()
    means = torch.stack([part.mean for part in parts])
    mean = weights @ means
    spread = sum(
        (
            weight * (part.covariance + torch.outer(part.mean - mean, part.mean - mean))
            for weight, part in zip(weights, parts, strict=True)
        ),
        torch.zeros(()),
    )
    return Gaussian(mean, spread)


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """Squared Wasserstein-2 distance of two normal distributions (Dowson & Landau 1982, eq. 4).

    |m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2). The product in the middle is symmetric, so its
    eigenvalues are real and not negative but for rounding, which is cut off; a general matrix root
    of A B turns complex where covariances are singular.

    Returns:
        0 for equals; symmetric.

    Raises:
        ShapeError: If they have different numbers of channels.
    """
    if one.mean.shape != other.mean.shape:
        raise ShapeError(f"{len(one.mean)} and {len(other.mean)} channels cannot be compared.")
    values, vectors = torch.linalg.eigh(one.covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.mT
    product = root @ other.covariance @ root
    roots = torch.linalg.eigvalsh((product + product.mT) / 2).clamp(min=0).sqrt()
    traces = one.covariance.diagonal().sum() + other.covariance.diagonal().sum()
    apart = (one.mean - other.mean).square().sum()
    return max(0.0, float(apart + traces - 2 * roots.sum()))


def relative_frechet(actual: Gaussian, wanted: Gaussian) -> float:
    """The distance as a share of E|x|^2 of what is wanted, so that the network's scale cancels.

    0 for equals, 1 for an actual distribution that is nothing but zeros.
    """
    return frechet_distance(actual, wanted) / max(wanted.energy, 1e-300)


def shrink_covariance(centred: Tensor) -> Tensor:
    """Covariance drawn toward a multiple of the identity (Ledoit & Wolf 2004, eq. 14).

    As far as minimises the expected error, which the samples themselves tell: all the way for one
    sample, hardly for many. So it is never singular where samples are fewer than channels.

    Args:
        centred: Samples less their mean, (N, C), float64.

    Returns:
        Shape (C, C); its trace is the samples' own.
    """
    count, channels = centred.shape
    spread = centred.mT @ centred / count
    mean = spread.diagonal().mean()
    identity = torch.eye(channels, dtype=spread.dtype)
    apart = (spread - mean * identity).square().sum()
    noise = (centred.square().sum(1).square().sum() / count - spread.square().sum()) / count
    if float(apart) <= 0:
        return spread
    amount = (noise / apart).clamp(0, 1)
    shrunk: Tensor = (1 - amount) * spread + amount * mean * identity
    return shrunk


def pool_cells(features: Tensor, cells: int = _CELLS) -> Tensor:
    """What a picture adds to a set: its activations averaged in cells x cells parts, (N, C).

    FID takes one average a picture. Sets here may hold a single style, which has no spread.

    Args:
        features: Shape (1, C, H, W).
        cells: Parts a side, at most; fewer where there are fewer positions.
    """
    rows, columns = (min(cells, side) for side in features.shape[-2:])
    return F.adaptive_avg_pool2d(features, (rows, columns))[0].flatten(1).mT
