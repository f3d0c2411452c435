"""Self-similarity: which places of a picture are alike, as a measure of content."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.statistics.views import list_rows

#: Positions of a layer that are compared with one another.
POSITIONS = 1024

#: What the difference is multiplied with, so that it keeps a photograph about as near as the
#: default does.
BALANCE = 8.0


class Sample(NamedTuple):
    """Places of a layer, and what the photograph has there.

    Attributes:
        places: Rows and columns, (n, 2).
        rows: Activations, (n, C), in float32 or better.
    """

    places: Tensor
    rows: Tensor

    def weigh(self, weights: Tensor | None) -> Tensor | None:
        """Weights of the layer, (1, 1, H, W), at the places."""
        return None if weights is None else weights[0, 0, self.places[:, 0], self.places[:, 1]]


def draw_places(height: int, width: int, seed: int, most: int = POSITIONS) -> Tensor:
    """Places of a layer, chosen by lot, in the order of a page: rows and columns, (n, 2)."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(height * width, generator=generator)[:most].sort().values
    return torch.stack([chosen // width, chosen % width], dim=1)


def gather_places(own: Tensor, places: Tensor, top: int = 0, left: int = 0) -> Tensor:
    """Activations of a piece at places of the whole layer, (n, C); 0 where it has none.

    Args:
        own: Shape (1, C, h, w).
        places: Rows and columns in the whole layer, (n, 2).
        top: Where the piece begins.
        left: The same across.
    """
    height, width = own.shape[2:]
    rows, columns = places[:, 0] - top, places[:, 1] - left
    here = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    flat = (rows * width + columns)[here]
    found = list_rows(own)[flat]
    return found.new_zeros((len(places), own.shape[1])).index_put((here.nonzero()[:, 0],), found)


def self_similarity(actual: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Difference of the two pictures' distances between places.

    Kolkin et al. 2019, "Style Transfer by Relaxed Optimal Transport and Self-Similarity":
    cosine distances, each column divided by its sum; the paper's mean of absolute differences
    is multiplied with the number of positions, so that it does not depend on it. Layers are
    compared one by one; the paper stacks them.

    Args:
        actual: Activations at n places, shape (n, C).
        target: Those of the photograph at the same places.
        weights: How much each place counts, (n,), not negative; all alike if left out.

    Returns:
        A number from 0 to 2 if all places count alike; it does not change if activations are
        multiplied.
    """
    found, wanted = (_relate(one) for one in (actual, target))
    difference = (found - wanted).abs()
    if weights is not None:
        difference = difference * weights[:, None].sqrt() * weights.sqrt()
    return difference.sum() / len(actual)


def _relate(rows: Tensor) -> Tensor:
    rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
    unit = F.normalize(rows, dim=1, eps=1e-8)
    distances = (1 - unit @ unit.mT).clamp(min=0)
    return distances / distances.sum(0).clamp(min=1e-8)
