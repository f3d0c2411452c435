"""Matching of histograms, channel by channel or along directions.

Where an activation should go is found from two histograms, the picture's and the style's, so that
it needs nothing but sums over positions and is exact in tiles. Bins lie evenly on a scale that is
fine around the style's mean, 0.013 standard deviations a bin, and logarithmic far from it. A value
counts in the two bins nearest to it, so that nothing jumps where it passes from one into the next;
within a bin the match is a straight line.
"""

import torch
from torch import Tensor

from impasto.statistics.moments import Moments, covariance, energy
from impasto.statistics.views import (
    Sums,
    Target,
    View,
    attach_gradient,
    list_rows,
    split_bands,
)

#: Bins, and where the scale of logarithms ends: at 734 standard deviations.
BINS, _REACH = 1024, 6.6

#: Part of a bin's mass that its ends keep off their neighbours, so that rounding cannot carry
#: them across a gap.
_INSET = 1e-3


def measure_channels(moments: Moments, seed: int = 0) -> Sums:
    """Mean and standard deviation of each channel of a style, each (C,)."""
    floor = 1e-6 * energy(moments)[0].clamp(min=1e-12)
    variance = covariance(moments)[0].diagonal().clamp(min=0)
    return moments.mean[0], (variance + floor).sqrt()


def draw_directions(moments: Moments, seed: int) -> Sums:
    """Mean and deviation along directions, and the directions: orthonormal, (C, C), by lot."""
    mean, matrix = moments.mean[0], covariance(moments)[0]
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(matrix.shape, generator=generator, dtype=torch.float64)
    directions = torch.linalg.qr(noise)[0].to(matrix)
    floor = 1e-6 * energy(moments)[0].clamp(min=1e-12)
    variance = ((directions @ matrix) * directions).sum(1).clamp(min=0)
    return directions @ mean, (variance + floor).sqrt(), directions


def count_values(view: View, basis: Sums) -> Sums:
    """Histograms of a piece: shares of all positions, (K, BINS) in float64; no gradient."""
    mean = basis[0]
    counts = mean.new_zeros(len(mean) * BINS, dtype=_exact(mean))
    with torch.no_grad():
        for band in split_bands(view.own):
            values = _project(view.own[:, :, band], basis)
            weights = list_rows(view.measure[:, :, band]).to(counts)
            places = _find_places(values, basis) - 0.5
            first = places.long().clamp_(max=BINS - 2)
            part = (places - first).clamp_(0, 1)
            bins = (first + torch.arange(len(mean), device=mean.device) * BINS).flatten()
            counts.scatter_add_(0, bins, ((1 - part) * weights).flatten())
            counts.scatter_add_(0, bins + 1, (part * weights).flatten())
    return (counts.view(-1, BINS),)


def histogram_distance(view: View, actual: Sums, target: Target) -> Tensor:
    """Mean squared distance of each activation from the one that it should become.

    Risser et al. 2017, "Stable and Controllable Neural Texture Synthesis and Style Transfer
    Using Histogram Losses"; along directions it is the sliced Wasserstein-2 distance of
    Heitz et al. 2021, "A Sliced Wasserstein Loss for Neural Texture Synthesis", with
    directions that stay the same, for solvers that need one function. The aim is held fixed for
    the gradient. A share of the target's energy.

    Args:
        view: A piece of the picture.
        actual: Histograms of the whole picture.
        target: Of the styles.
    """
    basis = target.basis
    ends = match_bins(actual[0], target.sums[0], basis)
    size = (energy(target.moments)[0] * len(basis[0])).clamp(min=1e-12)
    value, gradient = size.new_zeros(()), torch.empty_like(view.own)
    with torch.no_grad():
        for band in split_bands(view.own):
            values = _project(view.own[:, :, band], basis)
            weights = list_rows(view.measure[:, :, band]) / size
            difference = values - _move(values, ends, basis)
            value = value + (difference.square() * weights).sum()
            slope = 2 * weights * difference
            slope = slope if len(basis) == 2 else slope @ basis[2].to(slope)
            shaped = slope.view(band.stop - band.start, -1, slope.shape[1])
            gradient[0, :, band] = shaped.permute(2, 0, 1).to(gradient)
    return attach_gradient(view.own, value, gradient)


def match_bins(actual: Tensor, target: Tensor, basis: Sums) -> tuple[Tensor, Tensor]:
    """Where the lower and the upper end of each bin should go, each (K, BINS).

    The quantile of a value among the picture's is looked up among the style's.
    """
    target = target / target.sum(1, keepdim=True).clamp(min=1e-12)
    actual = actual / actual.sum(1, keepdim=True).clamp(min=1e-12)
    above = actual.cumsum(1)
    wanted = target.cumsum(1)
    low = _find_quantile(above - actual * (1 - _INSET), wanted, target)
    high = _find_quantile(above - actual * _INSET, wanted, target)
    # The ends themselves, by the line through both insets.
    spread = (high - low) / (1 - 2 * _INSET) * _INSET
    return _to_value(low - spread, basis), _to_value(high + spread, basis)


def _find_quantile(shares: Tensor, above: Tensor, mass: Tensor) -> Tensor:
    """Place on the scale of bins, (K, N) in [0, BINS], below which there is that share."""
    bins = torch.searchsorted(above, shares.contiguous()).clamp(max=BINS - 1)
    here = mass.gather(1, bins)
    part = (shares - (above.gather(1, bins) - here)) / here.clamp(min=1e-300)
    return bins + part.clamp(0, 1)


def _to_value(places: Tensor, basis: Sums) -> Tensor:
    mean, deviation = basis[:2]
    scale = places * (2 * _REACH / BINS) - _REACH
    spread = (scale.abs().expm1() * scale.sign()).to(mean)
    return mean[:, None] + deviation[:, None] * spread


def _find_places(values: Tensor, basis: Sums) -> Tensor:
    """Places of values, (N, K), on the scale of bins, from 0 to BINS."""
    mean, deviation = basis[:2]
    spread = (values - mean) / deviation
    # The logarithm of 1 + |x| is four times as fast as a hyperbolic arcsine, and as good.
    scale = spread.abs().add_(1).log_().copysign_(spread)
    return scale.add_(_REACH).mul_(BINS / (2 * _REACH)).clamp_(0, BINS)


def _move(values: Tensor, ends: tuple[Tensor, Tensor], basis: Sums) -> Tensor:
    """Move values, (N, K), as the bins that they lie in are moved."""
    count = len(basis[0])
    places = _find_places(values, basis)
    bins = places.long().clamp_(max=BINS - 1)
    flat = (bins + torch.arange(count, device=values.device) * BINS).flatten()
    part = (places - bins).clamp_(0, 1)
    low, high = (one.flatten().index_select(0, flat).view_as(values) for one in ends)
    return low + part * (high - low)


def _project(features: Tensor, basis: Sums) -> Tensor:
    rows = list_rows(features)
    return rows if len(basis) == 2 else rows @ basis[2].to(rows).mT


def _exact(like: Tensor) -> torch.dtype:
    # Metal has no float64.
    return torch.float32 if like.device.type == "mps" else torch.float64
