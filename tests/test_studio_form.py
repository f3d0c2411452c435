"""Forms of the studio: derived from the engines' settings, and read back."""

import pytest

from impasto.config import PaintConfig
from impasto.fastconfig import FastConfig
from impasto.studio.faults import InvalidError
from impasto.studio.form import make_forms, read_settings

HERE = ("vgg19", "resnet50")
KINDS = {"number", "integer", "boolean", "choice", "text", "list"}


def _fields(kind):
    return {
        field["name"]: field
        for group in make_forms(HERE)[kind]["groups"]
        for field in group["fields"]
    }


@pytest.mark.parametrize(("kind", "model"), [("paint", PaintConfig), ("fast", FastConfig)])
def test_every_setting_is_a_field_with_its_own_words(kind, model):
    fields = _fields(kind)
    assert set(model.model_fields) - set(fields) <= {"family_pull"}
    for name, field in fields.items():
        assert field["help"] == model.model_fields[name].description
        assert field["type"] in KINDS
        if name != "backbone" and field["default"] is not None:
            assert field["default"] == model.model_fields[name].default


def test_ranges_and_choices_come_from_the_model():
    fields = _fields("paint")
    assert (fields["strength"]["minimum"], fields["strength"]["maximum"]) == (0.05, 20)
    assert fields["preset"]["choices"] == ["draft", "standard", "fine"]
    assert fields["size"]["type"] == "integer"
    assert fields["size"]["choices"] == ["photo"]
    assert fields["seed"]["maximum"] < 2**53  # a browser counts no further
    assert fields["backbone"]["choices"] == list(HERE)
    assert fields["style_augment"]["type"] == "list"


def test_groups_are_those_of_the_command_line():
    titles = [group["title"] for group in make_forms(HERE)["paint"]["groups"]]
    assert titles == ["What it looks like", "Expert: objective", "Expert: network",
                      "Expert: optimisation"]  # fmt: skip
    assert [group["expert"] for group in make_forms(HERE)["paint"]["groups"]] == [False] + [
        True
    ] * 3


def test_presets_say_what_they_are():
    presets = {one["name"]: one["help"] for one in make_forms(HERE)["paint"]["presets"]}
    assert list(presets) == ["draft", "standard", "fine"]
    assert presets["draft"] == "A sketch in seconds."


def test_defaults_of_a_form_are_accepted():
    for kind in ("paint", "fast", "texture"):
        given = {name: field["default"] for name, field in _fields(kind).items()}
        read_settings(kind, given, HERE)


def test_lists_may_be_texts():
    read = read_settings("paint", {"style_layers": "relu1_1, relu2_1", "steps": "3,4"}, HERE)
    assert read.config.style_layers == ("relu1_1", "relu2_1")
    assert read.config.steps == (3, 4)


def test_texture_has_a_width_and_a_height():
    read = read_settings("texture", {"width": 96, "height": 64}, HERE)
    assert read.canvas == (64, 96)
    assert read.config.size == 96
    assert read.config.content_weight == 0


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("paint", {"strength": 99}, "strength"),
        ("paint", {"nonsense": 1}, "nonsense"),
        ("paint", {"strength": "much"}, "strength"),
        ("paint", {"strength": {"a": 1}}, "strength"),
        ("paint", {"steps": [1e400]}, "finite"),
        ("paint", {"seed": 2**70}, "seed"),
        ("paint", {"family_pull": 0.5}, "family_pull"),
        ("paint", {"learning_rate": 1.0}, "learning rate"),
        ("paint", {"finish": "sparkle:1"}, "sparkle"),
        ("fast", {"preset": "draft"}, "preset"),
        ("texture", {"content_weight": 1}, "content_weight"),
        ("texture", {"width": 3}, "width"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(kind, settings, words):
    with pytest.raises(InvalidError) as told:
        read_settings(kind, settings, HERE)
    assert words in str(told.value)
    assert "\n" not in str(told.value)
    assert "--" not in str(told.value)
