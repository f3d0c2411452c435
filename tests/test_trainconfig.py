"""Settings of training: defaults that follow from the objective, recipes, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from impasto.errors import ConfigError
from impasto.networks import NETWORKS
from impasto.trainconfig import BALANCES, NETWORK_NAMES, Recipe, TrainConfig, read_recipe

RECIPES = Path(__file__).parents[1] / "recipes"


def test_names():
    assert tuple(NETWORKS) == NETWORK_NAMES


@pytest.mark.parametrize("objective", BALANCES)
def test_an_objective_brings_its_layers(objective):
    config = TrainConfig(objective=objective)
    for name, value in BALANCES[objective]._asdict().items():
        assert getattr(config, name) == value
    assert TrainConfig(**config.model_dump()) == config


def test_what_is_given_wins():
    config = TrainConfig(objective="adain", style_weight="3", style_layers=["relu1_1", "relu3_2"])
    assert config.style_weight == 3
    assert config.style_layer_weights == (1.0, 0.5)
    assert config.content_layers == ("relu4_1",)
    assert TrainConfig(content_weight=0).content_weight == 0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"size": 8}, r"\A--size: .*8"),
        ({"learning_rate": 0}, r"\A--learning-rate: "),
        ({"objective": "gan"}, r"\A--objective: "),
        ({"depth": 3}, "no setting 'depth'"),
        ({"style_layer_weights": [1]}, "1 style layer weights for 4 layers"),
        ({"content_layers": ["conv4_2"]}, "relu4_1 and so on"),
        ({"content_weight": 0, "style_weight": 0}, "nothing to learn"),
        ({"style_weight": float("inf")}, "--style-weight"),
    ],
)
def test_what_makes_no_sense(settings, text):
    with pytest.raises(ConfigError, match=text) as caught:
        TrainConfig(**settings)
    assert "\n" not in str(caught.value)


def test_a_recipe_is_read(tmp_path):
    path = tmp_path / "net.toml"
    path.write_text('network = "micro"\ncontent = "photos"\nlearning-rate = 0.002\nwidth = 16\n')
    recipe = Recipe(**(read_recipe(path) | {"width": "8"}))
    assert recipe.content == ("photos",)
    assert recipe.config == TrainConfig(learning_rate=0.002)
    assert recipe.arguments == {"width": 8}


@pytest.mark.parametrize("data", [b"network = ", b"\xff\xfe", None])
def test_a_recipe_that_cannot_be_read(tmp_path, data):
    path = tmp_path / "net.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"net\.toml"):
        read_recipe(path)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_our_recipes(path):
    assert Recipe(**read_recipe(path)).network in NETWORK_NAMES


def test_there_are_recipes():
    assert list(RECIPES.glob("*.toml"))


def test_recipes_need_no_torch():
    code = "import sys, impasto.trainconfig; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# Stages.


STAGED = """network = "micro"
style-layers = ["relu1_1", "relu2_1"]
[[stages]]
after = 0.6
style-layers = ["relu1_1", "relu4_1"]
learning-rate = 5e-4
[[stages]]
after = 0.9
identity = 0.1
"""


@pytest.fixture
def staged(tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(STAGED)
    return Recipe(**read_recipe(path)).config


def test_stages_are_read(staged):
    first, second, third = staged.parts
    assert first == TrainConfig(style_layers=("relu1_1", "relu2_1"))
    assert second.style_layers == third.style_layers == ("relu1_1", "relu4_1")
    assert second.style_layer_weights == (0.146, 0.021)
    assert (second.learning_rate, second.identity) == (5e-4, 0)
    assert third.identity == 0.1
    assert [staged.find_stage(done) for done in (0, 0.59, 0.6, 0.9, 1)] == [0, 0, 1, 2, 2]
    assert TrainConfig(**staged.to_dict()) == staged


def test_without_stages_nothing_is_said_of_them():
    config = TrainConfig()
    assert config.parts == (config,)
    assert "stages" not in config.to_dict()
    assert config.to_dict().keys() == TrainConfig.model_fields.keys() - {"stages"}


@pytest.mark.parametrize(
    ("stages", "text"),
    [
        ([{"after": 0.5}, {"after": 0.5}], "larger 'after'"),
        ([{"after": 0.5, "size": 64}], r"Stage 1 cannot change 'size', only after, learning-rate"),
        ([{"after": 0.5}, {"learning_rate": 1}], "Stage 2, after: field required"),
        ([{"after": 1.5}], "Stage 1, after: input should be less than 1"),
        ([{"after": 0.5, "learning_rate": "fast"}], "Stage 1, learning-rate: "),
        ([{"after": 0.5, "style_layers": ["relu1_1"], "style_layer_weights": [1, 2]}],
         "2 style layer weights for 1 layers"),
        ([{"after": 0.5, "content_layers": ["conv4_2"]}], "relu4_1 and so on"),
        ([{"after": 0.5, "content_weight": 0, "style_weight": 0}], "nothing to learn"),
        ("later", "headed"),
        (["later"], "headed"),
    ],
)  # fmt: skip
def test_stages_that_make_no_sense(stages, text):
    with pytest.raises(ConfigError, match=text) as caught:
        TrainConfig(stages=stages)
    assert "\n" not in str(caught.value)
