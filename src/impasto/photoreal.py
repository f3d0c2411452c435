"""A photograph in the colours and light of a picture, without optimisation.

Published methods of this kind (Li et al. 2018, "A Closed-form Solution to Photorealistic Image
Stylization"; Yoo et al. 2019, "Photorealistic Style Transfer via Wavelet Transforms") recolour
deep features and turn them back into a picture with a trained decoder, then smooth it along the
photograph. There is no decoder here, and none is needed for colours. The network only says which
part of the photograph is like which part of the style; colours follow by optimal transport. The
result is a field of affine maps of colour, smooth but for the photograph's own edges: no stroke of
the painting can enter, and it can be had at any size from a small version.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders import Encoder
from impasto.matting import apply_affine, fit_affinely
from impasto.pyramid import Size, fit_size, resize, resize_mask
from impasto.regions import Guidance, Region, ScaledGuidance

#: Layers that say what is alike, and the long side in px at which they look.
LAYERS = ("relu3_1", "relu4_1")
_LOOK_SIDE = 320

#: Long side in px at which maps are fitted, windows of the fit as a share of it, and the eps.
_FIT_SIDE, _RADIUS, _EPS = 512, 0.06, 1e-3

#: What keeps the edge of a mask on the edges of the photograph.
_MASK_RADIUS, _MASK_EPS = 0.015, 1e-4

#: What a pairing costs: unlike features, unlike colour and light, unlike height in the picture.
_UNLIKE, _RECOLOR, _MOVE = 1.0, 0.1, 2.0

#: Entropy of the transport and rounds of Sinkhorn's iteration.
_ENTROPY, _ROUNDS = 0.05, 60

#: Most that contrast may grow, first and once more at the end, so that noise and the levels of a
#: file stay unseen.
_GAIN, _LAST_GAIN = 2.5, 1.5


class ColorField(NamedTuple):
    """An affine map of colour for each place.

    Attributes:
        slopes: Shape (1, 9, h, w), in turn for each channel of the result.
        offsets: Shape (1, 3, h, w).
    """

    slopes: Tensor
    offsets: Tensor


class _Cells(NamedTuple):
    """What is seen at the positions of a layer: N of them, in float64.

    Attributes:
        features: Shape (N, C).
        colors: Shape (N, 3), means in [0, 1].
        spread: Shape (N, 9), covariance of the colours inside each.
        heights: Shape (N,), from 0 at the top to 1.
        weights: Shape (N,), how much each counts, with a sum of 1.
    """

    features: Tensor
    colors: Tensor
    spread: Tensor
    heights: Tensor
    weights: Tensor


class _Colors(NamedTuple):
    """Mean (3,) and covariance (3, 3) of some colours."""

    mean: Tensor
    covariance: Tensor


def transfer_look(photograph: Tensor, field: ColorField) -> Tensor:
    """Map a photograph of any size by a field; see `fit_look`."""
    return apply_affine(photograph, field.slopes, field.offsets)


def fit_look(
    photograph: Tensor,
    styles: Sequence[Tensor],
    encoder: Encoder,
    guidance: Guidance,
    strength: float = 1.0,
) -> ColorField:
    """Find the maps of colour that give a photograph the look of its styles.

    In each region, the shortest affine way to the colours of its styles as a whole; on top of
    that, what parts that look alike differ by, fitted locally.

    Args:
        photograph: Shape (1, 3, H, W), values in [0, 1].
        styles: Each (1, 3, any, any).
        encoder: The network that looks.
        guidance: What is to look like which style, and how much.
        strength: How far to go; 1 is all the way, and so is more.

    Returns:
        A field for the photograph, at 512 px or its own size.
    """
    size = _shrink(photograph, _FIT_SIDE)
    small = resize(photograph, size)
    scaled = guidance.scale(size, photograph.device)
    own, grid = _look(photograph, encoder)
    seen = [_look(style, encoder)[0] for style in styles]
    masks = _normalise_masks(scaled.masks, small)
    smooth = _soften(masks, small)
    slopes, offsets = small.new_zeros((1, 9, *size)), small.new_zeros((1, 3, *size))
    rest = small.new_zeros((1, 3, *grid))
    for region, mask, soft in zip(guidance.regions, masks, smooth, strict=True):
        share = F.interpolate(mask, grid, mode="area")
        parts = own._replace(weights=_weigh(share))
        if not parts.weights.sum() > 0:
            continue
        matrix, shift, wanted = _pair(parts, _gather(region, seen, styles, encoder))
        slopes += soft * matrix.reshape(1, 9, 1, 1).to(small)
        offsets += soft * shift.view(1, 3, 1, 1).to(small)
        gap = wanted - (own.colors @ matrix.mT + shift)
        rest += share * gap.mT.reshape(1, 3, *grid).to(small)
    rest = F.interpolate(rest, size, mode="bicubic", align_corners=False)
    more = fit_affinely(small, rest, radius=max(1, round(_RADIUS * max(size))), eps=_EPS)
    field = ColorField(slopes + more[0], offsets + more[1])
    return _blend(_refine(field, small, guidance.regions, smooth, styles), scaled, strength)


def _look(picture: Tensor, encoder: Encoder) -> tuple[_Cells, Size]:
    """See a picture at the positions of the deepest layer, all with equal weight."""
    with torch.no_grad():
        small = resize(picture, _shrink(picture, _LOOK_SIDE))
        found = encoder(small, LAYERS)
    height, width = grid = tuple(found[LAYERS[-1]].shape[-2:])
    seen = [F.interpolate(found[layer].float(), grid, mode="area") for layer in LAYERS]
    products = torch.cat([small * small[:, c : c + 1] for c in range(3)], dim=1)
    colors, second = (_flatten(F.interpolate(one, grid, mode="area")) for one in (small, products))
    rows = (torch.arange(height, dtype=torch.float64) + 0.5) / height
    count = height * width
    return _Cells(
        torch.cat([_flatten(one) for one in seen], dim=1),
        colors,
        second - (colors[:, :, None] * colors[:, None]).flatten(1),
        rows[:, None].expand(grid).flatten(),
        torch.full((count,), 1 / count, dtype=torch.float64),
    ), (height, width)


def _gather(
    region: Region, seen: Sequence[_Cells], styles: Sequence[Tensor], encoder: Encoder
) -> _Cells:
    """The cells of all parts of styles that a region is to look like."""
    cells = []
    for part in region.parts:
        one = seen[part.style]
        if part.mask is not None:
            small = _shrink(styles[part.style], _LOOK_SIDE)
            stride = encoder.stride(LAYERS[-1])
            grid = (small[0] // stride, small[1] // stride)
            mask = resize_mask(part.mask.float(), small)
            one = one._replace(weights=_weigh(F.interpolate(mask, grid, mode="area")))
        cells.append(one._replace(weights=one.weights * part.share))
    joined = _Cells(*(torch.cat(columns) for columns in zip(*cells, strict=True)))
    return joined._replace(weights=joined.weights / joined.weights.sum().clamp(min=1e-12))


def _pair(own: _Cells, other: _Cells) -> tuple[Tensor, Tensor, Tensor]:
    """Pair a region of the photograph with its styles.

    Returns:
        The shortest affine way from colours to colours, (3, 3) and (3,); and the colour that
        each cell of the photograph is to have, (N, 3).
    """
    kept = [cells.weights > 1e-3 * cells.weights.max() for cells in (own, other)]
    inner, outer = (_select(cells, where) for cells, where in zip((own, other), kept, strict=True))
    own_colors, other_colors = (_measure(x.colors, x.weights, x.spread) for x in (inner, outer))
    matrix, shift = _find_way(own_colors, other_colors)
    plan = _transport(_cost(inner, outer), inner.weights, outer.weights)
    wanted = plan @ outer.colors
    # Means of many colours are greyer than the colours; the way back is affine too.
    back, move = _find_way(_measure(wanted, inner.weights), _measure(outer.colors, outer.weights))
    result = own.colors @ matrix.mT + shift
    result[kept[0]] = wanted @ back.mT + move
    return matrix, shift, result


def _refine(
    field: ColorField,
    photograph: Tensor,
    regions: Sequence[Region],
    masks: Sequence[Tensor],
    styles: Sequence[Tensor],
) -> ColorField:
    """Give back, region by region, the contrast that means over cells and windows have lost."""
    slopes, offsets = torch.zeros_like(field.slopes), torch.zeros_like(field.offsets)
    pixels, size = _flatten(apply_affine(photograph, *field)), field.slopes.shape[-2:]
    for region, mask in zip(regions, masks, strict=True):
        weights = _weigh(mask)
        if not weights.sum() > 0:
            continue
        matrix, shift = _find_way(
            _measure(pixels, weights), _measure(*_gather_pixels(region, styles)), _LAST_GAIN
        )
        matrix, shift = matrix.to(field.slopes), shift.to(field.slopes)
        old = field.slopes.view(1, 3, 3, *size)  # result by photograph
        slopes += mask * torch.einsum("ij,bjkhw->bikhw", matrix, old).flatten(1, 2)
        moved = torch.einsum("ij,bjhw->bihw", matrix, field.offsets) + shift.view(1, 3, 1, 1)
        offsets += mask * moved
    return ColorField(slopes, offsets)


def _gather_pixels(region: Region, styles: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Colours (N, 3) of all parts of styles that a region is to look like, and weights (N,)."""
    colors, weights = [], []
    for part in region.parts:
        size = _shrink(styles[part.style], _FIT_SIDE)
        colors.append(_flatten(resize(styles[part.style], size)))
        whole = torch.ones((1, 1, *size))
        mask = whole if part.mask is None else resize_mask(part.mask.float(), size)
        weights.append(_weigh(mask) * part.share)
    joined = torch.cat(weights)
    return torch.cat(colors), joined / joined.sum().clamp(min=1e-12)


def _cost(own: _Cells, other: _Cells) -> Tensor:
    """What it costs to take a colour from there, for each pair of cells: (N, M)."""
    unlike = 1 - _standardise(own.features, own.weights, unit=True) @ (
        _standardise(other.features, other.weights, unit=True).mT
    )
    one, two = (_standardise(cells.colors, cells.weights) for cells in (own, other))
    recolor = torch.cdist(one, two).square()
    move = (own.heights[:, None] - other.heights).square()
    return _UNLIKE * unlike + _RECOLOR * recolor + _MOVE * move


def _transport(cost: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """Optimal transport with entropy (Cuturi 2013, alg. 1); each row sums to 1."""
    cost = cost - cost.amin(1, keepdim=True)
    cost = cost - cost.amin(0, keepdim=True)
    # Far below what counts, and well within what float64 can hold.
    kernel = torch.exp((cost / -_ENTROPY).clamp(min=-300))
    there = torch.ones_like(other)
    for _ in range(_ROUNDS):
        here = own / (kernel @ there)
        there = other / (kernel.mT @ here)
    plan = kernel * there
    return plan / plan.sum(1, keepdim=True)


def _find_way(own: _Colors, other: _Colors, gain: float = _GAIN) -> tuple[Tensor, Tensor]:
    """The shortest affine way, (3, 3) and (3,), to the mean and covariance of other colours.

    Pitié and Kokaram 2007, eq. 12, but contrast grows by `gain` at the most.
    """
    root, inverse = _power(own.covariance, 0.5), _power(own.covariance, -0.5)
    way = inverse @ _power(root @ other.covariance @ root, 0.5) @ inverse
    values, vectors = torch.linalg.eigh(way)
    matrix = vectors @ torch.diag(values.clamp(0, gain)) @ vectors.mT
    return matrix, other.mean - matrix @ own.mean


def _measure(colors: Tensor, weights: Tensor, spread: Tensor | None = None) -> _Colors:
    """Mean and covariance of colours (N, 3), of which each has a weight and a spread."""
    mean = weights @ colors
    away = colors - mean
    covariance = (away * weights[:, None]).mT @ away + 1e-6 * torch.eye(3, dtype=colors.dtype)
    return _Colors(mean, covariance + (0 if spread is None else (weights @ spread).view(3, 3)))


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    power: Tensor = vectors @ torch.diag(values.clamp(min=1e-12) ** exponent) @ vectors.mT
    return power


def _standardise(values: Tensor, weights: Tensor, *, unit: bool = False) -> Tensor:
    """Centre and scale each column, so that two pictures are compared by what varies in each."""
    away = values - weights @ values
    away = away / (weights @ away.square()).sqrt().clamp(min=1e-6)
    return F.normalize(away, dim=1) if unit else away


def _select(cells: _Cells, kept: Tensor) -> _Cells:
    selected = _Cells(*(column[kept] for column in cells))
    return selected._replace(weights=selected.weights / selected.weights.sum())


def _normalise_masks(masks: Sequence[Tensor | None], like: Tensor) -> list[Tensor]:
    """Masks with a sum of 1 wherever a region is."""
    full = torch.ones_like(like[:, :1])
    given = [full if mask is None else mask for mask in masks]
    cover = torch.stack(given).sum(0).clamp(min=1e-6)
    return [mask / cover for mask in given]


def _soften(masks: list[Tensor], photograph: Tensor) -> list[Tensor]:
    """Lay the edges between masks onto those of the photograph."""
    if len(masks) == 1:
        return masks
    radius = max(1, round(_MASK_RADIUS * max(photograph.shape[-2:])))
    maps = fit_affinely(photograph, torch.cat(masks, dim=1), radius=radius, eps=_MASK_EPS)
    return _normalise_masks(torch.split(apply_affine(photograph, *maps), 1, 1), photograph)


def _blend(field: ColorField, scaled: ScaledGuidance, strength: float) -> ColorField:
    """Go only as far as asked: an affine map of its own is the photograph itself."""
    share: Tensor | float = min(1.0, strength)
    if scaled.strength is not None:
        share = (scaled.strength * strength).clamp(max=1)
    same = torch.eye(3).to(field.slopes).view(1, 9, 1, 1)
    return ColorField(same + share * (field.slopes - same), share * field.offsets)


def _weigh(mask: Tensor) -> Tensor:
    weights = mask.flatten().cpu().double()
    return weights / weights.sum().clamp(min=1e-12)


def _flatten(features: Tensor) -> Tensor:
    return features[0].flatten(1).mT.cpu().double()


def _shrink(picture: Tensor, side: int) -> Size:
    """(H, W) with a long side of `side` px at the most, and 16 px for the short one."""
    height, width = picture.shape[-2:]
    least = math.ceil(16 * max(height, width) / min(height, width))
    return fit_size((height, width), min(max(side, least), max(height, width)))
