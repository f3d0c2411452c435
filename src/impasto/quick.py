"""Painting in one pass: a trained network, a photograph and what is wished of it.

A network normalises its activations by their statistics over the whole picture. Once these are
written down, in a `Ledger`, what it makes of a pixel depends on the pixels within its reach alone:
a picture in tiles is the picture in one piece, and no border can be seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.errors import ConfigError, MemoryBudgetError
from impasto.networks import FastNetwork, Ledger
from impasto.networks.blocks import fit_stride, reflect
from impasto.pyramid import Size, fit_size, resize
from impasto.regions import Guidance, ScaledGuidance, StylePart, pair_masks
from impasto.tiles import cut_evenly

#: Long side in px at which a photograph is looked at to paint less strongly than a network can.
_LOOK_SIDE = 1024
#: Masks between styles are softened over this share of the long side.
_SOFTNESS = 0.004
#: Bytes a pixel that a network with its usual width takes at work: growth of the resident set
#: from 512 to 1024 px on x86-64, rounded up; and that width.
_BYTES = {
    "johnson": (1100, 32),
    "dumoulin": (1100, 32),
    "msgnet": (1700, 128),
    "adain": (1200, None),
    "ghiasi": (1100, 32),
    "micro": (550, 32),
}
#: Python, PyTorch and the weights, VGG-19's included; pictures of full size beside a network.
_BASE, _PICTURES = 600 * 2**20, 8
#: Sides of tiles in px to choose from.
_TILES = (2048, 1536, 1024, 768, 512, 384, 256, 128)


@dataclass(frozen=True)
class Room:
    """How a picture is painted in the memory there is.

    Attributes:
        tile: Side of tiles in px; None for the whole at once.
        needed: Bytes that it takes.
    """

    tile: int | None
    needed: int


def paint_quickly(
    network: nn.Module,
    content: Tensor,
    wishes: Sequence[Tensor],
    *,
    strength: float = 1.0,
    guidance: Guidance | None = None,
    tile: int | None = None,
) -> Tensor:
    """Paint a photograph in one pass for each region.

    Most networks for any style paint less strongly by being told less: the wish is mixed with what
    the network would say of the photograph itself (Huang & Belongie 2017, eq. 14, exactly so for
    AdaIN). Networks that hold styles know no such wish, and `micro` was never told one: their
    painting is mixed with the photograph, pixel by pixel.

    Args:
        network: A trained network, see `impasto.networks`.
        content: The photograph at the size of the painting, (1, 3, H, W), values in [0, 1].
        wishes: One for each style, (1, K): what the network says of the style, or its share.
        strength: How far to leave the photograph, 0 or more.
        guidance: Where which style is painted; by default all of them everywhere, evenly.
        tile: Side in px of tiles, for pictures that are larger; None for the whole at once.

    Returns:
        Shape (1, 3, H, W), values in [0, 1].

    Raises:
        ConfigError: If there is no style, or part of a style picture is masked.
    """
    if not wishes:
        raise ConfigError("No style is given; name at least one.")
    guidance = guidance or Guidance(pair_masks(len(wishes), ()))
    check_parts(guidance)
    size = (content.shape[-2], content.shape[-1])
    places = guidance.scale(size, content.device)
    learnt = fades(network)
    with torch.no_grad():
        own = describe_itself(network, content) if learnt and strength != 1 else None
        layers = []
        for region in guidance.regions:
            wish = mix_wishes(wishes, region.parts)
            if own is not None:
                wish = torch.lerp(own, wish, strength)
            layers.append(pass_through(network, content, wish, tile))
        painted = merge(layers, places)
        if not learnt and strength != 1:
            painted = torch.lerp(content, painted, strength)
        if places.strength is not None:
            painted = torch.lerp(content, painted, places.strength)
    return painted.clamp_(0, 1)


def describes(network: nn.Module) -> bool:
    """Whether a network paints in any style, by a description of it."""
    return hasattr(network, "describe")


def fades(network: nn.Module) -> bool:
    """Whether a network paints less strongly by being told less."""
    return describes(network) and bool(getattr(network, "knows_photographs", True))


def describe_itself(network: nn.Module, content: Tensor) -> Tensor:
    """What a network says of the photograph: the wish for no style at all, (1, K)."""
    size = (content.shape[-2], content.shape[-1])
    if max(size) > _LOOK_SIDE:
        content = resize(content, fit_size(size, _LOOK_SIDE))
    # As `forward` sees it, so that the statistics are the very same.
    seen = fit_stride(content.to(find_device(network)), cast(FastNetwork, network).stride)
    seen = reflect(seen, getattr(network, "margin", 0))
    found: Tensor = network.describe(seen)  # type: ignore[operator]
    return found


def mix_wishes(wishes: Sequence[Tensor], parts: Sequence[StylePart]) -> Tensor:
    """One wish for several styles, by their shares."""
    total = sum(part.share for part in parts)
    if not total > 0:
        raise ConfigError("All style shares are zero; give at least one style a share.")
    mixed = [wishes[part.style] * (part.share / total) for part in parts]
    return torch.stack(mixed).sum(0)


def pass_through(
    network: nn.Module, content: Tensor, wish: Tensor, tile: int | None = None
) -> Tensor:
    """One pass of a network over a picture (1, 3, H, W), in tiles if it is larger than those."""
    size, device = (content.shape[-2], content.shape[-1]), find_device(network)
    if tile is None or max(size) <= tile:
        painted: Tensor = network(_lay_out(content.to(device)), wish)
        return painted.to(content)
    ledger = take_statistics(network, content, wish, tile)
    return paint_tiles(network, content, wish, ledger.entries, tile)


def paint_tiles(
    network: nn.Module,
    content: Tensor,
    wish: Tensor,
    entries: list[tuple[Tensor, Tensor]],
    side: int,
) -> Tensor:
    """One pass in tiles, all of them normalised by the same statistics.

    Each tile looks as far around itself as the network does, and keeps its own part. Nothing is
    left to be blended: two tiles make the same of a pixel that both can see.
    """
    fast, device = cast(FastNetwork, network), find_device(network)
    size = (content.shape[-2], content.shape[-1])
    result = torch.empty_like(content)
    for tile in cut_evenly(size, side, fast.stride, fast.reach):
        ledger = Ledger(entries, tile.corner)
        painted = fast(_lay_out(tile.cut(content).to(device)), wish, ledger)
        result[..., tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop] = (
            tile.own(painted, 1).to(content)
        )
    return result


def take_statistics(network: nn.Module, content: Tensor, wish: Tensor, side: int) -> Ledger:
    """What a picture too large for one pass is to be normalised by.

    A smaller copy is looked at in its place, no larger than a tile with its borders. It is sharper
    than the picture is, so that its statistics are near the picture's and not the very same.
    """
    fast, ledger = cast(FastNetwork, network), Ledger()
    size = (content.shape[-2], content.shape[-1])
    room = (side + 2 * fast.reach) ** 2 / (size[0] * size[1])
    small = fit_size(size, max(1, int(max(size) * min(1.0, room) ** 0.5)))
    fast(_lay_out(resize(content, small).to(find_device(network))), wish, ledger)
    return ledger


def merge(layers: Sequence[Tensor], places: ScaledGuidance) -> Tensor:
    """Lay the regions' paintings beside one another, with soft edges."""
    if len(layers) == 1:
        return layers[0]
    masks = [
        torch.ones_like(layers[0][:, :1]) if mask is None else soften(mask) for mask in places.masks
    ]
    cover = torch.stack(masks).sum(0).clamp(min=1e-6)
    result = torch.zeros_like(layers[0])
    for layer, mask in zip(layers, masks, strict=True):
        result.addcmul_(layer, mask / cover)
    return result


def soften(mask: Tensor) -> Tensor:
    """Blur the edges of a mask (1, 1, H, W) a little."""
    radius = max(1, round(_SOFTNESS * max(mask.shape[-2:])))
    for _ in range(2):
        mask = F.avg_pool2d(mask, 2 * radius + 1, 1, radius, count_include_pad=False)
    return mask


def check_parts(guidance: Guidance) -> None:
    """Refuse masks of styles.

    Raises:
        ConfigError: If a part of a style picture is to be looked at alone.
    """
    if any(part.mask is not None for region in guidance.regions for part in region.parts):
        raise ConfigError(
            "Fast networks look at whole style pictures; leave --style-mask and --labels out, or"
            " cut the part out and give that as the style."
        )


def find_device(network: nn.Module) -> torch.device:
    """Where a network is."""
    return next(network.parameters()).device


def find_room(kind: str, width: int | None, reach: int, size: Size, budget: int | None) -> Room:
    """Choose tiles that fit the memory.

    Args:
        kind: Of the network, see `impasto.networks.NETWORKS`.
        width: That it was built with; None for the usual one.
        reach: How far it looks, in px.
        size: (H, W) of the painting.
        budget: Bytes there are; None if that is not known.

    Raises:
        MemoryBudgetError: If it fits in no tiles.
    """
    each, usual = _BYTES[kind]
    if usual is not None and width is not None:
        each = round(each * width / usual)
    fixed = _BASE + size[0] * size[1] * 12 * _PICTURES
    whole = fixed + size[0] * size[1] * each
    if budget is None or whole <= budget:
        return Room(None, whole)
    for tile in _TILES:
        needed = fixed + (tile + 2 * reach) ** 2 * each
        if needed <= budget and tile < max(size):
            return Room(tile, needed)
    needed = min(whole, fixed + (_TILES[-1] + 2 * reach) ** 2 * each)
    raise MemoryBudgetError(
        f"This painting needs about {needed / 2**30:.1f} GiB of memory even in tiles, and"
        f" {budget / 2**30:.1f} GiB are there; choose a smaller --size."
    )


def _lay_out(image: Tensor) -> Tensor:
    """Channels last, as the convolutions of the processor like them."""
    return image.contiguous(memory_format=torch.channels_last)
