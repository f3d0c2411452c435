"""Settings are checked when they are made, complete when resolved, and survive JSON."""

import dataclasses
import itertools
import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from impasto.config import (
    LOSS_DEFAULTS,
    PHOTOREAL_WEIGHT,
    PRESETS,
    Loss,
    Optimizer,
    PaintConfig,
    Preset,
    Seamless,
    normalize_layers,
    parse_blend,
)
from impasto.encoders.vgg import list_layers
from impasto.errors import ConfigError

LOSSES = typing.get_args(Loss)
OPTIMIZERS = typing.get_args(Optimizer)
SHARES = st.lists(st.floats(0, 10), min_size=1, max_size=4)

CONFIGS = st.builds(
    PaintConfig,
    size=st.integers(16, 32768) | st.sampled_from(["photo", "30x40cm", "16in", "29,7 cm"]),
    dpi=st.none() | st.floats(72, 600),
    preset=st.sampled_from(typing.get_args(Preset)),
    strength=st.floats(0.05, 20),
    stroke_size=st.floats(0.1, 8) | st.lists(st.floats(0.1, 8), min_size=2).map(tuple),
    family_pull=st.floats(0, 1),
    style_scales=st.none() | st.lists(st.sampled_from(["all", "coarse", "fine"])).map(tuple),
    style_augment=st.none() | st.lists(st.sampled_from(["mirror", "rotate", "tile"])).map(tuple),
    keep_colors=st.booleans(),
    seamless=st.sampled_from(typing.get_args(Seamless)),
    seed=st.integers(0, 2**63 - 1),
    loss=st.sampled_from(LOSSES),
    content_layers=st.none() | st.just(("conv4_2", "relu5_1")) | st.just(("block3_conv1", "pool4")),
    style_layers=st.none() | st.just(("relu1_1", "relu4_1")),
    content_layer_weights=st.none(),
    content_weight=st.none() | st.floats(0, 1e9),
    style_weight=st.none() | st.floats(0, 1e9),
    tv_weight=st.none() | st.floats(0, 10),
    style_shares=st.none() | SHARES.filter(any).map(tuple),
    trim_style=st.floats(0, 0.4),
    optimizer=st.sampled_from(OPTIMIZERS),
    decay=st.floats(0.01, 1),
    scales=st.none() | st.integers(1, 16),
    steps=st.none() | st.tuples(st.integers(0, 1_000_000)),
    init=st.sampled_from(["content", "noise", "style", "file", "content:0.7,noise:0.3"]),
    average=st.floats(0, 0.999),
)

INVALID: list[tuple[str, object]] = [
    ("size", 15), ("size", 32769), ("size", "large"), ("size", 100.5), ("size", None),
    ("size", "-5"), ("size", "4"), ("size", "cm"), ("size", "40cm x"), ("size", "3e1cm"),
    ("size", "0x4cm"), ("size", "1mm"), ("size", "99999in"), ("dpi", 9), ("dpi", 9601),
    ("dpi", float("nan")), ("dpi", "fine"),
    ("preset", "finest"), ("strength", 0), ("strength", 21), ("strength", float("nan")),
    ("stroke_size", 0.05), ("stroke_size", 9), ("stroke_size", float("inf")),
    ("stroke_size", (1, 9)), ("stroke_size", "broad"), ("style_scales", ("large",)),
    ("style_augment", ("shear",)), ("family_pull", 1.1),
    ("keep_colors", "perhaps"), ("seamless", "tiled"), ("seamless", True), ("seed", -1),
    ("seed", 2**63), ("seed", 0.5),
    ("loss", "gram"), ("content_weight", -1), ("content_weight", float("inf")),
    ("style_weight", float("nan")), ("tv_weight", -0.1), ("style_shares", (1, -1)),
    ("content_layer_weights", (-1.0,)), ("style_layer_weights", ("much",)),
    ("trim_style", 0.5), ("trim_style", -0.1), ("pooling", "min"), ("padding", "reflect"),
    ("pooling_gain", 3), ("precision", "float16"), ("optimizer", "newton"),
    ("learning_rate", 0), ("learning_rate", float("inf")), ("decay", 0), ("decay", 1.5),
    ("decay_steps", 0), ("history", 0), ("history", 201), ("scales", 0), ("scales", 17),
    ("steps", (-1,)), ("steps", (1.5,)), ("steps", (1_000_001,)), ("average", 1), ("average", -0.1),
    ("content_layers", 3), ("backbone", 7), ("init", 5),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), INVALID)
def test_a_wrong_value_is_refused_in_one_line_that_names_the_option(
    name: str, value: object
) -> None:
    with pytest.raises(ConfigError) as caught:
        PaintConfig(**{name: value})
    message = str(caught.value)
    assert message.startswith(f"--{name.replace('_', '-')}: ")
    assert "\n" not in message
    assert "pydantic" not in message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"colour": 1}, "There is no setting 'colour'; see impasto paint --help."),
        ({"init": "photo"}, "Unknown start 'photo'"),
        ({"init": ""}, "Unknown start ''"),
        ({"init": "content:much"}, "The share of 'content' is not a number: 'much'."),
        ({"init": "content:0"}, "The share of 'content' must be positive"),
        ({"init": "noise:-1"}, "The share of 'noise' must be positive"),
        ({"init": "noise:nan"}, "The share of 'noise' must be positive"),
        ({"init": "noise:inf"}, "The share of 'noise' must be positive"),
        ({"learning_rate": 1.0}, "A learning rate means nothing to lbfgs"),
        ({"scales": 3, "steps": (5, 5)}, "2 numbers of steps for 3 scales"),
        ({"steps": ()}, "No steps are given"),
        ({"style_shares": (0, 0)}, "All style shares are zero"),
        ({"style_shares": ()}, "All style shares are zero"),
        ({"style_layers": ()}, "No style layers are given"),
        ({"content_layers": ()}, "No content layers are given"),
        ({"content_layer_weights": ()}, "0 content layer weights for"),
        (
            {"style_layers": ("relu1_1", "relu2_1"), "style_layer_weights": (1,)},
            "1 style layer weights for 2 layers",
        ),
        ({"loss": "gatys", "style_layer_weights": (1,) * 6}, "6 style layer weights for 5 layers"),
    ],
)
def test_what_contradicts_itself_is_refused_in_one_line(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        PaintConfig(**settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_setting_is_a_value_error_as_well() -> None:
    with pytest.raises(ValueError, match="--size"):
        PaintConfig(size=1)


@given(CONFIGS)
def test_settings_survive_json(config: PaintConfig) -> None:
    text = json.dumps(config.to_dict(), allow_nan=False)
    assert PaintConfig(**json.loads(text)) == config


@given(CONFIGS)
def test_resolving_twice_is_resolving_once(config: PaintConfig) -> None:
    resolved = config.resolve()
    assert resolved.resolve() == resolved
    json.dumps(resolved.to_dict(), allow_nan=False)


def test_only_what_was_changed_is_written_down() -> None:
    assert PaintConfig().to_dict() == {}
    assert PaintConfig(size=300, steps=(5,)).to_dict() == {"size": 300, "steps": [5]}


def test_one_size_of_strokes_is_written_as_a_number() -> None:
    """As older files have it, and as a list of one on the command line means it."""
    for said in (0.5, "0.5", (0.5,), ["0.5"]):
        assert PaintConfig(stroke_size=said).to_dict() == {"stroke_size": 0.5}
    several = PaintConfig(stroke_size=["0.5", "2"])
    assert several.to_dict() == {"stroke_size": [0.5, 2.0]}
    assert several.list_stroke_sizes(2) == (0.5, 2.0)
    assert PaintConfig(stroke_size=2).list_stroke_sizes(3) == (2.0,) * 3
    assert PaintConfig().list_style_scales(2) == ("all", "all")


def test_settings_cannot_be_changed() -> None:
    config = PaintConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.size = 100
    assert hash(config) == hash(PaintConfig())
    assert config == PaintConfig()
    assert config != PaintConfig(seed=1)


@pytest.mark.parametrize(("loss", "optimizer"), [*itertools.product(LOSSES, OPTIMIZERS)])
def test_a_resolved_configuration_leaves_nothing_open(loss: str, optimizer: str) -> None:
    resolved = PaintConfig(loss=loss, optimizer=optimizer).resolve()
    left_open = {name for name, value in resolved if value is None}
    usual = {"dpi", "style_shares", "style_scales", "style_augment", "scales", "steps"}
    usual |= {"detail_steps"}
    assert left_open == usual | ({"learning_rate"} if optimizer != "adam" else set())
    defaults = LOSS_DEFAULTS[loss]
    assert resolved.style_layers == defaults.style_layers
    assert resolved.style_layer_weights == defaults.style_layer_weights
    assert resolved.content_weight == defaults.content_weight
    assert len(resolved.content_layer_weights or ()) == len(resolved.content_layers or ())


def test_what_was_said_is_not_overruled() -> None:
    said = {
        "content_layers": ("relu2_2", "relu3_1"),
        "content_layer_weights": (0.0, 3.0),
        "style_layers": ("relu1_2",),
        "style_layer_weights": (0.5,),
        "content_weight": 0.0,
        "style_weight": 0.0,
        "tv_weight": 0.0,
        "optimizer": "sgd",
        "learning_rate": 0.25,
    }
    resolved = PaintConfig(**said).resolve()
    assert {name: getattr(resolved, name) for name in said} == said


def test_weights_follow_their_layers() -> None:
    defaults = LOSS_DEFAULTS["impasto"]
    some = PaintConfig(style_layers=(defaults.style_layers[3], defaults.style_layers[1])).resolve()
    assert some.style_layer_weights == (
        defaults.style_layer_weights[3], defaults.style_layer_weights[1]
    )  # fmt: skip
    others = PaintConfig(style_layers=("relu1_2", "relu2_2", "relu1_1", "relu3_3")).resolve()
    assert others.style_layer_weights == (0.25,) * 4
    aliases = PaintConfig(style_layers=("conv2_1",)).resolve()
    assert aliases.style_layers == ("relu2_1",)
    assert aliases.style_layer_weights == (defaults.style_layer_weights[1],)


@pytest.mark.parametrize("loss", LOSSES)
def test_defaults_are_consistent(loss: str) -> None:
    defaults = LOSS_DEFAULTS[loss]
    assert len(defaults.style_layers) == len(defaults.style_layer_weights)
    known = list_layers(PaintConfig().backbone)
    assert set(defaults.content_layers + defaults.style_layers) <= set(known)
    numbers = dataclasses.asdict(defaults)
    assert min(numbers["content_weight"], numbers["style_weight"], numbers["tv_weight"]) >= 0


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_consistent(name: str) -> None:
    plan = PRESETS[name]
    assert plan.ratio > 1
    assert plan.smallest >= 16
    assert plan.steps
    counts = [plan.steps[side] for side in sorted(plan.steps)]
    assert counts == sorted(counts, reverse=True), "a larger picture never takes more steps"
    assert plan.detail_steps[plan.smallest] == 0, "nothing has been enlarged yet"
    later = [plan.detail_steps[side] for side in sorted(plan.detail_steps) if side >= 512]
    assert later == sorted(later, reverse=True)
    assert min(later) >= 1, "sizes without whole steps have detail steps"
    assert set(PRESETS) == set(typing.get_args(Preset))


def test_every_setting_says_what_it_does() -> None:
    for name, field in PaintConfig.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_starts_are_shares_of_one() -> None:
    assert parse_blend("content") == {"content": 1}
    assert parse_blend("content:0.7,noise:0.3") == pytest.approx({"content": 0.7, "noise": 0.3})
    assert parse_blend(" style:3 , file ") == {"style": 0.75, "file": 0.25}


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("relu4_2", "relu4_2"), ("conv4_2", "relu4_2"), ("conv_4_2", "relu4_2"),
        ("block4_conv2", "relu4_2"), (" conv1_1 ", "relu1_1"), ("block3_pool", "pool3"),
        ("pool3", "pool3"), ("xconv4_2", "xconv4_2"), ("conv4_2x", "conv4_2x"),
    ],
)  # fmt: skip
def test_layers_in_the_spellings_of_the_literature(spelling: str, name: str) -> None:
    assert normalize_layers((spelling,)) == (name,)


def test_a_layer_cannot_be_named_twice() -> None:
    with pytest.raises(ConfigError, match="named twice in conv4_2, relu4_2"):
        normalize_layers(("conv4_2", "relu4_2"))
    with pytest.raises(ConfigError, match="named twice"):
        PaintConfig(style_layers=("relu1_1", "block1_conv1")).resolve()


def test_photorealism_is_weighed_only_where_it_is_painted() -> None:
    assert PaintConfig().resolve().photoreal_weight == 0
    assert PaintConfig(photoreal="affine").resolve().photoreal_weight == PHOTOREAL_WEIGHT
    given = PaintConfig(photoreal="affine", photoreal_weight=3, loss="gatys")
    assert given.resolve().photoreal_weight == 3
    assert PaintConfig(photoreal="affine").is_painted
    assert not PaintConfig(photoreal="closed-form").is_painted
    assert not PaintConfig(colors="palette").is_painted


@pytest.mark.parametrize("photoreal", ["affine", "closed-form"])
def test_photorealism_takes_the_styles_colours(photoreal: str) -> None:
    with pytest.raises(ConfigError, match="--colors photo does not; give one"):
        PaintConfig(photoreal=photoreal, keep_colors=True)
    with pytest.raises(ConfigError, match="--colors palette does not; give one"):
        PaintConfig(photoreal=photoreal, colors="palette")
