"""Colour spaces by published values, and colour transfer by what it promises."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from impasto.color import (
    delinearize,
    linearize,
    match_colors,
    oklab_to_rgb,
    rgb_to_oklab,
    take_colors,
)

LEVEL = st.floats(0, 1, width=32)


def pixel(*rgb: float) -> Tensor:
    return torch.tensor(rgb).view(1, 3, 1, 1)


def noise(height: int, width: int, low: float, high: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand((1, 3, height, width), generator=generator)


def ottosson(red: float, green: float, blue: float) -> tuple[float, float, float]:
    """linear_srgb_to_oklab of "A perceptual color space for image processing" (2020)."""
    l = 0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue  # noqa: E741
    m = 0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue
    s = 0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue
    l_, m_, s_ = math.cbrt(l), math.cbrt(m), math.cbrt(s)
    return (
        0.2104542553 * l_ + 0.7936177850 * m_ - 0.0040720468 * s_,
        1.9779984951 * l_ - 2.4285922050 * m_ + 0.4505937099 * s_,
        0.0259040371 * l_ + 0.7827717662 * m_ - 0.8086757660 * s_,
    )


def to_light(level: float) -> float:
    """IEC 61966-2-1."""
    return level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (1, 0, 0)),
        # CSS Color 4's values of the named colours.
        ((1, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 1, 0), (0.86644, -0.23389, 0.17950)),
        ((0, 0, 1), (0.45201, -0.03246, -0.31153)),
        ((0, 128 / 255, 0), (0.51975, -0.14030, 0.10768)),
    ],
)
def test_oklab_of_known_colours(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    found = rgb_to_oklab(pixel(*rgb)).flatten().tolist()
    assert found == pytest.approx(lab, abs=1e-4)


@given(LEVEL, LEVEL, LEVEL)
def test_oklab_follows_its_author(red: float, green: float, blue: float) -> None:
    wanted = ottosson(to_light(red), to_light(green), to_light(blue))
    found = rgb_to_oklab(pixel(red, green, blue)).flatten().tolist()
    assert found == pytest.approx(wanted, abs=2e-4)


@given(LEVEL, LEVEL, LEVEL)
def test_oklab_and_back(red: float, green: float, blue: float) -> None:
    image = pixel(red, green, blue)
    torch.testing.assert_close(oklab_to_rgb(rgb_to_oklab(image)), image, rtol=0, atol=2e-4)


@given(LEVEL)
def test_the_transfer_curve_and_back(level: float) -> None:
    light = linearize(torch.tensor(level))
    assert light.item() == pytest.approx(to_light(level), abs=1e-6)
    assert delinearize(light).item() == pytest.approx(level, abs=1e-5)


def test_the_transfer_curve_at_known_points() -> None:
    assert linearize(torch.tensor([0.0, 0.02, 0.5, 1.0])).tolist() == pytest.approx(
        [0, 0.00154799, 0.21404114, 1], abs=1e-6
    )
    assert delinearize(torch.tensor([-0.1, 0.002, 0.5, 1.0])).tolist() == pytest.approx(
        [0, 0.02584, 0.73535698, 1], abs=1e-6
    )


def test_the_gradient_of_the_transfer_curves_is_finite_at_black() -> None:
    for curve in (linearize, delinearize):
        level = torch.zeros(3, requires_grad=True)
        (gradient,) = torch.autograd.grad(curve(level).sum(), level)
        assert torch.isfinite(gradient).all()


def test_colours_beyond_the_display_are_clamped() -> None:
    lab = torch.tensor([[0.5, 0.4, -0.4], [1.2, 0, 0], [-0.2, 0.1, 0]]).T.reshape(1, 3, 3, 1)
    found = oklab_to_rgb(lab)
    assert found.min() >= 0
    assert found.max() <= 1
    assert found[0, :, 1, 0].tolist() == [1, 1, 1]


def test_taking_colours_keeps_lightness_and_chroma() -> None:
    # Close enough to grey that every mixture of the two can be shown.
    painting, photograph = noise(9, 7, 0.35, 0.65, seed=1), noise(9, 7, 0.45, 0.55, seed=2)
    result = rgb_to_oklab(take_colors(painting, photograph))
    torch.testing.assert_close(result[:, :1], rgb_to_oklab(painting)[:, :1], rtol=0, atol=1e-3)
    torch.testing.assert_close(result[:, 1:], rgb_to_oklab(photograph)[:, 1:], rtol=0, atol=1e-3)


def test_taking_colours_stays_in_the_box_and_changes_nothing_given() -> None:
    painting, photograph = noise(9, 7, 0, 1, seed=1), noise(9, 7, 0, 1, seed=2)
    before = painting.clone(), photograph.clone()
    result = take_colors(painting, photograph)
    assert result.min() >= 0
    assert result.max() <= 1
    assert torch.equal(painting, before[0])
    assert torch.equal(photograph, before[1])


def statistics_of(image: Tensor) -> tuple[Tensor, Tensor]:
    flat = image[0].flatten(1).double()
    return flat.mean(1), torch.cov(flat)


def test_matching_colours_moves_mean_and_covariance() -> None:
    image = noise(30, 20, 0.2, 0.8, seed=1)
    mixing = torch.tensor([[0.5, 0.3, 0.0], [0.1, 0.6, 0.2], [0.0, 0.1, 0.3]])
    reference = torch.einsum("ij,bjhw->bihw", mixing, noise(17, 25, 0.3, 0.7, seed=2)) + 0.1
    moved = match_colors(image, reference)
    assert moved.min() > 0
    assert moved.max() < 1, "a clamped picture proves nothing"
    torch.testing.assert_close(statistics_of(moved), statistics_of(reference), rtol=1e-3, atol=2e-5)


def test_matching_colours_uses_symmetric_roots() -> None:
    image = noise(30, 20, 0.3, 0.7, seed=1)
    mixing = torch.tensor([[0.5, 0.3, 0.0], [0.1, 0.6, 0.2], [0.0, 0.1, 0.3]])
    reference = torch.einsum("ij,bjhw->bihw", mixing, image.flip(3)) + 0.1

    def root(matrix: Tensor, power: float) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        return vectors @ torch.diag(values**power) @ vectors.mT

    (mean, cov), (wanted_mean, wanted_cov) = statistics_of(image), statistics_of(reference)
    transform = root(wanted_cov, 0.5) @ root(cov, -0.5)
    centred = image[0].flatten(1).double() - mean[:, None]
    wanted = (transform @ centred + wanted_mean[:, None]).view(1, 3, 30, 20).float()
    torch.testing.assert_close(match_colors(image, reference), wanted, rtol=0, atol=1e-3)


def test_matching_a_picture_to_itself_changes_nothing() -> None:
    image = noise(12, 10, 0, 1)
    torch.testing.assert_close(match_colors(image, image), image, rtol=0, atol=1e-5)


@pytest.mark.parametrize("which", ["image", "reference", "both"])
def test_matching_copes_with_pictures_of_one_colour(which: str) -> None:
    flat, rich = torch.full((1, 3, 8, 8), 0.4), noise(8, 8, 0, 1)
    image = rich if which == "reference" else flat
    reference = rich if which == "image" else flat
    result = match_colors(image, reference)
    assert result.shape == image.shape
    assert torch.isfinite(result).all()
    torch.testing.assert_close(result.mean((2, 3)), reference.mean((2, 3)), rtol=0, atol=0.02)


def test_matching_stays_in_the_box() -> None:
    harsh = (noise(16, 16, 0, 1) > 0.5).float()
    result = match_colors(noise(16, 16, 0, 1, seed=4) ** 3, harsh)
    assert result.min() == 0
    assert result.max() == 1
