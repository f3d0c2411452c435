"""What the styles of each region look like: the targets that a painting is drawn toward."""

import math
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from impasto.config import PaintConfig
from impasto.encoders import Encoder
from impasto.errors import ConfigError
from impasto.pyramid import SMALLEST_SIDE, Size, fit_size, resize, resize_mask
from impasto.regions import Region, StylePart, shrink
from impasto.sights import view_layer, view_partner
from impasto.smoothing import settle
from impasto.statistics import STATISTICS, Moments, Target, View, blend_moments
from impasto.swatches import choose_parts, collect_swatch, make_copies
from impasto.tiles import plan_tiles


def scale_style(style: Tensor, size: Size, stroke_size: float) -> Tensor:
    """Resample a style picture so that its strokes suit a painting of `size`.

    A style is never enlarged beyond its own resolution: what it lacks in detail would be
    painted as blur. Nor is it shrunk until its short side leaves nothing to look at.
    """
    own = (style.shape[-2], style.shape[-1])
    least = math.ceil(SMALLEST_SIDE * max(own) / min(own))
    side = min(max(round(max(size) * stroke_size), least), max(own))
    return resize(style, fit_size(own, side))


def measure_styles(
    encoder: Encoder,
    config: PaintConfig,
    styles: Sequence[Tensor],
    size: Size,
    layers: Sequence[str],
    regions: Sequence[Region],
    tile: int | None = None,
) -> dict[str, tuple[Moments, ...]]:
    """Moments of each region's styles in each layer, at the size that suits a painting of `size`.

    A style larger than `tile` px, by default than the painting itself and than 1024 px, is
    looked at in tiles.

    Raises:
        ConfigError: If a mask leaves nothing of a style, or settings for each style do not fit
            their number.
    """
    if not layers or not styles:
        return {}
    side = tile or max(*size, 1024)
    count = len(styles)
    strokes, scales = config.list_stroke_sizes(count), config.list_style_scales(count)
    parts = [part for region in regions for part in region.parts]
    seen: dict[int, dict[str, Moments]] = {}
    for index, style in enumerate(styles):
        picture = scale_style(style, size, strokes[index])
        places = [place for place, part in enumerate(parts) if part.style == index]
        masks = [_scale_mask(parts[place], picture) for place in places]
        if places:
            augment = config.style_augment or ()
            swatches = collect_swatch(encoder, picture, layers, side, masks, augment)
            seen |= dict(zip(places, swatches, strict=True))
    result: dict[str, tuple[Moments, ...]] = {}
    for layer in layers:
        moments, first = [], 0
        for region in regions:
            chosen = choose_parts(region.parts, scales, encoder.stride(layer))
            shares = [region.parts[place].share for place in chosen]
            found = [settle(encoder, seen[first + n][layer], config) for n in chosen]
            moments.append(blend_moments(found, shares))
            first += len(region.parts)
        result[layer] = tuple(moments)
    return result


def _scale_mask(part: StylePart, picture: Tensor) -> Tensor | None:
    if part.mask is None:
        return None
    mask = resize_mask(part.mask.to(picture), (picture.shape[-2], picture.shape[-1]))
    if float(mask.mean()) < 1e-4:
        raise ConfigError(f"The mask of style {part.style + 1} leaves nothing of it.")
    return mask


def measure_targets(
    encoder: Encoder,
    config: PaintConfig,
    styles: Sequence[Tensor],
    size: Size,
    moments: dict[str, tuple[Moments, ...]],
    regions: Sequence[Region],
    tile: int | None = None,
) -> dict[str, tuple[dict[str, Target], ...]]:
    """What statistics that need more than moments find in each region's styles.

    Args:
        encoder: The network.
        config: Resolved settings.
        styles: Style pictures, each (1, 3, any, any).
        size: (H, W) of the painting.
        moments: As `measure_styles` found them.
        regions: Where which style is painted.
        tile: See `measure_styles`.

    Returns:
        Layer -> for each region, statistic -> target; empty if moments are enough.
    """
    names = [name for name in config.statistics if STATISTICS[name].of_moments is None]
    found: dict[str, tuple[dict[str, Target], ...]] = {
        layer: tuple(
            {
                name: Target(one, STATISTICS[name].prepare(one, config.seed), ())
                for name in names
                if looks_at(encoder, name, layer)
            }
            for one in of_regions
        )
        for layer, of_regions in (moments.items() if names else ())
    }
    if not any(targets for of_regions in found.values() for targets in of_regions):
        return {}
    for layer, index, share, view in _look_again(
        encoder, config, styles, size, found, regions, tile
    ):
        for name, target in found[layer][index].items():
            statistic = STATISTICS[name]
            part = statistic.keep_piece(view, target.basis, share)
            sums = statistic.join(target.sums, part) if target.sums else part
            found[layer][index][name] = target._replace(sums=sums)
    return found


def looks_at(encoder: Encoder, statistic: str, layer: str) -> bool:
    """Whether a statistic looks at a layer: some have nothing to see in fine ones."""
    return encoder.stride(layer) >= STATISTICS[statistic].least_stride


def find_halo(config: PaintConfig) -> int:
    """Positions around a piece that the chosen statistics look at."""
    return max(STATISTICS[name].halo for name in config.statistics)


class _Glance(NamedTuple):
    layer: str
    region: int
    share: float
    view: View


def _look_again(
    encoder: Encoder,
    config: PaintConfig,
    styles: Sequence[Tensor],
    size: Size,
    layers: Collection[str],
    regions: Sequence[Region],
    tile: int | None,
) -> Iterator[_Glance]:
    """All pieces of all copies of all styles, for each region that is painted in them."""
    side, halo = tile or max(*size, 1024), find_halo(config)
    strokes = config.list_stroke_sizes(len(styles))
    reach = max(encoder.reach(layer) for layer in layers)
    augment = config.style_augment or ()
    for index, style in enumerate(styles):
        picture = scale_style(style, size, strokes[index])
        places = [
            (n, region, place)
            for n, region in enumerate(regions)
            for place, part in enumerate(region.parts)
            if part.style == index
        ]
        masks = [_scale_mask(region.parts[place], picture) for _, region, place in places]
        copies = list(make_copies(picture, masks, augment, reach)) if places else []
        for copy, own_masks in copies:
            for piece in _look_by_tiles(
                encoder, copy, own_masks, list(layers), side, halo, config.seed
            ):
                n, region, place = places[piece.region]
                share = _find_share(encoder, config, region, place, piece.layer, len(styles))
                if share > 0:
                    yield piece._replace(region=n, share=share / len(copies))


def _look_by_tiles(
    encoder: Encoder,
    picture: Tensor,
    masks: Sequence[Tensor | None],
    layers: Sequence[str],
    side: int,
    halo: int,
    seed: int,
) -> Iterator[_Glance]:
    height, width = picture.shape[2:]
    strides = {layer: encoder.stride(layer) for layer in layers}
    sizes = {layer: (height // stride, width // stride) for layer, stride in strides.items()}
    lots = {
        layer: torch.rand((1, 1, *one), generator=torch.Generator().manual_seed(seed)).to(picture)
        for layer, one in sizes.items()
    }
    for tile in plan_tiles(encoder, layers, (height, width), side, halo=halo):
        features = encoder(tile.cut(picture), layers)
        for layer, seen in features.items():
            partner = view_partner(encoder, features, layers, layer, tile)
            for index, mask in enumerate(masks):
                weights = None if mask is None else shrink(mask, strides[layer])
                view = view_layer(
                    seen, weights, halo, size=sizes[layer], stride=strides[layer], tile=tile,
                    partner=partner, lots=lots[layer],
                )  # fmt: skip
                yield _Glance(layer, index, 1.0, view)


def _find_share(
    encoder: Encoder, config: PaintConfig, region: Region, place: int, layer: str, count: int
) -> float:
    """Share of a style in what a region is painted in, in one layer."""
    scales = config.list_style_scales(count)
    chosen = choose_parts(region.parts, scales, encoder.stride(layer))
    total = sum(region.parts[n].share for n in chosen)
    return region.parts[place].share / total if place in chosen else 0.0
