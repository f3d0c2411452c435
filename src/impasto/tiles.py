"""The same objective, exactly, in bounded memory.

The objective sees a picture only through sums over positions. So it is taken in two passes over
tiles: the first adds up the sums, which give the loss and its slope by each sum; the second
back-propagates that slope tile by tile (Galerne et al. 2022, "Scaling Painting Style Transfer").
Each tile brings a border as wide as the network can see, and what the border gets wrong is cut off.
Loss and gradient are those of the whole picture, up to rounding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from impasto.config import PaintConfig
from impasto.encoders import Encoder
from impasto.losses import squared_difference, sum_slopes
from impasto.objective import (
    Objective,
    check_layers,
    measure_styles,
    select_content_layers,
    select_style_layers,
)
from impasto.pyramid import Size, resize
from impasto.solvers import Evaluation
from impasto.statistics import Moments, collect_moments


class Span(NamedTuple):
    """A tile along one axis: the part it owns, and the part it looks at, in px."""

    start: int
    stop: int
    outer_start: int
    outer_stop: int


class Tile(NamedTuple):
    """A piece of a picture."""

    rows: Span
    columns: Span

    def cut(self, image: Tensor) -> Tensor:
        """What the tile looks at: its own part and the border around it."""
        rows, columns = self.rows, self.columns
        return image[
            ..., rows.outer_start : rows.outer_stop, columns.outer_start : columns.outer_stop
        ]

    def own(self, features: Tensor, stride: int) -> Tensor:
        """Cut the border off activations of the tile that have one position per `stride` px."""
        return features[..., _own(self.rows, stride), _own(self.columns, stride)]

    def place(self, features: Tensor, stride: int) -> Tensor:
        """The same positions in activations of the whole picture."""
        rows, columns = _global(self.rows, stride), _global(self.columns, stride)
        return features[..., rows, columns]


@dataclass(frozen=True)
class TiledObjective:
    """An `Objective` that is evaluated tile by tile; call it with a picture.

    Attributes:
        whole: The objective itself, with targets for the whole picture.
        tiles: The pieces, which own every pixel exactly once.
    """

    whole: Objective
    tiles: tuple[Tile, ...]

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate loss and gradient.

        Args:
            image: Shape (1, 3, H, W), values in [0, 1]; it is not changed.
        """
        image = image.detach()
        with torch.no_grad():
            sums = self._add_up(image)
        leaves = [sum_.requires_grad_(True) for sum_ in sums.values()]
        terms = self.whole.weigh(*self._read(sums, image))
        total = torch.stack(list(terms.values())).sum()
        slopes = torch.autograd.grad(total, leaves, allow_unused=True)
        known = {key: s for key, s in zip(sums, slopes, strict=True) if s is not None}
        gradient = torch.zeros_like(image)
        for tile in self.tiles:
            tile.cut(gradient).add_(self._differentiate(image, tile, known))
        values = {name: term.item() for name, term in terms.items()}
        return Evaluation(total.item(), gradient, values)

    @property
    def encoder(self) -> Encoder:
        """The network that looks."""
        return self.whole.encoder

    def of_details(self) -> "TiledObjective":
        """Only what the fine layers say of style; see `Objective.of_details`."""
        return replace(self, whole=self.whole.of_details())

    def in_float32(self) -> "TiledObjective":
        """The same objective with a network that computes in float32."""
        return replace(self, whole=self.whole.in_float32())

    def _add_up(self, image: Tensor) -> dict[str, Tensor]:
        """First pass: the sums over all positions."""
        sums: dict[str, Tensor] = {}
        for tile in self.tiles:
            for key, part in self._measure(image, tile.cut(image), tile).items():
                sums[key] = sums[key] + part if key in sums else part
        return sums

    def _differentiate(self, image: Tensor, tile: Tile, slopes: dict[str, Tensor]) -> Tensor:
        """Second pass: gradient of the whole objective by what one tile looks at."""
        piece = tile.cut(image).clone().requires_grad_(True)
        parts = self._measure(image, piece, tile)
        weighted = [(slope * parts[key]).sum() for key, slope in slopes.items()]
        (gradient,) = torch.autograd.grad(torch.stack(weighted).sum(), piece)
        return gradient

    def _measure(self, image: Tensor, piece: Tensor, tile: Tile) -> dict[str, Tensor]:
        """What one tile adds to each sum."""
        whole, encoder = self.whole, self.whole.encoder
        features = encoder(piece, [*whole.content, *whole.style])
        parts = {"slopes": _sum_own_slopes(piece, tile, image.shape[-2:]) / image.numel()}
        for layer, target in whole.content.items():
            stride = encoder.stride(layer)
            own = tile.own(features[layer], stride)
            parts[f"content {layer}"] = squared_difference(own, tile.place(target, stride))
        for layer in whole.style:
            stride = encoder.stride(layer)
            own = tile.own(features[layer], stride)
            positions = (image.shape[-2] // stride) * (image.shape[-1] // stride)
            share = own[0, 0].numel() / positions
            moments = collect_moments(own)
            parts[f"mean {layer}"] = moments.mean * share
            parts[f"second {layer}"] = moments.second * share
        return parts

    def _read(
        self, sums: dict[str, Tensor], image: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Moments], dict[str, int], Tensor]:
        """Sort the sums into what `Objective.weigh` takes."""
        height, width = image.shape[-2:]
        differences = {layer: sums[f"content {layer}"] for layer in self.whole.content}
        moments = {
            layer: Moments(sums[f"mean {layer}"], sums[f"second {layer}"])
            for layer in self.whole.style
        }
        strides = {layer: self.whole.encoder.stride(layer) for layer in self.whole.style}
        positions = {layer: (height // s) * (width // s) for layer, s in strides.items()}
        return differences, moments, positions, sums["slopes"]


def build_tiled_objective(
    encoder: Encoder,
    config: PaintConfig,
    content: Tensor,
    styles: Sequence[Tensor],
    size: Size,
    tile: int,
) -> TiledObjective:
    """Look at the photograph tile by tile and at the styles once; see `build_objective`.

    Args:
        encoder: The network.
        config: Resolved settings.
        content: The photograph at full size, shape (1, 3, H, W).
        styles: Style pictures, each (1, 3, any, any).
        size: (H, W) of this scale.
        tile: Side of the part that a tile owns, in px, before rounding.
    """
    check_layers(encoder, config)
    content_layers, style_layers = select_content_layers(config), select_style_layers(config)
    tiles = plan_tiles(encoder, [*content_layers, *style_layers], size, tile)
    with torch.no_grad():
        style = measure_styles(encoder, config, styles, size, style_layers)
        seen = _look_by_tiles(encoder, resize(content, size), content_layers, tiles)
    return TiledObjective(Objective(encoder, config, seen, style), tiles)


def plan_tiles(encoder: Encoder, layers: Sequence[str], size: Size, side: int) -> tuple[Tile, ...]:
    """Cut a picture of (H, W) into tiles that own about `side` px each way.

    Borders between tiles lie on multiples of the deepest layer's stride, and the border around
    each is as wide as the deepest layer sees.
    """
    stride = max((encoder.stride(layer) for layer in layers), default=1)
    reach = max((encoder.reach(layer) for layer in layers), default=1)
    border = -(-reach // stride) * stride
    rows = list(_split(size[0], side, stride, border))
    columns = list(_split(size[1], side, stride, border))
    return tuple(Tile(row, column) for row in rows for column in columns)


def _split(length: int, side: int, stride: int, border: int) -> Iterator[Span]:
    count = max(1, -(-length // max(side, stride)))
    # Equal tiles waste least; the last takes what the stride leaves over.
    step = max(stride, -(-length // count) // stride * stride)
    starts = [start for start in range(0, length, step) if start == 0 or length - start >= stride]
    for start, stop in zip(starts, [*starts[1:], length], strict=True):
        yield Span(start, stop, max(0, start - border), min(length, stop + border))


def _look_by_tiles(
    encoder: Encoder, picture: Tensor, layers: Sequence[str], tiles: Sequence[Tile]
) -> dict[str, Tensor]:
    """Activations of the whole picture, computed tile by tile."""
    found: dict[str, Tensor] = {}
    height, width = picture.shape[-2:]
    if not layers:
        return found
    for tile in tiles:
        for layer, features in encoder(tile.cut(picture), layers).items():
            stride = encoder.stride(layer)
            if layer not in found:
                shape = (1, features.shape[1], height // stride, width // stride)
                found[layer] = torch.empty(
                    shape, dtype=features.dtype, device=features.device
                ).contiguous(memory_format=torch.channels_last)
            tile.place(found[layer], stride).copy_(tile.own(features, stride))
    return found


def _own(span: Span, stride: int) -> slice:
    offset = span.outer_start // stride
    return slice(span.start // stride - offset, span.stop // stride - offset)


def _global(span: Span, stride: int) -> slice:
    return slice(span.start // stride, span.stop // stride)


def _sum_own_slopes(piece: Tensor, tile: Tile, size: Sequence[int]) -> Tensor:
    """Slopes that begin in the part that a tile owns; needs one row and column beyond it."""
    (row, column), (height, width) = tile, size
    top, left = row.start - row.outer_start, column.start - column.outer_start
    rows, columns = row.stop - row.start, column.stop - column.start
    bottom = top + rows + (row.stop < height)
    right = left + columns + (column.stop < width)
    return sum_slopes(piece[..., top:bottom, left:right], rows, columns)
