"""Scores of likeness, beside scikit-image's."""

import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from impasto.colormodes import histogram_distance
from impasto.errors import ShapeError
from impasto.metrics import (
    color_distance,
    edge_ssim,
    luminance,
    measure_edges,
    measure_likeness,
    ssim,
)
from impasto.pyramid import resize
from impasto.regions import pair_masks


def add_noise(image: Tensor, amount: float) -> Tensor:
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return (image + amount * noise).clamp(0, 1)


@pytest.mark.parametrize("amount", [0.02, 0.2])
def test_ssim_is_scikit_images(photo: Tensor, amount: float) -> None:
    noisy = add_noise(photo, amount)
    expected = structural_similarity(
        luminance(photo)[0, 0].numpy(), luminance(noisy)[0, 0].numpy(), data_range=1.0,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    assert ssim(photo, noisy) == pytest.approx(expected, abs=1e-6)


def test_edge_ssim_is_the_ssim_of_the_maps_of_edges(photo: Tensor) -> None:
    noisy = add_noise(photo, 0.1)
    expected = structural_similarity(
        measure_edges(photo)[0, 0].numpy(), measure_edges(noisy)[0, 0].numpy(), data_range=1.0,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    assert edge_ssim(photo, noisy) == pytest.approx(expected, abs=1e-6)


def test_equal_pictures_have_everything_in_common(photo: Tensor) -> None:
    assert measure_likeness(photo, photo) == pytest.approx((1, 1))


def test_edges_survive_less_contrast_but_not_blur(photo: Tensor) -> None:
    flat, blurred = 0.4 * photo + 0.3, resize(resize(photo, (20, 16)), (80, 64))
    assert edge_ssim(flat, photo) > 0.999
    assert ssim(flat, photo) < 0.95
    assert edge_ssim(blurred, photo) < 0.7


def test_an_edge_is_where_luminance_changes() -> None:
    image = torch.zeros((1, 3, 20, 20))
    image[..., 10:] = 0.5
    edges = measure_edges(image)
    assert edges.shape == (1, 1, 18, 18)
    assert torch.equal((edges[0, 0, 0] > 1e-6).nonzero().flatten(), torch.tensor([8, 9]))
    assert float(measure_edges(torch.full((1, 3, 20, 20), 0.3)).max()) < 1e-6


@pytest.mark.slow
def test_large_pictures_are_compared_small(photo: Tensor) -> None:
    large = resize(photo, (1600, 1280))
    assert measure_likeness(large, photo).edges > 0.99


def test_pictures_that_do_not_fit_are_refused(photo: Tensor) -> None:
    with pytest.raises(ShapeError, match="bring both to one size"):
        ssim(photo, photo[..., :40])
    with pytest.raises(ShapeError, match="too small"):
        edge_ssim(photo[..., :12, :12], photo[..., :12, :12])


def test_colour_distance_is_that_of_the_histograms(photo: Tensor, style: Tensor) -> None:
    expected = histogram_distance(photo, style)
    assert color_distance(photo, [style], pair_masks(1, ())) == pytest.approx(expected, rel=1e-2)
    assert color_distance(photo, [photo.flip(2)], pair_masks(1, ())) < 1e-3


def test_colour_distance_compares_each_region_with_its_style(photo: Tensor) -> None:
    left = torch.zeros(1, 1, 80, 64)
    left[..., :32] = 1
    styles = [photo[..., :32], photo[..., 32:]]
    regions = pair_masks(2, [left, 1 - left])
    assert color_distance(photo, styles, regions) < 1e-3
    assert color_distance(photo, styles[::-1], regions) > 0.02
    halves = pair_masks(2, (), (), [1.0, 1.0])
    assert color_distance(photo, styles, halves) < 2e-3
    assert color_distance(photo, styles, pair_masks(2, (), (), [1.0, 0.0])) > 0.01


def test_nothing_to_compare_is_no_distance(photo: Tensor) -> None:
    nowhere = torch.zeros(1, 1, 80, 64)
    assert color_distance(photo, [photo], pair_masks(1, [nowhere])) == 0


def test_panoramas_can_be_compared() -> None:
    wide = torch.rand((1, 3, 16, 2400), generator=torch.Generator().manual_seed(0))
    assert measure_likeness(wide, wide).ssim == pytest.approx(1)
