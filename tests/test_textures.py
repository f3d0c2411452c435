"""Noise and canvas: even, reproducible, the same at every size, and never a grid."""

import typing

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.config import Pattern
from impasto.patterns import measure_seam
from impasto.textures import Noise, Weave, centers, raise_threads


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


PATTERNS = [kind for kind in typing.get_args(Pattern) if kind != "mirror"]


def look(noise: Noise, height: int, width: int) -> Tensor:
    return noise.sample(centers(0, height), centers(0, width))


def agreement(one: Tensor, other: Tensor) -> float:
    return torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1].item()


def test_noise_has_mean_0_and_deviation_1() -> None:
    found = look(Noise(200, (200, 200), seeded()), 200, 200)
    assert found.mean().item() == pytest.approx(0, abs=1e-3)
    assert found.std().item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("size", [(90, 120), (120, 90), (1, 50), (16, 16)])
def test_noise_can_be_looked_at_row_by_row(size: tuple[int, int]) -> None:
    noise = Noise(64, size, seeded())
    whole = look(noise, *size)
    parts = [noise.sample(centers(row, row + 1), centers(0, size[1])) for row in range(size[0])]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-5)


def test_noise_of_pictures_of_other_heights_and_sizes_is_the_same() -> None:
    tall = look(Noise(64, (256, 256), seeded()), 256, 256)
    flat = look(Noise(64, (100, 256), seeded()), 100, 256)
    torch.testing.assert_close(flat, tall[:100])
    small = look(Noise(64, (64, 64), seeded()), 64, 64)
    assert agreement(F.avg_pool2d(tall[None], 4)[0], small) > 0.95


def test_noise_of_more_cells_than_pixels_is_their_mean() -> None:
    large = look(Noise(256, (256, 256), seeded()), 256, 256)
    small = look(Noise(256, (64, 64), seeded()), 64, 64)
    assert agreement(F.avg_pool2d(large[None], 4)[0], small) > 0.9
    assert small.std() < 0.6


def test_enlarged_noise_is_as_strong_between_its_cells_as_on_them() -> None:
    side = 8 * 96
    found = look(Noise(96, (side, side), seeded()), side, side)
    # Mean power at each of the 8 x 8 places within a cell.
    power = found.square().view(96, 8, 96, 8).mean((0, 2))
    assert power.max() / power.min() < 1.25


@pytest.mark.parametrize("threads", [20, 100])
def test_light_on_canvas_is_even_and_can_be_looked_at_row_by_row(threads: int) -> None:
    light = Weave(threads, (300, 400), seeded()).light(0, 300)
    assert light.shape == (300, 400)
    assert light.mean().abs() < 0.05
    assert 0.5 < light.std() < 1.2
    again = Weave(threads, (300, 400), seeded())
    parts = [again.light(first, min(300, first + 70)) for first in range(0, 300, 70)]
    torch.testing.assert_close(torch.cat(parts), light, rtol=0, atol=1e-4)
    assert not torch.equal(Weave(threads, (300, 400), seeded(1)).light(0, 300), light)


def test_the_light_comes_from_the_upper_left() -> None:
    weave = Weave(32, (256, 256), seeded())  # threads of 8 px
    light, height = weave.light(0, 256), weave.height(centers(0, 256))[:, 1:-1]

    def agree(rows: int, columns: int) -> float:
        """Of the light with the height so many px lower and further right."""
        moved = height.roll((-rows, -columns), (0, 1))
        return agreement(light[8:-8, 8:-8], moved[8:-8, 8:-8])

    # What rises towards the lower right is light.
    assert agree(2, 2) > agree(-2, -2) + 0.2
    assert agree(2, 0) > agree(-2, 0) + 0.1
    assert agree(0, 2) > agree(0, -2) + 0.1


def test_threads_go_over_one_and_under_the_next() -> None:
    middles = centers(0, 6)
    one = torch.ones(6, 6)
    warp = raise_threads(middles.expand(6, 6), middles[:, None].expand(6, 6), one)
    weft = raise_threads(middles[:, None].expand(6, 6), middles.expand(6, 6) - 1, one)
    above = warp > weft
    assert torch.equal(above, (torch.arange(6) + torch.arange(6)[:, None]) % 2 == 0)


@pytest.mark.parametrize(("side", "threads"), [(512, 160), (500, 95), (333, 66), (1024, 160)])
def test_canvas_does_not_beat_with_the_pixels(side: int, threads: int) -> None:
    light = Weave(threads, (side, side), seeded()).light(0, side)
    coarse = F.avg_pool2d(light[None], side // 12)
    assert coarse.std() < 0.1 * light.std(), "bands"
    # A perfect grid has nearly all of its power in a few peaks.
    power = torch.fft.rfft2(light - light.mean()).abs().square().flatten()
    assert power.topk(4).values.sum() < 0.15 * power.sum()


def test_no_thread_is_thinner_than_5_px() -> None:
    many, enough = (Weave(count, (100, 100), seeded()).light(0, 100) for count in (1000, 20))
    assert torch.equal(many, enough)


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (1, 30), (33, 2)])
def test_small_pictures_have_canvas_too(size: tuple[int, int]) -> None:
    light = Weave(160, size, seeded()).light(0, size[0])
    assert light.shape == size
    assert torch.isfinite(light).all()


@pytest.mark.parametrize("kind", PATTERNS)
@pytest.mark.parametrize("cells", [6, 40, 96, 300])
def test_noise_repeats_with_a_pattern(kind: Pattern, cells: int) -> None:
    size = (96, 64)
    noise = Noise(cells, size, seeded(), kind)
    found = look(noise, *size)
    plain = look(Noise(cells, size, seeded()), *size)
    assert found.std().item() == pytest.approx(plain.std().item(), rel=0.35)
    assert measure_seam(found[None, None], kind) < 1.35
    # What lies a pixel beyond the border is what lies inside on the other side.
    above, below = noise.sample(centers(-1, 0), centers(0, 64)), found[-1:]
    if kind == "half-brick":
        below = below.roll(32, 1)
    torch.testing.assert_close(above, below, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", PATTERNS)
@pytest.mark.parametrize("threads", [20, 33])
def test_canvas_repeats_with_a_pattern(kind: Pattern, threads: int) -> None:
    height, width = 160, 224
    cloth = Weave(threads, (height, width), seeded(), kind).height(centers(-1, height + 1))
    # A pixel beyond the border is what lies inside on the other side, half a side further.
    aside = width // 2 if kind == "half-brick" else 0
    lower = height // 2 if kind == "half-drop" else 0
    above, last = cloth[0, 1:-1], cloth[height, 1:-1]
    torch.testing.assert_close(above, last.roll(aside), rtol=0, atol=1e-3)
    before, last = cloth[1:-1, 0], cloth[1:-1, width]
    torch.testing.assert_close(before, last.roll(lower), rtol=0, atol=1e-3)
    plain = Weave(threads, (height, width), seeded()).height(centers(-1, height + 1))
    assert (plain[0] - plain[height]).abs().mean() > 0.1


def test_grains_are_drawn_out() -> None:
    for kind in ("none", "straight"):
        noise = look(Noise(60, (180, 180), seeded(), kind, (0.1, 1)), 180, 180)
        assert noise.diff(dim=1).abs().mean() > 4 * noise.diff(dim=0).abs().mean()
