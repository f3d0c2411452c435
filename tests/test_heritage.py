"""Networks that go on from trained ones: what is taken, by name, shape and style."""

import hashlib

import pytest
import torch

from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError, WeightsError
from impasto.heritage import Heritage
from impasto.lessons import Lesson, School
from impasto.networks import build_network
from impasto.trainconfig import TrainConfig
from impasto.trained import Card, load_network, read_card, save_network
from test_cli import make_picture

CPU = torch.device("cpu")
SMALL = {"width": 4, "blocks": 1}
MICRO = {"width": 4, "blocks": 1, "hidden": 8}


@pytest.fixture(scope="module")
def critic(random_state):
    return VGG("vgg19", random_state("vgg19"))


@pytest.fixture
def save(tmp_path, critic):
    """Writes a network whose weights are all drawn; gives the path."""

    def make(kind, styles=(), **numbers):
        numbers = numbers or (MICRO if kind == "micro" else SMALL)
        if styles:
            numbers = numbers | {"styles": len(styles)}
        torch.manual_seed(1)
        network = build_network(kind, lambda: critic, numbers)
        state = {name: torch.randn_like(tensor) for name, tensor in network.state_dict().items()}
        path = tmp_path / f"{kind}.safetensors"
        save_network(path, state, Card(network=kind, arguments=numbers, styles=styles, steps=7))
        return path

    return make


def fresh(critic, kind, **numbers):
    torch.manual_seed(2)
    return build_network(kind, lambda: critic, numbers).state_dict()


def halves(path):
    return load_network(path, lambda: None)[0].state_dict()


@pytest.mark.parametrize("styles", [("a",), ("a", "b", "c")])
def test_all_of_the_same_kind(save, critic, styles):
    path = save("dumoulin", styles)
    heritage = Heritage(path, "dumoulin")
    bequest = heritage.hand_down(fresh(critic, "dumoulin", **SMALL, styles=len(styles)), styles)
    assert (bequest.new, bequest.strangers) == ((), ())
    theirs = halves(path)
    assert all(torch.equal(bequest.state[name], theirs[name]) for name in theirs)
    line = heritage.describe(bequest)
    assert line == f"It begins with all {len(theirs)} tensors of dumoulin.safetensors."


def test_rows_follow_their_styles(save, critic):
    path = save("dumoulin", ("a", "b", "c"))
    heritage = Heritage(path, "dumoulin")
    mine = fresh(critic, "dumoulin", **SMALL, styles=4)
    bequest = heritage.hand_down(mine, ("c", "x", "a", "y"))
    theirs, found = halves(path)["norms.0.scale"], bequest.state["norms.0.scale"]
    assert torch.equal(found[0], theirs[2])
    assert torch.equal(found[2], theirs[0])
    assert torch.allclose(found[1], theirs.mean(0))
    assert torch.equal(found[1], found[3])
    assert bequest.strangers == ("x", "y")
    assert heritage.describe(bequest).endswith("; x, y begin as the mean of its styles.")


@pytest.mark.parametrize(("name", "row"), [("b", 1), ("z", None)])
def test_one_style_of_many(save, critic, name, row):
    path = save("dumoulin", ("a", "b", "c"))
    bequest = Heritage(path, "johnson").hand_down(fresh(critic, "johnson", **SMALL), (name,))
    theirs = halves(path)
    for tensor in ("norms.2.scale", "blocks.0.norms.1.shift"):
        wanted = theirs[tensor].mean(0) if row is None else theirs[tensor][row]
        assert torch.allclose(bequest.state[tensor], wanted[None])
    assert torch.equal(bequest.state["down.0.weight"], theirs["down.0.weight"])
    assert bequest.new == ()
    assert bequest.strangers == (() if row is not None else ("z",))


def test_many_styles_of_one(save, critic):
    """A file of one style that does not say its name is called as the file is."""
    path = save("johnson")
    mine = fresh(critic, "dumoulin", **SMALL, styles=2)
    bequest = Heritage(path, "dumoulin").hand_down(mine, ("johnson", "b"))
    theirs = halves(path)["norms.0.shift"]
    assert torch.equal(bequest.state["norms.0.shift"], theirs.expand(2, -1))
    assert bequest.strangers == ("b",)


def test_more_blocks_begin_anew(save, critic):
    path = save("johnson")
    heritage = Heritage(path, "johnson")
    mine = fresh(critic, "johnson", width=4, blocks=2)
    bequest = heritage.hand_down(mine, ("johnson",))
    assert bequest.new
    assert all(name.startswith("blocks.1.") for name in bequest.new)
    assert torch.equal(bequest.state["blocks.1.first.weight"], mine["blocks.1.first.weight"])
    line = heritage.describe(bequest)
    kept, whole = len(mine) - len(bequest.new), len(mine)
    assert f"with {kept} of {whole} tensors" in line
    assert f"and {len(bequest.new) - 4} more" in line
    assert "\n" not in line


def test_what_cannot_be_gone_on_from(save, critic, tmp_path):
    path = save("johnson")
    with pytest.raises(ConfigError, match="is a johnson network, from which micro cannot go on"):
        Heritage(path, "micro")
    with pytest.raises(ConfigError, match="fits a network of this size; it has width 4, blocks 1"):
        Heritage(path, "johnson").hand_down(fresh(critic, "johnson", width=8), ("a",))
    (tmp_path / "text.safetensors").write_text("not at all")
    with pytest.raises(WeightsError, match="no fast network"):
        Heritage(tmp_path / "text.safetensors", "johnson")
    whole = path.read_bytes()
    heritage = Heritage(path, "johnson")
    path.write_bytes(whole[:-50])
    with pytest.raises(WeightsError, match="damaged"):
        heritage.hand_down(fresh(critic, "johnson", **SMALL), ("a",))


# In a lesson.


@pytest.fixture
def teach(tmp_path, critic):
    for number in range(4):
        make_picture(60, 40, number).save(tmp_path / f"{number}.png")

    def make(network, start, **more):
        paths = tuple(sorted(tmp_path.glob("?.png")))
        styles = paths[: 1 if network == "johnson" else 3]
        config = TrainConfig(
            size=32, batch=1, steps=2, style_layers=("relu1_1",), content_layers=("relu1_1",),
            learning_rate=1e-6,
        )  # fmt: skip
        heritage = None if start is None else Heritage(start, network)
        lesson = Lesson(network, paths, styles, config, start=heritage, **more)
        return School(lesson, CPU, workers=0, critic=critic)

    return make


def test_a_lesson_goes_on_from_it(save, teach, tmp_path):
    path = save("dumoulin", ("2", "0", "b"))
    school = teach("dumoulin", path)
    assert school.beginning.endswith("; 1 begins as the mean of its styles.")
    theirs = halves(path)
    assert torch.equal(school.network.state_dict()["norms.0.scale"][0], theirs["norms.0.scale"][1])
    *_, last = school.run()
    card = school.save(tmp_path / "new.safetensors", last.state())
    assert card.arguments == SMALL | {"styles": 3, "smooth": 0}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert card.started_from == {"name": "dumoulin.safetensors", "sha256": digest}
    assert read_card(tmp_path / "new.safetensors") == card
    moved = (last.state().weights["last.weight"] - theirs["last.weight"]).abs().max()
    assert 0 < moved < 1e-4


def test_numbers_given_win(save, teach):
    school = teach("micro", save("micro"), arguments={"blocks": 2})
    assert school._arguments == MICRO | {"blocks": 2, "smooth": 0}
    assert "new are" in school.beginning


def test_only_what_is_new_is_fitted(critic, teach, tmp_path):
    path = tmp_path / "adain.safetensors"
    state = fresh(critic, "adain")
    save_network(path, state, Card(network="adain"))
    school = teach("adain", path, arguments={"hidden": 4}, fit=2)
    begun = school.network.predictor.tell.weight.clone()
    before, line = school.prepare()
    assert before.startswith("Looks at 4 crops")
    assert line.startswith("What the decoder is told of a style is fitted; ")
    ended = school.network.state_dict()
    assert all(torch.equal(ended[name], tensor.half().float()) for name, tensor in state.items())
    assert not torch.equal(ended["predictor.tell.weight"], begun)
    path = tmp_path / "told.safetensors"
    save_network(path, ended, Card(network="adain", arguments={"hidden": 4}))
    assert list(teach("adain", path, fit=2).prepare()) == []


def test_another_start_is_another_training(save, teach, tmp_path):
    path = save("johnson")
    plain, school = teach("johnson", None, arguments=SMALL), teach("johnson", path)
    assert len({plain.fingerprint, school.fingerprint}) == 2
    assert plain.beginning == ""
    *_, last = school.run()
    school.keep(tmp_path / "half", last.state())
    again = teach("johnson", path)
    assert again.load(tmp_path / "half").step == 2
    save_network(path, halves(path), read_card(path).model_copy(update={"steps": 8}))
    with pytest.raises(WeightsError, match="other pictures or settings"):
        teach("johnson", path).load(tmp_path / "half")


def test_it_goes_on_to_the_same_bits(save, teach):
    path = save("micro")
    for event in teach("micro", path).run():
        if event.step == 1:
            half = event.state()
    *_, last = teach("micro", path).run(half)
    one, other = event.state().weights, last.state().weights
    assert all(torch.equal(one[name], other[name]) for name in one)
