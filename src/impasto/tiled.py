"""The same objective, exactly, in bounded memory.

The objective sees a picture only through sums over positions. So it is taken in two passes over
tiles: the first adds up the sums, which give the loss and its slope by each sum; the second
back-propagates that slope tile by tile (Galerne et al. 2022, "Scaling Painting Style Transfer").
Each tile brings a border as wide as the network can see, and what the border gets wrong is cut off.
Loss and gradient are those of the whole picture, up to rounding.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from impasto.config import PaintConfig
from impasto.encoders import Encoder
from impasto.losses import squared_difference, sum_slopes, sum_squares
from impasto.objective import Objective, check_layers, select_layers
from impasto.pyramid import Size, resize
from impasto.regions import Guidance, ScaledGuidance, pair_masks
from impasto.smoothing import find_content_factor
from impasto.solvers import Evaluation
from impasto.statistics import STATISTICS, Sums, View
from impasto.statistics.similarity import BALANCE, Sample, draw_places, gather_places
from impasto.targets import find_halo, measure_styles, measure_targets
from impasto.tiles import Tile, collect_share, plan_tiles


@dataclass(frozen=True)
class TiledObjective:
    """An `Objective` that is evaluated tile by tile; call it with a picture.

    Attributes:
        whole: The objective itself, with targets for the whole picture.
        tiles: The pieces, which own every pixel exactly once.
        size: (H, W) in px.
        tile: Side of what a tile owns, in px, before rounding.
        photograph: Where content targets are not kept, since they take more memory than
            anything else of a very large picture: what they are computed from once more in
            each evaluation, shape (1, 3, H, W).
    """

    whole: Objective
    tiles: tuple[Tile, ...]
    size: Size
    tile: int
    photograph: Tensor | None = None

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate loss and gradient.

        Args:
            image: Shape (1, 3, H, W), values in [0, 1]; it is not changed.
        """
        image = image.detach()
        with torch.no_grad():
            sums = self._add_up(image)
        # The loss is linear in what content and matches add up to: its slope is known before
        # their value.
        sums |= {key: image.new_zeros(()) for key in self._list_linear()}
        leaves = [sum_.requires_grad_(True) for sum_ in sums.values()]
        total = torch.stack(list(self._weigh(sums, image).values())).sum()
        slopes = torch.autograd.grad(total, leaves, allow_unused=True)
        known = {key: s for key, s in zip(sums, slopes, strict=True) if s is not None}
        gradient = torch.zeros_like(image)
        sums = {key: sum_.detach() for key, sum_ in sums.items()}
        for tile in self.tiles:
            slope, linear = self._differentiate(image, tile, known, sums)
            tile.add(gradient, slope)
            sums |= {key: sums[key] + part for key, part in linear.items()}
        values = {name: term.item() for name, term in self._weigh(sums, image).items()}
        leaf = image.requires_grad_(True)
        for name, term in self.whole.compute_photoreal(leaf).items():
            values[name] = term.item()
            gradient += torch.autograd.grad(term, leaf)[0]
        return Evaluation(sum(values.values()), gradient, values)

    @property
    def encoder(self) -> Encoder:
        """The network that looks."""
        return self.whole.encoder

    @property
    def guidance(self) -> ScaledGuidance:
        """Where the regions are, and how strongly it paints."""
        return self.whole.guidance

    def of_details(self) -> "TiledObjective":
        """The same objective without its deep layers; see `Objective.of_details`."""
        whole = self.whole.of_details()
        layers = [*whole.content_factors, *whole.style]
        seamless, halo = self.whole.config.seamless, find_halo(self.whole.config)
        tiles = plan_tiles(self.encoder, layers, self.size, self.tile, seamless, halo)
        return replace(self, whole=whole, tiles=tiles)

    def in_float32(self) -> "TiledObjective":
        """The same objective with a network that computes in float32."""
        return replace(self, whole=self.whole.in_float32())

    def _add_up(self, image: Tensor) -> dict[str, Tensor]:
        """First pass: the sums over all positions that the loss is not linear in, and slopes."""
        sums: dict[str, Tensor] = {}
        layers = [*self.whole.samples, *self.whole.style]
        for tile in self.tiles:
            piece = tile.cut(image)
            features = self.encoder(piece, layers)
            for key, part in self._measure(image, piece, features, tile).items():
                sums[key] = sums[key] + part if key in sums else part
        return sums

    def _differentiate(
        self, image: Tensor, tile: Tile, slopes: dict[str, Tensor], sums: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Second pass: gradient by what one tile looks at, and what it adds to linear parts."""
        piece = tile.cut(image).clone().requires_grad_(True)
        features = self.encoder(piece, [*self.whole.content_factors, *self.whole.style])
        linear = self._compare(features, tile) | self._match(features, tile, sums)
        parts = self._measure(image, piece, features, tile, again=True) | linear
        weighted = [(slope * parts[key]).sum() for key, slope in slopes.items()]
        (gradient,) = torch.autograd.grad(torch.stack(weighted).sum(), piece)
        return gradient, {key: part.detach() for key, part in linear.items()}

    def _measure(
        self,
        image: Tensor,
        piece: Tensor,
        features: dict[str, Tensor],
        tile: Tile,
        *,
        again: bool = False,
    ) -> dict[str, Tensor]:
        """What one tile adds to the sums; `again` without those that have no slope."""
        whole = self.whole
        parts = {"slopes": _sum_own_slopes(piece, tile) / image.numel()}
        positions = self._count_positions(image)
        for layer, index in self._list_regions():
            stride = self.encoder.stride(layer)
            if whole.needs_moments:
                own, weights = (
                    tile.own(features[layer], stride),
                    whole.guidance.weigh_region(index, stride),
                )
                moments = collect_share(own, positions[layer], weights, tile, stride)
                parts |= _name("moments", layer, index, moments)
            view = None
            for name, target in whole.find_targets(layer, index).items():
                if again and STATISTICS[name].match:
                    continue
                view = view or self._view(features, layer, index, tile)
                parts |= _name(name, layer, index, STATISTICS[name].collect(view, target.basis))
        for layer, sample in whole.samples.items():
            stride = self.encoder.stride(layer)
            rows, columns = tile.span(stride)
            own = tile.own(features[layer], stride)
            parts[f"sample {layer}"] = gather_places(own, sample.places, rows.start, columns.start)
        return parts

    def _match(
        self, features: dict[str, Tensor], tile: Tile, sums: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """What one tile adds to the distances of what is matched."""
        parts = {}
        for layer, index in self._list_regions():
            targets = self.whole.find_targets(layer, index)
            targets = {name: one for name, one in targets.items() if STATISTICS[name].match}
            view = self._view(features, layer, index, tile) if targets else None
            for name, target in targets.items():
                assert view is not None
                found = _take(name, layer, index, sums)
                parts[f"match {name} {layer} {index}"] = self.whole.match(view, found, name, target)
        return parts

    def _view(self, features: dict[str, Tensor], layer: str, index: int, tile: Tile) -> View:
        height, width = self.size
        stride = self.encoder.stride(layer)
        size = (height // stride, width // stride)
        return self.whole.view(features, layer, index, size=size, tile=tile)

    def _list_regions(self) -> list[tuple[str, int]]:
        style = self.whole.style
        return [(layer, index) for layer in style for index in range(len(style[layer]))]

    def _list_linear(self) -> list[str]:
        whole = self.whole
        content = [
            f"content {layer}" for layer in whole.content_factors if layer not in whole.samples
        ]
        return content + [
            f"match {name} {layer} {index}"
            for layer, index in self._list_regions()
            for name in whole.find_targets(layer, index)
            if STATISTICS[name].match
        ]

    def _compare(self, features: dict[str, Tensor], tile: Tile) -> dict[str, Tensor]:
        """What one tile adds to the sums for content."""
        layers, guidance = list(self.whole.content_factors), self.whole.guidance
        layers = [layer for layer in layers if layer not in self.whole.samples]
        targets = {}
        if self.photograph is not None and layers:
            with torch.no_grad():
                targets = self.encoder(tile.cut(self.photograph), layers)
        parts = {}
        for layer in layers:
            stride = self.encoder.stride(layer)
            target = (
                tile.own(targets[layer], stride)
                if targets
                else tile.place(self.whole.content[layer], stride)
            )
            own, weights = tile.own(features[layer], stride), guidance.weigh_content(stride)
            here = None if weights is None else tile.place(weights, stride)
            parts[f"content {layer}"] = squared_difference(own, target, here)
        return parts

    def _weigh(self, sums: dict[str, Tensor], image: Tensor) -> dict[str, Tensor]:
        """Sort the sums into what `Objective.weigh` takes, and call it."""
        whole = self.whole
        differences = {
            layer: whole.compare_sample(sums[f"sample {layer}"], layer)
            if layer in whole.samples
            else sums[f"content {layer}"]
            for layer in whole.content_factors
        }
        found = {
            layer: [self._find(layer, index, sums) for index in range(len(regions))]
            for layer, regions in whole.style.items()
        }
        return whole.weigh(differences, found, self._count_positions(image), sums["slopes"])

    def _find(self, layer: str, index: int, sums: dict[str, Tensor]) -> dict[str, Sums]:
        found = {}
        if self.whole.needs_moments:
            found["moments"] = _take("moments", layer, index, sums)
        for name in self.whole.find_targets(layer, index):
            matched = sums.get(f"match {name} {layer} {index}")
            found[name] = _take(name, layer, index, sums) if matched is None else (matched,)
        return found

    def _count_positions(self, image: Tensor) -> dict[str, int]:
        height, width = image.shape[-2:]
        strides = {layer: self.encoder.stride(layer) for layer in self.whole.style}
        return {layer: (height // s) * (width // s) for layer, s in strides.items()}


def build_tiled_objective(
    encoder: Encoder,
    config: PaintConfig,
    content: Tensor,
    styles: Sequence[Tensor],
    size: Size,
    tile: int,
    *,
    guidance: Guidance | None = None,
    details: bool = False,
    keep_targets: bool = True,
) -> TiledObjective:
    """Look at the photograph tile by tile and at the styles once; see `build_objective`.

    Args:
        encoder: The network.
        config: Resolved settings.
        content: The photograph at full size, shape (1, 3, H, W).
        styles: Style pictures, each (1, 3, any, any).
        size: (H, W) of this scale.
        tile: Side of the part that a tile owns, in px, before rounding.
        guidance: Where which style is painted; by default all of them everywhere.
        details: Look at fine layers only; see `Objective.of_details`. Tiles need a narrower
            border then.
        keep_targets: Keep the photograph's activations; else they are computed anew in each
            evaluation, which takes a quarter longer and saves two thirds of what a very large
            picture needs beside its tiles.
    """
    check_layers(encoder, config)
    content_layers, style_layers = select_layers(encoder, config, details=details)
    # Tiles see beyond the border themselves, except that mirrored ones leave it to the encoder.
    looking = encoder.with_padding("mirror") if config.seamless == "mirror" else encoder
    layers, halo = [*content_layers, *style_layers], find_halo(config)
    tiles = plan_tiles(encoder, layers, size, tile, config.seamless, halo)
    picture = resize(content, size, config.seamless)
    with torch.no_grad():
        guidance = guidance or Guidance(pair_masks(len(styles), (), (), config.style_shares))
        style = measure_styles(encoder, config, styles, size, style_layers, guidance.regions, tile)
        targets = measure_targets(encoder, config, styles, size, style, guidance.regions, tile)
        samples = _sample_by_tiles(looking, config, picture, content_layers, tiles)
        looked_at = [] if samples else content_layers
        content_seen, energies = _look_by_tiles(looking, picture, looked_at, tiles, keep_targets)
    factors = {
        layer: find_content_factor(encoder, config, *energy) for layer, energy in energies.items()
    }
    factors |= dict.fromkeys(samples, BALANCE)
    scaled = guidance.scale(size, content.device, config.seamless)
    guide = picture if config.photoreal_weight else None
    whole = Objective(
        looking, config, content_seen, style, factors, scaled, guide, targets, samples
    )
    return TiledObjective(whole, tiles, size, tile, None if keep_targets else picture)


def _look_by_tiles(
    encoder: Encoder, picture: Tensor, layers: Sequence[str], tiles: Sequence[Tile], keep: bool
) -> tuple[dict[str, Tensor], dict[str, tuple[float, float, int]]]:
    """Look at the whole picture, tile by tile.

    Returns:
        Activations by layer, if they are to be kept; their summed squares, sum and number.
    """
    found: dict[str, Tensor] = {}
    energies = dict.fromkeys(layers, (0.0, 0.0, 0))
    height, width = picture.shape[-2:]
    for tile in tiles if layers else ():
        for layer, features in encoder(tile.cut(picture), layers).items():
            stride = encoder.stride(layer)
            own = tile.own(features, stride)
            energy, total, count = energies[layer]
            sums = energy + sum_squares(own), total + float(own.float().sum())
            energies[layer] = (*sums, count + own.numel())
            if not keep:
                continue
            if layer not in found:
                shape = (1, features.shape[1], height // stride, width // stride)
                empty = features.new_empty(shape)
                found[layer] = empty.contiguous(memory_format=torch.channels_last)
            tile.place(found[layer], stride).copy_(own)
    return found, energies


def _sample_by_tiles(
    encoder: Encoder,
    config: PaintConfig,
    picture: Tensor,
    layers: Sequence[str],
    tiles: Sequence[Tile],
) -> dict[str, Sample]:
    """Look at the places of the photograph that are compared with one another, if any are."""
    found: dict[str, Sample] = {}
    if config.content_loss != "self-similarity" or not layers:
        return found
    height, width = picture.shape[-2:]
    for tile in tiles:
        for layer, features in encoder(tile.cut(picture), layers).items():
            stride = encoder.stride(layer)
            places = draw_places(height // stride, width // stride, config.seed).to(features.device)
            rows, columns = tile.span(stride)
            own = tile.own(features, stride)
            part = gather_places(own, places, rows.start, columns.start)
            found[layer] = Sample(places, found[layer].rows + part if layer in found else part)
    return found


def _name(name: str, layer: str, index: int, found: Sums) -> dict[str, Tensor]:
    """What was found, each part under a name of its own."""
    return {f"{name} {layer} {index} {place}": part for place, part in enumerate(found)}


def _take(name: str, layer: str, index: int, sums: dict[str, Tensor]) -> Sums:
    """What was found, by the names of `_name`."""
    names = (f"{name} {layer} {index} {place}" for place in itertools.count())
    return tuple(sums[key] for key in itertools.takewhile(sums.__contains__, names))


def _sum_own_slopes(piece: Tensor, tile: Tile) -> Tensor:
    """Slopes that begin in the part that a tile owns; needs one row and column beyond it."""
    row, column = tile.rows, tile.columns
    top, left = row.start - row.outer_start, column.start - column.outer_start
    rows, columns = row.stop - row.start, column.stop - column.start
    bottom = top + rows + (row.stop < row.outer_stop)
    right = left + columns + (column.stop < column.outer_stop)
    return sum_slopes(piece[..., top:bottom, left:right], rows, columns)
