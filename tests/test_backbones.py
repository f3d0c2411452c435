"""Networks beside VGG: what the engine needs of them, whole and in tiles, and by the settings."""

import typing
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from impasto.backbones import ARCHITECTURES, find_architecture, find_family, find_layers
from impasto.config import LOSS_DEFAULTS, PaintConfig, Pattern
from impasto.encoders import Encoder
from impasto.encoders.architectures import build_encoder, draw_state, list_layers, list_weights
from impasto.encoders.frozen import Border, Frozen, Shrinking
from impasto.errors import ConfigError, ShapeError, WeightsError
from impasto.memory import Frugality, estimate_memory, find_border
from impasto.objective import Objective, build_objective, check_layers
from impasto.painting import paint
from impasto.pyramid import resize
from impasto.smoothing import Smoothed
from impasto.solvers import Evaluation
from impasto.tiled import build_tiled_objective
from impasto.tiles import plan_tiles

#: One of each family, small, with layers that are looked at in tiles.
FAMILIES: dict[str, tuple[str, ...]] = {
    "resnet18": ("relu1", "pool1", "layer2_1", "layer3_1"),
    "resnet50": ("relu1", "layer1_2", "layer2_1"),
    "densenet121": ("relu0", "pool0", "denseblock1", "transition1"),
    "efficientnet_lite0": ("stem", "block2", "block5"),
}
SIZE = (131, 115)  # odd, and no multiple of any stride
Make = Callable[..., Frozen]


def draw(height: int, width: int, seed: int) -> Tensor:
    rough = torch.rand((1, 3, 24, 24), generator=torch.Generator().manual_seed(seed))
    return resize(rough, (height, width))


CONTENT, STYLE, IMAGE = draw(*SIZE, seed=1), draw(120, 160, seed=2), draw(*SIZE, seed=3)


@pytest.fixture(scope="module")
def make() -> Make:
    known: dict[tuple[str, str], Frozen] = {}

    def build(architecture: str, padding: str = "replicate") -> Frozen:
        if (architecture, padding) not in known:
            usual = "lite" if architecture == "efficientnet_lite0" else "torchvision"
            config = PaintConfig(padding=padding)  # type: ignore[arg-type]
            encoder = build_encoder(architecture, draw_state(architecture), usual, config)
            assert isinstance(encoder, Frozen)
            known[architecture, padding] = encoder
        return known[architecture, padding]

    return build


def configure(architecture: str, **settings: typing.Any) -> PaintConfig:
    layers = FAMILIES[architecture]
    own = {"content_layers": layers[-1:], "style_layers": layers, "backbone": architecture}
    return PaintConfig(**(own | {"tv_weight": 1.0} | settings)).resolve()


def assert_equal(tiled: Evaluation, whole: Evaluation) -> None:
    assert tiled.terms == pytest.approx(whole.terms, rel=1e-4)
    difference = (tiled.gradient - whole.gradient).norm() / whole.gradient.norm()
    assert difference < 1e-4


# --- names and shapes ---------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_layers_and_weights_are_listed_without_any(architecture: str) -> None:
    layers = list_layers(architecture)
    assert len(set(layers)) == len(layers) > 4
    assert len(list_weights(architecture)) > 10
    assert find_architecture(architecture) == architecture
    if defaults := find_layers(architecture):
        assert set(defaults.content + defaults.style) <= set(layers)
        assert len(defaults.style) == len(defaults.style_weights)
        assert sum(defaults.style_weights) == pytest.approx(1)


def test_residual_blocks_are_counted_as_torchvision_groups_them() -> None:
    assert list_layers("resnet18") == (
        "relu1", "pool1", "layer1_1", "layer1_2", "layer2_1", "layer2_2", "layer3_1", "layer3_2",
        "layer4_1", "layer4_2",
    )  # fmt: skip
    assert list_layers("densenet121")[2:6] == (
        "denseblock1", "transition1", "denseblock2", "transition2"
    )  # fmt: skip
    with pytest.raises(ConfigError, match="Unknown network 'resnet20'; choose from vgg16"):
        list_layers("resnet20")


@pytest.mark.parametrize("architecture", FAMILIES)
@torch.no_grad()
def test_a_layer_has_as_many_positions_as_its_stride_says(architecture: str, make: Make) -> None:
    encoder = make(architecture)
    for height, width in ((64, 64), (65, 95), (97, 66)):
        image = draw(height, width, seed=4)
        for name, seen in encoder(image, encoder.layers).items():
            stride = encoder.stride(name)
            assert seen.shape[2:] == (height // stride, width // stride), name


@pytest.mark.parametrize("architecture", FAMILIES)
@torch.no_grad()
def test_activations_move_with_the_picture_and_see_as_far_as_they_say(
    architecture: str, make: Make
) -> None:
    encoder, layer = make(architecture, "zero"), FAMILIES[architecture][-1]
    stride, reach = encoder.stride(layer), encoder.reach(layer)
    side = 2 * (-(-reach // stride) + 2) * stride
    image = draw(side + stride, side + stride, seed=5)
    whole = encoder(image, [layer])[layer]
    moved = encoder(image[..., stride:, stride:], [layer])[layer]
    margin = -(-reach // stride)
    inner = slice(margin, -margin)
    ours, theirs = whole[..., 1:, 1:][..., inner, inner], moved[..., inner, inner]
    assert ours.numel()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    # A pixel at the end of the reach is seen, and one beyond it is not.
    middle = side // 2 // stride
    position = whole.new_zeros(whole.shape)
    position[..., middle, middle] = 1
    with torch.enable_grad():
        leaf = image.clone().requires_grad_()
        (seen,) = torch.autograd.grad((encoder(leaf, [layer])[layer] * position).sum(), leaf)
    rows = seen.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
    first, last = int(rows.min()), int(rows.max())
    assert middle * stride - first <= reach
    assert last - middle * stride <= reach
    assert max(middle * stride - first, last - middle * stride) > 0.5 * reach


# --- tiles and patterns -------------------------------------------------------------------------


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("architecture", FAMILIES)
def test_tiles_change_nothing(architecture: str, smooth: bool, make: Make) -> None:
    encoder: Encoder = make(architecture)
    encoder = Smoothed(encoder) if smooth else encoder
    config = configure(architecture)
    whole = build_objective(encoder, config, CONTENT, [STYLE], SIZE)
    for side, keep in ((48, True), (80, False)):
        tiled = build_tiled_objective(
            encoder, config, CONTENT, [STYLE], SIZE, side, keep_targets=keep
        )
        assert_equal(tiled(IMAGE), whole(IMAGE))
        assert_equal(tiled.of_details()(IMAGE), whole.of_details()(IMAGE))


def test_a_narrower_border_would_not_do(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, config = make("resnet18"), configure("resnet18")
    whole = build_objective(encoder, config, CONTENT, [STYLE], SIZE)(IMAGE)
    monkeypatch.setattr(Frozen, "reach", lambda self, layer: 16)
    tiled = build_tiled_objective(encoder, config, CONTENT, [STYLE], SIZE, 32)(IMAGE)
    assert (tiled.gradient - whole.gradient).norm() > 1e-4 * whole.gradient.norm()


@pytest.mark.parametrize("kind", typing.get_args(Pattern))
@pytest.mark.parametrize("architecture", ["resnet18", "densenet121", "efficientnet_lite0"])
def test_a_pattern_has_no_border(architecture: str, kind: Pattern, make: Make) -> None:
    encoder, size = make(architecture), (96, 64)
    config = configure(architecture, seamless=kind)
    content, image = draw(*size, seed=1), draw(*size, seed=3)
    whole = build_objective(encoder, config, content, [STYLE], size)
    tiled = build_tiled_objective(encoder, config, content, [STYLE], size, 32)
    assert_equal(tiled(image), whole(image))
    if kind == "straight":
        rolled = image.roll((32, 16), dims=(2, 3))
        layers = FAMILIES[architecture]
        looking = encoder.with_padding(kind)
        before, after = looking(image, layers), looking(rolled, layers)
        for layer in layers:
            stride = encoder.stride(layer)
            wanted = before[layer].roll((32 // stride, 16 // stride), dims=(2, 3))
            torch.testing.assert_close(after[layer], wanted, rtol=1e-4, atol=1e-4)


def test_layers_that_do_not_repeat_are_refused_before_any_work(make: Make) -> None:
    encoder = make("resnet18")
    config = configure("resnet18", style_layers=("relu1", "layer4_1"), seamless="straight")
    with pytest.raises(ConfigError, match="layer4_1 has a position for every 32 px"):
        check_layers(encoder, config)
    with pytest.raises(ShapeError, match="48x64 px does not repeat as straight"):
        encoder.with_padding("straight")(draw(64, 48, seed=1), ["layer4_1"])


@pytest.mark.parametrize("architecture", [*FAMILIES, "resnet34"])
def test_borders_are_as_the_estimate_of_memory_has_them(architecture: str, make: Make) -> None:
    encoder, config = make(architecture), PaintConfig(backbone=architecture, size=4096).resolve()
    layers = [*(config.content_layers or ()), *(config.style_layers or ())]
    tiles = plan_tiles(encoder, layers, (4096, 4096), 1024)
    inner = next(tile for tile in tiles if tile.rows.start)
    border = inner.rows.start - inner.rows.outer_start
    estimates = [
        estimate_memory(config, (4096, 4096), torch.float32, Frugality(tile))
        for tile in (512, 512 + 2 * 32)
    ]
    assert border <= find_border(config) < border + 48
    assert estimates[0] < estimates[1]
    # Steps that look at fine layers only see content there too.
    assert any(encoder.stride(layer) <= 4 for layer in config.content_layers or ())


# --- errors and formats -------------------------------------------------------------------------


def test_what_does_not_fit_is_named(make: Make) -> None:
    encoder = make("resnet18")
    with pytest.raises(ConfigError, match=r"Unknown layer 'relu4_2' of resnet18; .*layer4_2\.$"):
        encoder(CONTENT, ["relu4_2"])
    with pytest.raises(ShapeError, match="20x24 px is too small for layer4_1"):
        encoder(draw(24, 20, seed=1), ["relu1", "layer4_1"])
    with pytest.raises(ShapeError, match="shape"):
        encoder(CONTENT[0], ["relu1"])
    with pytest.raises(ConfigError, match="Unknown padding 'mirrors'"):
        encoder.with_padding("mirrors")  # type: ignore[arg-type]
    assert encoder(CONTENT, []) == {}


@pytest.mark.parametrize("architecture", FAMILIES)
def test_missing_weights_are_named(architecture: str) -> None:
    state = draw_state(architecture)
    name = list(state)[-1]
    config = PaintConfig()
    lacking = {key: tensor for key, tensor in state.items() if key != name}
    with pytest.raises(WeightsError, match=rf"not of {architecture}: .* is missing"):
        build_encoder(architecture, lacking, "torchvision", config)
    wrong = state | {name: torch.zeros(3)}
    with pytest.raises(WeightsError, match=r"has shape \(3,\)"):
        build_encoder(architecture, wrong, "torchvision", config)


@torch.no_grad()
def test_half_precision_is_another_network_with_the_same_weights(make: Make) -> None:
    encoder = make("resnet18")
    half = encoder.with_precision(torch.bfloat16)
    assert (half.precision, encoder.precision) == (torch.bfloat16, torch.float32)
    assert half.with_precision(torch.bfloat16) is half
    exact, rough = (one(CONTENT, ["layer2_1"])["layer2_1"] for one in (encoder, half))
    assert rough.dtype == torch.bfloat16
    assert 0 < (rough.float() - exact).norm() < 0.05 * exact.norm()


@torch.no_grad()
def test_replicate_padding_leaves_no_frame_around_one_colour(make: Make) -> None:
    image = torch.tensor([0.9, 0.2, 0.4]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    for architecture, layers in FAMILIES.items():
        first = make(architecture)(image, layers[:1])[layers[0]]
        assert torch.allclose(first, first[..., :1, :1].expand_as(first), rtol=1e-4, atol=1e-5)
        framed = make(architecture, "zero")(image, layers[:1])[layers[0]]
        assert not torch.allclose(framed, framed[..., 5:6, 5:6].expand_as(framed), rtol=1e-2)


# --- weights that were never trained ------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["vgg16_bn", *FAMILIES])
@torch.no_grad()
def test_random_weights_are_always_the_same_and_keep_activations_in_size(architecture: str) -> None:
    state = draw_state(architecture)
    again = draw_state(architecture)
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == list_weights(
        architecture
    )
    usual = "lite" if architecture == "efficientnet_lite0" else "torchvision"
    encoder = build_encoder(architecture, state, usual, PaintConfig())
    spreads = [float(seen.std()) for seen in encoder(CONTENT, encoder.layers).values()]
    assert all(0.05 < spread < 20 for spread in spreads)


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSS_DEFAULTS)
@pytest.mark.parametrize("backbone", [*FAMILIES, "resnet50-v2", "vgg16"])
def test_every_backbone_has_layers_of_its_own(backbone: str, loss: str) -> None:
    config = PaintConfig(backbone=backbone, loss=loss).resolve()  # type: ignore[arg-type]
    layers = list_layers(find_architecture(backbone))
    assert config.style_layers
    assert config.content_layers
    assert {*config.style_layers, *config.content_layers} <= set(layers)
    assert len(config.style_layers) == len(config.style_layer_weights or ())
    assert config.resolve() == config
    with pytest.raises(ConfigError, match="layer weights for"):
        PaintConfig(backbone=backbone, style_layer_weights=(1.0,) * 9)


def test_smoothing_is_for_the_losses_that_need_it() -> None:
    chosen = {
        (backbone, loss): PaintConfig(backbone=backbone, loss=loss).resolve().smoothing
        for backbone in ("vgg19", "resnet18", "densenet121")
        for loss in ("impasto", "gatys")
    }
    assert set(chosen.values()) == {"none", "softmax"}
    assert [key for key, value in chosen.items() if value == "softmax"] == [("resnet18", "gatys")]
    assert PaintConfig(smoothing="softmax").resolve().smoothing == "softmax"
    assert PaintConfig(backbone="resnet18", loss="gatys", smoothing="none").resolve().smoothing == (
        "none"
    )


def test_what_belongs_to_vgg_is_refused_elsewhere() -> None:
    with pytest.raises(ConfigError, match="efficientnet_lite0 has no pooling; leave it out"):
        PaintConfig(backbone="efficientnet_lite0", pooling="average")
    with pytest.raises(ConfigError, match="--pooling-gain is for VGG"):
        PaintConfig(backbone="resnet18", pooling_gain=False)
    with pytest.raises(ConfigError, match="--photoreal looks through a VGG"):
        PaintConfig(backbone="resnet18", photoreal="affine")
    with pytest.raises(ConfigError, match="without smoothing"):
        PaintConfig(smoothing="softmax", photoreal="closed-form")
    assert find_family("wide_resnet50_2") == "resnet"


@pytest.mark.parametrize("architecture", ["resnet18", "efficientnet_lite0"])
def test_painting_lowers_the_loss(architecture: str, make: Make) -> None:
    encoder = make(architecture)
    config = PaintConfig(
        backbone=architecture, size=64, scales=1, steps=(12,), detail_steps=0,
        style_layers=FAMILIES[architecture][:3], content_layers=FAMILIES[architecture][1:2],
    )  # fmt: skip
    events = list(paint(draw(64, 64, seed=1), [STYLE], encoder, config))
    assert events[-1].loss < 0.7 * events[0].loss
    assert events[-1].picture().shape == (1, 3, 64, 64)


def test_masks_and_regions_are_measured_as_with_vgg(make: Make) -> None:
    config = configure("resnet18")
    objective = build_objective(make("resnet18"), config, CONTENT, [STYLE, CONTENT], SIZE)
    assert isinstance(objective, Objective)
    assert set(objective.style) == set(FAMILIES["resnet18"])


@pytest.mark.parametrize("border", ["zero", "straight"])
def test_windows_are_pooled_in_three_ways(border: Border) -> None:
    x = torch.rand((2, 3, 8, 10), generator=torch.Generator().manual_seed(3))
    largest, mean, root = (Shrinking(kind)(x, border) for kind in ("max", "average", "l2"))
    assert largest.shape == mean.shape == root.shape == (2, 3, 4, 5)
    window = x[..., 1:4, 3:6].flatten(2)  # around row 2, column 4
    assert torch.allclose(largest[..., 1, 2], window.amax(2))
    assert torch.allclose(mean[..., 1, 2], window.mean(2))
    assert torch.allclose(root[..., 1, 2], window.square().mean(2).sqrt(), atol=1e-6)
    # What lies beyond a border of zeros does not count.
    corner = x[..., :2, :2].flatten(2) if border == "zero" else None
    if corner is not None:
        assert torch.allclose(mean[..., 0, 0], corner.mean(2))


def test_poolings_of_a_resnet_see_different_things() -> None:
    state, image = draw_state("resnet18"), torch.rand(1, 3, 64, 64)
    seen = [
        build_encoder("resnet18", state, "torchvision", PaintConfig(pooling=kind))(
            image, ["relu1", "pool1"]
        )
        for kind in ("max", "average")
    ]
    assert torch.equal(seen[0]["relu1"], seen[1]["relu1"])
    assert (seen[0]["pool1"] > seen[1]["pool1"]).float().mean() > 0.5
