"""What each finishing touch does, measured; and that bands and sizes make no difference."""

import math

import pytest
import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import touches
from impasto.color import linearize, oklab_to_rgb, rgb_to_oklab
from impasto.config import Pattern
from impasto.errors import ConfigError, ShapeError
from impasto.finishing import TOUCHES, parse_finish
from impasto.patterns import continue_picture, make_seamless, make_sheet, measure_seam
from impasto.touches import apply_finish

EVERYTHING = (
    "levels:0.02/0.98/1.1,contrast:1.2,saturation:1.3,temperature:0.4,denoise:0.3,sharpen:0.8/2,"
    "grain:0.5,canvas:0.5,blend:0.25"
)
MID_GREY = 0.18 ** (1 / 3)


@pytest.fixture(scope="module")
def coffee() -> Tensor:
    """Saturated and warm, (1, 3, 100, 150)."""
    pixels = torch.tensor(skimage.data.coffee()).permute(2, 0, 1)[None] / 255
    return F.avg_pool2d(pixels, 4)


def finish(picture: Tensor, text: str, photograph: Tensor | None = None, seed: int = 3) -> Tensor:
    return apply_finish(picture, parse_finish(text), photograph=photograph, seed=seed)


def noise(height: int, width: int, low: float = 0, high: float = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand((1, 3, height, width), generator=generator)


def greys(*lightness: float, side: int = 8) -> Tensor:
    """Squares of grey of the given OkLab lightness, side by side."""
    row = torch.tensor(lightness).repeat_interleave(side).expand(side, -1)
    return oklab_to_rgb(torch.stack([row, torch.zeros_like(row), torch.zeros_like(row)])[None])


def lightness(picture: Tensor) -> Tensor:
    return rgb_to_oklab(picture)[:, :1]


def hue(picture: Tensor) -> Tensor:
    lab = rgb_to_oklab(picture)
    return torch.atan2(lab[:, 2], lab[:, 1])


def chroma(picture: Tensor) -> Tensor:
    return rgb_to_oklab(picture)[:, 1:].norm(dim=1)


def vivid() -> Tensor:
    """Every third level of red, green and blue: strong, weak, light and dark colours."""
    level = torch.linspace(0, 1, 9)
    return torch.cartesian_prod(level, level, level).T.reshape(1, 3, 27, 27)


def assert_near(found: Tensor, wanted: Tensor, within: float) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=within)


# All of them


@pytest.mark.parametrize("name", list(TOUCHES))
def test_neutral_numbers_change_nothing_and_their_neighbours_next_to_nothing(
    name: str, coffee: Tensor
) -> None:
    neutral = [number.neutral for number in TOUCHES[name].numbers if number.neutral is not None]
    assert torch.equal(finish(coffee, f"{name}:{'/'.join(map(str, neutral))}"), coffee)
    # Beside the neutral point the work is really done.
    numbers = [number for number in TOUCHES[name].numbers if number.neutral is not None]
    beside = [
        value + (1e-6 if value < number.high else -1e-6)
        for value, number in zip(neutral, numbers, strict=True)
    ]
    text = f"{name}:{'/'.join(map(str, beside))}"
    assert not parse_finish(text)[0].is_neutral
    assert_near(finish(coffee, text, noise(*coffee.shape[-2:])), coffee, 1e-4)


@pytest.mark.parametrize("name", list(TOUCHES))
@pytest.mark.parametrize("size", [(16, 16), (17, 33), (1, 40), (40, 1), (3, 2)])
def test_any_size_stays_in_the_box(name: str, size: tuple[int, int]) -> None:
    picture, photograph = noise(*size), noise(*size, seed=1)
    for which in ("low", "high"):
        numbers = [getattr(number, which) for number in TOUCHES[name].numbers]
        result = finish(picture, f"{name}:{'/'.join(map(str, numbers))}", photograph)
        assert result.shape == picture.shape
        assert result.dtype == torch.float32
        assert torch.isfinite(result).all()
        assert result.min() >= 0
        assert result.max() <= 1


@pytest.mark.parametrize("text", [*EVERYTHING.split(","), EVERYTHING])
def test_bands_equal_the_whole(text: str, coffee: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    photograph = noise(*coffee.shape[-2:])
    whole = finish(coffee, text, photograph)
    for rows in (7, 32):
        monkeypatch.setattr(touches, "_BAND_PIXELS", rows * coffee.shape[-1])
        assert_near(finish(coffee, text, photograph), whole, 2e-5)


def test_what_is_given_is_not_changed(coffee: Tensor) -> None:
    photograph = noise(*coffee.shape[-2:])
    before = coffee.clone(), photograph.clone()
    assert not torch.equal(finish(coffee, EVERYTHING, photograph), coffee)
    assert torch.equal(coffee, before[0])
    assert torch.equal(photograph, before[1])
    assert finish(coffee, "").data_ptr() != coffee.data_ptr()


def test_touches_work_from_left_to_right_and_twice_if_named_twice(coffee: Tensor) -> None:
    once = finish(coffee, "contrast:1.3")
    assert torch.equal(finish(coffee, "contrast:1.3,contrast:1.3"), finish(once, "contrast:1.3"))
    assert torch.equal(
        finish(coffee, "contrast:1.3,saturation:0.5"), finish(once, "saturation:0.5")
    )
    assert not torch.equal(
        finish(coffee, "levels:0.2/0.8,contrast:0.5"), finish(coffee, "contrast:0.5,levels:0.2/0.8")
    )


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 3, 8, 8), (1, 1, 8, 8)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="has shape"):
        finish(torch.zeros(shape), "contrast:2")


@pytest.mark.parametrize("kind", ["straight", "half-drop", "half-brick"])
def test_a_pattern_keeps_no_seam(kind: Pattern) -> None:
    tile = make_seamless(F.interpolate(noise(12, 16), (96, 128), mode="bicubic").clamp(0, 1), kind)
    calm = "sharpen:2/3,denoise:0.5,canvas:1/20,grain:0.5,sharpen:1,blend:0.2,contrast:1.2"
    found = apply_finish(tile, parse_finish(calm), photograph=tile, seed=1, seamless=kind)
    assert measure_seam(found, kind) < 1.25
    for text in ("sharpen:3/8", "denoise:1"):
        (touch,) = parse_finish(text)
        one = apply_finish(tile, [touch], seamless=kind)
        # As if it were worked on together with all that lies around it.
        around = apply_finish(continue_picture(tile, 48, kind), [touch])
        assert_near(one, around[..., 48:-48, 48:-48], 1e-5)
        assert not torch.equal(one, apply_finish(tile, [touch]))


def test_a_mirrored_pattern_is_worked_on_with_its_reflection() -> None:
    tile = noise(48, 64)
    (touch,) = parse_finish("sharpen:2/3")
    sheet = make_sheet(tile, "mirror", 2)
    found = apply_finish(tile, [touch], seamless="mirror")
    assert_near(found[..., 12:, 12:], apply_finish(sheet, [touch])[..., 12:48, 12:64], 1e-5)


# Colour


def test_levels_follow_their_formula() -> None:
    picture = torch.linspace(0, 1, 11).expand(1, 3, 2, -1).contiguous()
    wanted = ((picture - 0.1) / 0.8).clamp(0, 1)
    assert_near(finish(picture, "levels:0.1/0.9"), wanted, 1e-6)
    assert_near(finish(picture, "levels:0.1/0.9/2"), wanted.sqrt(), 1e-6)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.5, 3.0])
def test_contrast_is_monotone_about_mid_grey_with_its_slope(factor: float) -> None:
    steps = torch.linspace(0, 1, 101).tolist()
    found = lightness(finish(greys(*steps, side=1), f"contrast:{factor}"))[0, 0, 0]
    assert (found.diff() >= -1e-5).all()
    middle = lightness(
        finish(greys(MID_GREY - 0.002, MID_GREY, MID_GREY + 0.002), f"contrast:{factor}")
    )
    low, mid, high = middle[0, 0, 4, 4::8].tolist()
    assert mid == pytest.approx(MID_GREY, abs=1e-4)
    assert (high - low) / 0.004 == pytest.approx(factor, abs=0.03)
    if factor > 1:
        assert found[0].item() == pytest.approx(0, abs=1e-4)
        assert found[-1].item() == pytest.approx(1, abs=1e-4)


def test_contrast_keeps_hue_and_chroma() -> None:
    picture = noise(12, 12, 0.35, 0.65)
    result = finish(picture, "contrast:1.3")
    assert_near(rgb_to_oklab(result)[:, 1:], rgb_to_oklab(picture)[:, 1:], 1e-4)


def test_saturation_0_is_grey_of_the_same_lightness(coffee: Tensor) -> None:
    result = finish(coffee, "saturation:0")
    assert (result.amax(1) - result.amin(1)).max() < 1e-4
    assert_near(lightness(result), lightness(coffee), 1e-4)


def test_saturation_multiplies_chroma() -> None:
    picture = noise(12, 12, 0.4, 0.6)
    assert_near(chroma(finish(picture, "saturation:1.5")), 1.5 * chroma(picture), 1e-4)


def test_colours_that_cannot_be_shown_keep_lightness_and_hue() -> None:
    picture = vivid()
    result = finish(picture, "saturation:3")
    # Where hue means something; in blackish colours the last level turns it.
    clear = (chroma(picture) > 0.03) & (lightness(picture)[:, 0] > 0.2)
    assert_near(lightness(result), lightness(picture), 5e-3)
    turn = (hue(result) - hue(picture) + math.pi) % (2 * math.pi) - math.pi
    assert turn[clear].abs().max() < 0.02
    assert (chroma(result) >= chroma(picture) - 2e-3).all(), "none weaker than before"
    clamped = oklab_to_rgb(rgb_to_oklab(picture) * torch.tensor([1.0, 3, 3]).view(1, 3, 1, 1))
    assert (lightness(clamped) - lightness(picture)).abs().max() > 0.1, "clamping would do worse"


@pytest.mark.parametrize("shift", [-1.0, -0.3, 0.3, 1.0])
def test_temperature_warms_or_cools_and_keeps_lightness(shift: float, coffee: Tensor) -> None:
    for picture in (coffee, greys(0.2, 0.5, 0.8), noise(9, 9)):
        result = finish(picture, f"temperature:{shift}")
        yellow = rgb_to_oklab(result)[:, 2].mean() - rgb_to_oklab(picture)[:, 2].mean()
        assert yellow.item() * shift > 0
        assert_near(lightness(result), lightness(picture), 5e-3)


def test_temperature_moves_grey_along_daylight() -> None:
    # 4280 K as xy, from the published locus.
    light = linearize(finish(greys(0.5), "temperature:1"))[0, :, 0, 0].double()
    x, y, z = (touches._TO_XYZ @ light).tolist()
    assert x / (x + y + z) == pytest.approx(0.3700, abs=2e-3)
    assert y / (x + y + z) == pytest.approx(0.3763, abs=2e-3)


# The photograph


def test_blend_is_a_mixture_of_light() -> None:
    picture, photograph = noise(9, 7), noise(9, 7, seed=1)
    assert_near(finish(picture, "blend:1", photograph), photograph, 1e-5)
    assert torch.equal(finish(picture, "blend:0", photograph), picture)
    half = linearize(finish(picture, "blend:0.25", photograph))
    assert_near(half, 0.75 * linearize(picture) + 0.25 * linearize(photograph), 1e-5)


def test_blend_needs_a_photograph_of_the_same_size() -> None:
    with pytest.raises(ConfigError, match="needs the photograph"):
        finish(noise(8, 8), "blend:0.5")
    with pytest.raises(ConfigError, match=r"of shape \(1, 3, 8, 8\), not \(1, 3, 8, 9\)"):
        finish(noise(8, 8), "blend:0.5", noise(8, 9))
    assert finish(noise(8, 8), "blend:0").shape == (1, 3, 8, 8)


# Sharpness


def test_denoise_lowers_noise_and_keeps_an_edge() -> None:
    clean = greys(0.4, 0.7, side=32)
    noisy = (clean + 0.04 * (noise(32, 64) - 0.5) * 12**0.5).clamp(0, 1)
    result = finish(noisy, "denoise:0.8")
    for flat in (slice(2, 28), slice(36, 62)):
        assert result[..., flat].var() < 0.3 * noisy[..., flat].var()
    step = result[..., 33:36].mean() - result[..., 28:31].mean()
    wanted = clean[..., 40].mean() - clean[..., 10].mean()
    assert step.item() == pytest.approx(wanted.item(), rel=0.1)


def test_more_denoising_leaves_less_noise() -> None:
    noisy = 0.5 + 0.1 * (noise(40, 40) - 0.5)
    left = [finish(noisy, f"denoise:{strength}").std().item() for strength in (0, 0.3, 0.6, 1)]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.4 * left[0]


def gradient_energy(picture: Tensor) -> float:
    plane = lightness(picture)
    return (plane.diff(dim=2).square().mean() + plane.diff(dim=3).square().mean()).item()


@pytest.mark.parametrize("radius", [0.5, 1, 3])
def test_sharpening_steepens_and_hardly_overshoots(radius: float, coffee: Tensor) -> None:
    for picture in (coffee, F.avg_pool2d(greys(0.3, 0.7, side=12), 5, 1)):
        result = finish(picture, f"sharpen:2/{radius}")
        assert gradient_energy(result) > 1.1 * gradient_energy(picture)
        reach = 2 * max(1, round(radius)) + 1
        around = lightness(picture)
        high = F.max_pool2d(around, reach, 1, reach // 2)
        low = -F.max_pool2d(-around, reach, 1, reach // 2)
        assert (lightness(result) - high).max() < 0.031
        assert (low - lightness(result)).max() < 0.031


def test_sharpening_leaves_flat_places_and_colour_alone() -> None:
    assert_near(finish(greys(0.4), "sharpen:3/2"), greys(0.4), 1e-4)
    picture = F.avg_pool2d(noise(24, 24, 0.4, 0.6), 3, 1)
    result = finish(picture, "sharpen:1")
    assert_near(rgb_to_oklab(result)[:, 1:], rgb_to_oklab(picture)[:, 1:], 1e-4)


# Texture


@pytest.mark.parametrize("name", ["grain", "canvas"])
def test_texture_follows_its_seed(name: str) -> None:
    picture = greys(0.5, side=48)
    text = f"{name}:0.5"
    first = finish(picture, text, seed=3)
    assert torch.equal(finish(picture, text, seed=3), first)
    assert (finish(picture, text, seed=4) - first).abs().mean() > 1e-3
    assert finish(picture, text, seed=2**63 - 1).shape == picture.shape


def test_a_touch_that_is_named_twice_draws_anew() -> None:
    picture = greys(0.5, side=64)
    once = lightness(finish(picture, "grain:0.3")) - lightness(picture)
    twice = lightness(finish(picture, "grain:0.3,grain:0.3")) - lightness(picture)
    assert (twice.std() / once.std()).item() == pytest.approx(2**0.5, rel=0.1)


def test_grain_keeps_the_mean_and_leaves_black_and_white_alone() -> None:
    shades = (0.0, 0.1, 0.55, 0.95, 1.0)
    picture = greys(*shades, side=120)
    change = (lightness(finish(picture, "grain:1")) - lightness(picture))[0, 0]
    spread = [part.std().item() for part in change.split(120, 1)]
    assert change.mean().abs() < 2e-3
    assert spread[0] < 1e-5
    assert spread[4] < 1e-5
    assert spread[2] > 2 * spread[1] > 0
    assert spread[2] > 2 * spread[3] > 0


def test_grain_has_no_colour() -> None:
    picture = noise(20, 20, 0.4, 0.6)
    result = finish(picture, "grain:0.5")
    assert_near(rgb_to_oklab(result)[:, 1:], rgb_to_oklab(picture)[:, 1:], 1e-4)


@pytest.mark.parametrize("name", ["grain", "canvas"])
def test_a_large_picture_made_small_has_the_texture_of_a_small_one(name: str) -> None:
    large, small = torch.full((1, 3, 512, 1024), 0.5), torch.full((1, 3, 256, 512), 0.5)
    text = "grain:0.5" if name == "grain" else "canvas:0.5/60"
    shrunk = F.avg_pool2d(lightness(finish(large, text)), 2)
    found = lightness(finish(small, text))
    together = torch.stack([shrunk.flatten(), found.flatten()])
    assert torch.corrcoef(together)[0, 1] > 0.9
    assert found.std() / shrunk.std() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("threads", [30, 160])
def test_canvas_is_multiplied_on_lightness(threads: int) -> None:
    shades = (0.0, 0.3, 0.6)
    picture = greys(*shades, side=96)
    change = (lightness(finish(picture, f"canvas:1/{threads}")) - lightness(picture))[0, 0]
    black, dark, light = (part.std().item() for part in change.split(96, 1))
    assert black < 1e-5
    assert light / dark == pytest.approx(2, rel=0.15)
    assert 0.02 < light < 0.06
    assert change.mean().abs() < 2e-3
