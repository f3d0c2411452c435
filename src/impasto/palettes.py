"""What the pictures of a set have in common: a palette, and drawing a painting toward it.

A palette is few numbers: mean and covariance of the colours in OkLab, and how lightness is spread.
The way there is bounded, so that a night stays darker than a day and no noise is blown up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from impasto.color import oklab_to_rgb, rgb_to_oklab
from impasto.colormodes import mix_by_mask, sample_colors, work_in_bands
from impasto.errors import ConfigError, ShapeError

#: Levels at which lightness is written down; the very ends are a few pixels' business.
LEVELS = (0.005, *(step / 16 for step in range(1, 16)), 0.995)

#: How much weaker or stronger contrast and colours may become, and how far lightness may move.
_GAIN, _SHIFT = 2.0, 0.25

#: Points of the curve for lightness, and how many on each side are averaged.
_KNOTS, _SOFT = 257, 8


@dataclass(frozen=True)
class Palette:
    """Statistics of the colours of a picture in OkLab.

    Attributes:
        mean: Of lightness and the two colour axes.
        covariance: Three rows of three, symmetric.
        lightness: Quantiles of lightness at `LEVELS`, rising.
    """

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    lightness: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON; five decimals are finer than what 8 bits show."""
        return {
            "mean": [round(value, 5) for value in self.mean],
            "covariance": [[round(value, 7) for value in row] for row in self.covariance],
            "lightness": [round(value, 5) for value in self.lightness],
        }

    @classmethod
    def from_dict(cls, found: Any) -> "Palette":
        """Read what `to_dict` wrote; anyone may have written it.

        Raises:
            ConfigError: If it is no palette.
        """
        try:
            palette = cls(
                tuple(map(float, found["mean"])),
                tuple(tuple(map(float, row)) for row in found["covariance"]),
                tuple(map(float, found["lightness"])),
            )
        except (TypeError, KeyError, ValueError) as error:
            raise ConfigError("It holds no palette.") from error
        numbers = [*palette.mean, *sum(palette.covariance, ()), *palette.lightness]
        shapes = [len(palette.mean), *map(len, palette.covariance), len(palette.lightness)]
        rising = all(a <= b for a, b in zip(palette.lightness, palette.lightness[1:], strict=False))
        if shapes != [3, 3, 3, 3, len(LEVELS)] or not rising or not _are_sane(numbers):
            raise ConfigError("It holds no palette.")
        return palette


def measure_palette(image: Tensor, weights: Tensor | None = None) -> Palette:
    """Measure the colours of a picture, or of 131072 pixels spread over it.

    Args:
        image: Shape (1, 3, H, W), values in [0, 1].
        weights: How much each pixel counts, shape (1, 1, H, W); all alike if left out or zero.

    Raises:
        ShapeError: If the shapes are wrong.
    """
    if image.ndim != 4 or image.shape[:2] != (1, 3):
        raise ShapeError(f"A picture has shape (1, 3, H, W), not {tuple(image.shape)}.")
    if weights is not None and weights.shape != (1, 1, *image.shape[2:]):
        raise ShapeError(f"The weights {tuple(weights.shape)} do not fit {tuple(image.shape)}.")
    colors = rgb_to_oklab(sample_colors(image, 0)[None, :, None].double())[0, :, 0]  # (3, N)
    shares = torch.ones_like(colors[0])
    if weights is not None and float(weights.max()) > 0:
        shares = sample_colors(weights, 0)[0].double()
    shares = shares / shares.sum()
    mean = colors @ shares
    apart = colors - mean[:, None]
    covariance = (apart * shares) @ apart.mT
    lightness, order = colors[0].sort()
    places = torch.searchsorted(shares[order].cumsum(0), torch.tensor(LEVELS).double())
    quantiles = lightness[places.clamp(max=len(lightness) - 1)]
    rows = tuple(tuple(row) for row in covariance.tolist())
    return Palette(tuple(mean.tolist()), rows, tuple(quantiles.tolist()))


def blend_palettes(palettes: Sequence[Palette], shares: Sequence[float]) -> Palette:
    """The palette of pictures that hang side by side, each `shares[i]` of the wall.

    Quantiles are averaged, as along the shortest way between two distributions.
    """
    weights = torch.tensor(shares, dtype=torch.float64) / sum(shares)
    means = torch.tensor([one.mean for one in palettes], dtype=torch.float64)
    mean = weights @ means
    apart = means - mean
    inner = torch.tensor([one.covariance for one in palettes], dtype=torch.float64)
    covariance = torch.einsum("n,nij->ij", weights, inner) + (apart.mT * weights) @ apart
    quantiles = torch.tensor([one.lightness for one in palettes], dtype=torch.float64)
    rows = tuple(tuple(row) for row in covariance.tolist())
    return Palette(tuple(mean.tolist()), rows, tuple((weights @ quantiles).tolist()))


def draw_toward(
    painting: Tensor, palette: Palette, share: float, presence: Tensor | None = None
) -> Tensor:
    """Draw the colours of a painting toward a palette.

    Lightness goes along a rising curve to the palette's quantiles, colours by the shortest linear
    map to its mean and covariance (Pitié and Kokaram 2007, eq. 12). Neither makes a contrast more
    than twice as strong or weak, nor moves lightness by more than a quarter.

    Args:
        painting: Shape (1, 3, H, W), values in [0, 1]; not changed.
        palette: Where to go.
        share: How far, 0 to 1.
        presence: How much of the painting is seen at each place, (1, 1, H, W): what is not seen
            does not count and stays as it is. None: all of it.

    Returns:
        Shape (1, 3, H, W), values in [0, 1]; `painting` itself if `share` is 0.
    """
    if share == 0:
        return painting
    found = measure_palette(painting, presence)
    curve = _learn_curve(found, palette).to(painting)
    matrix = _learn_map(found, palette).to(painting)
    here, there = (
        torch.tensor(one.mean[1:]).view(1, 2, 1, 1).to(painting) for one in (found, palette)
    )

    def draw(rows: Tensor) -> Tensor:
        lab = rgb_to_oklab(rows)
        lightness, colors = lab[:, :1], lab[:, 1:]
        moved = torch.einsum("ij,bjhw->bihw", matrix, colors - here) + there
        bent = lightness + _read(curve, lightness)
        return oklab_to_rgb(torch.lerp(lab, torch.cat([bent, moved], dim=1), share))

    drawn = work_in_bands(draw, painting)
    return drawn if presence is None else mix_by_mask(painting, drawn, presence)


def palette_distance(one: Palette, other: Palette) -> float:
    """Wasserstein-2 distance between two normal distributions of colours in OkLab.

    0.02 is hardly seen side by side; 0.1 are different pictures.
    """
    covariances = [torch.tensor(x.covariance, dtype=torch.float64) for x in (one, other)]
    root = _power(covariances[0], 0.5)
    cross = _power(root @ covariances[1] @ root, 0.5)
    spread = covariances[0].trace() + covariances[1].trace() - 2 * cross.trace()
    return math.sqrt(math.dist(one.mean, other.mean) ** 2 + max(0.0, float(spread)))


def measure_spread(palettes: Sequence[Palette]) -> float:
    """Mean distance between two pictures of a set; 0 for fewer than two."""
    distances = [
        palette_distance(one, other)
        for index, one in enumerate(palettes)
        for other in palettes[:index]
    ]
    return sum(distances) / len(distances) if distances else 0.0


def _learn_curve(found: Palette, wanted: Palette) -> Tensor:
    """What is added to lightness 0, 1/256 ... 1, shape (knots,)."""
    levels = torch.linspace(0, 1, _KNOTS, dtype=torch.float64)
    here, there = (torch.tensor(x.lightness, dtype=torch.float64) for x in (found, wanted))
    # Equal levels make steps without width: a thousandth is less than a display shows.
    here = here + 1e-3 * torch.arange(len(here), dtype=torch.float64) / len(here)
    sent = _interpolate(levels, here, there)
    slopes = sent.diff().mul(_KNOTS - 1).clamp(1 / _GAIN, _GAIN) / (_KNOTS - 1)
    curve = torch.cat([slopes.new_zeros(1), slopes.cumsum(0)])
    # Bounded slopes cannot meet all levels; they meet them on average.
    curve = curve + (there - _interpolate(here, levels, curve)).mean()
    way = (curve - levels).clamp(-_SHIFT, _SHIFT)
    padded = torch.nn.functional.pad(way.view(1, 1, -1), (_SOFT, _SOFT), mode="replicate")
    return torch.nn.functional.avg_pool1d(padded, 2 * _SOFT + 1, stride=1).flatten()


def _interpolate(places: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """Read a line through points at `places`; beyond its ends it goes on with slope 1."""
    right = torch.searchsorted(xs, places).clamp(1, len(xs) - 1)
    left = right - 1
    slopes = (ys[right] - ys[left]) / (xs[right] - xs[left])
    outside = (places < xs[0]) | (places > xs[-1])
    near = torch.where(places < xs[0], ys[0] - xs[0], ys[-1] - xs[-1])
    return torch.where(outside, places + near, ys[left] + slopes * (places - xs[left]))


def _learn_map(found: Palette, wanted: Palette) -> Tensor:
    """Matrix (2, 2) for the colour axes that gives one covariance the other, within bounds."""
    floor = 1e-5 * torch.eye(2, dtype=torch.float64)
    here, there = (
        torch.tensor(x.covariance, dtype=torch.float64)[1:, 1:] + floor for x in (found, wanted)
    )
    root, inverse = _power(here, 0.5), _power(here, -0.5)
    matrix = inverse @ _power(root @ there @ root, 0.5) @ inverse
    values, vectors = torch.linalg.eigh(matrix)
    bounded: Tensor = vectors @ torch.diag(values.clamp(1 / _GAIN, _GAIN)) @ vectors.mT
    return bounded


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    power: Tensor = vectors @ torch.diag(values.clamp(min=1e-12) ** exponent) @ vectors.mT
    return power


def _read(curve: Tensor, values: Tensor) -> Tensor:
    """Read a curve over [0, 1] in even steps at `values`."""
    places = values.clamp(0, 1) * (len(curve) - 1)
    below = places.long().clamp(max=len(curve) - 2)
    return torch.lerp(curve[below], curve[below + 1], places - below)


def _are_sane(numbers: Sequence[float]) -> bool:
    return all(math.isfinite(value) and abs(value) <= 2 for value in numbers)
