"""Each colour mode by what it promises, on real pictures and on the dullest ones."""

import pytest
import torch
from torch import Tensor

from impasto import colormodes
from impasto.color import match_colors, oklab_to_rgb, rgb_to_oklab, take_colors
from impasto.colormodes import (
    COLOR_MODES,
    grey_like,
    histogram_distance,
    match_histogram,
    measure_color_error,
    mix_by_mask,
    take_palette,
)
from impasto.errors import ShapeError
from impasto.pyramid import resize

MODES = sorted(COLOR_MODES)


@pytest.fixture(scope="module")
def painting(photo: Tensor, style: Tensor) -> Tensor:
    """What a painting of the portrait may look like: its lightness, the coffee's colours."""
    shapes = rgb_to_oklab(photo)[:, :1]
    strokes = rgb_to_oklab(resize(style, (80, 64)))
    lightness = (0.8 * shapes + 0.2 * strokes[:, :1]).clamp(0, 1)
    return oklab_to_rgb(torch.cat([lightness, strokes[:, 1:]], 1))


def flat(red: float, green: float, blue: float, side: int = 16) -> Tensor:
    return (
        torch.tensor([red, green, blue], dtype=torch.float32)
        .view(1, 3, 1, 1)
        .repeat(1, 1, side, side)
    )


def after(
    name: str, painting: Tensor, photo: Tensor, style: Tensor, mask: Tensor | None = None
) -> Tensor:
    return COLOR_MODES[name].after(painting, photo, [style], mask=mask)


# Promises of all modes.


@pytest.mark.parametrize("name", MODES)
def test_a_mode_stays_in_the_box_and_changes_nothing_given(
    name: str, painting: Tensor, photo: Tensor, style: Tensor
) -> None:
    mask = torch.rand((1, 1, 80, 64), generator=torch.Generator().manual_seed(3))
    given = [painting, photo, style, mask]
    copies = [x.clone() for x in given]
    prepared = COLOR_MODES[name].before(style, photo)
    found = [prepared, after(name, painting, photo, style)]
    found.append(after(name, painting, photo, style, mask))
    assert [x.shape for x in found] == [style.shape, painting.shape, painting.shape]
    for picture in found:
        assert picture.dtype == torch.float32
        assert picture.min() >= 0
        assert picture.max() <= 1
    for one, copy in zip(given, copies, strict=True):
        assert torch.equal(one, copy)


DULL = {
    "black": flat(0, 0, 0),
    "white": flat(1, 1, 1),
    "one colour": flat(0.2, 0.5, 0.7),
    "two colours": torch.cat([flat(1, 0, 0), flat(0, 0, 1)], 3)[..., ::2],
}


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("black", "black"),
        ("black", "two colours"),
        ("white", "black"),
        ("one colour", "white"),
        ("two colours", "one colour"),
        ("two colours", "two colours"),
    ],
)
def test_a_mode_copes_with_dull_and_tiny_pictures(name: str, one: str, other: str) -> None:
    mode = COLOR_MODES[name]
    for made in (
        mode.before(DULL[one], DULL[other]),
        mode.after(DULL[one], DULL[other], [DULL[one]]),
        mode.after(
            DULL[one], DULL[other], [DULL[other], DULL[one]], mask=torch.full((1, 1, 16, 16), 0.5)
        ),
    ):  # fmt: skip
        assert made.shape == (1, 3, 16, 16)
        assert torch.isfinite(made).all()
        assert made.min() >= 0
        assert made.max() <= 1


@pytest.mark.parametrize("name", MODES)
def test_a_mask_of_nothing_or_all_is_exact(
    name: str, painting: Tensor, photo: Tensor, style: Tensor
) -> None:
    nothing, everything = torch.zeros(1, 1, 80, 64), torch.ones(1, 1, 80, 64)
    full = after(name, painting, photo, style)
    assert torch.equal(after(name, painting, photo, style, nothing), painting)
    assert torch.equal(after(name, painting, photo, style, everything), full)
    half = torch.cat([nothing[..., :30], everything[..., 30:]], 3)
    mixed = after(name, painting, photo, style, half)
    assert torch.equal(mixed[..., :30], painting[..., :30])
    assert torch.equal(mixed[..., 30:], full[..., 30:])


@pytest.mark.parametrize("name", MODES)
def test_bands_equal_the_whole(
    name: str, painting: Tensor, photo: Tensor, style: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = torch.linspace(0, 1, 64).expand(1, 1, 80, 64)
    mode = COLOR_MODES[name]
    whole = [mode.before(style, photo), after(name, painting, photo, style, mask)]
    monkeypatch.setattr(colormodes, "_ROWS", 7)
    bands = [mode.before(style, photo), after(name, painting, photo, style, mask)]
    torch.testing.assert_close(bands, whole, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", MODES)
def test_the_photograph_may_have_another_size(
    name: str, painting: Tensor, photo: Tensor, style: Tensor
) -> None:
    large = resize(photo, (160, 128))
    found = after(name, painting, large, style)
    assert torch.equal(found, after(name, painting, resize(large, (80, 64)), style))


def test_every_mode_explains_itself_in_a_line() -> None:
    assert set(COLOR_MODES) == {"style", "photo", "luminance", "linear", "histogram", "palette"}
    assert [name for name in MODES if not COLOR_MODES[name].needs_painting] == ["palette"]
    for mode in COLOR_MODES.values():
        assert 10 < len(mode.summary) < 80
        assert "\n" not in mode.summary


# Identities.


def test_style_and_linear_leave_the_painting_alone(
    painting: Tensor, photo: Tensor, style: Tensor
) -> None:
    for name in ("style", "linear"):
        assert after(name, painting, photo, style) is painting
    for name in ("style", "histogram", "palette"):
        assert COLOR_MODES[name].before(style, photo) is style


def test_photo_is_what_keeping_colours_was(painting: Tensor, photo: Tensor, style: Tensor) -> None:
    assert torch.equal(COLOR_MODES["photo"].before(style, photo), match_colors(style, photo))
    assert torch.equal(COLOR_MODES["linear"].before(style, photo), match_colors(style, photo))
    large = resize(photo, (160, 128))
    found = after("photo", painting, large, style)
    assert torch.equal(found, take_colors(painting, resize(large, (80, 64))))


def test_a_picture_with_its_own_histogram_changes_little(photo: Tensor) -> None:
    found = match_histogram(photo, [photo])
    assert (found - photo).abs().mean() < 0.002
    assert (found - photo).abs().max() < 0.02


# The photograph's colours.


@pytest.mark.parametrize("name", ["photo", "luminance"])
def test_colours_are_the_photographs(
    name: str, painting: Tensor, photo: Tensor, style: Tensor
) -> None:
    kept = measure_color_error(after(name, painting, photo, style), photo)
    free = measure_color_error(painting, photo)
    # What is left are colours that cannot be shown at the painted lightness.
    assert kept.chroma < 0.005
    assert kept.chroma < 0.1 * free.chroma
    assert kept.hue < 0.1 * free.hue
    assert kept.lightness == pytest.approx(free.lightness, abs=0.003)


def test_luminance_paints_with_a_grey_style_of_the_photographs_tone(
    photo: Tensor, style: Tensor
) -> None:
    muted = 0.3 + 0.4 * photo  # so that nothing is clamped
    grey = grey_like(style, muted)
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 0], grey[:, 2])
    found, wanted = rgb_to_oklab(grey)[:, 0], rgb_to_oklab(muted)[:, 0]
    assert found.mean().item() == pytest.approx(wanted.mean().item(), abs=0.002)
    assert found.std().item() == pytest.approx(wanted.std().item(), rel=0.02)
    before = rgb_to_oklab(style)[:, 0]
    order = torch.corrcoef(torch.stack([before.flatten(), found.flatten()]))
    assert order[0, 1] > 0.999, "only mean and contrast change"


def test_a_style_of_one_tone_gets_no_contrast_out_of_its_noise(photo: Tensor) -> None:
    dust = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    grey = grey_like(0.5 + 0.004 * dust, photo)
    assert grey.std() < 0.05


# The distribution of colours.


@pytest.mark.parametrize("other", ["photo", "dark", "vivid"])
def test_histogram_brings_the_colours_near(
    other: str, painting: Tensor, photo: Tensor, style: Tensor
) -> None:
    reference = {"photo": photo, "dark": photo**2 * 0.6, "vivid": photo.flip(1)}[other]
    found = after("histogram", painting, reference, style)
    assert histogram_distance(found, reference) < 0.1 * histogram_distance(painting, reference)


def test_noise_of_flat_places_stays_small(style: Tensor) -> None:
    generator = torch.Generator().manual_seed(2)
    noise = (torch.rand((1, 3, 64, 64), generator=generator) - 0.5) * 0.03
    wall = torch.linspace(0.4, 0.6, 64).expand(1, 3, 64, 64) + noise
    found = match_histogram(wall, [style])
    detail = found - (found.roll(1, 2) + found.roll(-1, 2)) / 2
    given = wall - (wall.roll(1, 2) + wall.roll(-1, 2)) / 2
    assert found.std() > 3 * wall.std(), "little was pulled apart, which proves nothing"
    assert detail[..., 1:-1, :].std() < 2.5 * given[..., 1:-1, :].std()


def test_ramps_have_no_bands(style: Tensor) -> None:
    levels = (torch.linspace(0.3, 0.7, 512) * 255).round() / 255
    ramp = levels.expand(1, 3, 64, 512)
    found = match_histogram(ramp, [style])
    assert found.std() > 1.5 * ramp.std(), "nothing was pulled apart, which proves nothing"
    assert found.diff(dim=3).abs().max() < 6 * ramp.diff(dim=3).abs().max()


def test_curves_rise(photo: Tensor, style: Tensor) -> None:
    black = torch.zeros(3, 100)
    for one, other in ((photo, style), (black, style), (style, black + 0.5)):
        source, target = one.reshape(3, -1) - 0.5, other.reshape(3, -1) - 0.5
        assert colormodes._match_axes(source, target).diff(dim=1).min() >= -1e-6


def test_a_seed_decides_and_another_differs_little(painting: Tensor, photo: Tensor) -> None:
    first, again, other = (match_histogram(painting, [photo], seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first - other).abs().mean() < 0.03


def test_a_picture_of_one_colour_becomes_another(photo: Tensor) -> None:
    found = match_histogram(flat(0.9, 0.1, 0.2), [flat(0.2, 0.5, 0.7)])
    torch.testing.assert_close(found, flat(0.2, 0.5, 0.7), rtol=0, atol=0.01)
    middle = match_histogram(flat(0.9, 0.1, 0.2), [photo])
    assert middle.std(dim=(2, 3)).max() < 1e-6


def test_palette_recolours_the_photograph(painting: Tensor, photo: Tensor, style: Tensor) -> None:
    found = after("palette", painting, photo, style)
    assert torch.equal(found, take_palette(photo, [style]))
    assert torch.equal(found, after("palette", torch.zeros_like(photo), photo, style))
    assert histogram_distance(found, style) < 0.1 * histogram_distance(photo, style)
    shapes = torch.stack([rgb_to_oklab(x)[0, 0].flatten() for x in (found, photo)])
    assert torch.corrcoef(shapes)[0, 1] > 0.85


def test_palettes_of_several_styles_count_equally_whatever_their_size(photo: Tensor) -> None:
    red, blue = flat(0.8, 0.1, 0.1, 64), flat(0.1, 0.1, 0.8, 8)
    found = take_palette(photo, [red, blue])
    assert (found[:, 0] > found[:, 2]).float().mean().item() == pytest.approx(0.5, abs=0.05)


# Measures.


def test_color_error_of_known_colours() -> None:
    lab = torch.tensor([[0.6, 0.1, 0.0], [0.6, 0.0, 0.1], [0.7, 0.05, 0.0]]).view(3, 3, 1, 1)
    first, turned, paler = (oklab_to_rgb(x[None]).repeat(1, 1, 300, 2) for x in lab)
    assert measure_color_error(first, first) == (0, 0, 0)
    # A right angle at chroma 0.1, of which all is hue.
    assert measure_color_error(first, turned) == pytest.approx((0.02**0.5, 0.02**0.5, 0), abs=1e-4)
    assert measure_color_error(first, paler) == pytest.approx((0.05, 0, 0.1), abs=2e-3)


def test_histogram_distance_forgets_places_and_sees_shifts(photo: Tensor) -> None:
    shuffled = photo.flatten(2)[..., torch.randperm(80 * 64)].view_as(photo)
    assert histogram_distance(photo, shuffled) < 1e-6
    greys = oklab_to_rgb(torch.tensor([[0.4, 0, 0], [0.6, 0, 0]]).view(2, 3, 1, 1))
    one, other = greys[:1].repeat(1, 1, 8, 8), greys[1:].repeat(1, 1, 5, 9)
    # The mean of |cos| over the sphere is one half.
    assert histogram_distance(one, other) == pytest.approx(0.1, rel=0.01)


def test_a_sample_tells_of_a_large_picture(
    painting: Tensor, photo: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = match_histogram(painting, [photo])
    monkeypatch.setattr(colormodes.sample_colors, "__defaults__", (2000,))
    part = match_histogram(painting, [photo])
    assert not torch.equal(part, whole)
    assert (part - whole).abs().mean() < 0.02
    sample = colormodes.sample_colors(photo, 0)
    assert sample.shape == (3, 2000)
    torch.testing.assert_close(sample.mean(1), photo.mean((0, 2, 3)), rtol=0, atol=0.02)


def test_a_soft_mask_keeps_the_lightness_that_both_have() -> None:
    lab = torch.tensor([[0.6, 0.1, 0.05], [0.6, -0.08, 0.02]]).view(2, 3, 1, 1)
    one, other = (oklab_to_rgb(x[None]).repeat(1, 1, 4, 11) for x in lab)
    mask = torch.linspace(0, 1, 11).expand(1, 1, 4, 11)
    mixed = rgb_to_oklab(mix_by_mask(one, other, mask))
    torch.testing.assert_close(mixed[:, :1], torch.full((1, 1, 4, 11), 0.6), rtol=0, atol=1e-3)
    assert (mixed[:, 1].diff(dim=2) < 0).all()


def test_masks_of_another_size_are_resampled(
    painting: Tensor, photo: Tensor, style: Tensor
) -> None:
    mask = torch.zeros(1, 1, 40, 32)
    mask[..., 16:] = 1
    found = after("photo", painting, photo, style, mask)
    assert torch.equal(found[..., :26], painting[..., :26])
    torch.testing.assert_close(
        found[..., -26:], take_colors(painting, photo)[..., -26:], rtol=0, atol=1e-5
    )


def test_wrong_shapes_are_refused(painting: Tensor, photo: Tensor, style: Tensor) -> None:
    with pytest.raises(ShapeError, match="mask has shape"):
        after("photo", painting, photo, style, torch.zeros(80, 64))
    with pytest.raises(ShapeError, match="picture has shape"):
        after("photo", painting[0], photo, style)
    with pytest.raises(ShapeError, match="one size"):
        measure_color_error(photo, style)
    with pytest.raises(ShapeError, match="at least one"):
        take_palette(photo, [])
