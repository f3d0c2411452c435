"""The matting Laplacian without its matrix, and what is locally affine in a photograph."""

import pytest
import torch
from torch import Tensor

from impasto import matting
from impasto.errors import ShapeError
from impasto.matting import (
    apply_affine,
    apply_matting_laplacian,
    fit_affinely,
    matting_energy,
    smooth_affinely,
)
from impasto.pyramid import resize


def draw(height: int, width: int, seed: int, channels: int = 3) -> Tensor:
    shape = (1, channels, height, width)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def build_laplacian(photograph: Tensor, radius: int, eps: float) -> Tensor:
    """The whole matrix, (H W, H W), entry by entry as Levin et al. 2008, eq. 12 write it."""
    height, width = photograph.shape[-2:]
    colors = photograph[0].permute(1, 2, 0).double()
    matrix = torch.zeros((height * width,) * 2, dtype=torch.float64)
    side = 2 * radius + 1
    for top in range(height - side + 1):
        for left in range(width - side + 1):
            rows, columns = torch.meshgrid(
                torch.arange(top, top + side), torch.arange(left, left + side), indexing="ij"
            )
            places = (rows * width + columns).flatten()
            window = colors[rows, columns].view(-1, 3)
            away = window - window.mean(0)
            spread = away.T @ away / side**2 + eps / side**2 * torch.eye(3)
            affinity = (1 + away @ torch.linalg.inv(spread) @ away.T) / side**2
            matrix[places[:, None], places] += torch.eye(side**2) - affinity
    return matrix


@pytest.mark.parametrize(("radius", "eps"), [(1, 1e-7), (1, 1e-3), (2, 1e-4)])
@pytest.mark.parametrize("rows", [4, 128])
def test_it_is_levins_matrix(
    radius: int, eps: float, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matting, "_ROWS", rows)
    photograph, image = resize(draw(6, 7, 1), (13, 15)), draw(13, 15, 2, channels=2)
    matrix = build_laplacian(photograph, radius, eps)
    expected = (matrix @ image[0].flatten(1).double().mT).mT.view_as(image)
    found = apply_matting_laplacian(photograph, image.double(), radius=radius, eps=eps)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    energy = (image.double() * expected).sum() / (13 * 15 * (2 * radius + 1) ** 2)
    assert float(matting_energy(image, photograph, radius=radius, eps=eps)) == pytest.approx(
        float(energy), rel=1e-5
    )


def test_its_gradient_is_that_of_its_value() -> None:
    photograph, image = draw(9, 8, 1), draw(9, 8, 2).double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: matting_energy(x, photograph, eps=1e-3), image)


def test_what_is_affine_in_the_photographs_colours_is_free() -> None:
    photograph = draw(40, 30, 3)
    tint = torch.tensor([[0.5, 0.2, 0.1], [0.0, 0.9, 0.0], [0.3, 0.0, -0.4]])
    tinted = torch.einsum("ij,bjhw->bihw", tint, photograph) + 0.2
    other = draw(40, 30, 4)
    assert float(matting_energy(tinted, photograph)) < 1e-5 * float(
        matting_energy(other, photograph)
    )


def test_an_edge_that_the_photograph_lacks_costs() -> None:
    photograph = resize(draw(4, 4, 5), (32, 32))
    painting = photograph.clone()
    painting[..., 16:] += 0.3
    assert float(matting_energy(painting, photograph)) > 100 * float(
        matting_energy(photograph * 0.7 + 0.1, photograph)
    )


def test_flat_colours_do_no_harm() -> None:
    flat = torch.full((1, 3, 20, 20), 0.4)
    assert float(matting_energy(flat * 2, flat)) < 1e-10
    assert apply_matting_laplacian(flat, draw(20, 20, 1)).isfinite().all()


def test_a_fit_finds_the_map_that_was_there() -> None:
    photograph = draw(40, 30, 6)
    tint = torch.tensor([[0.5, 0.2, 0.1], [0.0, 0.9, 0.0], [0.3, 0.0, -0.4]])
    painting = torch.einsum("ij,bjhw->bihw", tint, photograph) + 0.2
    slopes, offsets = fit_affinely(photograph, painting, radius=5, eps=1e-8)
    assert (slopes.view(1, 3, 3, 40, 30) - tint[None, :, :, None, None]).abs().max() < 1e-4
    assert (offsets - 0.2).abs().max() < 1e-4
    assert (apply_affine(photograph, slopes, offsets) - painting.clamp(0, 1)).abs().max() < 1e-4


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    photograph, painting = draw(41, 30, 6), draw(41, 30, 7)
    whole = fit_affinely(photograph, painting, radius=3, eps=1e-3)
    applied = apply_affine(photograph, *whole)
    monkeypatch.setattr(matting, "_ROWS", 7)
    for found, expected in zip(
        fit_affinely(photograph, painting, radius=3, eps=1e-3), whole, strict=True
    ):
        assert (found - expected).abs().max() < 1e-6
    assert (apply_affine(photograph, *whole) - applied).abs().max() < 1e-6


def test_smoothing_takes_colour_and_leaves_strokes() -> None:
    photograph = resize(draw(5, 5, 8), (64, 64))
    strokes = 0.3 * (torch.rand((1, 1, 64, 64), generator=torch.Generator().manual_seed(9)) - 0.5)
    wanted = photograph * torch.tensor([0.9, 0.6, 0.3]).view(1, 3, 1, 1)
    found = smooth_affinely(photograph, (wanted + strokes).clamp(0, 1), radius=0.1)
    assert (found - wanted).abs().mean() < 0.2 * strokes.abs().mean()


def test_maps_fitted_on_a_small_version_serve_a_large_one() -> None:
    photograph = resize(draw(6, 6, 8), (160, 120))
    wanted = 0.5 * photograph + 0.2
    found = smooth_affinely(photograph, resize(wanted, (80, 60)), side=64, eps=1e-7)
    assert found.shape == photograph.shape
    assert (found - wanted).abs().max() < 0.02


def test_pictures_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="do not fit"):
        apply_matting_laplacian(draw(8, 8, 1), draw(8, 9, 1))
    with pytest.raises(ShapeError, match="smaller radius"):
        apply_matting_laplacian(draw(8, 8, 1), draw(8, 8, 1), radius=4)
