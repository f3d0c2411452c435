"""Grain on photographs: the same at the same place, without a pattern or a seam."""

import pytest
import torch
import torch.nn.functional as F

from impasto.networks.grain import SIDE, add_grain, choose_origins, draw_field, draw_grain

#: Its first values.
FIRST = [-0.017, 0.301, -1.092, -1.59]


def test_it_is_noise_of_mean_zero_and_variance_one():
    grain = draw_grain()
    assert grain.shape == (SIDE, SIDE)
    assert grain.mean().item() == pytest.approx(0, abs=1e-5)
    assert grain.std().item() == pytest.approx(1, abs=1e-4)
    assert grain.abs().max() < 5


def test_it_is_the_same_on_all_machines():
    first = [round(value, 3) for value in draw_grain()[0, :4].tolist()]
    assert first == FIRST


@pytest.mark.parametrize("octave", range(4))
def test_it_has_spots_of_all_sizes(octave):
    """Of white noise, half of the deviation is left of twice the side, and so on."""
    left = F.avg_pool2d(draw_grain()[None, None], 1 << octave).std().item()
    assert left > 1.2 / (1 << octave) if octave else left == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("dim", [0, 1])
def test_it_repeats_without_a_seam(dim):
    grain = draw_grain()
    steps = (grain - grain.roll(1, dim)).square().mean(dim=1 - dim)
    assert steps[0] < 1.5 * steps.mean()
    assert steps[0] > 0.5 * steps.mean()


@pytest.mark.parametrize("away", [(0, 40), (23, 0), (97, 101)])
def test_no_place_is_like_another(away):
    grain = draw_grain()
    likeness = (grain * grain.roll(away, (0, 1))).mean()
    assert abs(likeness.item()) < 0.05


def test_a_piece_has_the_grain_of_the_whole():
    picture = torch.full((1, 3, 300, 520), 0.5)
    whole = add_grain(picture, 6)
    piece = add_grain(picture[..., 70:, 260:], 6, (70, 260))
    assert torch.equal(piece, whole[..., 70:, 260:])
    assert torch.equal(whole[..., :SIDE], add_grain(picture, 6, (0, SIDE))[..., :SIDE])


def test_its_strength_is_told_in_levels():
    away = 255 * (add_grain(torch.full((2, 3, SIDE, SIDE), 0.5), 6) - 0.5)
    assert away.std().item() == pytest.approx(6, abs=0.01)
    assert torch.equal(away[:, 0], away[:, 2])


def test_each_crop_has_grain_from_an_origin_of_its_own():
    x, origins = torch.zeros(2, 5, 30, 40), torch.tensor([[3, 250], [-7, 12]])
    both = draw_field(x, origins)
    assert both.shape == (2, 1, 30, 40)
    for field, origin in zip(both, origins.tolist(), strict=True):
        assert torch.equal(field[0], draw_field(x, tuple(origin)))


def test_origins_follow_from_the_crop_and_are_spread():
    generator = torch.Generator().manual_seed(0)
    crops = torch.rand(200, 3, 64, 64, generator=generator)
    origins = choose_origins(crops)
    assert torch.equal(origins, choose_origins(crops.clone()))
    assert torch.equal(origins[5:6], choose_origins(crops[5:6]))
    assert origins.min() >= 0
    assert origins.max() < SIDE
    assert len(set(map(tuple, origins.tolist()))) > 190
    assert abs(origins.float().mean().item() - SIDE / 2) < 20


def test_what_was_painted_with_can_be_learnt_with():
    with torch.inference_mode():
        add_grain(torch.zeros(1, 3, 8, 8), 6)
    strength = torch.ones(1, 4, 1, 1, requires_grad=True)
    x = torch.zeros(1, 4, 8, 8)
    torch.addcmul(x, strength, draw_field(x, (0, 0))).square().sum().backward()
    assert strength.grad.all()
