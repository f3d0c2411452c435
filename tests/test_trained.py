"""Networks as files: what comes back, and what is refused."""

import json

import pytest
import torch
from safetensors.torch import save_file

from impasto.encoders.vgg import VGG
from impasto.errors import NumericalError, OutputError, WeightsError
from impasto.networks import build_network
from impasto.trained import (
    Card,
    load_network,
    load_training,
    read_card,
    read_weights,
    save_network,
    save_training,
)
from impasto.training import TrainState

NUMBERS = {"width": 4, "blocks": 1, "hidden": 8, "eye": 0, "smooth": 1}
CARD = Card(network="micro", arguments=NUMBERS, steps=7, data="dots", recipe={"size": 64})


@pytest.fixture(scope="module")
def encoder(random_state):
    return VGG("vgg19", random_state("vgg19"))


@pytest.fixture
def network(encoder):
    torch.manual_seed(0)
    return build_network("micro", lambda: encoder, NUMBERS)


@pytest.fixture
def path(tmp_path, network):
    path = tmp_path / "net.safetensors"
    save_network(path, network.state_dict(), CARD)
    return path


def test_round_trip(path, network, encoder):
    loaded, card = load_network(path, lambda: encoder)
    assert card == CARD == read_card(path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float())
    photo = torch.rand(1, 3, 24, 24)
    wish = network.describe(photo)
    with torch.no_grad():
        assert torch.allclose(loaded(photo, wish), network(photo, wish), atol=0.01)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_the_same_network_is_the_same_file(path, network):
    """The library's own order of a header's text changes from call to call."""
    first = path.read_bytes()
    for _ in range(10):
        save_network(path, network.state_dict(), CARD)
        assert path.read_bytes() == first


def test_the_encoder_is_not_in_the_file(path):
    assert path.stat().st_size < 200_000


@pytest.mark.parametrize("size", [0, 5, 300, -10])
def test_a_damaged_file(path, encoder, size):
    path.write_bytes(path.read_bytes()[:size])
    for read in (read_card, lambda path: load_network(path, lambda: encoder)):
        with pytest.raises(WeightsError, match=r"damaged or no fast network"):
            read(path)


def test_no_file(tmp_path, encoder):
    for path in (tmp_path, tmp_path / "none.safetensors"):
        with pytest.raises(WeightsError):
            load_network(path, lambda: encoder)


def test_a_foreign_file(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.ones(1)}, path)
    with pytest.raises(WeightsError, match="no fast network"):
        read_card(path)
    save_file({"a": torch.ones(1)}, path, {"impasto": "1", "card": '{"network": 3}'})
    with pytest.raises(WeightsError, match="damaged"):
        read_card(path)


@pytest.mark.parametrize(
    "change", [{"network": "gan"}, {"arguments": {"width": 8}}, {"arguments": {"depth": 8}}]
)
def test_a_card_that_lies(tmp_path, network, encoder, change):
    path = tmp_path / "net.safetensors"
    save_network(path, network.state_dict(), CARD.model_copy(update=change))
    with pytest.raises(WeightsError, match="does not hold what its card says"):
        load_network(path, lambda: encoder)


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_weights_beyond_all_bounds(tmp_path, value):
    path = tmp_path / "net.safetensors"
    with pytest.raises(NumericalError, match="bounds"):
        save_network(path, {"a": torch.tensor([value])}, CARD)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError):
        save_network(tmp_path / "no" / "net.safetensors", {"a": torch.ones(1)}, CARD)


@pytest.fixture
def state():
    return TrainState(
        5, {"a": torch.rand(2, 3)}, {"a": torch.rand(2, 3)},
        {"0.step": torch.tensor(5.0), "0.exp_avg": torch.rand(2, 3)}, 12.5,
    )  # fmt: skip


def test_a_snapshot_comes_back_to_the_bit(tmp_path, state):
    path = tmp_path / "net.resume"
    save_training(path, state, "mine")
    found = load_training(path, "mine")
    assert (found.step, found.seconds) == (5, 12.5)
    for part in ("weights", "average", "optimizer"):
        one, other = getattr(state, part), getattr(found, part)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(WeightsError, match="other pictures or settings"):
        load_training(path, "yours")


@pytest.mark.parametrize("facts", ["{", "[]", '{"step": null, "seconds": 0}', '{"step": 3}'])
def test_a_damaged_snapshot(tmp_path, facts):
    path = tmp_path / "net.resume"
    header = {"impasto": "1", "fingerprint": "mine", "facts": facts}
    save_file({"weights/a": torch.ones(1)}, path, header)
    with pytest.raises(WeightsError, match="damaged; delete it"):
        load_training(path, "mine")
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match="damaged; delete it"):
        load_training(path, "mine")


def test_cards_are_json(path):
    assert json.loads(CARD.model_dump_json())["steps"] == 7


def test_cards_of_before_are_read(tmp_path):
    """Those that say neither their commit nor what they went on from."""
    path = tmp_path / "old.safetensors"
    old = {"network": "micro", "arguments": NUMBERS, "styles": [], "steps": 3, "pictures": 6,
           "data": "", "licence": "", "recipe": {"size": 64}, "version": "0.1.0"}  # fmt: skip
    save_file({"a": torch.ones(1)}, path, {"impasto": "1", "card": json.dumps(old)})
    card = read_card(path)
    assert (card.steps, card.commit, card.started_from) == (3, "", {})


def test_a_card_that_does_not_tell_how_to_enlarge(tmp_path, network, encoder):
    path = tmp_path / "net.safetensors"
    numbers = {name: number for name, number in NUMBERS.items() if name != "smooth"}
    save_network(path, network.state_dict(), CARD.model_copy(update={"arguments": numbers}))
    old, card = load_network(path, lambda: encoder)
    assert card.arguments == numbers | {"smooth": 0}
    assert not old.leave.smooth
    assert network.leave.smooth


def test_weights_alone(path, network):
    found = read_weights(path)
    assert found.keys() == network.state_dict().keys()
    assert all(tensor.dtype == torch.float32 for tensor in found.values())
