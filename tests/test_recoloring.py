"""Colour modes per region."""

import pytest
import torch
from torch import Tensor

from impasto.color import rgb_to_oklab
from impasto.colormodes import COLOR_MODES
from impasto.config import PaintConfig
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError
from impasto.memory import Frugality
from impasto.painting import paint
from impasto.pyramid import resize
from impasto.recoloring import check_modes, recolor_painting, recolor_styles
from impasto.regions import Guidance, pair_labels, pair_masks


def halves(height: int, width: int, soft: bool = False) -> list[Tensor]:
    left = torch.zeros(1, 1, height, width)
    left[..., : width // 2] = 1
    if soft:
        left = torch.linspace(1, 0, width).expand(1, 1, height, -1)
    return [left, 1 - left]


def picture(seed: int, height: int = 16, width: int = 24) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_each_region_has_the_colours_of_its_mode() -> None:
    painting, photograph, styles = picture(0), picture(1), [picture(2), picture(3)]
    places = Guidance(pair_masks(2, halves(16, 24))).scale((16, 24), torch.device("cpu"))
    mixed = recolor_painting(painting, photograph, styles, ("photo", "style"), places)
    alone = COLOR_MODES["photo"].after(painting, photograph, styles)
    assert torch.equal(mixed[..., :12], alone[..., :12])
    assert torch.equal(mixed[..., 12:], painting[..., 12:])
    other = recolor_painting(painting, photograph, styles, ("style", "photo"), places)
    assert torch.equal(other[..., 12:], alone[..., 12:])


def test_soft_masks_mix_by_their_weights() -> None:
    painting, photograph, styles = picture(0), picture(1), [picture(2), picture(3)]
    masks = halves(16, 24, soft=True)
    places = Guidance(pair_masks(2, masks)).scale((16, 24), torch.device("cpu"))
    mixed = recolor_painting(painting, photograph, styles, ("photo", "histogram"), places)
    parts = [
        COLOR_MODES[name].after(painting, photograph, styles) for name in ("photo", "histogram")
    ]
    wanted = sum(mask * rgb_to_oklab(part) for mask, part in zip(masks, parts, strict=True))
    inside = (mixed.amin(1) > 0.01) & (mixed.amax(1) < 0.99)  # elsewhere the box of colours cuts
    away = (rgb_to_oklab(mixed) - wanted).abs().amax(1)
    assert inside.float().mean() > 0.5
    assert away[inside].max() < 2e-3


@pytest.mark.parametrize("modes", [("histogram",), ("palette",), ("palette", "histogram")])
def test_what_is_left_alone_keeps_its_colours(modes: tuple[str, ...]) -> None:
    photograph, styles = picture(1), [picture(2) ** 2, picture(3) ** 3]
    strength = torch.ones(1, 1, 16, 24)
    strength[..., :6] = 0
    masks = halves(16, 24) if len(modes) > 1 else []
    guidance = Guidance(pair_masks(2, masks), strength)
    places = guidance.scale((16, 24), torch.device("cpu"))
    result = recolor_painting(photograph, photograph, styles, modes, places)
    assert torch.equal(result[..., :6], photograph[..., :6])
    if "palette" in modes:
        assert (result[..., 6:12] - photograph[..., 6:12]).abs().mean() > 0.05


def test_styles_are_recoloured_each_in_its_way() -> None:
    photograph, styles = picture(1), [picture(2), picture(3)]
    luminance, own = recolor_styles(styles, photograph, ("luminance", "style"))
    assert torch.equal(luminance[:, 0], luminance[:, 2])
    assert own is styles[1]


def test_modes_and_masks_must_fit() -> None:
    one, two = Guidance(pair_masks(1, halves(4, 4)[:1])), Guidance(pair_masks(2, halves(4, 4)))
    check_modes(("photo",), None)
    check_modes(("photo", "style"), two)
    with pytest.raises(ConfigError, match="2 --colors for 1 masks"):
        check_modes(("photo", "style"), one)
    labels = torch.zeros(1, 3, 8, 8)
    labels[..., :4] = 1
    both = Guidance(pair_labels(labels, [labels, labels]))
    for guidance in (None, Guidance(pair_masks(2, [])), both):
        with pytest.raises(ConfigError, match="need masks"):
            check_modes(("photo", "style"), guidance)


@pytest.mark.slow
@pytest.mark.parametrize("tiles", [False, True])
def test_a_painting_in_two_colour_modes(
    photo: Tensor, style: Tensor, vgg19: VGG, tiles: bool
) -> None:
    masks = halves(80, 64)
    strength = torch.ones(1, 1, 80, 64)
    strength[:, :, 60:] = 0
    guidance = Guidance(pair_masks(2, masks), strength)
    config = PaintConfig(size=48, scales=1, steps=(3,), colors="photo,style")
    frugality = Frugality(tile=32, history=5, keep_targets=True) if tiles else None
    events = list(
        paint(photo, [style, style], vgg19, config, guidance=guidance, frugality=frugality)
    )
    painted = events[-1].picture()
    size = painted.shape[-2], painted.shape[-1]
    photograph = resize(photo, size)
    kept = resize(strength, size)[0, 0] < 1e-3
    assert kept.float().mean() > 0.15
    assert (painted - photograph)[:, :, kept].abs().max() <= 2 / 255
    lab, wanted = rgb_to_oklab(painted), rgb_to_oklab(photograph)
    away = (lab - wanted)[:, 1:].abs().mean(1)[0]
    rows, middle = slice(0, size[0] // 2), size[1] // 2
    assert away[rows, : middle - 2].mean() < 0.3 * away[rows, middle + 2 :].mean()


def test_only_palettes_need_no_painting(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    guidance = Guidance(pair_masks(2, halves(80, 64)))
    config = PaintConfig(size=48, colors="palette,palette")
    events = list(paint(photo, [style, 1 - style], vgg19, config, guidance=guidance))
    assert len(events) == 1
    picture = events[0].picture()
    assert (picture - resize(photo, (48, 38))).abs().mean() > 0.02
