"""Decoders by least squares."""

import pytest
import torch
import torch.nn.functional as F

from impasto.encoders.vgg import VGG
from impasto.inversion import _fit, fit_decoder
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
