"""Groups of colours: k-means of what the eye sees, and a little of where it is."""

import torch
from torch import Tensor

from impasto.color import rgb_to_oklab
from impasto.masks.edges import follow_edges
from impasto.pyramid import resize

_SIDE = 160  # long side in px that is grouped
_ROUNDS = 40
#: Weights of lightness, the colour axes (OkLab) and the place: colour says more than light.
_LIGHTNESS, _COLOR, _PLACE = 0.7, 2.0, 0.12
_SEED = 0


def find_cluster(photo: Tensor, number: int, count: int) -> Tensor:
    """The mask of one of `count` groups of colours, ordered from dark to light.

    Args:
        photo: Shape (1, 3, H, W), values in [0, 1].
        number: Which group, from 1.
        count: How many there are.

    Returns:
        Shape (1, 1, H, W), values in [0, 1]; the masks of all groups add up to about 1.
    """
    height, width = photo.shape[-2:]
    shrink = min(1.0, _SIDE / max(height, width))
    size = max(1, round(height * shrink)), max(1, round(width * shrink))
    small = resize(photo, size)
    points = _describe(small)
    labels, centres = group(points, count)
    chosen = int(centres[:, 0].argsort(stable=True)[number - 1])
    coarse = (labels == chosen).float().view(1, 1, *size)
    return follow_edges(coarse, photo, 0.012, 1e-3)


def group(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Lloyd's k-means from k-means++ (Arthur and Vassilvitskii 2007), seeded.

    Args:
        points: Shape (N, D).
        count: Groups.

    Returns:
        The group of each point, shape (N,), and the centres, shape (count, D). Where there are
        fewer different points than groups, some are empty.
    """
    generator = torch.Generator().manual_seed(_SEED)
    centres = points[torch.randint(len(points), (1,), generator=generator)]
    while len(centres) < count:
        nearest = torch.cdist(points, centres).amin(1).square() + 1e-12
        picked = torch.multinomial(nearest, 1, generator=generator)
        centres = torch.cat([centres, points[picked]])
    for _ in range(_ROUNDS):
        labels = torch.cdist(points, centres).argmin(1)
        counts = torch.bincount(labels, minlength=count)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, labels, points)
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return torch.cdist(points, centres).argmin(1), centres


def _describe(small: Tensor) -> Tensor:
    """One row for each pixel: weighted OkLab and place, shape (H W, 5)."""
    height, width = small.shape[-2:]
    lab = rgb_to_oklab(small)[0].flatten(1).mT  # (N, 3)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([y, x], -1).flatten(0, 1).to(lab) / max(height, width)
    weights = torch.tensor([_LIGHTNESS, _COLOR, _COLOR]).to(lab)
    return torch.cat([lab * weights, place * _PLACE], 1)
