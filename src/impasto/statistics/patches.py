"""Nearest patches: each place of the picture looks like some place of the style."""

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.statistics.moments import Moments, energy
from impasto.statistics.views import Sums, Target, View, attach_gradient, list_rows

#: Positions on a side of a patch, and patches of the styles that are kept for each layer.
SIDE, MOST = 3, 4096

#: Values of similarities that are worked on at a time.
_PIECE = 1 << 22


def measure_nothing(moments: Moments, seed: int) -> Sums:
    """Patches need no basis."""
    return ()


def keep_patches(view: View, basis: Sums, share: float) -> Sums:
    """Patches of a style, chosen by lot: about `share * MOST` of them, (n, C, SIDE, SIDE).

    Which ones depends on the lots alone, so that tiles of a style choose the same.
    """
    assert view.lots is not None
    chosen = (view.lots < view.measure * (share * MOST))[0, 0]
    windows = _look_around(view).unfold(2, SIDE, 1).unfold(3, SIDE, 1)  # (1, C, h, w, 3, 3)
    return (windows[0].permute(1, 2, 0, 3, 4)[chosen].float(),)


def patch_distance(view: View, actual: Sums, target: Target) -> Tensor:
    """Mean squared distance of each patch from the most similar one of the styles.

    Li and Wand 2016, "Combining Markov Random Fields and Convolutional Neural Networks for Image
    Synthesis": similarity is the cosine, and what was found is held fixed for the
    gradient (as in Kolkin et al. 2022, "Neural Neighbor Style Transfer"). A share of the
    target's energy.
    """
    (patches,) = target.sums
    size = (energy(target.moments)[0] * patches[0].numel()).clamp(min=1e-12)
    bank = patches.flatten(1)
    unit = F.normalize(bank, dim=1)
    around = _look_around(view)
    height, width = view.own.shape[2:]
    value, gradient = size.new_zeros(()), torch.zeros_like(around, dtype=torch.float32)
    step = max(1, _PIECE // (width * max(len(bank), bank.shape[1])))
    with torch.no_grad():
        for top in range(0, height, step):
            bottom = min(height, top + step)
            rows = slice(top, bottom + SIDE - 1)
            found = F.unfold(around[:, :, rows].float(), SIDE)[0].mT  # (N, C * 9)
            nearest = find_nearest(found, unit)
            weights = list_rows(view.measure[:, :, top:bottom]).to(found) / size
            difference = found - bank[nearest]
            value = value + (difference.square() * weights).sum()
            slope = (2 * weights * difference).mT[None]
            extent = (bottom - top + SIDE - 1, width + SIDE - 1)
            gradient[:, :, rows] += F.fold(slope, extent, SIDE)
    return attach_gradient(around, value, gradient.to(around))


def find_nearest(patches: Tensor, unit: Tensor) -> Tensor:
    """Index of the row of `unit`, (M, K) of length one, most similar to each of `patches`."""
    return (patches @ unit.mT).argmax(1)


def _look_around(view: View) -> Tensor:
    """The piece and one position around it."""
    spare = view.halo - SIDE // 2
    height, width = view.wide.shape[2:]
    return view.wide[:, :, spare : height - spare, spare : width - spare]
