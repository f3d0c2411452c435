"""Connected parts of a mask."""

import numpy as np
import torch
from torch import Tensor

from impasto.masks.libraries import need


def split_islands(mask: Tensor) -> list[Tensor]:
    """Connected parts of a mask of truth values, each of the same shape, largest first.

    Args:
        mask: Shape (1, 1, H, W), bool.
    """
    measure = need("skimage.measure", "Masks")
    labels = torch.from_numpy(measure.label(mask[0, 0].numpy(), connectivity=2).astype(np.int64))
    counts = torch.bincount(labels.flatten())
    counts[0] = 0
    order = counts.argsort(descending=True, stable=True)
    return [(labels == int(one))[None, None] for one in order if counts[one] > 0]
