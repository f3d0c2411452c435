"""Every statistic by name: what it collects of a picture, and how that is compared."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.statistics.correlations import (
    SHIFTS,
    collect_crossed,
    collect_shifted,
    crossed_distance,
    shifted_distance,
)
from impasto.statistics.distances import (
    covariance_distance,
    gram_distance,
    linear_mmd,
    mean_std_distance,
    moments_distance,
    polynomial_mmd,
)
from impasto.statistics.histograms import (
    count_values,
    draw_directions,
    histogram_distance,
    measure_channels,
)
from impasto.statistics.moments import Moments
from impasto.statistics.patches import keep_patches, measure_nothing, patch_distance
from impasto.statistics.views import Sums, Target, View
from impasto.statistics.wasserstein import wasserstein_distance
from impasto.statistics.waves import collect_waves, draw_waves, gaussian_mmd


def _collect_nothing(view: View, basis: Sums) -> Sums:
    return ()


def _add_patches(one: Sums, other: Sums) -> Sums:
    return (torch.cat([one[0], other[0]]),)


def _add(one: Sums, other: Sums) -> Sums:
    return tuple(map(torch.add, one, other))


@dataclass(frozen=True)
class Statistic:
    """A way to measure a style.

    One of `of_moments`, `of_sums` and `match` is given.

    Attributes:
        balance: What its distance is multiplied with, so that it leaves a photograph about as
            far as the default does.
        of_moments: Distance of moments from the target's.
        of_sums: Distance of what was collected from the target's.
        match: Mean squared distance of a piece's positions from where they should be, a sum over
            pieces, given what was collected of the whole.
        prepare: What it draws or chooses by the target's moments and a seed.
        collect: Sums over the positions of a piece; for `of_sums` differentiable.
        keep: What is kept of a style's piece that counts by a share; `collect` times the share
            if left out.
        join: Puts together what was kept of two pieces.
        halo: Positions around a piece that it looks at.
        least_stride: Of the layers that it looks at, in px.
        memory: Bytes that it takes for each pixel that is looked at, and beside that.
    """

    balance: float
    of_moments: Callable[[Moments, Moments], Tensor] | None = None
    of_sums: Callable[[Sums, Target], Tensor] | None = None
    match: Callable[[View, Sums, Target], Tensor] | None = None
    prepare: Callable[[Moments, int], Sums] = measure_nothing
    collect: Callable[[View, Sums], Sums] = _collect_nothing
    keep: Callable[[View, Sums, float], Sums] | None = None
    join: Callable[[Sums, Sums], Sums] = _add
    halo: int = 0
    least_stride: int = 1
    memory: tuple[int, int] = (0, 0)

    def keep_piece(self, view: View, basis: Sums, share: float) -> Sums:
        """What is kept of a style's piece; see `keep`."""
        if self.keep is not None:
            return self.keep(view, basis, share)
        return tuple(part * share for part in self.collect(view, basis))


STATISTICS: dict[str, Statistic] = {
    "moments": Statistic(1.0, of_moments=moments_distance),
    "gram": Statistic(8.0, of_moments=gram_distance),
    "mean-std": Statistic(22.0, of_moments=mean_std_distance),
    "covariance": Statistic(1.0, of_moments=covariance_distance),
    "wasserstein": Statistic(5.0, of_moments=wasserstein_distance),
    "mmd-linear": Statistic(47.0, of_moments=linear_mmd),
    "mmd-poly": Statistic(15.0, of_moments=polynomial_mmd),
    "mmd-gaussian": Statistic(
        43.0, of_sums=gaussian_mmd, prepare=draw_waves, collect=collect_waves, memory=(500, 0)
    ),
    "histogram": Statistic(
        14.0,
        match=histogram_distance,
        prepare=measure_channels,
        collect=count_values,
        memory=(600, 0),
    ),
    "sliced": Statistic(
        24.0,
        match=histogram_distance,
        prepare=draw_directions,
        collect=count_values,
        memory=(600, 0),
    ),
    "shifted-gram": Statistic(
        7.2,
        of_sums=shifted_distance,
        collect=collect_shifted,
        halo=max(SHIFTS),
        memory=(2000, 0),
    ),
    "cross-gram": Statistic(
        14.5, of_sums=crossed_distance, collect=collect_crossed, memory=(800, 0)
    ),
    # Finer layers have no shapes worth a patch, and too many positions.
    "patches": Statistic(
        1.0,
        match=patch_distance,
        keep=keep_patches,
        join=_add_patches,
        halo=1,
        least_stride=4,
        memory=(800, 400 * 2**20),
    ),
}
