"""Layers of a picture, or of a tile of it, as further statistics look at them."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.config import Seamless
from impasto.encoders import Encoder
from impasto.patterns import cut_window, wraps
from impasto.pyramid import Size
from impasto.statistics import View
from impasto.tiles import Tile


def find_partner(encoder: Encoder, layers: Sequence[str], layer: str) -> str | None:
    """The next finer one of the layers; None for the finest."""
    ordered = sorted(layers, key=encoder.stride)
    place = ordered.index(layer)
    return ordered[place - 1] if place else None


def view_layer(
    features: Tensor,
    weights: Tensor | None,
    halo: int,
    *,
    size: Size | None = None,
    stride: int = 1,
    tile: Tile | None = None,
    seamless: Seamless = "none",
    partner: tuple[Tensor | None, int] = (None, 1),
    lots: Tensor | None = None,
) -> View:
    """See what a tile owns of a layer; all of it if no tile is given.

    Args:
        features: Activations of the whole picture, or of what the tile looks at.
        weights: How much each position of the whole layer counts, or None.
        halo: Positions that statistics look at around a piece.
        size: Of the whole layer; by default that of `features`.
        stride: Of the layer.
        tile: The tile.
        seamless: How the picture repeats.
        partner: What is owned of the next finer layer, and how much finer it is.
        lots: Of the whole layer.
    """
    height, width = size or (features.shape[2], features.shape[3])
    if weights is None:
        full = features.new_ones((1, 1, 1, 1), dtype=torch.float32).expand(1, 1, height, width)
        measure, presence = full / (height * width), full
    else:
        measure, presence = weights / weights.sum().clamp(min=1e-12), weights
    if tile is None:
        own, wide = features, _surround(features, halo, seamless, "replicate")
        around = _surround(presence, halo, seamless, "constant")
        return View(own, measure, wide, around, halo, *partner, lots)
    own, wide = tile.own(features, stride), _widen(features, halo, stride, tile)
    around = _surround(presence, halo, seamless, "constant")
    rows, columns = (slice(one.start, one.stop + 2 * halo) for one in tile.span(stride))
    place = None if lots is None else tile.place(lots, stride)
    measure = tile.place(measure, stride)
    return View(own, measure, wide, around[..., rows, columns], halo, *partner, place)


def view_partner(
    encoder: Encoder,
    features: Mapping[str, Tensor],
    layers: Sequence[str],
    layer: str,
    tile: Tile | None,
) -> tuple[Tensor | None, int]:
    """What is owned of the next finer one of the layers, and how much finer it is."""
    partner = find_partner(encoder, layers, layer)
    if partner is None:
        return None, 1
    stride = encoder.stride(partner)
    own = features[partner] if tile is None else tile.own(features[partner], stride)
    return own, encoder.stride(layer) // stride


def _surround(layer: Tensor, halo: int, seamless: Seamless, mode: str) -> Tensor:
    if not halo:
        return layer
    if wraps(seamless):
        rows, columns = ((-halo, length + halo) for length in layer.shape[2:])
        return cut_window(layer, rows, columns, seamless)
    return F.pad(layer, (halo,) * 4, mode=mode)


def _widen(features: Tensor, halo: int, stride: int, tile: Tile) -> Tensor:
    if not halo:
        return tile.own(features, stride)
    rows, columns = (slice(one.start, one.stop + 2 * halo) for one in tile.inner(stride))
    return F.pad(features, (halo,) * 4, mode="replicate")[..., rows, columns]
