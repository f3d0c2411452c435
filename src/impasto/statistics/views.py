"""What statistics look at, and how what was found by hand becomes part of a graph."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from impasto.statistics.moments import Moments

#: Sums over positions; those of pieces add up to those of the whole.
Sums = tuple[Tensor, ...]

#: Values that are worked on at a time.
_BAND = 1 << 20


class View(NamedTuple):
    """A piece of a layer, or all of it, with what lies around.

    Attributes:
        own: Activations of the piece, shape (1, C, h, w), any floating precision.
        measure: How much each position counts, (1, 1, h, w); over all pieces its sum is one.
        wide: The same with `halo` positions around it, (1, C, h + 2 halo, w + 2 halo); beyond
            the border of a picture its outermost ones are repeated.
        presence: What the mask says there, (1, 1, h + 2 halo, w + 2 halo) in [0, 1]; 0 beyond
            the border.
        halo: Positions around.
        partner: Activations of the next finer layer at the same places, or None: (1, C', H', W').
        ratio: Positions of that layer on a side of one position of this.
        lots: Numbers in [0, 1) drawn by lot, (1, 1, h, w), for what looks at a few positions.
    """

    own: Tensor
    measure: Tensor
    wide: Tensor
    presence: Tensor
    halo: int = 0
    partner: Tensor | None = None
    ratio: int = 1
    lots: Tensor | None = None


class Target(NamedTuple):
    """What a statistic has found in the styles of a region, in one layer.

    Attributes:
        moments: Of the same styles.
        basis: What the statistic drew or chose by them.
        sums: What it collected.
    """

    moments: Moments
    basis: Sums
    sums: Sums


def list_rows(features: Tensor) -> Tensor:
    """Positions as rows, in float32 or better: (1, C, H, W) becomes (H*W, C)."""
    rows = features[0].permute(1, 2, 0).flatten(0, 1)
    return rows.to(torch.promote_types(rows.dtype, torch.float32))


def split_bands(features: Tensor, expansion: float = 1.0) -> Iterator[slice]:
    """Rows of a layer to be worked on at a time, if each value becomes `expansion` values."""
    height = features.shape[2]
    step = max(1, int(_BAND / (expansion * features[0, :, 0].numel())))
    for top in range(0, height, step):
        yield slice(top, min(height, top + step))


def attach_gradient(features: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
    """Make a value, found together with its gradient by `features`, part of their graph."""
    attached: Tensor = _Attached.apply(features, value, gradient)  # type: ignore[no-untyped-call]
    return attached


class _Attached(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * slope.to(gradient.dtype), None, None
