"""Decoders by least squares."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from impasto.encoders.vgg import VGG
from impasto.inversion import _fit, fit_decoder, fit_predictor
from impasto.leastsquares import fit_bottleneck
from impasto.networks.adain import AdaIN
from impasto.networks.blocks import Convolution


def test_a_linear_map_is_found_again() -> None:
    torch.manual_seed(0)
    truth, found = Convolution(3, 4, 3), Convolution(3, 4, 3)
    x = torch.randn(8, 3, 12, 12)
    with torch.no_grad():
        _fit(found, x, truth(x), torch.Generator().manual_seed(0))
        assert F.mse_loss(found(x), truth(x)) < 1e-4
        assert torch.allclose(found.bias, truth.bias, atol=0.02)


def test_a_map_of_low_rank_is_found_again() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(20, 4), nn.Linear(4, 9)
    x = torch.randn(60, 20) + 3
    with torch.no_grad():
        aim = second(first(x))
        found = nn.Linear(20, 4), nn.Linear(4, 9)
        sizes = torch.linspace(0.1, 2, 9)
        missed = fit_bottleneck(*found, x, aim, sizes, 1e-6)
        assert missed < 1e-6
        assert torch.allclose(found[1](found[0](x)), aim, atol=1e-3)
        between = found[0](x)
        assert between.mean(0).abs().max() < 1e-4
        assert between.square().sum(1).mean() == pytest.approx(1, abs=1e-3)


def test_a_narrow_bottleneck_keeps_what_counts_most() -> None:
    torch.manual_seed(0)
    x = torch.randn(80, 3)
    aim = torch.cat([x[:, :1], x[:, 1:2] / 10], dim=1)
    first, second = nn.Linear(3, 1), nn.Linear(1, 2)
    with torch.no_grad():
        fit_bottleneck(first, second, x, aim, torch.ones(2), 1e-6)
        assert torch.allclose(second(first(x))[:, 0], aim[:, 0], atol=0.05)
        fit_bottleneck(first, second, x, aim, torch.tensor([1, 0.01]), 1e-6)
        assert torch.allclose(second(first(x))[:, 1], aim[:, 1], atol=0.01)


def test_with_few_pictures_what_is_left_tells_nothing_yet() -> None:
    torch.manual_seed(0)
    x, aim = torch.randn(3, 12), torch.randn(3, 7)
    first, second = nn.Linear(12, 10), nn.Linear(10, 7)
    with torch.no_grad():
        assert fit_bottleneck(first, second, x, aim, torch.ones(7), 1e-6) < 1e-3
        assert torch.allclose(second(first(x)), aim, atol=1e-2)
    assert first.weight[3:].any(), "it could not learn"
    assert not second.weight[:, 3:].any()


def test_pictures_that_are_all_alike_tell_nothing() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(12, 4), nn.Linear(4, 7)
    aim = torch.randn(1, 7).expand(5, -1)
    with torch.no_grad():
        fit_bottleneck(first, second, torch.ones(5, 12), aim, torch.ones(7), 1e-6)
        assert torch.allclose(second(first(torch.ones(1, 12))), aim[:1])


@pytest.mark.slow
def test_a_decoder_is_told_what_it_would_find_in_the_style(vgg19: VGG) -> None:
    torch.manual_seed(0)
    pictures = F.interpolate(torch.rand(12, 3, 4, 4), (32, 32), mode="bilinear")
    network = AdaIN(vgg19, hidden=16)
    list(fit_decoder(network, vgg19, pictures))
    with torch.no_grad():
        wish = network.describe(pictures)
        plain = network.decoder(network.encode(pictures))
        before = F.mse_loss(network.decode(network.encode(pictures), wish), plain)
        assert fit_predictor(network, vgg19, pictures) < 0.05
        after = F.mse_loss(network.decode(network.encode(pictures), wish), plain)
    assert after < 0.1 * before


@pytest.mark.slow
def test_a_fitted_decoder_gives_the_picture_back(vgg19: VGG) -> None:
    torch.manual_seed(0)
    coarse = torch.rand(16, 3, 4, 4)
    pictures = F.interpolate(coarse, (32, 32), mode="bilinear")
    network = AdaIN(vgg19)
    missed = list(fit_decoder(network, vgg19, pictures))
    assert len(missed) == 9
    assert all(0 <= share < 1 for share in missed)
    assert missed[-1] < 0.3
    with torch.no_grad():
        again = network.decoder(network.encode(pictures))
    assert F.mse_loss(again, pictures) < 0.3 * pictures.var()


@pytest.mark.slow
def test_the_same_pictures_give_the_same_decoder(vgg19: VGG) -> None:
    pictures = torch.rand(4, 3, 32, 32)
    one, other = AdaIN(vgg19), AdaIN(vgg19)
    for network in (one, other):
        list(fit_decoder(network, vgg19, pictures))
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)
