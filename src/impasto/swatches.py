"""Style pictures as they are looked at: which speaks for which layer, and copies that vary them.

Copies make what is painted independent of what is an accident of the style picture: which way its
strokes run (mirror, rotate), and where a small swatch was cut off (tile).
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.config import StyleScale
from impasto.encoders import Encoder
from impasto.regions import StylePart
from impasto.statistics import Moments, blend_moments
from impasto.tiles import collect_by_tiles

Copy = tuple[Tensor, list[Tensor | None]]


def collect_swatch(
    encoder: Encoder,
    picture: Tensor,
    layers: Sequence[str],
    side: int,
    masks: Sequence[Tensor | None],
    augment: Sequence[str] = (),
) -> list[dict[str, Moments]]:
    """Moments of a style picture, on average over its copies.

    Args:
        encoder: The network.
        picture: Shape (1, 3, H, W).
        layers: Where to look.
        side: Side of a tile in px; see `impasto.tiles.plan_tiles`.
        masks: What counts of the picture, each (1, 1, H, W) or None for all of it.
        augment: Any of `mirror`, `rotate` and `tile`; see `make_copies`.

    Returns:
        Layer -> moments, for each mask.
    """
    reach = max((encoder.reach(layer) for layer in layers), default=0)
    found = [
        collect_by_tiles(encoder, copy, layers, side, own)
        for copy, own in make_copies(picture, masks, augment, reach)
    ]
    shares = [1.0] * len(found)
    return [
        {layer: blend_moments([one[index][layer] for one in found], shares) for layer in layers}
        for index in range(len(masks))
    ]


def make_copies(
    picture: Tensor, masks: Sequence[Tensor | None], augment: Sequence[str], reach: int
) -> Iterator[Copy]:
    """Copies of a picture with its masks, the plain one first.

    Args:
        picture: Shape (1, 3, H, W).
        masks: Each (1, 1, H, W) or None.
        augment: `mirror` adds a copy from left to right; `rotate` three quarter turns; `tile`
            continues all of them beyond the border, which itself no longer counts.
        reach: How far the network sees in px.
    """
    if "tile" in augment:
        picture, masks = continue_beyond(picture, masks, reach)
    for turn in range(4 if "rotate" in augment else 1):
        for flipped in (False, True) if "mirror" in augment else (False,):
            yield (
                _turn(picture, turn, flipped=flipped),
                [None if x is None else _turn(x, turn, flipped=flipped) for x in masks],
            )


def _turn(image: Tensor, quarters: int, *, flipped: bool) -> Tensor:
    turned = torch.rot90(image, quarters, (2, 3))
    return turned.flip(3) if flipped else turned


def continue_beyond(
    picture: Tensor, masks: Sequence[Tensor | None], reach: int
) -> tuple[Tensor, list[Tensor | None]]:
    """Continue a picture beyond its border as between mirrors, as far as the network sees.

    Only what was there counts, so that each of its positions is seen amid more of the same
    rather than before a wall; a tiling without end would have the same statistics.
    """
    height, width = picture.shape[-2:]
    rows, columns = min(reach, height - 1), min(reach, width - 1)
    around = (columns, columns, rows, rows)
    full = torch.ones((1, 1, height, width)).to(picture)
    inside = [F.pad(full if mask is None else mask, around) for mask in masks]
    return F.pad(picture, around, mode="reflect"), list(inside)


def choose_parts(
    parts: Sequence[StylePart], scales: Sequence[StyleScale], stride: int
) -> list[int]:
    """Which parts of a region speak for a layer.

    Layers with a position for every two pixels or more see single strokes: brushwork. Those with
    one for every eight or fewer see shapes. What lies between sees both, and all styles speak.

    Args:
        parts: Of the region.
        scales: What is taken from each style picture.
        stride: Of the layer, in px.

    Returns:
        Indices of parts; all of them where none is for such layers, since a region must be
        painted in some manner at each of its scales.
    """
    silent = "coarse" if stride <= 2 else "fine" if stride >= 8 else None
    chosen = [index for index, part in enumerate(parts) if scales[part.style] != silent]
    return chosen if any(parts[index].share > 0 for index in chosen) else list(range(len(parts)))
