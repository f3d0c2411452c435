"""Each loss against a literal transcription of its source."""

import itertools
import math
import typing

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from impasto.config import LOSS_DEFAULTS, Loss, Pattern
from impasto.losses import (
    LOSS_FORMS,
    content_gatys,
    content_mean,
    content_relative,
    style_gatys,
    style_johnson,
    style_relative,
    style_tutorial,
    total_variation,
)
from impasto.patterns import cut_window
from impasto.statistics import Moments, collect_moments

# The papers' N (feature maps) and M (height times width).
N, HEIGHT, WIDTH = 3, 4, 5
M = HEIGHT * WIDTH


def features(seed: int, *, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((1, N, height, width), generator=generator) * 4


def undivided_gram(f: Tensor) -> list[list[float]]:
    """Gatys et al. 2016, eq. 3: G_ij = sum_k F_ik F_jk."""
    rows = f[0].flatten(1).tolist()
    return [[sum(a * b for a, b in zip(p, q, strict=True)) for q in rows] for p in rows]


def sum_squared_difference(g: list[list[float]], a: list[list[float]]) -> float:
    return sum((g[i][j] - a[i][j]) ** 2 for i, j in itertools.product(range(N), repeat=2))


def test_content_is_equation_1_of_gatys() -> None:
    f, p = features(1), features(2)
    pairs = zip(f.flatten().tolist(), p.flatten().tolist(), strict=True)
    wanted = 1 / 2 * sum((a - b) ** 2 for a, b in pairs)
    assert content_gatys(f, p).item() == pytest.approx(wanted, rel=1e-5)


def test_style_is_equation_4_of_gatys() -> None:
    f, a = features(1), features(2)
    wanted = 1 / (4 * N**2 * M**2) * sum_squared_difference(undivided_gram(f), undivided_gram(a))
    found = style_gatys(collect_moments(f), collect_moments(a), M)
    assert found.item() == pytest.approx(wanted, rel=1e-5)


def test_content_and_style_of_johnson() -> None:
    f, a = features(1), features(2)
    pairs = zip(f.flatten().tolist(), a.flatten().tolist(), strict=True)
    assert content_mean(f, a).item() == pytest.approx(
        sum((x - y) ** 2 for x, y in pairs) / (N * M), rel=1e-5
    )
    g, h = ([[x / (N * M) for x in row] for row in undivided_gram(t)] for t in (f, a))
    found = style_johnson(collect_moments(f), collect_moments(a), M)
    assert found.item() == pytest.approx(sum_squared_difference(g, h), rel=1e-5)


def test_style_of_the_tutorials() -> None:
    f, a = features(1), features(2)
    mean = sum_squared_difference(undivided_gram(f), undivided_gram(a)) / N**2
    found = style_tutorial(collect_moments(f), collect_moments(a), M)
    assert found.item() == pytest.approx(mean / (N * HEIGHT * WIDTH), rel=1e-5)


def test_relative_content_is_a_share_of_the_target() -> None:
    f, p = features(1), features(2)
    wanted = (f - p).square().sum() / p.square().sum()
    torch.testing.assert_close(content_relative(f, p), wanted)


def test_relative_style_by_its_formula() -> None:
    f, a = (features(seed)[0].flatten(1).double() for seed in (1, 2))
    s, t = torch.cov(f, correction=0), torch.cov(a, correction=0)
    mean_term = (f.mean(1) - a.mean(1)).square().sum() / N
    covariance_term = (s - t).square().sum() / (4 * t.trace())
    wanted = (mean_term + covariance_term) / a.square().mean()
    found = style_relative(collect_moments(features(1)), collect_moments(features(2)), M)
    assert found.item() == pytest.approx(float(wanted), rel=1e-4)


def test_relative_style_approaches_the_wasserstein_distance() -> None:
    # Between normal distributions whose target is isotropic, to second order in the difference.
    generator = torch.Generator().manual_seed(3)
    channels, variance = 6, 0.7
    noise = torch.randn((channels, channels), generator=generator, dtype=torch.float64) * 4e-3
    mean = torch.randn(channels, generator=generator, dtype=torch.float64)
    near_mean = mean + 0.01 * torch.randn(channels, generator=generator, dtype=torch.float64)
    target = variance * torch.eye(channels, dtype=torch.float64)
    near = target + noise + noise.mT
    values = torch.linalg.eigvalsh(near)
    # tr(S + T - 2 (T^1/2 S T^1/2)^1/2) where T is isotropic
    roots = (values.sqrt() - math.sqrt(variance)).square().sum()
    wasserstein = (near_mean - mean).square().sum() + roots
    moments = [
        Moments(m[None], (c + torch.outer(m, m))[None])
        for m, c in ((near_mean, near), (mean, target))
    ]
    size = variance + mean.square().mean()
    found = style_relative(moments[0], moments[1], M)
    assert found.item() == pytest.approx(float(wasserstein / channels / size), rel=0.02)


@pytest.mark.parametrize("name", LOSS_FORMS)
def test_nothing_is_lost_at_the_target(name: str) -> None:
    form = LOSS_FORMS[name]
    here = features(1).requires_grad_()
    losses = (
        form.content(here, here.detach()),
        form.style(collect_moments(here), collect_moments(here.detach()), M),
    )
    for loss in losses:
        assert loss.shape == ()
        assert loss.item() == 0
        (gradient,) = torch.autograd.grad(loss, here)
        assert not gradient.any()
    assert form.content(features(1), features(2)) > 0
    assert form.style(collect_moments(features(1)), collect_moments(features(2)), M) > 0


@given(st.floats(1e-3, 1e3))
def test_relative_losses_have_no_units(factor: float) -> None:
    f, p = features(1), features(2)
    torch.testing.assert_close(
        content_relative(f * factor, p * factor), content_relative(f, p), rtol=1e-4, atol=0
    )
    scaled = style_relative(collect_moments(f * factor), collect_moments(p * factor), M)
    plain = style_relative(collect_moments(f), collect_moments(p), M)
    torch.testing.assert_close(scaled, plain, rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", ["impasto", "gatys", "johnson"])
def test_style_compares_pictures_of_any_two_sizes(name: str) -> None:
    # The same tile once and four times: the same texture, on another area.
    tile = features(1)
    moments = collect_moments(tile), collect_moments(tile.tile(1, 1, 2, 2))
    assert LOSS_FORMS[name].style(moments[0], moments[1], M).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", LOSS_FORMS)
def test_black_targets_are_no_division_by_zero(name: str) -> None:
    black, here = torch.zeros_like(features(1)), features(1)
    assert torch.isfinite(LOSS_FORMS[name].content(here, black))
    assert torch.isfinite(LOSS_FORMS[name].style(collect_moments(here), collect_moments(black), M))


@pytest.mark.parametrize("loss", [content_gatys, content_mean, content_relative])
def test_content_in_half_precision_is_summed_in_float32(loss: typing.Any) -> None:
    # 300^2 * 60 overflows float16, and bfloat16 could not count that far.
    f, p = (features(seed).half() * 300 for seed in (1, 2))
    found = loss(f, p)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(f.float(), p.float()))


def test_every_form_that_can_be_chosen_exists() -> None:
    assert set(LOSS_FORMS) == set(typing.get_args(Loss)) == set(LOSS_DEFAULTS)


def ramp(height: int, width: int, down: float, across: float) -> Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    plane = down * y.double() + across * x.double()
    return plane.expand(1, 3, height, width)


def test_total_variation_of_a_flat_picture_is_zero() -> None:
    assert total_variation(torch.full((1, 3, 6, 7), 0.3)).item() == 0
    assert total_variation(torch.rand(1, 3, 1, 1)).item() == 0


@pytest.mark.parametrize(("height", "width"), [(5, 8), (1, 6), (7, 2)])
def test_total_variation_of_a_ramp_is_its_slope_squared(height: int, width: int) -> None:
    slope = 0.01
    straight, diagonal = height * (width - 1), 2 * (height - 1) * (width - 1)
    wanted = slope**2 * (straight * 2 / 3 + diagonal / 6) / (height * width)
    found = total_variation(ramp(height, width, 0, slope))
    assert found.item() == pytest.approx(wanted, rel=1e-9)


@given(st.floats(0, 2 * math.pi))
def test_total_variation_costs_the_same_in_every_direction(angle: float) -> None:
    slope = 0.01
    image = ramp(200, 200, slope * math.sin(angle), slope * math.cos(angle))
    assert total_variation(image).item() == pytest.approx(slope**2, rel=0.01)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_total_variation_is_the_same_from_every_side(turns: int) -> None:
    image = torch.rand((1, 3, 6, 9), generator=torch.Generator().manual_seed(0))
    wanted = total_variation(image)
    torch.testing.assert_close(total_variation(image.rot90(turns, (2, 3))), wanted)
    torch.testing.assert_close(total_variation(image.flip(3)), wanted)


def test_total_variation_does_not_depend_on_the_size_of_the_picture() -> None:
    image = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        total_variation(image.tile(1, 1, 2, 2)), total_variation(image), rtol=0.03, atol=0
    )


@pytest.mark.parametrize("kind", ["straight", "half-drop", "half-brick"])
def test_total_variation_of_a_pattern_looks_into_the_neighbouring_tiles(kind: Pattern) -> None:
    tile = torch.rand((1, 3, 6, 8), generator=torch.Generator().manual_seed(0))
    # The same plane cut elsewhere, and two tiles by two of it, which repeat in rows and columns.
    moved, four = cut_window(tile, (2, 8), (-3, 5), kind), cut_window(tile, (0, 12), (0, 16), kind)
    wanted = total_variation(tile, kind)
    assert wanted > total_variation(tile)
    torch.testing.assert_close(total_variation(moved, kind), wanted)
    torch.testing.assert_close(total_variation(four, "straight"), wanted)
    torch.testing.assert_close(total_variation(tile, "mirror"), total_variation(tile))
