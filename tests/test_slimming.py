"""Networks of fewer channels that see nearly the same."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.slimming import choose_channels, slim
from impasto.encoders.vgg import VGG

LAYERS = ("relu1_1", "relu2_1")


@pytest.fixture
def pictures(photo: Tensor, style: Tensor) -> Tensor:
    places = [(image, top) for image in (photo, style) for top in (0, 16, 32, 48)]
    return torch.cat(
        [image[..., top : top + 32, top // 2 : top // 2 + 32] for image, top in places]
    )


def test_channels_that_tell_of_the_others_are_chosen() -> None:
    torch.manual_seed(0)
    basis = torch.rand(2, 3, 16, 16)
    mixtures = torch.einsum("oc,bchw->bohw", torch.rand(5, 3), basis)
    activations = torch.cat([mixtures[:, :4], torch.zeros(2, 2, 16, 16), mixtures[:, 4:]], dim=1)
    chosen = choose_channels(activations, 3)
    assert not set(chosen.tolist()) & {4, 5}
    rows = activations[:, chosen].transpose(0, 1).flatten(1).T
    found = torch.linalg.lstsq(rows, mixtures.transpose(0, 1).flatten(1).T).solution
    again = (rows @ found).T.view(5, 2, 16, 16).transpose(0, 1)
    assert torch.allclose(again, mixtures, atol=1e-3)


def test_with_all_channels_it_sees_the_same(vgg19: VGG, pictures: Tensor) -> None:
    slender = vgg19.duplicate()
    told = list(slim(slender, vgg19, LAYERS, 1.0, pictures))
    assert [part.layer for part in told] == ["relu1_1", "relu1_2", "relu2_1"]
    assert [part.channels for part in told] == [64, 64, 128]
    assert all(part.missed < 1e-2 for part in told)


def test_fewer_channels_see_nearly_the_same(vgg19: VGG, pictures: Tensor) -> None:
    before = {name: tensor.clone() for name, tensor in vgg19.named_buffers()}
    slender = vgg19.duplicate()
    told = list(slim(slender, vgg19, LAYERS, 0.4, pictures[::2]))
    assert [part.channels for part in told] == [24, 24, 48]
    assert all(part.missed < 0.1 for part in told)
    unseen = pictures[1::2]
    full, found = vgg19(unseen, LAYERS), slender(unseen, LAYERS)
    assert found["relu2_1"].shape == (4, 48, 16, 16)
    # Each of its channels is one of the full network's.
    for row in found["relu2_1"].transpose(0, 1).flatten(1):
        others = full["relu2_1"].transpose(0, 1).flatten(1)
        assert F.cosine_similarity(row[None], others).max() > 0.9
    for name, tensor in vgg19.named_buffers():
        assert torch.equal(tensor, before[name])


def test_it_pulls_pictures_the_same_way(vgg19: VGG, pictures: Tensor) -> None:
    slender = vgg19.duplicate()
    list(slim(slender, vgg19, ("relu2_1",), 0.4, pictures[::2]))

    def pull(critic: VGG) -> Tensor:
        picture = (pictures[1::2] * 0.8 + 0.1).requires_grad_()
        with torch.no_grad():
            aim = critic(pictures[::2], ["relu2_1"])["relu2_1"]
        (critic(picture, ["relu2_1"])["relu2_1"] - aim).square().sum().backward()
        assert picture.grad is not None
        return picture.grad.flatten(1)

    assert F.cosine_similarity(pull(slender), pull(vgg19)).mean() > 0.8


def test_the_same_pictures_give_the_same_network(vgg19: VGG, pictures: Tensor) -> None:
    one, other = vgg19.duplicate(), vgg19.duplicate()
    for slender in (one, other):
        list(slim(slender, vgg19, LAYERS, 0.5, pictures))
    for (name, mine), (_, theirs) in zip(one.named_buffers(), other.named_buffers(), strict=True):
        assert torch.equal(mine, theirs), name


def test_it_keeps_its_precision(vgg19: VGG, pictures: Tensor) -> None:
    slender = vgg19.with_precision(torch.bfloat16).duplicate()
    list(slim(slender, vgg19, ["relu1_2"], 0.5, pictures))
    assert slender.relu1_2_weight.dtype == torch.bfloat16
    assert slender.relu1_2_weight.shape == (32, 32, 3, 3)
