"""What painting networks are taught by."""

import pytest
import torch
import torch.nn.functional as F

from impasto.trainlosses import tone_difference


def test_tones_are_the_same_in_other_colours_and_contrast():
    photo = F.interpolate(torch.rand(2, 3, 4, 4), (32, 32))
    assert tone_difference(0.2 + 0.3 * photo, photo).item() == pytest.approx(0, abs=0.02)


def test_a_negative_has_opposite_tones():
    photo = torch.zeros(1, 3, 32, 32)
    photo[..., 16:] = 1
    assert tone_difference(1 - photo, photo).item() == pytest.approx(2, abs=0.01)


def test_a_blot_in_a_dark_place_counts():
    photo = torch.zeros(1, 3, 32, 32)
    photo[..., 16:] = 0.8
    painted = photo.clone()
    painted[..., 8:16, 0:8] = 1
    assert tone_difference(painted, photo) > 0.1


def test_noise_within_a_square_does_not():
    photo = torch.zeros(1, 3, 32, 32)
    photo[..., 16:] = 0.8
    noise = torch.ones_like(photo)
    noise[..., ::2] = -1
    assert tone_difference(photo + 0.2 * noise, photo).item() == pytest.approx(0, abs=1e-3)


def test_a_flat_picture_has_a_finite_slope():
    painted = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
    tone_difference(painted, torch.rand(1, 3, 16, 16)).backward()
    assert painted.grad is not None
    assert torch.isfinite(painted.grad).all()
