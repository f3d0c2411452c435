"""The sky: a border found by energy, then every place by its colours and its neighbours.

No network: a sky is what begins at the upper edge, is calm, and has a colour that skies have.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.color import rgb_to_oklab
from impasto.masks.clusters import group
from impasto.masks.edges import box_mean, follow_edges, sharpen_steps
from impasto.masks.islands import split_islands
from impasto.masks.libraries import need
from impasto.pyramid import resize

_SIDE = 256  # long side in px that is looked at
_THRESHOLDS = torch.logspace(-2.2, 0.0, 60)
#: How much the evenness of the sky counts, and groups of colours in sky and ground.
_EVENNESS, _SKY_COLORS, _GROUND_COLORS = 50.0, 5, 8
#: Least share of the picture, of the upper edge, and of a sky's colours in what was found.
_LEAST_AREA, _LEAST_TOP, _LEAST_PLAUSIBLE = 0.02, 0.45, 0.7
_MOST_AREA, _LEAST_ENDS = 0.88, 0.5  # of the picture; of the columns that must have an end
#: Fewest places to learn from, and the slope that no place has that is surely sky.
_FEWEST, _STEEP = 50, 0.15
#: Most of the lower edge that it may reach, and the most texture that half of it may have.
_MOST_BOTTOM, _MOST_SLOPE = 0.05, 0.03


class _Colors(NamedTuple):
    """A mixture of normal distributions: means (K, 3), inverse roots (K, 3, 3), log weights."""

    means: Tensor
    roots: Tensor
    logs: Tensor


def find_sky(photo: Tensor) -> Tensor | None:
    """Where the sky is.

    Args:
        photo: Shape (1, 3, H, W), values in [0, 1].

    Returns:
        Shape (1, 1, H, W), values in [0, 1]; None if there is none.
    """
    height, width = photo.shape[-2:]
    shrink = min(1.0, _SIDE / max(height, width))
    small = resize(photo, (max(8, round(height * shrink)), max(8, round(width * shrink))))
    lab = rgb_to_oklab(small)
    border = _find_border(lab)
    if border is None:
        return None
    coarse = _spread(lab, border)
    if coarse is None or not _is_plausible(lab, coarse):
        return None
    return sharpen_steps(follow_edges(coarse, photo, 0.02, 3e-4), 0.1, 0.9)


def _find_border(lab: Tensor) -> Tensor | None:
    """The row in each column where the sky ends, (W,); None if there is no such border.

    The best of several thresholds on the slope, as in Shen and Wang 2013, "Sky region detection
    in a single image for autonomous ground robot navigation". Departures: slopes and colours in
    OkLab, and another energy: as much sky as stays even in colour, but for an even fading
    towards the horizon. What lies below may be anything, so it does not count.
    """
    slopes = _measure_slopes(lab)[0, 0]  # (H, W)
    height = len(slopes)
    colors = lab[0].flatten(1)
    rows = torch.arange(height)[:, None]
    places = _list_places(lab.shape[-2], lab.shape[-1])
    best, found = float("-inf"), None
    for threshold in _THRESHOLDS:
        steep = slopes > threshold
        ends = steep.any(0)
        border = torch.where(ends, steep.float().argmax(0), height)
        above = (rows < border).flatten()
        share = float(above.float().mean())
        if not _LEAST_AREA <= share <= _MOST_AREA or float(ends.float().mean()) < _LEAST_ENDS:
            continue
        faded = _flatten_fading(colors[:, above], places[:, above])
        score = share - _EVENNESS * _unevenness(faded)
        if score > best:
            best, found = score, border
    return found


def _list_places(height: int, width: int) -> Tensor:
    """One, row and column of each place, (3, H W), with rows and columns in [0, 1]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return torch.stack([torch.ones_like(y), y, x]).flatten(1)


def _flatten_fading(colors: Tensor, places: Tensor) -> Tensor:
    """What is left of colours (3, N) when their even fading over places (3, N) is taken away."""
    products = places @ places.mT + 1e-3 * torch.eye(3)
    fading: Tensor = (colors @ places.mT) @ torch.linalg.inv(products) @ places
    return colors - fading


def _measure_slopes(lab: Tensor) -> Tensor:
    """Steepness of lightness and colour at each place, (1, 1, H, W)."""
    calm = box_mean(lab, 1)
    padded = F.pad(calm, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return (across.square() + down.square()).sum(1, keepdim=True).sqrt()


def _unevenness(colors: Tensor) -> float:
    """Size of a cloud of colours (3, N): the cube root of its determinant, and its long axis."""
    values = torch.linalg.eigvalsh(torch.cov(colors.double()) + 1e-6 * torch.eye(3))
    return float(values.prod() ** (1 / 3) + values[-1])


def _spread(lab: Tensor, border: Tensor) -> Tensor | None:
    """Decide for each place: sure ones by colour, the others by a random walk from them."""
    height, width = lab.shape[-2:]
    rows = torch.arange(height)[:, None].expand(height, width)
    above, below = rows < border - 2, rows > border + 3
    lowest = rows > float(border.float().quantile(0.95)) + 0.02 * height
    if min(int(above.sum()), int(below.sum())) < _FEWEST:
        return None
    points = lab[0].permute(1, 2, 0)  # (H, W, 3)
    sky, earth = _learn(points[above], _SKY_COLORS), _learn(points[below], _GROUND_COLORS)
    better = _rate(points, sky) - _rate(points, earth)
    calm = _measure_slopes(lab)[0, 0] < _STEEP
    is_sky = (better > torch.where(above, 2, 4)) & calm & ~lowest
    is_ground = (better < -2) & ~above | lowest
    seeds = is_sky.long() + 2 * is_ground.long()
    if not bool(is_sky.any()) or not bool(is_ground.any()):
        return None
    walk = need("skimage.segmentation", "Masks of the sky").random_walker
    chances = walk(
        points.double().numpy(), seeds.numpy(), beta=130, mode="cg_j", tol=1e-4, prob_tol=0.1,
        return_full_prob=True, channel_axis=-1,
    )  # fmt: skip
    mask = torch.from_numpy(chances[0]).float()[None, None]
    return _drop_islands(mask)


def _drop_islands(mask: Tensor) -> Tensor:
    """Forget parts that are small and do not touch the upper edge."""
    kept = torch.zeros_like(mask)
    for island in split_islands(mask > 0.5)[:200]:
        if bool(island[:, :, 0].any()) or int(island.sum()) >= 6:
            kept = torch.maximum(kept, mask * F.max_pool2d(island.float(), 3, 1, 1))
    return kept


def _is_plausible(lab: Tensor, mask: Tensor) -> bool:
    """Whether what was found is large enough, at the top, and mostly of a sky's colours."""
    share, top, bottom = (float(one.mean()) for one in (mask, mask[:, :, :3], mask[:, :, -3:]))
    calm = float(_measure_slopes(lab)[mask > 0.5].quantile(0.5)) if share > 0 else 1.0
    if share < _LEAST_AREA or top < _LEAST_TOP or bottom > _MOST_BOTTOM or calm > _MOST_SLOPE:
        return False
    lightness, green, blue = lab[0]
    chroma = (green.square() + blue.square()).sqrt()
    bluish = blue < -0.01
    pale = (lightness > 0.6) & (chroma < 0.05)
    dusk = (lightness > 0.45) & (green > 0.0) & (blue < 0.12)
    dark = (lightness < 0.35) & (blue < 0.03)
    right = (bluish | pale | dusk | dark) & (mask[0, 0] > 0.5)
    return float(right.sum()) >= _LEAST_PLAUSIBLE * float((mask > 0.5).sum())


def _learn(points: Tensor, count: int) -> _Colors:
    """Normal distributions of groups of colours; points (N, 3)."""
    chosen = points[:: max(1, len(points) // 4000)]
    count = min(count, len(chosen))
    labels, _ = group(chosen, count)
    means, roots, logs = [], [], []
    for one in range(count):
        own = chosen[labels == one]
        if len(own) < 4:
            continue
        spread = torch.cov(own.mT) + 1e-4 * torch.eye(3)
        means.append(own.mean(0))
        roots.append(torch.linalg.cholesky(torch.linalg.inv(spread)))
        size = torch.tensor(len(own) / len(chosen)).log()
        logs.append(size - 0.5 * torch.logdet(spread))
    return _Colors(torch.stack(means), torch.stack(roots), torch.stack(logs))


def _rate(points: Tensor, colors: _Colors) -> Tensor:
    """Log likelihood of points (H, W, 3) up to a constant, (H, W)."""
    away = points[..., None, :] - colors.means  # (H, W, K, 3)
    turned = torch.einsum("hwki,kij->hwkj", away, colors.roots)
    return (colors.logs - 0.5 * turned.square().sum(-1)).logsumexp(-1)
