"""Gram matrices between different places, and between different layers."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.statistics.views import Sums, Target, View, list_rows, split_bands

#: Positions between the two places of a pair, down or across.
SHIFTS = (1, 2, 4)


def collect_shifted(view: View, basis: Sums = ()) -> Sums:
    """Average products of activations some way apart (Berger and Memisevic 2017).

    Returns:
        Products for no shift and for each of `SHIFTS` down and across, (1 + 2 n, C, C), and how
        much was averaged of each, (1 + 2 n,): a pair counts if both places do.
    """
    height, width = view.own.shape[2:]
    products, counts = [], []
    for down, across in ((0, 0), *((n, 0) for n in SHIFTS), *((0, n) for n in SHIFTS)):
        rows = slice(view.halo + down, view.halo + down + height)
        columns = slice(view.halo + across, view.halo + across + width)
        weights = view.measure * view.presence[:, :, rows, columns]
        other = view.own if not down + across else view.wide[:, :, rows, columns]
        products.append(multiply_layers(view.own, other, weights))
        counts.append(weights.sum())
    return torch.stack(products), torch.stack(counts)


def collect_crossed(view: View, basis: Sums = ()) -> Sums:
    """Products with the neighbouring layer (Novak and Nikulin 2016), (C, C').

    The finer layer is averaged over what each position of the coarser one stands for, which gives
    the same as enlarging the coarser one without interpolation and is faster. The first layer
    has no neighbour and meets itself.
    """
    height, width = view.own.shape[2:]
    partner = view.own if view.partner is None else F.avg_pool2d(view.partner, view.ratio)
    return (multiply_layers(view.own, partner[..., :height, :width], view.measure),)


def shifted_distance(actual: Sums, target: Target) -> Tensor:
    """Squared difference over all shifts, as a share of the target's."""
    found, wanted = (
        products / counts.clamp(min=1e-12)[:, None, None]
        for products, counts in (actual, target.sums)
    )
    return _share(found, wanted)


def crossed_distance(actual: Sums, target: Target) -> Tensor:
    """Squared difference of the products, as a share of the target's."""
    return _share(actual[0], target.sums[0])


def multiply_layers(one: Tensor, other: Tensor, weights: Tensor) -> Tensor:
    """Sum w f g^T over positions in float32 or better, (C, C').

    Args:
        one: Activations f, shape (1, C, H, W).
        other: Activations g, shape (1, C', H, W).
        weights: Shape (1, 1, H, W).
    """
    products: Tensor = _Products.apply(one, other, weights)  # type: ignore[no-untyped-call]
    return products


def _share(actual: Tensor, wanted: Tensor) -> Tensor:
    return (actual - wanted).square().sum() / wanted.square().sum().clamp(min=1e-12)


class _Products(torch.autograd.Function):
    """In bands; autograd would keep copies of both layers in float32."""

    @staticmethod
    def forward(ctx: Any, one: Tensor, other: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(one, other, weights)
        total: Tensor | None = None
        for band in split_bands(one):
            f, g, w = (list_rows(x[:, :, band]) for x in (one, other, weights))
            part = (f * w).mT @ g
            total = part if total is None else total + part
        assert total is not None
        return total

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, None]:
        one, other, weights = ctx.saved_tensors
        gradients = torch.empty_like(one), torch.empty_like(other)
        for band in split_bands(one):
            f, g, w = (list_rows(x[:, :, band]) for x in (one, other, weights))
            for gradient, rows in zip(
                gradients, ((g * w) @ slope.mT, (f * w) @ slope), strict=True
            ):
                shaped = rows.view(band.stop - band.start, -1, gradient.shape[1])
                gradient[0, :, band] = shaped.permute(2, 0, 1).to(gradient)
        return *gradients, None
