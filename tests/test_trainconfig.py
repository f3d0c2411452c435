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
