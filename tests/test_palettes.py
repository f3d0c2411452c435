"""Palettes of sets: measured, compared, and approached without losing the picture."""

import json

import pytest
import torch
from torch import Tensor

from impasto.color import oklab_to_rgb, rgb_to_oklab
from impasto.config import PaintConfig
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError, ShapeError
from impasto.painting import paint
from impasto.palettes import (
    LEVELS,
    Palette,
    blend_palettes,
    draw_toward,
    measure_palette,
    measure_spread,
    palette_distance,
)
from impasto.regions import Guidance, pair_masks


def shift(image: Tensor, *way: float, gain: float = 1.0) -> Tensor:
    lab = rgb_to_oklab(image)
    middle = lab.mean((2, 3), keepdim=True)
    return oklab_to_rgb((lab - middle) * gain + middle + torch.tensor(way).view(1, 3, 1, 1))


@pytest.fixture(scope="module")
def soft(photo: Tensor) -> Tensor:
    """A picture whose colours have room to move."""
    return shift(photo.mean(1, keepdim=True) * 0.4 + photo * 0.2 + 0.2, 0, 0, 0)


def test_a_palette_is_mean_covariance_and_quantiles(photo: Tensor) -> None:
    found, lab = measure_palette(photo), rgb_to_oklab(photo.double())[0].flatten(1)
    torch.testing.assert_close(torch.tensor(found.mean).double(), lab.mean(1))
    covariance = torch.cov(lab, correction=0)
    torch.testing.assert_close(torch.tensor(found.covariance).double(), covariance)
    wanted = torch.quantile(lab[0], torch.tensor(LEVELS).double())
    torch.testing.assert_close(torch.tensor(found.lightness).double(), wanted, atol=2e-3, rtol=0)


def test_what_does_not_count_is_not_measured(photo: Tensor) -> None:
    half = torch.zeros(1, 1, *photo.shape[2:])
    half[..., :30] = 1
    found, wanted = measure_palette(photo, half), measure_palette(photo[..., :30])
    assert found.mean == pytest.approx(wanted.mean, abs=1e-6)
    assert found.lightness == pytest.approx(wanted.lightness, abs=1e-6)
    assert measure_palette(photo, half * 0) == measure_palette(photo)
    with pytest.raises(ShapeError, match="do not fit"):
        measure_palette(photo, half[..., 1:])
    with pytest.raises(ShapeError, match="A picture has shape"):
        measure_palette(photo[:, :2])


def test_distance_is_that_of_normal_distributions(soft: Tensor) -> None:
    one, other = measure_palette(soft), measure_palette(shift(soft, 0.05, 0.02, 0))
    assert palette_distance(one, one) == pytest.approx(0, abs=1e-6)
    assert palette_distance(one, other) == pytest.approx((0.05**2 + 0.02**2) ** 0.5, rel=0.05)
    # Contrast counts as well: twice as much is one deviation away.
    double = Palette(
        one.mean, tuple(tuple(4 * x for x in r) for r in one.covariance), one.lightness
    )
    trace = sum(one.covariance[i][i] for i in range(3))
    assert palette_distance(one, double) == pytest.approx(trace**0.5, rel=1e-3)
    assert measure_spread([one]) == 0
    assert measure_spread([one, one, other]) == pytest.approx(palette_distance(one, other) * 2 / 3)


def test_blended_palettes_hang_side_by_side(photo: Tensor, style: Tensor) -> None:
    wall = torch.cat([photo, photo.flip(2) * 0.5], dim=3)
    found = blend_palettes([measure_palette(photo), measure_palette(photo * 0.5)], [2, 2])
    wanted = measure_palette(wall)
    assert found.mean == pytest.approx(wanted.mean, abs=1e-6)
    flat = [x for row in found.covariance for x in row]
    assert flat == pytest.approx([x for row in wanted.covariance for x in row], abs=1e-6)
    alone = blend_palettes([measure_palette(photo), measure_palette(style)], [1, 0])
    assert alone.mean == pytest.approx(measure_palette(photo).mean)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_drawing_comes_nearer_by_its_share(soft: Tensor, share: float) -> None:
    wanted = measure_palette(shift(soft, 0.08, 0.03, -0.04, gain=1.3))
    before = palette_distance(measure_palette(soft), wanted)
    after = palette_distance(measure_palette(draw_toward(soft, wanted, share)), wanted)
    assert after == pytest.approx((1 - share) * before, abs=0.12 * before)
    assert draw_toward(soft, wanted, 0) is soft
    own = draw_toward(soft, measure_palette(soft), 1.0)
    assert (own - soft).abs().max() < 0.02


def test_a_picture_stays_what_it_is(photo: Tensor) -> None:
    """A night drawn all the way to a day keeps its order of lights, and no noise is blown up."""
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    night = (0.1 + photo * 0.15 + 0.01 * noise).clamp(0, 1)
    drawn = draw_toward(night, measure_palette(photo * 0.3 + 0.7), 1.0)
    before, after = (rgb_to_oklab(x)[0, 0].flatten() for x in (night, drawn))
    order = before.argsort()
    assert (after[order].diff() > -0.03).all()
    assert after.mean() - before.mean() < 0.27
    assert after.std() < 2.1 * before.std()


def test_what_has_no_paint_stays_untouched(photo: Tensor, style: Tensor) -> None:
    presence = torch.zeros(1, 1, *photo.shape[2:])
    presence[..., :20] = 1
    drawn = draw_toward(photo, measure_palette(style), 1.0, presence)
    assert torch.equal(drawn[..., 20:], photo[..., 20:])
    assert (drawn[..., :20] - photo[..., :20]).abs().mean() > 0.02


@pytest.mark.parametrize("tint", [0.0, 1.0])
def test_a_painting_is_drawn_where_it_is_painted(
    photo: Tensor, style: Tensor, vgg19: VGG, tint: float
) -> None:
    strength = torch.ones(1, 1, 80, 64)
    strength[..., 30:] = 0
    palette = measure_palette(style * torch.tensor([0.3, 0.5, 1.0]).view(1, 3, 1, 1))
    config = PaintConfig(size=80, scales=1, steps=(2,), family_pull=tint)
    where = Guidance(pair_masks(1, ()), strength)
    *_, plain = paint(photo, [style], vgg19, config, guidance=where)
    *_, last = paint(photo, [style], vgg19, config, guidance=where, palette=palette)
    assert plain.palettes is None
    assert last.palettes is not None
    before, after = (palette_distance(one, palette) for one in last.palettes())
    assert torch.equal(last.picture()[..., 31:], plain.picture()[..., 31:])
    changed = (last.picture() - plain.picture())[..., :28].abs().mean()
    if tint:
        assert after < 0.6 * before
        assert changed > 0.02
    else:
        assert after == before
        assert changed == 0


def test_palettes_survive_a_file(photo: Tensor) -> None:
    palette = measure_palette(photo)
    again = Palette.from_dict(json.loads(json.dumps(palette.to_dict())))
    assert palette_distance(palette, again) < 1e-3
    assert again.to_dict() == palette.to_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [0.5, 0.1]}, {"mean": "abc"}, {"mean": [float("nan"), 0, 0]}, {"mean": [9, 0, 0]},
        {"covariance": [[1, 0], [0, 1]]}, {"covariance": None}, {"lightness": [0.1, 0.2]},
        {"lightness": [0.9] + [0.1] * (len(LEVELS) - 1)},
    ],
)  # fmt: skip
def test_what_is_no_palette_is_refused(photo: Tensor, change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="no palette"):
        Palette.from_dict(measure_palette(photo).to_dict() | change)
    with pytest.raises(ConfigError, match="no palette"):
        Palette.from_dict([])
