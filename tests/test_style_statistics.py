"""Each statistic by closed forms, by its definition, and by its gradient."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from impasto.sights import view_layer
from impasto.statistics import (
    STATISTICS,
    Moments,
    Sums,
    Target,
    View,
    collect_moments,
    self_similarity,
)
from impasto.statistics.correlations import SHIFTS, collect_crossed, collect_shifted
from impasto.statistics.distances import (
    gram_distance,
    linear_mmd,
    mean_std_distance,
    moments_distance,
    polynomial_mmd,
)
from impasto.statistics.histograms import count_values, histogram_distance, measure_channels
from impasto.statistics.patches import find_nearest
from impasto.statistics.similarity import draw_places, gather_places
from impasto.statistics.wasserstein import bures_distance, matrix_root, wasserstein_distance
from impasto.statistics.waves import collect_waves, draw_waves, gaussian_mmd

OF_MOMENTS = [name for name, one in STATISTICS.items() if one.of_moments]
OTHERS = [name for name, one in STATISTICS.items() if not one.of_moments]


def activations(
    height: int = 9, width: int = 8, channels: int = 5, seed: int = 0, *, exact: bool = False
) -> Tensor:
    """Like those after a ReLU; as float64 without it, where a slope is tested."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((1, channels, height, width), generator=generator) * 3 + 1
    return noise.double() if exact else noise.relu()


def moments_of(features: Tensor) -> Moments:
    """In the precision of the activations."""
    rows = features[0].flatten(1).mT
    return Moments(rows.mean(0)[None], (rows.mT @ rows / len(rows))[None])


def look(
    features: Tensor, weights: Tensor | None = None, partner: Tensor | None = None, ratio: int = 1
) -> View:
    height, width = features.shape[2:]
    lots = torch.rand((1, 1, height, width), generator=torch.Generator().manual_seed(7))
    return view_layer(features, weights, max(SHIFTS), partner=(partner, ratio), lots=lots)


def aim(name: str, features: Tensor, weights: Tensor | None = None) -> Target:
    """What a statistic finds in a style."""
    statistic, moments = STATISTICS[name], collect_moments(features, weights)
    if features.dtype == torch.float64:
        moments = moments_of(features)
    basis = statistic.prepare(moments, 3)
    return Target(moments, basis, statistic.keep_piece(look(features, weights), basis, 1.0))


def compare(name: str, features: Tensor, target: Target, weights: Tensor | None = None) -> Tensor:
    """Distance of a picture from a style, without the balance."""
    statistic = STATISTICS[name]
    if statistic.of_moments:
        exact = features.dtype == torch.float64
        moments = moments_of(features) if exact else collect_moments(features, weights)
        return statistic.of_moments(moments, target.moments)
    view = look(features, weights)
    found = statistic.collect(view, target.basis)
    if statistic.of_sums:
        return statistic.of_sums(found, target)
    assert statistic.match
    return statistic.match(view, found, target)


def mean_kernel(kernel: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> float:
    """Average over all pairs of positions, one by one."""
    pairs = itertools.product(x[0].flatten(1).mT, y[0].flatten(1).mT)
    values = [float(kernel(one, other)) for one, other in pairs]
    return sum(values) / len(values)


def discrepancy(kernel: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> float:
    """Squared maximum mean discrepancy as a share of the target's own size."""
    own = mean_kernel(kernel, y, y)
    return (mean_kernel(kernel, x, x) - 2 * mean_kernel(kernel, x, y) + own) / own


@pytest.mark.parametrize("name", STATISTICS)
def test_a_picture_is_no_distance_from_itself(name: str) -> None:
    features = activations(12, 10)
    here = features.clone().requires_grad_()
    distance = compare(name, here, aim(name, features))
    assert distance.shape == ()
    assert distance.item() == pytest.approx(0, abs=1e-6)
    far = compare(name, activations(12, 10, seed=1) * 2, aim(name, features))
    assert far.item() > 1e-3


@pytest.mark.parametrize("name", STATISTICS)
def test_distances_have_no_units(name: str) -> None:
    one, other = activations(seed=1, exact=True), activations(seed=2, exact=True)
    plain = compare(name, one, aim(name, other))
    scaled = compare(name, one * 300, aim(name, other * 300))
    assert scaled.item() == pytest.approx(plain.item(), rel=1e-2)


@pytest.mark.parametrize("name", STATISTICS)
def test_the_gradient_is_the_slope(name: str) -> None:
    target = aim(name, activations(7, 6, seed=1, exact=True))
    leaf = activations(6, 5, seed=2, exact=True).requires_grad_()
    if STATISTICS[name].match is None:
        assert torch.autograd.gradcheck(lambda x: compare(name, x, target), leaf, eps=1e-5)
        return
    # Where things should go is held fixed, so that only the distance to it has a slope.
    found = STATISTICS[name].collect(look(leaf), target.basis)
    match = STATISTICS[name].match
    (slope,) = torch.autograd.grad(match(look(leaf), found, target), leaf)
    step = 1e-4 * slope / slope.norm()
    ends = [compare_fixed(name, leaf.detach(), leaf.detach() + s * step, target) for s in (1, -1)]
    assert ends[0] - ends[1] == pytest.approx(2e-4 * float(slope.norm()), rel=1e-3)


def compare_fixed(name: str, before: Tensor, after: Tensor, target: Target) -> float:
    """Distance of activations from where those before should go."""
    size = float(target.moments.second.diagonal(dim1=1, dim2=2).mean())
    if name == "patches":
        bank = target.sums[0].flatten(1).double()
        around = [
            torch.nn.functional.pad(one, (1,) * 4, mode="replicate") for one in (before, after)
        ]
        found, moved = (torch.nn.functional.unfold(one, 3)[0].mT for one in around)
        wanted = bank[find_nearest(found, bank / bank.norm(dim=1, keepdim=True))]
        return float((moved - wanted).square().mean()) / size
    # The aim of a value, from the slope that a unit change of it would have.
    found = STATISTICS[name].collect(look(before), target.basis)
    match = STATISTICS[name].match
    assert match is not None
    leaf = before.clone().requires_grad_()
    (slope,) = torch.autograd.grad(match(look(leaf), found, target), leaf)
    wanted = before - slope * size * before.numel() / 2
    return float((after - wanted).square().mean()) / size


@pytest.mark.parametrize("name", OTHERS)
def test_half_precision_and_any_layout_will_do(name: str) -> None:
    features, target = activations(12, 10, seed=1), aim(name, activations(12, 10, seed=2))
    plain = compare(name, features, target).item()
    half = features.bfloat16().to(memory_format=torch.channels_last).requires_grad_()
    distance = compare(name, half, target)
    assert distance.item() == pytest.approx(plain, rel=0.03)
    (slope,) = torch.autograd.grad(distance, half)
    assert slope.dtype == torch.bfloat16
    assert slope.any()


@pytest.mark.parametrize("name", OTHERS)
def test_masks_leave_out_what_is_black(name: str) -> None:
    good, bad = activations(8, 8, seed=1), activations(8, 8, seed=2) * 5
    both = torch.cat([good, bad], dim=3)
    mask = torch.zeros(1, 1, 8, 16)
    mask[..., :8] = 1
    style = activations(8, 8, seed=3)
    plain = compare(name, good, aim(name, style)).item()
    masked = compare(name, both, aim(name, style), mask).item()
    assert compare(name, both, aim(name, style)).item() > 1.5 * plain
    style_masked = compare(name, good, aim(name, torch.cat([style, bad], dim=3), mask)).item()
    if name == "patches":  # which see beyond the edge of a mask, as the network itself does
        assert masked < compare(name, both, aim(name, style)).item()
        assert style_masked == pytest.approx(plain, rel=0.3)
        return
    assert masked == pytest.approx(plain, rel=1e-3)
    assert style_masked == pytest.approx(plain, rel=1e-3)


def test_the_polynomial_kernel_without_offset_is_the_gram_loss() -> None:
    x, y = activations(3, 4, seed=1), activations(4, 3, seed=2)
    wanted = discrepancy(lambda a, b: (a @ b) ** 2, x.double(), y.double())
    found = polynomial_mmd(collect_moments(x), collect_moments(y), offset=0.0)
    assert found.item() == pytest.approx(wanted, rel=1e-5)
    gram = gram_distance(collect_moments(x), collect_moments(y))
    assert gram.item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("offset", [0.3, 2.0])
def test_the_polynomial_kernel_with_an_offset(offset: float) -> None:
    x, y = activations(3, 4, seed=1).double(), activations(4, 3, seed=2).double()
    constant = offset * float(y.mean(dim=(2, 3)).square().sum())
    wanted = discrepancy(lambda a, b: (a @ b + constant) ** 2, x, y)
    found = polynomial_mmd(moments_of(x), moments_of(y), offset=offset)
    assert found.item() == pytest.approx(wanted, rel=1e-9)


def test_the_linear_kernel_compares_means() -> None:
    x, y = activations(3, 4, seed=1).double(), activations(4, 3, seed=2).double()
    wanted = discrepancy(torch.dot, x, y) * mean_kernel(torch.dot, y, y)
    wanted /= float(y.square().sum(1).mean())
    assert linear_mmd(moments_of(x), moments_of(y)).item() == pytest.approx(wanted, rel=1e-9)


def test_waves_approach_the_gaussian_kernel() -> None:
    x, y = activations(4, 4, seed=1), activations(4, 4, seed=2) * 2
    spread = 2 * float(torch.cov(y[0].flatten(1).double(), correction=0).trace())
    wanted = discrepancy(
        lambda a, b: torch.exp(-(a - b).square().sum() / (2 * spread)), x.double(), y.double()
    )
    moments = collect_moments(y)

    def estimate(count: int) -> float:
        basis = draw_waves(moments, 1, count)
        target = Target(moments, basis, collect_waves(look(y), basis))
        return float(gaussian_mmd(collect_waves(look(x), basis), target))

    assert estimate(100_000) == pytest.approx(wanted, rel=0.05)
    assert estimate(4000) == pytest.approx(wanted, rel=0.3)


def test_mean_and_spread_by_hand() -> None:
    one, other = (
        torch.tensor([[[[0.0, 2.0]], [[1.0, 1.0]]]]),
        torch.tensor([[[[3.0, 5.0]], [[1.0, 7.0]]]]),
    )
    # Means 1 and 1 against 4 and 4, deviations 1 and 0 against 1 and 3; E f^2 = (17 + 25) / 2.
    found = mean_std_distance(collect_moments(one), collect_moments(other))
    assert found.item() == pytest.approx((9 + 9 + 0 + 9) / 2 / 21, rel=1e-2)


def test_wasserstein_of_independent_channels() -> None:
    s, t = torch.tensor([1.0, 4.0, 0.25]), torch.tensor([2.25, 1.0, 1.0])
    found = bures_distance(torch.diag(s)[None], torch.diag(t)[None])
    assert found.item() == pytest.approx(float((s.sqrt() - t.sqrt()).square().sum()), rel=5e-3)


def test_wasserstein_of_commuting_and_of_other_matrices() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((2, 6, 9), generator=generator, dtype=torch.float64)
    s, t = noise @ noise.mT / 9 + 0.1 * torch.eye(6, dtype=torch.float64)
    root = matrix_root(t)
    torch.testing.assert_close(root @ root, t)
    wanted = (s.trace() + t.trace() - 2 * matrix_root(root @ s @ root).trace()).item()
    assert bures_distance(s[None], t[None]).item() == pytest.approx(wanted, rel=1e-2)
    assert bures_distance(4 * t[None], t[None]).item() == pytest.approx(t.trace().item(), rel=1e-2)


def test_wasserstein_survives_fewer_positions_than_channels() -> None:
    few, style = activations(2, 2, 32, seed=1).requires_grad_(), activations(2, 3, 32, seed=2)
    distance = wasserstein_distance(collect_moments(few), collect_moments(style))
    (slope,) = torch.autograd.grad(distance, few)
    assert torch.isfinite(distance)
    assert torch.isfinite(slope).all()
    black = wasserstein_distance(collect_moments(few * 0), collect_moments(style))
    assert torch.isfinite(black)


@pytest.mark.parametrize("name", ["histogram", "sliced"])
def test_shuffled_places_are_no_distance(name: str) -> None:
    features = activations(16, 16)
    order = torch.randperm(256, generator=torch.Generator().manual_seed(1))
    shuffled = features.flatten(2)[..., order].view_as(features)
    assert compare(name, shuffled, aim(name, features)).item() < 1e-8
    assert compare("shifted-gram", shuffled, aim("shifted-gram", features)).item() > 1e-3


def test_histograms_are_matched_as_sorting_does() -> None:
    # As many positions, so that the k-th largest value should become the k-th largest.
    one, other = (
        activations(20, 20, 3, seed=1, exact=True),
        activations(20, 20, 3, seed=2, exact=True) ** 3,
    )
    ranks = [x[0].flatten(1).sort(1).values for x in (one, other)]
    wanted = (ranks[0] - ranks[1]).square().mean() / other.square().mean()
    found = compare("histogram", one, aim("histogram", other))
    assert found.item() == pytest.approx(float(wanted), rel=0.02)


def test_histograms_of_pieces_add_up() -> None:
    features = activations(10, 8)
    basis = measure_channels(collect_moments(features))
    whole = count_values(look(features), basis)[0]
    assert torch.allclose(whole.sum(1), torch.ones(5, dtype=torch.float64), atol=1e-6)
    parts = [
        count_values(look(features[:, :, rows]), basis)[0] for rows in (slice(0, 4), slice(4, 10))
    ]
    torch.testing.assert_close(0.4 * parts[0] + 0.6 * parts[1], whole, rtol=1e-5, atol=1e-8)


def test_a_matched_picture_has_the_histogram_of_the_style() -> None:
    style = activations(40, 40, seed=2, exact=True) * 3
    target = aim("histogram", style)
    image = activations(30, 30, seed=1, exact=True).requires_grad_()
    view = look(image)
    value = histogram_distance(view, count_values(view, target.basis), target)
    (slope,) = torch.autograd.grad(value, image)
    size = style.square().mean()
    moved = (image - slope * size * image.numel() / 2).detach()
    after = compare("histogram", moved, target).item()
    assert after < 1e-3 * value.item()


def test_every_patch_is_of_the_style_where_the_picture_is_a_part_of_it() -> None:
    style = activations(14, 12, seed=1)
    part = style[..., 3:9, 2:9]
    inner = torch.zeros(1, 1, 6, 7)
    inner[..., 1:-1, 1:-1] = 1
    assert compare("patches", part, aim("patches", style), inner).item() == pytest.approx(
        0, abs=1e-9
    )
    assert compare("patches", part, aim("patches", style)).item() > 1e-3


def test_patches_are_matched_by_direction() -> None:
    bank = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]])
    found = find_nearest(torch.tensor([[9.0, 1.0], [0.1, 0.5], [2.0, 2.1]]), bank)
    assert found.tolist() == [0, 1, 2]


def test_patches_are_kept_by_lot_and_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.statistics.patches.MOST", 100)
    view = look(activations(40, 40))
    keep = STATISTICS["patches"].keep
    assert keep
    counts = [len(keep(view, (), share)[0]) for share in (1.0, 0.25)]
    assert 70 < counts[0] < 130
    assert 12 < counts[1] < 40


def test_shifted_products_by_their_definition() -> None:
    features = activations(7, 6, 3)
    products, counts = collect_shifted(look(features))
    places = [(0, 0), *((n, 0) for n in SHIFTS), *((0, n) for n in SHIFTS)]
    for (down, across), product, count in zip(places, products, counts, strict=True):
        one, other = features[0, :, : 7 - down, : 6 - across], features[0, :, down:, across:]
        wanted = one.flatten(1) @ other.flatten(1).mT / 42
        torch.testing.assert_close(product, wanted, rtol=1e-5, atol=1e-5)
        assert count.item() == pytest.approx((7 - down) * (6 - across) / 42)


def test_layers_are_crossed_as_if_the_coarser_one_were_enlarged() -> None:
    fine, coarse = activations(9, 8, 3, seed=1), activations(4, 4, 5, seed=2)
    enlarged = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    wanted = enlarged[0].flatten(1) @ fine[0, :, :8].flatten(1).mT / 64
    found = collect_crossed(look(coarse, partner=fine, ratio=2))[0]
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    alone = collect_crossed(look(fine))[0]
    torch.testing.assert_close(alone, collect_moments(fine).second[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("factor", [0.01, 7.0])
def test_self_similarity_ignores_the_size_of_activations(factor: float) -> None:
    one, other = (activations(6, 6, seed=seed)[0].flatten(1).mT for seed in (1, 2))
    plain = self_similarity(one, other)
    assert 0.01 < plain.item() < 2
    assert self_similarity(one * factor, other).item() == pytest.approx(plain.item(), rel=1e-4)
    assert self_similarity(other * factor, other).item() == pytest.approx(0, abs=1e-4)


def test_self_similarity_by_its_formula() -> None:
    one, other = (activations(2, 3, seed=seed)[0].flatten(1).mT.double() for seed in (1, 2))

    def relate(rows: Tensor) -> list[list[float]]:
        away = [[1 - float(torch.cosine_similarity(a, b, dim=0)) for b in rows] for a in rows]
        sums = [sum(row[j] for row in away) for j in range(6)]
        return [[row[j] / sums[j] for j in range(6)] for row in away]

    found, wanted = relate(one), relate(other)
    total = sum(abs(found[i][j] - wanted[i][j]) for i in range(6) for j in range(6))
    assert self_similarity(one, other).item() == pytest.approx(total / 6, rel=1e-6)
    leaf = one.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: self_similarity(x, other), leaf)


def test_self_similarity_counts_places_by_their_weight() -> None:
    one, other = (activations(4, 4, seed=seed)[0].flatten(1).mT for seed in (1, 2))
    weights = torch.ones(16)
    plain = self_similarity(one, other)
    torch.testing.assert_close(self_similarity(one, other, weights), plain)
    assert self_similarity(one, other, weights * 0) == 0
    torch.testing.assert_close(self_similarity(one, other, weights * 4), plain * 4)


def test_places_of_pieces_make_up_the_whole() -> None:
    features = activations(9, 8)
    places = draw_places(9, 8, 0, 20)
    assert len(set(map(tuple, places.tolist()))) == 20
    whole = gather_places(features, places)
    for row, (y, x) in zip(whole, places.tolist(), strict=True):
        torch.testing.assert_close(row, features[0, :, y, x])
    pieces = [
        gather_places(features[:, :, rows, columns], places, rows.start, columns.start)
        for rows, columns in itertools.product(
            (slice(0, 4), slice(4, 9)), (slice(0, 5), slice(5, 8))
        )
    ]
    torch.testing.assert_close(torch.stack(pieces).sum(0), whole)


def test_the_default_is_the_relative_style_loss() -> None:
    x, y = collect_moments(activations(seed=1)), collect_moments(activations(seed=2))
    assert STATISTICS["moments"].of_moments is moments_distance
    assert STATISTICS["moments"].balance == 1
    assert moments_distance(x, y) > 0


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, style = activations(12, 10, seed=1), activations(12, 10, seed=2)

    def find() -> list[Tensor]:
        found = []
        for name in OTHERS:
            leaf = features.clone().requires_grad_()
            value = compare(name, leaf, aim(name, style))
            found += [value.detach(), *torch.autograd.grad(value, leaf)]
        return found

    whole = find()
    monkeypatch.setattr("impasto.statistics.views._BAND", 1)
    monkeypatch.setattr("impasto.statistics.patches._PIECE", 1)
    for one, other in zip(find(), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_sums_are_tuples_of_tensors() -> None:
    for name in OTHERS:
        sums: Sums = aim(name, activations()).sums
        assert sums
        assert all(isinstance(part, Tensor) for part in sums)
        assert not any(part.requires_grad for part in sums)
