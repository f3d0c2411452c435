"""Fréchet distances: closed forms, symmetry, stability, few samples."""

import pytest
import torch
from hypothesis import given, strategies
from torch import Tensor

from impasto.errors import ShapeError
from impasto.metrics import (
    Gaussian,
    blend_gaussians,
    estimate_gaussian,
    frechet_distance,
    pool_cells,
    relative_frechet,
    shrink_covariance,
)


def draw(count: int, channels: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    return torch.randn(count, channels, generator=generator, dtype=torch.float64) @ mixing


def diagonal(mean: list[float], deviations: list[float]) -> Gaussian:
    spread = torch.tensor(deviations, dtype=torch.float64).square().diag()
    return Gaussian(torch.tensor(mean, dtype=torch.float64), spread)


sides = strategies.lists(strategies.floats(0, 10), min_size=3, max_size=3)


@given(sides, sides, sides, sides)
def test_diagonal_normals_have_a_closed_form(
    mean: list[float], spread: list[float], other_mean: list[float], other_spread: list[float]
) -> None:
    one, other = diagonal(mean, spread), diagonal(other_mean, other_spread)
    pairs = zip(mean + spread, other_mean + other_spread, strict=True)
    expected = sum((a - b) ** 2 for a, b in pairs)
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6, abs=1e-5)


def test_scipys_matrix_root_gives_the_same() -> None:
    scipy_linalg = pytest.importorskip("scipy.linalg")
    one, other = estimate_gaussian(draw(50, 6)), estimate_gaussian(draw(60, 6, seed=1) + 2)
    product = (one.covariance @ other.covariance).numpy()
    roots = torch.from_numpy(scipy_linalg.sqrtm(product).real)
    both = one.covariance + other.covariance - 2 * roots
    expected = (one.mean - other.mean).square().sum() + both.diagonal().sum()
    assert frechet_distance(one, other) == pytest.approx(float(expected), rel=1e-8)


def test_it_is_symmetric_and_nought_for_equals() -> None:
    one, other = estimate_gaussian(draw(30, 5)), estimate_gaussian(draw(30, 5, seed=1))
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-9)
    assert frechet_distance(one, other) > 0.1
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)


def test_singular_covariances_are_no_trouble() -> None:
    """Fewer samples than channels: a general matrix root turns complex here."""
    one, other = estimate_gaussian(draw(4, 20)), estimate_gaussian(draw(4, 20, seed=1))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-6)
    point = Gaussian(one.mean, torch.zeros_like(one.covariance))
    spread = float(one.covariance.diagonal().sum())
    assert frechet_distance(one, point) == pytest.approx(spread, rel=1e-9)


def test_the_relative_distance_knows_no_scale() -> None:
    one, other = draw(40, 4), draw(40, 4, seed=1)
    plain = relative_frechet(estimate_gaussian(one), estimate_gaussian(other))
    scaled = relative_frechet(estimate_gaussian(100 * one), estimate_gaussian(100 * other))
    assert scaled == pytest.approx(plain, rel=1e-9)
    nothing = estimate_gaussian(torch.zeros(5, 4))
    assert relative_frechet(nothing, estimate_gaussian(other)) == pytest.approx(1)


def test_positions_are_samples() -> None:
    features = torch.rand(1, 3, 5, 7)
    found = estimate_gaussian(features)
    rows = features[0].flatten(1).mT.double()
    assert torch.allclose(found.mean, rows.mean(0))
    assert torch.allclose(found.covariance, torch.cov(rows.mT, correction=0))
    with pytest.raises(ShapeError, match="Samples have shape"):
        estimate_gaussian(torch.rand(2, 3, 4, 4))
    with pytest.raises(ShapeError, match="channels"):
        frechet_distance(found, estimate_gaussian(torch.rand(5, 2)))


def test_a_mixture_has_the_moments_of_all_samples() -> None:
    one, other = draw(30, 3), draw(10, 3, seed=1) + 5
    blend = blend_gaussians([estimate_gaussian(one), estimate_gaussian(other)], [3, 1])
    whole = estimate_gaussian(torch.cat([one, other]))
    assert torch.allclose(blend.mean, whole.mean)
    assert torch.allclose(blend.covariance, whole.covariance)
    with pytest.raises(ShapeError, match="cannot be blended"):
        blend_gaussians([whole], [1, 2])


def test_shrinking_depends_on_how_many_samples_there_are() -> None:
    def shrink(rows: Tensor) -> tuple[Tensor, Tensor]:
        centred = rows - rows.mean(0)
        return shrink_covariance(centred), centred.mT @ centred / len(rows)

    few, few_plain = shrink(draw(5, 8))
    assert float(torch.linalg.eigvalsh(few_plain).min()) < 1e-9
    assert float(torch.linalg.eigvalsh(few).min()) > 1e-3
    assert float(few.trace()) == pytest.approx(float(few_plain.trace()))
    many, many_plain = shrink(draw(20000, 8))
    assert torch.allclose(many, many_plain, rtol=0.02, atol=0.02)
    # On average it comes nearer the truth than the samples' own covariance does.
    rows = draw(20000, 8)
    truth = torch.cov(rows.mT)
    pairs = [shrink(part) for part in rows[:800].split(8)]
    mine, plain = (
        sum(float((one - truth).square().sum()) for one in x) for x in zip(*pairs, strict=True)
    )
    assert mine < 0.9 * plain
    single = torch.zeros(1, 4, dtype=torch.float64)
    assert torch.equal(shrink_covariance(single), torch.zeros(4, 4, dtype=torch.float64))


def test_cells_are_averages_of_parts() -> None:
    features = torch.arange(64.0).view(1, 1, 8, 8)
    cells = pool_cells(features, 2)
    assert torch.equal(cells, features.unfold(2, 4, 4).unfold(3, 4, 4).mean((-1, -2)).view(4, 1))
    assert pool_cells(torch.rand(1, 3, 2, 9)).shape == (8, 3)
