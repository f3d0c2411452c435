"""Masks: which style goes where, what is left alone, and what is looked at."""

import pytest
import torch
from torch import Tensor

from impasto.config import PaintConfig, Seamless
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError, ShapeError
from impasto.memory import Frugality
from impasto.objective import build_objective
from impasto.painting import paint
from impasto.pyramid import resize
from impasto.regions import (
    Guidance,
    Region,
    StylePart,
    find_labels,
    pair_labels,
    pair_masks,
    split_labels,
)
from impasto.statistics import collect_moments
from impasto.tiled import build_tiled_objective
from slowly import slow

CPU = torch.device("cpu")
SIZE = (131, 115)


def draw(height: int, width: int, seed: int) -> Tensor:
    rough = torch.rand((1, 3, 24, 24), generator=torch.Generator().manual_seed(seed))
    return resize(rough, (height, width))


def halves(height: int, width: int) -> tuple[Tensor, Tensor]:
    left = torch.zeros(1, 1, height, width)
    left[..., : width // 2] = 1
    return left, 1 - left


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weighted_moments_are_those_of_what_counts(dtype: torch.dtype) -> None:
    features = torch.rand(1, 5, 8, 6).to(dtype)
    weights = torch.zeros(1, 1, 8, 6)
    weights[..., :4, :] = 0.7
    found = collect_moments(features, weights)
    for one, other in zip(found, collect_moments(features[..., :4, :]), strict=True):
        torch.testing.assert_close(one, other)
    for one, other in zip(
        collect_moments(features, torch.full((1, 1, 8, 6), 0.3)),
        collect_moments(features),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_weighted_moments_have_the_right_slope() -> None:
    weights = torch.rand(1, 1, 4, 3)
    features = torch.rand(1, 3, 4, 3, requires_grad=True)

    def plainly(x: Tensor) -> Tensor:
        share = weights / weights.sum()
        second = torch.einsum("bchw,bdhw->bcd", x * share, x)
        return (second**2).sum() + ((x * share).sum((2, 3)) ** 3).sum()

    def ours(x: Tensor) -> Tensor:
        mean, second = collect_moments(x, weights)
        return (second**2).sum() + (mean**3).sum()

    (expected,) = torch.autograd.grad(plainly(features), features)
    (found,) = torch.autograd.grad(ours(features), features)
    torch.testing.assert_close(found, expected)


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match="have shape"):
        collect_moments(torch.rand(1, 3, 4, 4), torch.rand(1, 1, 2, 2))


def guidance(strength: bool) -> Guidance:
    left, right = halves(40, 30)
    soft = torch.linspace(0, 1, 40).view(1, 1, 40, 1).expand(1, 1, 40, 30)
    style_mask = torch.zeros(1, 1, 10, 10)
    style_mask[..., 5:] = 1
    regions = pair_masks(2, [left * 0.8, right * 0.6], [style_mask, None])
    return Guidance(regions, soft if strength else None)


@pytest.mark.parametrize("strength", [slow(False), True])
@pytest.mark.parametrize("keep_targets", [False, slow(True)])
def test_tiles_change_nothing_about_masks(vgg19: VGG, strength: bool, keep_targets: bool) -> None:
    config = PaintConfig().resolve()
    content, image = draw(*SIZE, 1), draw(*SIZE, 3)
    pictures = (vgg19, config, content, [draw(120, 160, 2), draw(90, 90, 4)], SIZE)
    whole = build_objective(*pictures, guidance=guidance(strength))(image)
    tiled = build_tiled_objective(
        *pictures, 64, guidance=guidance(strength), keep_targets=keep_targets
    )(image)
    assert tiled.loss == pytest.approx(whole.loss, rel=1e-5)
    assert (tiled.gradient - whole.gradient).norm() < 1e-4 * whole.gradient.norm()


def test_a_mask_of_everything_is_no_mask(vgg19: VGG) -> None:
    config = PaintConfig().resolve()
    image = draw(*SIZE, 3)
    pictures = (vgg19, config, draw(*SIZE, 1), [draw(120, 160, 2)], SIZE)
    plain = build_objective(*pictures)(image)
    full = Guidance(pair_masks(1, [torch.ones(1, 1, 9, 9)]), torch.ones(1, 1, 5, 5))
    found = build_objective(*pictures, guidance=full)(image)
    assert found.loss == pytest.approx(plain.loss, rel=1e-5)
    assert (found.gradient - plain.gradient).norm() < 1e-4 * plain.gradient.norm()


def test_each_half_takes_its_own_style(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    red = style * torch.tensor([1, 0.3, 0.2]).view(1, 3, 1, 1)
    blue = style * torch.tensor([0.2, 0.3, 1]).view(1, 3, 1, 1)
    grey = photo.mean(1, keepdim=True).expand_as(photo)
    left, right = halves(photo.shape[-2], photo.shape[-1])
    config = PaintConfig(size=80, scales=1, steps=(12,), strength=3)
    masks = Guidance(pair_masks(2, [left, right]))
    *_, last = paint(grey, [red, blue], vgg19, config, guidance=masks)
    middle = last.picture().shape[-1] // 2
    sides = last.picture()[..., : middle - 6], last.picture()[..., middle + 6 :]
    redness = [float((side[:, 0] - side[:, 2]).mean()) for side in sides]
    assert redness[0] > 0.03
    assert redness[1] < -0.03


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("tile", [None, slow(48)])
def test_what_has_no_strength_stays_the_photograph(
    photo: Tensor, style: Tensor, vgg19: VGG, optimizer: str, tile: int | None
) -> None:
    strength = torch.ones(1, 1, 80, 64)
    strength[..., 20:60, 10:40] = 0
    config = PaintConfig(size=80, scales=2, steps=(4,), optimizer=optimizer)
    frugality = None if tile is None else Frugality(tile)
    where = Guidance(pair_masks(1, ()), strength)
    *_, last = paint(photo, [style], vgg19, config, frugality=frugality, guidance=where)
    change = (last.picture() - photo).abs().amax(1)
    assert change[..., 21:59, 11:39].max() <= 2 / 255
    assert change[..., :15, :].mean() > 4 / 255


def test_what_no_mask_covers_stays_the_photograph(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    left, _ = halves(80, 64)
    config = PaintConfig(size=80, scales=1, steps=(4,))
    *_, last = paint(photo, [style], vgg19, config, guidance=Guidance(pair_masks(1, [left])))
    change = (last.picture() - photo).abs().amax(1)
    assert change[..., 33:].max() <= 2 / 255
    assert change[..., :30].mean() > 4 / 255


def test_masked_painting_resumes_to_the_same(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    left, right = halves(80, 64)
    where = Guidance(pair_masks(2, [left, right]), left * 0.5 + 0.2)
    config = PaintConfig(size=64, scales=2, steps=(3, 3))
    pictures = (photo, [style, style.flip(3)], vgg19, config)
    events, states = [], []
    for event in paint(*pictures, guidance=where):
        events.append(event)
        states.append(event.state())
    *_, again = paint(*pictures, guidance=where, state=states[3])
    assert torch.equal(again.picture(), events[-1].picture())


def test_overlapping_masks_share_and_gaps_are_left() -> None:
    full, half = torch.ones(1, 1, 8, 8), halves(8, 8)[0]
    scaled = Guidance(pair_masks(2, [full, half])).scale((8, 8), CPU)
    assert scaled.strength is None
    assert scaled.masks[0] is not None
    assert scaled.masks[0][0, 0, 0].tolist() == [0.5] * 4 + [1.0] * 4
    gap = Guidance(pair_masks(1, [half])).scale((8, 8), CPU)
    assert gap.presence is not None
    assert gap.presence[0, 0, 0].tolist() == [1.0] * 4 + [0.0] * 4
    assert sum(scaled.areas) == pytest.approx(1)
    assert Guidance((Region(None, (StylePart(0),)),)).scale((8, 8), CPU).areas == (1.0,)


def test_numbers_that_do_not_fit_are_refused(vgg19: VGG) -> None:
    with pytest.raises(ConfigError, match="1 masks for 2 styles"):
        pair_masks(2, [torch.ones(1, 1, 4, 4)])
    with pytest.raises(ConfigError, match="3 style shares for 2 styles"):
        pair_masks(2, (), (), (1, 2, 3))
    with pytest.raises(ShapeError, match="A mask has shape"):
        Guidance(pair_masks(1, [torch.ones(1, 3, 4, 4)])).scale((8, 8), CPU)
    empty = Guidance(pair_masks(1, (), [torch.zeros(1, 1, 4, 4)]))
    with pytest.raises(ConfigError, match="leaves nothing"):
        build_objective(
            vgg19, PaintConfig().resolve(), draw(*SIZE, 1), [draw(64, 64, 2)], SIZE, guidance=empty
        )


def label(height: int, width: int, *colors: tuple[float, float, float]) -> Tensor:
    picture = torch.zeros(1, 3, height, width)
    for index, color in enumerate(colors):
        columns = slice(index * width // len(colors), (index + 1) * width // len(colors))
        picture[..., columns] = torch.tensor(color).view(1, 3, 1, 1)
    return picture


def test_labels_pair_regions_of_one_colour() -> None:
    red, blue, green = (1.0, 0, 0), (0, 0, 1.0), (0, 1.0, 0)
    soft = resize(label(50, 60, red, blue), (25, 37))  # as editors save it: with soft edges
    assert len(find_labels(soft)) == 2
    masks = split_labels(soft, find_labels(soft))
    assert torch.equal(sum(masks, torch.zeros(())), torch.ones(1, 1, 25, 37))
    regions = pair_labels(soft, [label(30, 30, blue, red), label(30, 30, blue, green)])
    by_color = {tuple(c.tolist()): r for c, r in zip(find_labels(soft), regions, strict=True)}
    assert [part.style for part in by_color[red].parts] == [0]
    assert [part.style for part in by_color[blue].parts] == [0, 1]
    mask = by_color[red].parts[0].mask
    assert mask is not None
    assert mask[..., 20:].min() == 1
    assert mask[..., :10].max() == 0
    with pytest.raises(ConfigError, match="#ff0000"):
        pair_labels(soft, [label(30, 30, blue, green)])


@pytest.mark.parametrize("kind", ["none", "straight", "half-drop", "half-brick", "mirror"])
def test_masks_of_a_pattern_cover_it_as_before(kind: Seamless) -> None:
    left, right = halves(80, 60)
    spared = 1 - draw(80, 60, 3)[:, :1].round()
    guidance = Guidance(pair_masks(2, (left, right)), spared)
    scaled = guidance.scale((96, 64), CPU, kind)
    one, other = scaled.masks
    torch.testing.assert_close(one + other, torch.ones(1, 1, 96, 64))
    step = max((plane[..., 0] - plane[..., -1]).abs().mean() for plane in (one, other))
    assert (step < 0.5) == (kind in ("straight", "half-brick", "half-drop"))
