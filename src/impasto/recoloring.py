"""Whose colours, where: one mode for the whole picture, or one for each region."""

from collections.abc import Sequence

import torch
from torch import Tensor

from impasto.colormodes import COLOR_MODES, mix_by_mask
from impasto.errors import ConfigError
from impasto.pyramid import resize_mask
from impasto.regions import Guidance, ScaledGuidance

_EVERYWHERE = ScaledGuidance()


def check_modes(modes: Sequence[str], guidance: Guidance | None) -> None:
    """See that several modes meet as many masks.

    Raises:
        ConfigError: If they do not.
    """
    if len(modes) == 1:
        return
    regions = () if guidance is None else guidance.regions
    if not regions or any(region.mask is None or len(region.parts) > 1 for region in regions):
        raise ConfigError("Several --colors need masks, one for each; give --mask as often.")
    if len(modes) != len(regions):
        raise ConfigError(
            f"{len(modes)} --colors for {len(regions)} masks; give one for each, or one for all."
        )


def needs_painting(modes: Sequence[str]) -> bool:
    """Whether anything of the painting is seen."""
    return any(COLOR_MODES[mode].needs_painting for mode in modes)


def recolor_styles(
    styles: Sequence[Tensor], photograph: Tensor, modes: Sequence[str]
) -> list[Tensor]:
    """Give style pictures, (1, 3, any, any), the colours that are painted with."""
    modes = list(modes) * len(styles) if len(modes) == 1 else modes
    return [
        COLOR_MODES[mode].before(style, photograph)
        for mode, style in zip(modes, styles, strict=True)
    ]


def recolor_painting(
    painting: Tensor,
    photograph: Tensor,
    styles: Sequence[Tensor],
    modes: Sequence[str],
    places: ScaledGuidance = _EVERYWHERE,
    seed: int = 0,
) -> Tensor:
    """Give a painting its last colours, region by region.

    Args:
        painting: Shape (1, 3, H, W), values in [0, 1].
        photograph: Shape (1, 3, any, any).
        styles: Style pictures as they were given; with several modes, one for each.
        modes: Keys of `COLOR_MODES`, one or one for each region.
        places: The regions; where nothing is painted nothing is recoloured either.
        seed: Seed of random numbers.

    Returns:
        Shape (1, 3, H, W), values in [0, 1].
    """
    if len(modes) == 1:
        mode = COLOR_MODES[modes[0]]
        mask = None if mode.leaves_photographs else places.presence
        return mode.after(painting, photograph, styles, mask=mask, seed=seed)
    size = painting.shape[-2], painting.shape[-1]
    result = painting
    weights = [_fit(places, index, name, size) for index, name in enumerate(modes)]
    covered = 1 - torch.stack(weights).sum(0)
    for name, style, weight in zip(modes, styles, weights, strict=True):
        covered = covered + weight
        recolored = COLOR_MODES[name].after(painting, photograph, [style], seed=seed)
        # Laid over one another so that each region ends with its own weight.
        result = mix_by_mask(result, recolored, weight / covered.clamp(min=1e-6))
    return result


def _fit(places: ScaledGuidance, index: int, mode: str, size: tuple[int, int]) -> Tensor:
    """Where a region gets the colours of its mode: not where the photograph is to be seen."""
    sparing = COLOR_MODES[mode].leaves_photographs
    weight = places.masks[index] if sparing else places.weigh_region(index, 1)
    assert weight is not None
    return resize_mask(weight, size)
