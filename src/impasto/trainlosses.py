"""What a painting network is taught by: the optimiser's own losses, and those of two papers.

All are means over the pictures of a batch, so that a batch may be divided among processes.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.errors import ConfigError
from impasto.losses import content_mean, squared_difference, style_johnson, style_relative
from impasto.networks.adain import adaptive_instance_norm
from impasto.networks.blocks import EPSILON
from impasto.statistics import Moments, covariance, energy, moments_distance

#: Squared distance below which a root would be too steep.
_SMALLEST = 1e-4


#: Side in px of the squares whose brightness is compared.
_TONE = 8
#: Added under the root of two variances, so that a flat picture has a slope.
_FLAT = 1e-4
#: Length in px over which lines are followed: along rows and columns, and diagonally.
_ALONG, _ASLANT = 8, 6
#: Side and distance in px of the places in which lines along rows and columns are counted.
_PLACE, _STEP = 32, 16
#: How many times smaller it is looked at too, for lines are as broad as the layers they come from.
_SMALLER = (1, 2, 4)
#: How much more of a place may lie along rows than aslant, before it counts as woven.
_STRAIGHT = 1.25


class TrainObjective(NamedTuple):
    """How one source measures content and style.

    Attributes:
        content: Loss of the painting's activations in a layer against the photograph's, given
            the style's moments there, or None if they are not known.
        style: Loss of the painting's moments in a layer against the style's.
        mixes: Whether `content` needs the style's moments.
    """

    content: Callable[[Tensor, Tensor, Moments | None], Tensor]
    style: Callable[[Moments, Moments], Tensor]
    mixes: bool = False


def content_by_picture(found: Tensor, seen: Tensor, target: Moments | None = None) -> Tensor:
    """Squared difference as a share of the photograph's squared activations, each by its own.

    `content_relative` for a batch: a dark picture counts as much as a bright one.
    """
    size = torch.linalg.vector_norm(seen, dim=(1, 2, 3), keepdim=True, dtype=torch.float32)
    least = 1e-12 * seen[0].numel()
    return squared_difference(found, seen, 1 / size.square().clamp(min=least)) / len(seen)


def content_johnson(found: Tensor, seen: Tensor, target: Moments | None = None) -> Tensor:
    """Feature reconstruction loss (Johnson et al. 2016, eq. 2)."""
    return content_mean(found, seen)


def content_adain(found: Tensor, seen: Tensor, target: Moments | None = None) -> Tensor:
    """Distance to the photograph's activations in the style's statistics (Huang & Belongie 2017).

    Eq. 12, squared, and relative to the aim: the paper's VGG was rescaled to activations of size
    one, Oxford's was not.

    Raises:
        ConfigError: If the style is not known in this layer.
    """
    if target is None:
        raise ConfigError("The adain objective needs the style's statistics in the content layers.")
    wish = torch.cat([target.mean, _deviation(target)], dim=1)
    aim = adaptive_instance_norm(seen.float(), wish)
    return content_by_picture(found, aim.to(found.dtype))


def tone_difference(painted: Tensor, photos: Tensor) -> Tensor:
    """How little light and dark of two pictures go together: 1 - correlation, in [0, 2].

    Of brightness in squares of `_TONE` px, picture by picture, averaged over the batch. Features
    that were normalised cannot tell a flat white place from a flat black one; this can.
    """
    tones = [
        F.avg_pool2d(picture.mean(dim=1, keepdim=True), _TONE).flatten(1)
        for picture in (painted, photos)
    ]
    own, other = (tone - tone.mean(dim=1, keepdim=True) for tone in tones)
    sizes = (own.square().sum(dim=1) * other.square().sum(dim=1) + _FLAT).sqrt()
    return (1 - (own * other).sum(dim=1) / sizes).mean()


def weave_excess(painted: Tensor, photos: Tensor) -> Tensor:
    """How much of a painting's detail lies along rows and columns for no reason; 0 is none.

    The cheapest texture that a convolution can make in a flat place are lines along its grid. So
    differences between neighbours are averaged along a line: what is left of their energy belongs
    to such lines. Place by place, it may be as large a share as in the photograph, or a little more
    than what lies along diagonals, which no grid favours; what is beyond is counted, as a share of
    the painting's energy.

    Args:
        painted: Shape (B, 3, H, W). Pictures below 48 px have no lines.
        photos: The same shape.

    Returns:
        The sum over both directions, and over the picture at full size, at half and a quarter.
    """
    brightness = [picture.float().mean(dim=1, keepdim=True) for picture in (painted, photos)]
    excess = torch.zeros((), device=painted.device)
    for factor in _SMALLER:
        if min(painted.shape[-2:]) // factor >= _PLACE + _STEP:
            picture, photo = (F.avg_pool2d(x, factor) for x in brightness)
            excess = excess + _exceed(picture, photo) + _exceed(picture.mT, photo.mT)
    return excess


def _exceed(picture: Tensor, photo: Tensor) -> Tensor:
    """The same for lines along rows, at one size."""
    lines, whole = _count_lines(picture)
    with torch.no_grad():
        slant = _STRAIGHT * _measure_slant(picture)
        allowed = torch.maximum(_divide(*_count_lines(photo)), slant)
    beyond = F.relu(lines - allowed * whole)
    return (beyond.mean(dim=(1, 2, 3)) / (whole.mean(dim=(1, 2, 3)) + _FLAT)).mean()


def _count_lines(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Energy of differences between rows that goes on along them, and all of it, by places."""
    differences = picture.diff(dim=2)
    lines = F.avg_pool2d(differences, (1, _ALONG), 1)
    whole = differences[..., _ALONG // 2 :]
    return _by_places(lines, picture), _by_places(whole, picture)


def _measure_slant(picture: Tensor) -> Tensor:
    """Share of the energy that goes on along diagonals, by places."""
    kernel = torch.eye(_ASLANT, device=picture.device)[None, None] / _ASLANT
    shares = []
    for mirrored in (False, True):
        x = picture.flip(3) if mirrored else picture
        differences = x[..., 1:, :-1] - x[..., :-1, 1:]
        lines = _by_places(F.conv2d(differences, kernel), picture)
        share = _divide(lines, _by_places(differences, picture))
        shares.append(share.flip(3) if mirrored else share)
    return (shares[0] + shares[1]) / 2


def _divide(part: Tensor, whole: Tensor) -> Tensor:
    return part / (whole + _FLAT**2)


def _by_places(x: Tensor, picture: Tensor) -> Tensor:
    """Mean square in overlapping squares, as many for all that is made of a picture."""
    rows, columns = (side // _STEP * _STEP - _STEP for side in picture.shape[-2:])
    return F.avg_pool2d(x[..., :rows, :columns].square(), _PLACE, _STEP)


def style_gram(actual: Moments, target: Moments) -> Tensor:
    """Style reconstruction loss of Johnson et al. 2016 (eq. 4), averaged over a batch."""
    return style_johnson(actual, target, 1) / len(target.mean)


def style_mean_std(actual: Moments, target: Moments) -> Tensor:
    """Squared differences of means and deviations (Huang & Belongie 2017, eq. 13).

    Averaged over channels, and relative to the style's mean square; see `content_adain`.
    """
    means = (actual.mean - target.mean).square().mean(dim=1)
    deviations = (_deviation(actual) - _deviation(target)).square().mean(dim=1)
    return ((means + deviations) / energy(target).clamp(min=1e-12)).mean()


def style_impasto(actual: Moments, target: Moments) -> Tensor:
    """The optimiser's: see `style_relative`."""
    return style_relative(actual, target, 1)


def style_robust(actual: Moments, target: Moments) -> Tensor:
    """The root of the optimiser's loss, picture by picture: no style outweighs the others.

    Where a network is to learn thousands of styles, a few flat ones would have losses, and slopes,
    a hundred times those of the rest.
    """
    rows = zip(actual.mean, actual.second, target.mean, target.second, strict=True)
    losses = [
        moments_distance(Moments(mean[None], second[None]), Moments(aim[None], wanted[None]))
        for mean, second, aim, wanted in rows
    ]
    return (torch.stack(losses) + _SMALLEST).sqrt().mean()


def _deviation(moments: Moments) -> Tensor:
    variance = covariance(moments).diagonal(dim1=1, dim2=2)
    return (variance.clamp(min=0) + EPSILON).sqrt()


#: By the names of `TrainConfig.objective`.
OBJECTIVES: dict[str, TrainObjective] = {
    "impasto": TrainObjective(content_by_picture, style_impasto),
    "robust": TrainObjective(content_by_picture, style_robust),
    "johnson": TrainObjective(content_johnson, style_gram),
    "adain": TrainObjective(content_adain, style_mean_std, mixes=True),
}
