"""Muon: each direction is learnt at one pace, and what is no matrix by Adam."""

import pytest
import torch
from torch import nn

from impasto.muon import Muon, find_hidden, orthogonalize


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (16, 16), (64, 576)])
def test_all_directions_are_of_about_one_size(shape):
    matrix = draw(*shape)
    matrix[0] *= 100
    found = torch.linalg.svdvals(orthogonalize(matrix))
    assert found.max() < 1.3
    assert found[: len(found) // 2].min() > 0.6


@pytest.mark.parametrize("shape", [(6, 9), (9, 6)])
def test_directions_stay_what_they_were(shape):
    matrix = draw(*shape)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonalize(matrix) @ right.T
    away = found - torch.diag(found.diagonal())
    assert away.abs().max() < 0.02
    assert values.max() / values.min() > 2


def test_it_does_not_matter_how_large_the_gradient_is():
    matrix = draw(8, 20)
    assert torch.allclose(orthogonalize(matrix), orthogonalize(1e-4 * matrix), atol=1e-5)
    assert torch.equal(orthogonalize(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_a_step_is_as_large_as_adams():
    layer = nn.Conv2d(16, 32, 3)
    before = layer.weight.detach().clone()
    layer.weight.grad = 1e-3 * draw(*layer.weight.shape)
    Muon(layer, 0.01).step()
    change = (layer.weight.detach() - before).square().mean().sqrt().item()
    assert change == pytest.approx(0.01 * 0.2, rel=0.25)


def test_what_is_no_matrix_is_left_to_adam():
    torch.manual_seed(0)
    mine, theirs = (
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sigmoid(), nn.Conv2d(8, 3, 3)) for _ in range(2)
    )
    theirs.load_state_dict(mine.state_dict())
    assert not list(find_hidden(mine))
    pairs = ((mine, Muon(mine, 0.01)), (theirs, torch.optim.Adam(theirs.parameters(), 0.01)))
    for count in range(3):
        for network, optimizer in pairs:
            optimizer.zero_grad()
            network(draw(1, 3, 9, 9, seed=count)).square().sum().backward()
            optimizer.step()
    for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_hidden_are_the_convolutions_between_channels():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3), nn.Conv2d(16, 16, 3, groups=16), nn.Linear(9, 9)
    )
    (only,) = find_hidden(network)
    assert only is network[1].weight
