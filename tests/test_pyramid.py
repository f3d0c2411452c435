"""Sizes, schedules and resampling."""

import itertools
import math
import typing

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from impasto.config import PRESETS, PaintConfig, Pattern, _PresetPlan
from impasto.errors import ConfigError
from impasto.lengths import fit_length
from impasto.patterns import make_sheet, round_size
from impasto.pyramid import (
    choose_dpi,
    cover,
    fit_size,
    plan_painting,
    plan_scales,
    resize,
    resize_mask,
    trim_border,
)

SIDE = st.integers(16, 4000)
PHOTOGRAPH = st.tuples(st.integers(100, 2000), st.integers(100, 2000))


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed))


@given(st.tuples(st.integers(1, 9000), st.integers(1, 9000)), st.integers(1, 40000))
def test_fitted_sizes_keep_the_aspect_to_the_pixel(size: tuple[int, int], side: int) -> None:
    height, width = fit_size(size, side)
    assert max(height, width) == side
    assert height >= 1
    assert width >= 1
    for found, own in ((height, size[0]), (width, size[1])):
        assert abs(found - own * side / max(size)) <= 0.5 + 1e-6 or found == 1


def test_fitted_sizes_by_hand() -> None:
    assert fit_size((300, 400), 200) == (150, 200)
    assert fit_size((400, 300), 200) == (200, 150)
    assert fit_size((67, 101), 64) == (42, 64)
    assert fit_size((1, 5000), 100) == (1, 100)


def test_scales_by_hand() -> None:
    assert plan_scales(512, 128, 2) == [128, 256, 512]
    assert plan_scales(512, 128) == [128, 181, 256, 362, 512]
    assert plan_scales(100, 128) == [100]
    assert plan_scales(128, 128) == [128]


@given(st.integers(16, 9000), st.integers(16, 300), st.floats(1.2, 3))
def test_scales_grow_evenly_to_the_last(long_side: int, smallest: int, ratio: float) -> None:
    sides = plan_scales(long_side, smallest, ratio)
    assert sides[-1] == long_side
    assert all(a < b for a, b in itertools.pairwise(sides))
    for here, after in itertools.pairwise(sides):
        assert abs(after - here * ratio) <= 0.51 * (1 + ratio)
    if len(sides) > 1:
        assert smallest / math.sqrt(ratio) - 1 <= sides[0] <= smallest * math.sqrt(ratio) + 1
    else:
        assert long_side <= smallest * math.sqrt(ratio)


@pytest.mark.parametrize("wrong", [(512, 128, 1.0), (512, 128, 0.5), (0, 128, 2.0), (512, 0, 2.0)])
def test_impossible_scales_are_refused(wrong: tuple[int, int, float]) -> None:
    with pytest.raises(ConfigError, match="ratio above 1 and positive sizes"):
        plan_scales(*wrong)


@given(st.integers(32, 3000), PHOTOGRAPH, st.sampled_from(sorted(PRESETS)))
def test_every_preset_makes_a_plan(size: int, photograph: tuple[int, int], preset: str) -> None:
    plan = plan_painting(PaintConfig(size=size, preset=preset), photograph)
    assert plan[-1].size == fit_size(photograph, size)
    sides = [max(scale.size) for scale in plan]
    assert sides == sorted(set(sides))
    assert all(scale.steps >= 1 for scale in plan)
    for scale in plan:
        assert scale.size == fit_size(photograph, max(scale.size))


@given(st.integers(16, 3000), PHOTOGRAPH, st.sampled_from(["straight", "half-drop", "half-brick"]))
def test_every_size_of_a_pattern_can_repeat(
    size: int, photograph: tuple[int, int], kind: Pattern
) -> None:
    plan = plan_painting(PaintConfig(size=size, seamless=kind), photograph)
    plain = plan_painting(PaintConfig(size=size), photograph)
    assert len(plan) == len(plain)
    for scale, ordinary in zip(plan, plain, strict=True):
        assert scale.size == round_size(ordinary.size, kind)
        assert scale.steps == ordinary.steps


@given(PHOTOGRAPH, st.sampled_from(["4in", "10cm", "8x10in"]), st.sampled_from([None, 100.0]))
def test_a_print_is_as_long_as_it_should_be(
    photograph: tuple[int, int], size: str, dpi: float | None
) -> None:
    config = PaintConfig(size=size, dpi=dpi)
    painted = plan_painting(config, photograph)[-1].size
    wanted = fit_length(size, photograph)
    assert choose_dpi(config, photograph, painted) == (dpi or 300)
    assert max(painted) / (dpi or 300) == pytest.approx(wanted, abs=0.006)
    for kind in typing.get_args(Pattern):
        config = PaintConfig(size=size, dpi=dpi, seamless=kind)
        painted = plan_painting(config, photograph)[-1].size
        found = choose_dpi(config, photograph, painted)
        assert found is not None
        assert max(painted) / found == pytest.approx(wanted, abs=0.006)


def test_pixels_have_no_length() -> None:
    for size in (300, "photo"):
        assert choose_dpi(PaintConfig(size=size), (300, 200), (300, 200)) is None
        assert choose_dpi(PaintConfig(size=size, dpi=72), (300, 200), (300, 200)) == 72


@given(PHOTOGRAPH)
def test_the_size_of_the_photograph_is_kept(photograph: tuple[int, int]) -> None:
    assert plan_painting(PaintConfig(size="photo"), photograph)[-1].size == photograph


@given(st.tuples(st.integers(60, 80), st.integers(1000, 1600)), st.integers(400, 1500))
def test_no_scale_of_a_panorama_is_too_thin_to_look_at(
    photograph: tuple[int, int], size: int
) -> None:
    for shape in (photograph, photograph[::-1]):
        plan = plan_painting(PaintConfig(size=size), shape)
        assert plan[-1].size == fit_size(shape, size)
        if min(plan[-1].size) < 16:
            assert len(plan) == 1, "even the last is too thin, and not for a lack of scales"
        else:
            assert all(min(scale.size) >= 16 for scale in plan)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [128, 500, 1024])
def test_the_number_of_scales_can_be_chosen(count: int, size: int) -> None:
    plan = plan_painting(PaintConfig(size=size, scales=count), (600, 800))
    assert len(plan) == count
    assert max(plan[-1].size) == size


def test_steps_one_for_all_or_one_for_each() -> None:
    def steps(**settings: object) -> list[int]:
        plan = plan_painting(PaintConfig(size=512, **settings), (600, 800))
        assert max(plan[-1].size) == 512
        return [scale.steps for scale in plan]

    assert steps(scales=3, steps=(7,)) == [7, 7, 7]
    assert steps(scales=3, steps=(9, 5, 2)) == [9, 5, 2]
    assert steps(steps=(9, 0, 5, 2)) == [9, 0, 5, 2]
    assert set(steps(steps=(4,))) == {4}


def test_a_last_scale_without_steps_is_refused_before_anything_is_painted() -> None:
    for settings in ({"steps": (3, 0)}, {"steps": (0,)}, {"scales": 2, "steps": (5, 0)}):
        with pytest.raises(ConfigError, match="last scale has no steps"):
            plan_painting(PaintConfig(size=512, **settings), (600, 800))


def test_steps_that_do_not_fit_the_scales_are_refused() -> None:
    # 16 px have no room for 16 scales that grow by the preset's ratio.
    config = PaintConfig(size=16, steps=(1,) * 16)
    with pytest.raises(ConfigError, match="16 numbers of steps for"):
        plan_painting(config, (16, 16))


def test_a_preset_says_the_steps_of_the_nearest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "draft", _PresetPlan(64, 2.0, {100: 9, 200: 5, 400: 3}, {64: 0}))
    plan = plan_painting(PaintConfig(size=1024, preset="draft"), (800, 800))
    # 100 and 200 meet at 141, 200 and 400 at 283; beyond the table its ends hold.
    assert [(scale.size[0], scale.steps) for scale in plan] == [
        (64, 9), (128, 9), (256, 5), (512, 3), (1024, 3)
    ]  # fmt: skip
    assert plan_painting(PaintConfig(size=150, preset="draft"), (9, 9))[-1].steps == 5
    assert plan_painting(PaintConfig(size=135, preset="draft"), (9, 9))[-1].steps == 9


def test_details_follow_the_preset_unless_something_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PRESETS, "draft", _PresetPlan(64, 2.0, {64: 9, 256: 0}, {64: 2, 256: 7}))

    def count(**settings: object) -> list[tuple[int, int]]:
        plan = plan_painting(PaintConfig(size=256, preset="draft", **settings), (99, 99))
        return [(scale.steps, scale.detail_steps) for scale in plan]

    assert count() == [(9, 0), (11, 2), (7, 7)], "none at the first size"
    assert count(detail_steps=0, steps=(4,)) == [(4, 0)] * 3
    assert count(detail_steps=1) == [(9, 0), (10, 1), (2, 1)]
    assert count(detail_steps=0) == [(9, 0), (9, 0), (1, 0)]
    assert count(optimizer="adam") == [(9, 0), (11, 0), (7, 0)]
    assert count(steps=(4,)) == [(4, 0)] * 3
    assert count(steps=(4,), detail_steps=3) == [(4, 0), (7, 3), (7, 3)]


def test_resizing_to_the_same_size_is_free() -> None:
    image = noise(7, 9)
    assert resize(image, (7, 9)) is image


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_resizing_stays_in_the_box(height: int, width: int, rows: int, columns: int) -> None:
    image = (noise(height, width) > 0.5).float()
    before = image.clone()
    result = resize(image, (rows, columns))
    assert result.shape == (1, 3, rows, columns)
    assert result.min() >= 0
    assert result.max() <= 1
    assert torch.equal(image, before)


@pytest.mark.parametrize("size", [(5, 30), (40, 7), (64, 64)])
def test_resizing_keeps_one_colour_and_does_not_shift(size: tuple[int, int]) -> None:
    flat = torch.full((1, 3, 20, 20), 0.37)
    torch.testing.assert_close(resize(flat, size), torch.full((1, 3, *size), 0.37))
    image = noise(20, 20)
    torch.testing.assert_close(
        resize(image.flip(2, 3), size), resize(image, size).flip(2, 3), rtol=0, atol=1e-5
    )


def test_shrinking_averages_fine_detail() -> None:
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2
    image = board.float().expand(1, 3, 64, 64)
    inner = resize(image, (13, 13))[..., 2:-2, 2:-2]
    torch.testing.assert_close(inner, torch.full_like(inner, 0.5), rtol=0, atol=0.03)


def test_enlarging_is_smooth() -> None:
    edge = torch.zeros(1, 3, 4, 4)
    edge[..., 2:] = 1
    assert len(resize(edge, (4, 16))[0, 0, 0].unique()) > 4


@pytest.mark.parametrize("size", [(64, 96), (64, 64), (32, 48), (16, 80), (32, 32), (24, 31)])
@pytest.mark.parametrize("kind", ["straight", "half-drop", "half-brick"])
def test_a_pattern_is_resized_with_its_neighbours(kind: Pattern, size: tuple[int, int]) -> None:
    tile = noise(32, 64)
    if size == (24, 31):  # no half of it is a whole number
        kind = "straight"
    found = resize(tile, size, kind)
    assert found.is_contiguous()
    sheet = resize(make_sheet(tile, kind), (3 * size[0], 3 * size[1]))
    middle = [slice(side, 2 * side) for side in size]
    torch.testing.assert_close(sheet[..., *middle], make_sheet(found, kind)[..., *middle])
    assert not torch.allclose(found, resize(tile, size), atol=1e-3) or size == (32, 64)


def measure_grid(image: Tensor, period: int) -> float:
    """Mean step between neighbours at the steepest phase of a period, over that at all of them."""
    ratios = []
    for dim in (-2, -1):
        steps = image.diff(dim=dim).abs().mean(dim=[0, 1, -3 - dim])
        phases = [float(steps[phase::period].mean()) for phase in range(period)]
        ratios.append(max(phases) * period / sum(phases))
    return max(ratios)


def test_a_picture_enlarged_from_scale_to_scale_shows_no_grid() -> None:
    noise = torch.rand((1, 3, 96, 96), generator=torch.Generator().manual_seed(0))
    picture = bicubic = F.avg_pool2d(F.avg_pool2d(noise, 3, 1), 3, 1)
    for _ in range(2):
        size = (2 * picture.shape[-2], 2 * picture.shape[-1])
        picture, bicubic = resize(picture, size), resize_mask(bicubic, size)
    assert measure_grid(bicubic[..., 32:-32, 32:-32], 4) > 1.12, "what there is to see"
    assert measure_grid(picture[..., 32:-32, 32:-32], 4) < 1.05


def test_a_mask_does_not_ring_where_it_is_empty() -> None:
    mask = torch.zeros(1, 1, 20, 20)
    mask[..., :9] = 1
    found = resize_mask(mask, (70, 90))
    assert found.shape == (1, 1, 70, 90)
    assert float(found[..., 46:].max()) == 0
    assert resize_mask(mask, (20, 20)) is mask


def test_a_mirrored_picture_is_resized_as_any_other() -> None:
    tile = noise(32, 64)
    assert torch.equal(resize(tile, (48, 80), "mirror"), resize(tile, (48, 80)))


@given(SIDE.filter(lambda n: n < 300), SIDE.filter(lambda n: n < 300), st.floats(0, 0.9))
def test_trimming_takes_the_same_off_each_side(height: int, width: int, share: float) -> None:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    trimmed = trim_border(torch.stack([y, x])[None], share)
    cut = round(share * max(height, width))
    for axis, side in ((0, height), (1, width)):
        gone = max(0, min(cut, side // 3, (side - 16) // 2))
        assert trimmed[0, axis].min() == gone
        assert trimmed[0, axis].max() == side - 1 - gone
        assert trimmed.shape[axis + 2] >= side / 3


def test_trimming_nothing_keeps_everything() -> None:
    image = noise(10, 12)
    assert torch.equal(trim_border(image, 0), image)


@given(st.tuples(SIDE, SIDE).map(lambda s: (s[0] // 16, s[1] // 16)), PHOTOGRAPH)
def test_a_covering_picture_has_the_size_asked_for(
    size: tuple[int, int], own: tuple[int, int]
) -> None:
    image = torch.full((1, 3, own[0] // 20, own[1] // 20), 0.25)
    covered = cover(image, size)
    torch.testing.assert_close(covered, torch.full((1, 3, *size), 0.25))


def test_covering_cuts_the_overhang_evenly_and_does_not_squeeze() -> None:
    columns = torch.linspace(0, 1, 30).expand(1, 3, 10, 30)
    torch.testing.assert_close(cover(columns, (10, 10)), columns[..., 10:20])
    rows = columns.mT
    torch.testing.assert_close(cover(rows, (10, 10)), rows[..., 10:20, :])
    assert cover(columns, (20, 20)).shape == (1, 3, 20, 20)
    centre = cover(columns, (20, 20))
    torch.testing.assert_close(centre.mean(), torch.tensor(0.5), rtol=0, atol=1e-3)
    torch.testing.assert_close(centre, 1 - centre.flip(3), rtol=0, atol=1e-3)
