"""Memory is told before it is taken."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from impasto.config import PRESETS, PaintConfig
from impasto.errors import ConfigError
from impasto.memory import (
    Frugality,
    choose_frugality,
    estimate_memory,
    parse_bytes,
    suggest_size,
)

PHOTOGRAPH = (1200, 1600)
GIB = 2**30
PRECISIONS = (torch.float32, torch.bfloat16)
POOLINGS = ("max", "average", "l2")


def estimate(
    photograph: tuple[int, int] = PHOTOGRAPH,
    precision: torch.dtype = torch.float32,
    **settings: object,
) -> int:
    return estimate_memory(PaintConfig(**settings), photograph, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_larger_painting_takes_more(pooling: str, precision: torch.dtype) -> None:
    sizes = [
        estimate(precision=precision, pooling=pooling, size=size) for size in range(64, 4097, 64)
    ]
    assert all(after > before for before, after in itertools.pairwise(sizes))


@given(st.integers(16, 4000), st.integers(1, 4000))
def test_it_never_takes_less_for_more(size: int, more: int) -> None:
    # With the preset's own steps a larger painting may take fewer, and keep less of them.
    given = {"steps": (50,), "scales": 1}
    assert estimate(size=size + more, **given) >= estimate(size=size, **given)


def test_what_takes_more() -> None:
    usual = {"size": 1024, "steps": (50,), "scales": 1}
    plain = estimate(**usual)
    assert estimate(**usual, history=40) > estimate(**usual, history=5)
    assert estimate(**usual, optimizer="adam") < plain
    assert estimate(**usual, precision=torch.bfloat16) < plain
    assert estimate((2400, 3200), **usual) > plain
    assert estimate((1600, 1600), **usual) > plain, "more pixels at the same long side"
    assert estimate(size="photo", steps=(5,)) > estimate(size=1599, steps=(5,))
    assert estimate(**usual, seamless="straight") > plain
    assert estimate(**usual, statistic="gram") == plain
    for statistic in ("sliced", "patches", "shifted-gram", "mmd-gaussian"):
        assert estimate(**usual, statistic=statistic) > plain
    # Pairs that will never be made take nothing.
    few = {"size": 1024, "scales": 1, "steps": (5,)}
    assert estimate(**few, history=200) == estimate(**few, history=5)


@pytest.mark.parametrize("backbone", ["resnet18", "densenet121", "efficientnet_lite0"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_family_of_networks_has_an_estimate(backbone: str, precision: torch.dtype) -> None:
    sizes = [estimate(precision=precision, backbone=backbone, size=n) for n in (512, 1024, 2048)]
    assert sizes == sorted(set(sizes))
    assert estimate(precision=precision, backbone=backbone) != estimate(precision=precision)
    assert sizes[-1] - sizes[0] > 300 * (2048 * 1536 - 512 * 384)


def test_smoothing_takes_more() -> None:
    assert estimate(smoothing="softmax") > estimate()


def test_it_is_of_the_right_order() -> None:
    # Activations of the first block alone: 4 maps of 64 channels and as many gradients, a half.
    pixels = 1024 * 768
    least = pixels * 64 * 4 * 4
    assert least < estimate(size=1024) < 20 * least


@given(
    st.integers(256, 8000),
    st.sampled_from(sorted(PRESETS)),
    st.sampled_from(POOLINGS),
    st.sampled_from(PRECISIONS),
    st.floats(0.3, 40),
)
def test_the_advice_fits(
    size: int, preset: str, pooling: str, precision: torch.dtype, gib: float
) -> None:
    config = PaintConfig(size=size, preset=preset, pooling=pooling, scales=2, steps=(9, 3))
    budget = int(gib * GIB)

    def needed(side: int) -> int:
        smaller = PaintConfig(size=side, preset=preset, pooling=pooling)
        frugality = choose_frugality(smaller, PHOTOGRAPH, precision, budget)
        return estimate_memory(smaller, PHOTOGRAPH, precision, frugality)

    advice = suggest_size(config, PHOTOGRAPH, precision, budget)
    assert advice % 64 == 0
    assert advice <= size
    if advice:
        assert needed(advice) <= budget
    if advice + 64 <= size:
        assert needed(advice + 64) > budget, "the largest that fits"


def test_no_advice_where_nothing_fits() -> None:
    assert suggest_size(PaintConfig(), PHOTOGRAPH, torch.float32, 1000) == 0
    assert suggest_size(PaintConfig(size=50), PHOTOGRAPH, torch.float32, 100 * GIB) == 0


def test_advice_for_the_size_of_the_photograph() -> None:
    config = PaintConfig(size="photo")
    assert suggest_size(config, PHOTOGRAPH, torch.float32, 1000 * GIB) == 1600
    assert 0 < suggest_size(config, PHOTOGRAPH, torch.float32, GIB) < 1600


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("4GiB", 4 * GIB),
        ("900 MB", 900 * 10**6),
        ("1.5g", 15 * 10**8),
        ("2Gi", 2 * GIB),
        ("77", 77),
    ],
)
def test_amounts_are_read(text: str, wanted: int) -> None:
    assert parse_bytes(text) == wanted


@pytest.mark.parametrize("text", ["", "much", "-4GB", "0", "4TBs", "4 Gi B x", "1e9"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no amount of memory"):
        parse_bytes(text)


def test_tiles_are_as_large_as_the_budget_allows() -> None:
    config = PaintConfig(size=2048)
    slowness = []
    for gib in (1, 2, 3, 4, 100):
        budget = gib * GIB
        frugality = choose_frugality(config, PHOTOGRAPH, torch.bfloat16, budget)
        if gib > 1:
            assert estimate_memory(config, PHOTOGRAPH, torch.bfloat16, frugality) <= budget
        slowness.append(frugality.slowness if frugality else 0)
    assert slowness == sorted(slowness, reverse=True)
    assert slowness[0] > 1
    assert slowness[-1] == 0


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("size", "gib"), [(4096, 4), (8192, 8)])
def test_a_print_fits_where_the_whole_does_not(size: int, gib: int, precision: torch.dtype) -> None:
    config, photograph = PaintConfig(size=size), (3072, 4096)
    assert estimate_memory(config, photograph, precision) > 16 * GIB
    frugality = choose_frugality(config, photograph, precision, gib * GIB)
    assert frugality is not None
    assert estimate_memory(config, photograph, precision, frugality) <= gib * GIB


def test_what_saves_most_time_is_given_up_last() -> None:
    config, photograph = PaintConfig(size=4096), (3072, 4096)
    chosen = [
        choose_frugality(config, photograph, torch.float32, int(gib * GIB))
        for gib in (3.2, 3.5, 4, 6, 10)
    ]
    assert all(chosen)
    histories = [one.history for one in chosen if one]
    assert histories == sorted(histories)
    assert chosen[-1] is not None
    assert chosen[-1].keep_targets
    assert chosen[-1].tile >= 1024


def test_tiles_of_a_pattern_see_beyond_its_border() -> None:
    plain, moved, mirrored = (
        estimate_memory(
            PaintConfig(size=3072, seamless=kind), (192, 3072), torch.float32, Frugality(1024)
        )
        for kind in ("none", "straight", "mirror")
    )
    assert plain < mirrored < moved


def test_keeping_targets_takes_memory_and_saves_time() -> None:
    config = PaintConfig(size=4096)
    kept, anew = Frugality(512), Frugality(512, keep_targets=False)
    needed = [estimate_memory(config, PHOTOGRAPH, torch.float32, one) for one in (kept, anew)]
    assert needed[0] > needed[1]
    assert kept.slowness < anew.slowness
