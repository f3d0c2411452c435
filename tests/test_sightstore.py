"""What the critic saw, kept: the same numbers as without, in as much memory as it may take."""

import pytest
import torch

from impasto.encoders.vgg import VGG
from impasto.sightstore import SightStore

LAYERS = ("relu2_1", "relu1_2")


@pytest.fixture(scope="module")
def critic(random_state):
    return VGG("vgg19", random_state("vgg19"))


@pytest.fixture
def crops():
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def looks(critic, monkeypatch):
    """Numbers of pictures that the critic was given, one for each call."""
    counted = []
    plain = VGG.forward

    def forward(self, image, layers):
        counted.append(len(image))
        return plain(self, image, layers)

    monkeypatch.setattr(VGG, "forward", forward)
    return counted


def size_of(seen):
    """Bytes in half precision."""
    return sum(tensor.numel() * 2 for tensor in seen.values())


def test_the_same_to_half_precision(critic, crops):
    wanted = critic(crops, LAYERS)
    found = SightStore(critic, LAYERS, 1 << 30).look(crops, [5, 6, 7, 8])
    assert found.keys() == set(LAYERS)
    for layer, tensor in found.items():
        assert tensor.dtype == torch.float32
        assert torch.allclose(tensor, wanted[layer], rtol=1e-3, atol=1e-4)
        assert not torch.equal(tensor, wanted[layer])


def test_what_was_seen_is_not_looked_at_again(critic, crops, looks):
    store = SightStore(critic, LAYERS, 1 << 30)
    first = store.look(crops[:3], [0, 1, 2])
    assert looks == [1, 1, 1]
    mixed = store.look(crops[[2, 3, 0]], [2, 3, 0])
    assert looks == [1] * 4
    assert len(store) == 4
    for layer in LAYERS:
        assert torch.equal(mixed[layer][[2, 0]], first[layer][[0, 2]])


def test_grouping_changes_no_bit(critic, crops):
    together = SightStore(critic, LAYERS, 1 << 30).look(crops, range(4))
    store = SightStore(critic, LAYERS, 1 << 30)
    alone = [store.look(crops[[place]], [place]) for place in (3, 1, 0, 2)]
    for layer in LAYERS:
        for place, seen in zip((3, 1, 0, 2), alone, strict=True):
            assert torch.equal(seen[layer], together[layer][[place]])


def test_a_number_twice_in_a_batch(critic, crops, looks):
    store = SightStore(critic, LAYERS, 1 << 30)
    found = store.look(crops[[1, 1]], [1, 1])
    assert looks == [1]
    assert torch.equal(found["relu2_1"][0], found["relu2_1"][1])


@pytest.mark.parametrize("fitting", [0, 1, 2.5])
def test_room_is_kept_to(critic, crops, looks, fitting):
    one = size_of(critic(crops[:1], LAYERS))
    looks.clear()
    store = SightStore(critic, LAYERS, int(one * fitting))
    first = store.look(crops, range(4))
    assert len(store) == int(fitting)
    again = store.look(crops, range(4))
    assert len(looks) == 8 - int(fitting)
    assert all(torch.equal(first[layer], again[layer]) for layer in LAYERS)


def test_activations_beyond_half_precision(crops):
    class Loud:
        def __call__(self, image, layers):
            return dict.fromkeys(layers, image * 1000000.0)

    found = SightStore(Loud(), ("relu1_1",), 1 << 30).look(crops, range(4))
    assert found["relu1_1"].isfinite().all()
    assert found["relu1_1"].max() == 65504
