"""A picture cut into tiles, each with a border as wide as a network can see.

What is a sum over positions can be had tile by tile, exactly: each tile counts its own positions,
and what its border gets wrong is cut off.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from impasto.config import Seamless
from impasto.encoders import Encoder
from impasto.patterns import Stretch, add_window, cut_window, wraps
from impasto.pyramid import Size
from impasto.regions import shrink
from impasto.statistics import Moments, collect_moments


class Span(NamedTuple):
    """A tile along one axis: the part it owns, and the part it looks at, in px.

    Where the picture repeats, the latter may begin below 0 and end beyond the picture.
    """

    start: int
    stop: int
    outer_start: int
    outer_stop: int


class Tile(NamedTuple):
    """A piece of a picture, which may itself be a tile that repeats."""

    rows: Span
    columns: Span
    seamless: Seamless = "none"

    def cut(self, image: Tensor) -> Tensor:
        """What the tile looks at: its own part and the border around it."""
        rows, columns = self._outer()
        if wraps(self.seamless):
            return cut_window(image, rows, columns, self.seamless)
        return image[..., slice(*rows), slice(*columns)]

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of the first pixel that it looks at."""
        return self.rows.outer_start, self.columns.outer_start

    def add(self, image: Tensor, piece: Tensor) -> None:
        """Add to a picture, in place, where `cut` took from it."""
        rows, columns = self._outer()
        if wraps(self.seamless):
            add_window(image, piece, rows, columns, self.seamless)
        else:
            image[..., slice(*rows), slice(*columns)] += piece

    def own(self, features: Tensor, stride: int) -> Tensor:
        """Cut the border off activations of the tile that have one position per `stride` px."""
        rows, columns = self.inner(stride)
        return features[..., rows, columns]

    def place(self, features: Tensor, stride: int) -> Tensor:
        """The same positions in activations of the whole picture."""
        rows, columns = self.span(stride)
        return features[..., rows, columns]

    def span(self, stride: int) -> tuple[slice, slice]:
        """Rows and columns that it owns in a layer of the whole picture."""
        return _global(self.rows, stride), _global(self.columns, stride)

    def inner(self, stride: int) -> tuple[slice, slice]:
        """The same in what the tile looks at."""
        return _own(self.rows, stride), _own(self.columns, stride)

    def _outer(self) -> tuple[Stretch, Stretch]:
        rows, columns = self.rows, self.columns
        return (rows.outer_start, rows.outer_stop), (columns.outer_start, columns.outer_stop)


def collect_by_tiles(
    encoder: Encoder,
    picture: Tensor,
    layers: Sequence[str],
    side: int,
    masks: Sequence[Tensor | None] = (None,),
) -> list[dict[str, Moments]]:
    """Moments of a picture's activations; in tiles if it is larger than `side` px.

    Args:
        encoder: The network.
        picture: Shape (1, 3, H, W).
        layers: Where to look.
        side: See `plan_tiles`.
        masks: What counts of the picture, each (1, 1, H, W) or None for all of it.

    Returns:
        Layer -> moments, for each mask.
    """
    size = (picture.shape[-2], picture.shape[-1])
    found: list[dict[str, Moments]] = [{} for _ in masks]
    for tile in plan_tiles(encoder, layers, size, side):
        for layer, features in encoder(tile.cut(picture), layers).items():
            stride = encoder.stride(layer)
            own = tile.own(features, stride)
            positions = (size[0] // stride) * (size[1] // stride)
            for mask, known in zip(masks, found, strict=True):
                weights = None if mask is None else shrink(mask, stride)
                part = collect_share(own, positions, weights, tile, stride)
                known[layer] = (
                    Moments(*map(torch.add, known[layer], part)) if layer in known else part
                )
    return found


def collect_share(
    own: Tensor, positions: int, weights: Tensor | None, tile: Tile, stride: int
) -> Moments:
    """What a tile's own activations add to the moments of the whole picture.

    Args:
        own: Activations that the tile owns, shape (1, C, h, w).
        positions: Of the layer in the whole picture.
        weights: How much each position of the whole picture counts, (1, 1, H, W), or None.
        tile: The tile.
        stride: Of the layer.
    """
    if weights is None:
        share: Tensor | float = own[0, 0].numel() / positions
        here = None
    else:
        here = tile.place(weights, stride)
        share = here.sum() / weights.sum().clamp(min=1e-12)
    return Moments(*(moment * share for moment in collect_moments(own, here)))


def plan_tiles(
    encoder: Encoder,
    layers: Sequence[str],
    size: Size,
    side: int,
    seamless: Seamless = "none",
    halo: int = 0,
) -> tuple[Tile, ...]:
    """Cut a picture of (H, W) into tiles that own about `side` px each way.

    Borders between tiles lie on multiples of the deepest layer's stride, and the border around
    each is as wide as the deepest layer sees. Where a picture repeats by being moved, tiles look
    around its corners; else the border ends with the picture, and the encoder's padding begins.
    With a `halo`, that many positions around a tile are as exact as its own.
    """
    stride = max((encoder.stride(layer) for layer in layers), default=1)
    reaches = (encoder.reach(layer) + halo * encoder.stride(layer) for layer in layers)
    reach = max(reaches, default=1)
    return cut_evenly(size, side, stride, reach, seamless)


def cut_evenly(
    size: Size, side: int, stride: int, reach: int, seamless: Seamless = "none"
) -> tuple[Tile, ...]:
    """The same for any network that has one position per `stride` px and sees `reach` px far."""
    border = -(-reach // stride) * stride
    rows, columns = (list(_split(length, side, stride, border)) for length in size)
    if not wraps(seamless):
        rows, columns = (
            [_clip(span, length) for span in spans]
            for spans, length in zip((rows, columns), size, strict=True)
        )
    return tuple(Tile(row, column, seamless) for row in rows for column in columns)


def _split(length: int, side: int, stride: int, border: int) -> Iterator[Span]:
    count = max(1, -(-length // max(side, stride)))
    # Equal tiles waste least; the last takes what the stride leaves over.
    step = max(stride, -(-length // count) // stride * stride)
    starts = [start for start in range(0, length, step) if start == 0 or length - start >= stride]
    for start, stop in zip(starts, [*starts[1:], length], strict=True):
        yield Span(start, stop, start - border, stop + border)


def _clip(span: Span, length: int) -> Span:
    outer_start, outer_stop = max(0, span.outer_start), min(length, span.outer_stop)
    return span._replace(outer_start=outer_start, outer_stop=outer_stop)


def _own(span: Span, stride: int) -> slice:
    offset = span.outer_start // stride
    return slice(span.start // stride - offset, span.stop // stride - offset)


def _global(span: Span, stride: int) -> slice:
    return slice(span.start // stride, span.stop // stride)
