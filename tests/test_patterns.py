"""Patterns: where a pixel of the plane comes from, and what shows that a tile repeats."""

import typing
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from impasto.config import Pattern, Seamless
from impasto.patterns import (
    add_window,
    continue_picture,
    cut_window,
    fold_border,
    make_seamless,
    make_sheet,
    measure_seam,
    round_size,
    soften_border,
    wraps,
)
from impasto.pyramid import resize

PATTERNS = typing.get_args(Pattern)
MOVED = [kind for kind in PATTERNS if wraps(kind)]

#: Where pixel (y, x) of the plane comes from in a tile of (h, w), by definition.
PLANES: dict[str, Callable[[int, int, int, int], tuple[int, int]]] = {
    "straight": lambda y, x, h, w: (y % h, x % w),
    "half-drop": lambda y, x, h, w: ((y + x // w * (h // 2)) % h, x % w),
    "half-brick": lambda y, x, h, w: (y % h, (x + y // h * (w // 2)) % w),
    "mirror": lambda y, x, h, w: (_reflect(y, h), _reflect(x, w)),
}


def _reflect(place: int, side: int) -> int:
    return place % side if place // side % 2 == 0 else side - 1 - place % side


def number(height: int, width: int) -> Tensor:
    """A tile of which every pixel is another number."""
    return torch.arange(2.0 * height * width).view(1, 2, height, width)


def draw(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed))


@given(
    kind=st.sampled_from(PATTERNS),
    half=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    first=st.tuples(st.integers(-20, 20), st.integers(-20, 20)),
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    channels_last=st.booleans(),
)
def test_a_window_shows_the_plane(
    kind: Pattern,
    half: tuple[int, int],
    first: tuple[int, int],
    shape: tuple[int, int],
    channels_last: bool,
) -> None:
    height, width = 2 * half[0], 2 * half[1]
    tile = number(height, width)
    if channels_last:
        tile = tile.to(memory_format=torch.channels_last)
    rows, columns = ((start, start + length) for start, length in zip(first, shape, strict=True))
    window = cut_window(tile, rows, columns, kind)
    assert window.stride(1) == 1 or not channels_last
    for y in range(*rows):
        for x in range(*columns):
            here = window[..., y - rows[0], x - columns[0]]
            source = PLANES[kind](y, x, height, width)
            assert torch.equal(here, tile[..., source[0], source[1]])


@pytest.mark.parametrize("border", [1, 3, 11])
@pytest.mark.parametrize("kind", PATTERNS)
def test_folding_a_border_is_the_transpose_of_continuing(kind: Pattern, border: int) -> None:
    tile = draw(6, 8).double().requires_grad_(True)
    around = continue_picture(tile, border, kind)
    slope = torch.rand_like(around)
    (wanted,) = torch.autograd.grad(around, tile, slope)
    rows, columns = (-border, 6 + border), (-border, 8 + border)
    total = torch.zeros_like(tile)
    add_window(total.detach(), slope, rows, columns, kind)
    torch.testing.assert_close(total, wanted)
    torch.testing.assert_close(fold_border(slope, border, kind), wanted)


def test_a_sheet_is_laid_out_as_its_name_says() -> None:
    tile = number(4, 6)
    lower, aside = tile.roll(2, 2), tile.roll(3, 3)
    straight = torch.cat([tile] * 3, 3)
    assert torch.equal(make_sheet(tile, "straight"), torch.cat([straight] * 3, 2))
    column = [torch.cat([one] * 3, 2) for one in (tile, lower, tile)]
    assert torch.equal(make_sheet(tile, "half-drop"), torch.cat(column, 3))
    row = [torch.cat([one] * 3, 3) for one in (tile, aside, tile)]
    assert torch.equal(make_sheet(tile, "half-brick"), torch.cat(row, 2))
    pair = torch.cat([tile, tile.flip(3)], 3)
    assert torch.equal(make_sheet(tile, "mirror", 2), torch.cat([pair, pair.flip(2)], 2))
    for kind in PATTERNS:
        assert torch.equal(make_sheet(tile, kind, 1), tile)
        assert make_sheet(tile, kind, 5).shape == (1, 2, 20, 30)


def test_a_seam_is_measured_in_steps() -> None:
    ramp = torch.linspace(0, 1, 12).expand(1, 3, 8, 12)
    # Up by 1/11 eleven times, then down by 1.
    assert measure_seam(ramp, "straight") == pytest.approx(11)
    assert measure_seam(ramp.mT, "straight") == pytest.approx(11)
    assert measure_seam(ramp, "half-drop") == pytest.approx(11)
    assert measure_seam(ramp, "mirror") == 0
    # Moved by half a side, each pixel is half the ramp away from the one below.
    assert measure_seam(ramp.repeat(1, 1, 1, 2), "half-brick") == pytest.approx(
        measure_seam(ramp.repeat(1, 1, 1, 2), "straight")
    )
    assert measure_seam(draw(64, 64), "straight") == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kind", MOVED)
def test_the_periodic_part_is_the_nearest_picture_that_repeats(kind: Pattern) -> None:
    image = draw(6, 8).double() * 0.2 + 0.4
    periodic = make_seamless(image, kind).requires_grad_(True)
    # Slopes inside should be the picture's own, those across the border nothing.
    cost = sum((periodic - image).diff(dim=dim).square().sum() for dim in (2, 3))
    cost = cost + cut_window(periodic, (5, 7), (0, 8), kind).diff(dim=2).square().sum()
    cost = cost + cut_window(periodic, (0, 6), (7, 9), kind).diff(dim=3).square().sum()
    (slope,) = torch.autograd.grad(cost, periodic)
    assert slope.abs().max() < 1e-6
    torch.testing.assert_close(periodic.mean((2, 3)), image.mean((2, 3)))


@pytest.mark.parametrize("kind", MOVED)
def test_a_photograph_is_made_seamless(kind: Pattern, photo: Tensor) -> None:
    photo = resize(photo, (96, 64))
    assert measure_seam(photo, kind) > 3
    seamless = make_seamless(photo, kind)
    assert measure_seam(seamless, kind) < 1
    assert seamless.min() >= 0
    assert seamless.max() <= 1
    inside = (seamless - photo)[..., 16:-16, 16:-16]
    assert inside.diff(dim=-1).abs().mean() < 0.25 * photo.diff(dim=-1).abs().mean()


def test_what_need_not_be_changed_is_not(photo: Tensor) -> None:
    assert make_seamless(photo, "none") is photo
    assert make_seamless(photo, "mirror") is photo
    flat = torch.full((1, 3, 32, 32), 0.3)
    torch.testing.assert_close(make_seamless(flat, "half-drop"), flat)


@pytest.mark.parametrize("kind", MOVED)
def test_a_mask_fades_at_the_border_and_nowhere_else(kind: Pattern) -> None:
    mask = torch.zeros(1, 1, 96, 64)
    mask[..., :48, :32] = 1
    found = soften_border(mask, kind)
    inner = (..., slice(4, -4), slice(4, -4))
    assert torch.equal(found[inner], mask[inner])
    assert found.min() >= 0
    assert found.max() <= 1
    # Unsoftened, each border has a step of 1.
    assert cut_window(found, (0, 96), (63, 65), kind).diff(dim=3).abs().max() < 0.3
    assert cut_window(found, (95, 97), (0, 64), kind).diff(dim=2).abs().max() < 0.3
    halves = soften_border(1 - mask, kind)
    torch.testing.assert_close(found + halves, torch.ones_like(mask))


def test_a_mask_that_repeats_is_not_changed() -> None:
    mask = torch.zeros(1, 1, 96, 64)
    mask[..., 30:60, 20:40] = 0.7
    torch.testing.assert_close(soften_border(mask, "half-drop"), mask)
    for kind in ("none", "mirror"):
        ramp = torch.linspace(0, 1, 64).expand(1, 1, 96, 64)
        assert soften_border(ramp, kind) is ramp


@given(
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    kind=st.sampled_from(typing.get_args(Seamless)),
)
def test_sizes_are_rounded_so_that_the_network_repeats_too(
    size: tuple[int, int], kind: Seamless
) -> None:
    found = round_size(size, kind)
    if kind == "none":
        assert found == size
        return
    units = {"half-drop": (32, 16), "half-brick": (16, 32)}.get(kind, (16, 16))
    for rounded, given_, unit in zip(found, size, units, strict=True):
        assert rounded % unit == 0
        assert rounded > 0
        assert abs(rounded - given_) <= unit / 2 or rounded == unit
