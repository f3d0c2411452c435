"""Where what is painted: masks that pair parts of a photograph with styles or parts of styles.

A region has its own statistics (Gatys et al. 2017, "Controlling Perceptual Factors in Neural
Style Transfer", sec. 4): each position counts as much as the mask says. Regions may be soft and
may overlap. What no region covers stays as it is in the photograph.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.config import Seamless
from impasto.errors import ConfigError, ShapeError
from impasto.patterns import soften_border
from impasto.pyramid import Size, resize_mask

#: Colours of a label picture that cover less than this share of it are edges, not labels.
_LEAST_LABEL = 0.005
#: Below this strength the photograph itself shines through; above it, only its content does.
_FADING = 0.25


class StylePart(NamedTuple):
    """A style, or a part of it, that a region is painted in.

    Attributes:
        style: Index of the style picture.
        share: Its share among the parts of this region.
        mask: How much each place of the style counts, (1, 1, any, any) in [0, 1]; None: all.
    """

    style: int
    share: float = 1.0
    mask: Tensor | None = None


class Region(NamedTuple):
    """A part of the photograph, and what it is painted in.

    Attributes:
        mask: How much each place belongs to it, (1, 1, H, W) in [0, 1]; None: everywhere.
        parts: Styles, at least one.
    """

    mask: Tensor | None
    parts: tuple[StylePart, ...]


@dataclass(frozen=True)
class Guidance:
    """Where which style is painted, and how strongly.

    Attributes:
        regions: At least one.
        strength: How far to leave the photograph at each place, (1, 1, H, W) in [0, 1], as a
            factor on the painting's strength; 0 leaves it untouched. None: 1 everywhere.
    """

    regions: tuple[Region, ...]
    strength: Tensor | None = None

    def scale(
        self, size: Size, device: torch.device, seamless: Seamless = "none"
    ) -> "ScaledGuidance":
        """Bring all masks to one size, and let them repeat as the painting does."""
        given = [*(region.mask for region in self.regions), self.strength]
        *masks, strength = (
            None if one is None else soften_border(_fit(one, size, device), seamless)
            for one in given
        )
        if all(mask is None for mask in masks):
            return ScaledGuidance(tuple(masks), strength)
        full = torch.ones((1, 1, *size), device=device)
        shares = [full if mask is None else mask for mask in masks]
        cover = torch.stack(shares).sum(0)
        # Where regions overlap they share; where none is, nothing is painted.
        shares = [mask / cover.clamp(min=1) for mask in shares]
        if float(cover.min()) < 1 - 1e-3:
            strength = cover.clamp(max=1) * (1 if strength is None else strength)
        return ScaledGuidance(tuple(shares), strength)


@dataclass(frozen=True)
class ScaledGuidance:
    """Masks at the size of one scale.

    Attributes:
        masks: One per region, (1, 1, H, W), with a sum of at most 1 everywhere; None: all.
        strength: See `Guidance`, with 0 where no region is.
    """

    masks: tuple[Tensor | None, ...] = (None,)
    strength: Tensor | None = None
    _known: dict[tuple[int, int], Tensor | None] = field(default_factory=dict, compare=False)

    @property
    def presence(self) -> Tensor | None:
        """How much of the painting, rather than the photograph, is seen: (1, 1, H, W)."""
        return None if self.strength is None else (self.strength / _FADING).clamp(max=1)

    @property
    def areas(self) -> tuple[float, ...]:
        """Share of each region in what is painted."""
        weights = [self.weigh_region(index, 1) for index in range(len(self.masks))]
        sums = [1.0 if one is None else float(one.mean()) for one in weights]
        return tuple(one / max(sum(sums), 1e-12) for one in sums)

    def weigh_region(self, index: int, stride: int) -> Tensor | None:
        """How much each position of a layer counts in a region's statistics, (1, 1, h, w)."""
        if (index, stride) not in self._known:
            given = [one for one in (self.masks[index], self.presence) if one is not None]
            weights = math.prod(given[1:], start=given[0]) if given else None
            self._known[index, stride] = None if weights is None else shrink(weights, stride)
        return self._known[index, stride]

    def weigh_content(self, stride: int) -> Tensor | None:
        """What the content loss is multiplied with at each position: 1 / strength^2."""
        if self.strength is None:
            return None
        if (-1, stride) not in self._known:
            strength = shrink(self.strength, stride).clamp(min=_FADING)
            self._known[-1, stride] = strength**-2
        return self._known[-1, stride]


def shrink(mask: Tensor, stride: int) -> Tensor:
    """Average a mask over what each position of a layer stands for."""
    return mask if stride == 1 else F.avg_pool2d(mask, stride)


def pair_masks(
    count: int,
    masks: Sequence[Tensor | None],
    style_masks: Sequence[Tensor | None] = (),
    shares: Sequence[float] | None = None,
) -> tuple[Region, ...]:
    """One region per style: the first mask says where the first style goes, and so on.

    Styles whose masks are equal share one region, as styles without masks do.

    Args:
        count: Number of styles.
        masks: One per style, or none at all: then one region holds all styles.
        style_masks: Which part of each style counts; one per style, or none at all.
        shares: Share of each style; with masks, how they share where masks overlap.

    Raises:
        ConfigError: If the numbers do not fit.
    """
    for what, given in (("masks", masks), ("style masks", style_masks)):
        if given and len(given) != count:
            raise ConfigError(f"{len(given)} {what} for {count} styles; give one for each.")
    if shares and len(shares) != count:
        raise ConfigError(f"{len(shares)} style shares for {count} styles; give one each.")
    shares = tuple(shares) if shares else (1.0,) * count
    parts = tuple(
        StylePart(index, shares[index], style_masks[index] if style_masks else None)
        for index in range(count)
    )
    if not masks:
        return (Region(None, parts),)
    regions: list[Region] = []
    for mask, part in zip(masks, parts, strict=True):
        same = [n for n, one in enumerate(regions) if _are_equal(one.mask, mask)]
        if same:
            region = regions[same[0]]
            regions[same[0]] = region._replace(parts=(*region.parts, part))
        else:
            regions.append(Region(mask, (part,)))
    return tuple(regions)


def pair_labels(photograph: Tensor, styles: Sequence[Tensor]) -> tuple[Region, ...]:
    """Regions from label pictures: what has one colour in both belongs together.

    Args:
        photograph: Label picture of the photograph, (1, 3, H, W), each region in one colour.
        styles: Label pictures of the styles, with the same colours.

    Raises:
        ConfigError: If a colour of the photograph's is in none of the styles', or one has no
            flat colours.
    """
    colors = find_labels(photograph)
    known = [find_labels(style) for style in styles]
    regions = []
    for color, mask in zip(colors, split_labels(photograph, colors), strict=True):
        parts = []
        for index, (style, own) in enumerate(zip(styles, known, strict=True)):
            distances = (own - color).abs().amax(1)
            if float(distances.min()) < 0.1:
                masks = split_labels(style, own)
                parts.append(StylePart(index, 1.0, masks[int(distances.argmin())]))
        if not parts:
            name = "#" + "".join(f"{round(float(v) * 255):02x}" for v in color)
            raise ConfigError(
                f"The photograph's labels have the colour {name}, and no style's labels have;"
                " paint that region in a colour of a style's labels."
            )
        regions.append(Region(mask, tuple(parts)))
    return tuple(regions)


def find_labels(picture: Tensor) -> Tensor:
    """Colours that label regions, as rows (N, 3): the frequent ones, not those of soft edges."""
    if picture.ndim != 4 or picture.shape[1] != 3:
        raise ShapeError(f"A label picture has shape (1, 3, H, W), not {tuple(picture.shape)}.")
    # A label is what is flat; the mixed colours of a soft edge change from pixel to pixel.
    spread = F.max_pool2d(picture, 3, 1, 1) + F.max_pool2d(-picture, 3, 1, 1)
    flat = spread.amax(1).flatten() < 0.05
    rows = (picture[0].flatten(1).mT[flat] * 15).round().to(torch.int64)
    colors, counts = torch.unique(rows, dim=0, return_counts=True)
    found: Tensor = colors[counts >= _LEAST_LABEL * flat.numel()].to(picture) / 15
    if not len(found):
        raise ConfigError("A label picture has no flat regions; paint each in one colour.")
    return found


def split_labels(picture: Tensor, colors: Tensor) -> list[Tensor]:
    """Masks (1, 1, H, W) of 0 and 1: each pixel belongs to the label of the nearest colour."""
    distances = (picture - colors[:, :, None, None]).square().sum(1)  # (N, H, W)
    nearest = distances.argmin(0)
    return [(nearest == index).to(picture)[None, None] for index in range(len(colors))]


def _are_equal(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and torch.equal(one, other)


def _fit(mask: Tensor, size: Size, device: torch.device) -> Tensor:
    if mask.ndim != 4 or mask.shape[:2] != (1, 1):
        raise ShapeError(f"A mask has shape (1, 1, H, W), not {tuple(mask.shape)}.")
    return resize_mask(mask.to(device, torch.float32), size)
