"""Learning from another network."""

import pytest
import torch
from torch import Tensor, nn

from impasto.tutors import Tutor, compare_paintings


class Brightener(nn.Module):
    """Adds what it is told; counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, photo: Tensor, wish: Tensor) -> Tensor:
        self.asked += 1
        return photo + wish[..., None, None]


def tell(style: int) -> Tensor:
    return torch.full((1, 1), 0.1 * style)


def test_paints_each_crop_in_its_style() -> None:
    photos = torch.full((2, 3, 8, 8), 0.2)
    painted = Tutor(Brightener(), tell, 1 << 20).paint(photos, [1, 5], None)
    assert painted[0].mean().item() == pytest.approx(0.3, abs=1 / 255)
    assert painted[1].mean().item() == pytest.approx(0.7, abs=1 / 255)


def test_stays_in_the_range_of_pictures() -> None:
    painted = Tutor(Brightener(), tell, 1 << 20).paint(torch.ones(1, 3, 4, 4), [9], None)
    assert painted.max() == 1


def test_what_comes_again_is_painted_once() -> None:
    network = Brightener()
    tutor = Tutor(network, tell, 1 << 20)
    photos = torch.rand(2, 3, 8, 8)
    first = tutor.paint(photos, [1, 2], [7, 8])
    assert torch.equal(first, tutor.paint(photos, [1, 2], [7, 8]))
    assert (network.asked, len(tutor)) == (2, 2)
    tutor.paint(photos, [2, 2], [7, 8])
    assert network.asked == 3


def test_keeps_no_more_than_there_is_room_for() -> None:
    network = Brightener()
    tutor = Tutor(network, tell, 3 * 8 * 8)
    for _ in range(2):
        tutor.paint(torch.rand(2, 3, 8, 8), [1, 2], [7, 8])
    assert (network.asked, len(tutor)) == (3, 1)


def test_nothing_is_kept_of_crops_that_do_not_come_again() -> None:
    tutor = Tutor(Brightener(), tell, 1 << 20)
    tutor.paint(torch.rand(2, 3, 8, 8), [1, 2], None)
    assert len(tutor) == 0


def test_comparison_of_a_flat_difference() -> None:
    aim = torch.rand(1, 3, 8, 8)
    assert compare_paintings(aim + 0.5, aim).item() == pytest.approx(4 * 0.25, rel=1e-4)


def test_coarse_errors_weigh_more_than_noise() -> None:
    aim = torch.zeros(1, 3, 8, 8)
    fine = torch.ones(1, 3, 8, 8)
    fine[..., ::2] = -1
    assert compare_paintings(fine, aim) < compare_paintings(torch.ones_like(aim), aim)
