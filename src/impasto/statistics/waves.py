"""Maximum mean discrepancy with a Gaussian kernel, by random Fourier features."""

from typing import Any

import torch
from torch import Tensor

from impasto.statistics.moments import Moments, covariance
from impasto.statistics.views import Sums, Target, View, list_rows, split_bands

#: Waves for each channel, and the most in all.
_PER_CHANNEL, _MOST = 4, 1024


def draw_waves(moments: Moments, seed: int, count: int | None = None) -> Sums:
    """Draw the frequencies of a Gaussian kernel exp(-|x - y|^2 / (2 s^2)), shape (count, C).

    Bochner's theorem makes the kernel an average over waves, cos(w.(x - y)), with w ~ N(0, 1/s^2)
    (Rahimi and Recht 2007, "Random Features for Large-Scale Kernel Machines"): with the
    same waves the discrepancy is a function of sums over positions, so that tiles are exact and
    no pairs need be sampled. s^2 is the mean squared distance between two positions of the style
    (Li et al. 2017), which is twice the trace of its covariance.
    """
    channels = moments.mean.shape[1]
    width = 2 * covariance(moments).diagonal(dim1=1, dim2=2).sum().clamp(min=1e-12)
    generator = torch.Generator().manual_seed(seed)
    count = count or min(_MOST, _PER_CHANNEL * channels)
    return (torch.randn((count, channels), generator=generator).to(moments.mean) / width.sqrt(),)


def collect_waves(view: View, basis: Sums) -> Sums:
    """Averages of cosine and sine of each wave, shape (2 * count,)."""
    sums: Tensor = _Waves.apply(view.own, view.measure, basis[0])  # type: ignore[no-untyped-call]
    return (sums,)


def gaussian_mmd(actual: Sums, target: Target) -> Tensor:
    """Squared distance of the mean embeddings, as a share of the target's squared size."""
    (wanted,) = target.sums
    return (actual[0] - wanted).square().sum() / wanted.square().sum().clamp(min=1e-12)


class _Waves(torch.autograd.Function):
    """In bands, and with angles computed anew for the backward pass: they take much memory."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, measure: Tensor, waves: Tensor) -> Tensor:
        ctx.save_for_backward(features, measure, waves)
        total: Tensor | None = None
        for band in split_bands(features, 2 * len(waves) / features.shape[1]):
            rows = list_rows(features[:, :, band])
            weights = list_rows(measure[:, :, band]).to(rows)
            angles = rows @ waves.to(rows).mT
            part = torch.cat([(weights.mT @ angles.cos())[0], (weights.mT @ angles.sin())[0]])
            total = part if total is None else total + part
        assert total is not None
        return total

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        features, measure, waves = ctx.saved_tensors
        gradient = torch.empty_like(features)
        by_cosine, by_sine = slope.chunk(2)
        for band in split_bands(features, 2 * len(waves) / features.shape[1]):
            rows = list_rows(features[:, :, band])
            weights = list_rows(measure[:, :, band]).to(rows)
            angles = rows @ waves.to(rows).mT
            turned = (angles.cos() * by_sine - angles.sin() * by_cosine) * weights
            height = band.stop - band.start
            found = (turned @ waves.to(rows)).view(height, -1, features.shape[1])
            gradient[0, :, band] = found.permute(2, 0, 1).to(gradient)
        return gradient, None, None
