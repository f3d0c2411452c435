"""VGG against torchvision's own layout, written out literally with PyTorch's modules."""

from collections.abc import Callable, Mapping

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.config import normalize_layers
from impasto.encoders.vgg import (
    ARCHITECTURES,
    POOLING_GAIN,
    VGG,
    list_layers,
    smallest_side,
)
from impasto.errors import ConfigError, ShapeError, WeightsError

States = Callable[[str], Mapping[str, Tensor]]

#: The configurations "D" and "E" of torchvision.models.vgg.
TORCHVISION: dict[str, list[int | str]] = {
    "vgg16": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512,
              "M"],
    "vgg19": [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M",
              512, 512, 512, 512, "M"],
}  # fmt: skip


def reference(architecture: str, state: Mapping[str, Tensor]) -> nn.Sequential:
    """torchvision's `make_layers`, in eval mode, with `state` loaded strictly."""
    layers: list[nn.Module] = []
    channels = 3
    for step in TORCHVISION[architecture.removesuffix("_bn")]:
        if step == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, int(step), kernel_size=3, padding=1))
        if architecture.endswith("_bn"):
            layers.append(nn.BatchNorm2d(int(step)))
        layers.append(nn.ReLU(inplace=False))
        channels = int(step)
    network = nn.Sequential(*layers).eval()
    counts = {k: v for k, v in network.state_dict().items() if k.endswith("num_batches_tracked")}
    network.load_state_dict({k.removeprefix("features."): v for k, v in state.items()} | counts)
    return network


def activations_of(network: nn.Sequential, x: Tensor) -> list[Tensor]:
    """After every ReLU and every pooling, in order."""
    found = []
    for layer in network:
        x = layer(x)
        if isinstance(layer, nn.ReLU | nn.MaxPool2d):
            found.append(x)
    return found


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def small(random_state: States) -> VGG:
    return VGG("vgg16", random_state("vgg16"), padding="zero")


def test_layers_are_named_as_in_the_papers() -> None:
    assert list_layers("vgg16") == (
        "relu1_1", "relu1_2", "pool1", "relu2_1", "relu2_2", "pool2",
        "relu3_1", "relu3_2", "relu3_3", "pool3", "relu4_1", "relu4_2", "relu4_3", "pool4",
        "relu5_1", "relu5_2", "relu5_3", "pool5",
    )  # fmt: skip
    extra = {"relu3_4", "relu4_4", "relu5_4"}
    assert set(list_layers("vgg19")) == set(list_layers("vgg16")) | extra
    assert list_layers("vgg19_bn") == list_layers("vgg19")
    with pytest.raises(ConfigError, match="Unknown VGG architecture 'vgg11'"):
        list_layers("vgg11")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.no_grad()
def test_activations_are_those_of_torchvision(architecture: str, random_state: States) -> None:
    state = random_state(architecture)
    encoder = VGG(architecture, state, padding="zero", pooling="max")
    image = draw(2, 3, 37, 50)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    wanted = activations_of(
        reference(architecture, state), (image - mean[:, None, None]) / std[:, None, None]
    )
    found = encoder(image, encoder.layers)
    assert tuple(found) == encoder.layers
    for (name, here), there in zip(found.items(), wanted, strict=True):
        error = float((here - there).abs().max() / there.abs().max())
        assert error < 1e-5, name


@torch.no_grad()
def test_caffe_weights_see_levels_less_the_mean_colour(random_state: States) -> None:
    state = random_state("vgg16")
    encoder = VGG("vgg16", state, padding="zero", preprocessing="caffe")
    image = draw(1, 3, 8, 8)
    levels = image * 255 - torch.tensor([123.68, 116.779, 103.939])[:, None, None]
    weight, bias = state["features.0.weight"], state["features.0.bias"]
    wanted = F.relu(F.conv2d(levels, weight, bias, padding=1))
    torch.testing.assert_close(encoder(image, ["relu1_1"])["relu1_1"], wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("gain", [True, False])
@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
@torch.no_grad()
def test_poolings_by_their_formulae(pooling: str, gain: bool, random_state: States) -> None:
    encoder = VGG("vgg16", random_state("vgg16"), pooling=pooling, pooling_gain=gain)  # type: ignore[arg-type]
    found = encoder(draw(1, 3, 11, 14), ["relu1_2", "pool1"])
    full, pooled = found["relu1_2"], found["pool1"]
    # (1, C, 11, 14) -> (1, C, 5, 7, 4): an odd row is left out
    windows = full[..., :10, :].unflatten(3, (7, 2)).unflatten(2, (5, 2)).transpose(3, 4).flatten(4)
    formula = {
        "max": windows.amax(4),
        "average": windows.mean(4),
        "l2": (windows.square().mean(4) + 1e-8).sqrt(),
    }
    factor = POOLING_GAIN[pooling] if gain else 1.0
    torch.testing.assert_close(pooled, formula[pooling] * factor)
    assert POOLING_GAIN["max"] == 1
    assert POOLING_GAIN["average"] > POOLING_GAIN["l2"] > 1


def test_l2_pooling_has_a_slope_where_nothing_is_active(random_state: States) -> None:
    state = dict(random_state("vgg16")) | {"features.2.bias": torch.full((64,), -1e4)}
    encoder = VGG("vgg16", state, pooling="l2")
    image = draw(1, 3, 8, 8).requires_grad_()
    (gradient,) = torch.autograd.grad(encoder(image, ["pool1"])["pool1"].sum(), image)
    assert torch.isfinite(gradient).all()


@torch.no_grad()
def test_replicate_padding_leaves_no_frame_around_one_colour(random_state: States) -> None:
    image = torch.tensor([0.9, 0.2, 0.4]).view(1, 3, 1, 1).expand(1, 3, 9, 12)
    state = random_state("vgg16")
    flat = VGG("vgg16", state, padding="replicate")(image, ["relu1_1"])["relu1_1"]
    assert flat.shape == (1, 64, 9, 12)
    torch.testing.assert_close(flat, flat[..., 4:5, 6:7].expand_as(flat))
    framed = VGG("vgg16", state, padding="zero")(image, ["relu1_1"])["relu1_1"]
    assert not torch.allclose(framed, framed[..., 4:5, 6:7].expand_as(framed), atol=0.05)


@pytest.mark.parametrize(
    ("layers", "convolutions"),
    [(["relu1_1"], 1), (["pool1"], 2), (["relu3_1", "relu1_2"], 5), (["pool5"], 13), ([], 0)],
)
def test_nothing_is_computed_beyond_the_deepest_layer(
    layers: list[str], convolutions: int, small: VGG, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, original = [], VGG._convolve

    def count(self: VGG, x: Tensor, name: str) -> object:
        calls.append(name)
        return original(self, x, name)

    monkeypatch.setattr(VGG, "_convolve", count)
    assert set(small(draw(1, 3, 32, 32), layers)) == set(layers)
    # Without any layer wanted, one convolution would do no harm; more would be a waste.
    assert len(calls) <= max(convolutions, 1)
    assert convolutions == 0 or len(calls) == convolutions


def test_layers_are_those_asked_for_in_any_order(small: VGG) -> None:
    image = draw(1, 3, 16, 16)
    one = small(image, ["relu2_1", "relu1_1"])
    other = small(image, iter(("relu1_1", "relu2_1", "relu1_1")))
    assert set(one) == set(other) == {"relu1_1", "relu2_1"}
    assert torch.equal(one["relu2_1"], other["relu2_1"])


def test_a_shallow_activation_is_not_overwritten_by_a_deeper_one(small: VGG) -> None:
    # Convolutions and in-place ReLUs after it must leave an activation as it was.
    image = draw(1, 3, 16, 16)
    alone = small(image, ["relu1_1"])["relu1_1"]
    assert torch.equal(small(image, ["relu1_1", "relu1_2"])["relu1_1"], alone)


def test_the_image_is_not_changed_and_receives_a_gradient(small: VGG) -> None:
    image = draw(1, 3, 16, 16)
    before = image.clone()
    leaf = image.requires_grad_()
    small(leaf, ["relu3_1"])["relu3_1"].square().sum().backward()
    assert torch.equal(leaf.detach(), before)
    assert leaf.grad is not None
    assert leaf.grad.any()
    assert not list(small.parameters()), "a frozen network has nothing to train"


def test_another_precision_leaves_the_original_alone(small: VGG) -> None:
    image = draw(1, 3, 32, 32)
    before = small(image, ["relu4_1"])["relu4_1"]
    half = small.with_precision(torch.bfloat16)
    assert half is not small
    assert half.precision == torch.bfloat16
    assert small.precision == torch.float32
    found = half(image, ["relu4_1"])["relu4_1"]
    assert found.dtype == torch.bfloat16
    assert half.mean.dtype == half.std.dtype == torch.float32
    assert torch.equal(small(image, ["relu4_1"])["relu4_1"], before)
    error = (found.float() - before).norm() / before.norm()
    assert 0 < error < 0.02
    assert small.with_precision(torch.float32) is small


def test_aliases_lead_to_layers(small: VGG) -> None:
    names = normalize_layers(("conv1_1", "block2_conv2", "block1_pool"))
    assert set(small(draw(1, 3, 8, 8), names)) == {"relu1_1", "relu2_2", "pool1"}


@pytest.mark.parametrize("layer", ["relu3_4", "conv1_1", "relu6_1", ""])
def test_an_unknown_layer_is_refused_with_those_there_are(layer: str, small: VGG) -> None:
    with pytest.raises(ConfigError, match=rf"Unknown layer '{layer}' of vgg16; .*relu5_3, pool5 "):
        small(draw(1, 3, 32, 32), ["relu1_1", layer])


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 4, 8, 8), (3, 8, 8), (1, 1, 3, 8, 8)])
def test_an_image_has_three_channels(shape: tuple[int, ...], small: VGG) -> None:
    with pytest.raises(ShapeError, match=r"\(B, 3, H, W\), not"):
        small(draw(*shape), ["relu1_1"])


@pytest.mark.parametrize(
    ("layer", "side"),
    [("relu1_2", 1), ("pool1", 2), ("relu2_1", 2), ("relu5_1", 16), ("pool5", 32)],
)
def test_a_picture_may_be_too_small_for_a_layer(layer: str, side: int, small: VGG) -> None:
    assert smallest_side([layer, "relu1_1"]) == side
    found = small(draw(1, 3, side, side + 5), ["relu1_1", layer])
    assert min(found[layer].shape[2:]) == 1
    if side == 1:
        return
    message = f"{side + 5}x{side - 1} px is too small for {layer}, which needs at least {side} px"
    with pytest.raises(ShapeError, match=message):
        small(draw(1, 3, side - 1, side + 5), ["relu1_1", layer])


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"pooling": "min"}, "pooling"),
        ({"padding": "reflect"}, "padding"),
        ({"preprocessing": "clip"}, "preprocessing"),
    ],
)
def test_unknown_options_are_refused(
    options: dict[str, str], what: str, random_state: States
) -> None:
    with pytest.raises(ConfigError, match=f"Unknown {what} '{options[what]}'; choose from "):
        VGG("vgg16", random_state("vgg16"), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("architecture", "key"),
    [
        ("vgg16", "features.0.weight"),
        ("vgg16", "features.28.bias"),
        ("vgg16_bn", "features.41.running_var"),
        ("vgg16_bn", "features.1.weight"),
    ],
)
def test_weights_must_be_there_and_fit(architecture: str, key: str, random_state: States) -> None:
    state = dict(random_state(architecture))
    whole = state.pop(key)
    with pytest.raises(WeightsError, match=f"not of {architecture}: {key} is missing"):
        VGG(architecture, state)
    with pytest.raises(WeightsError, match=f"not of {architecture}: {key} has shape"):
        VGG(architecture, state | {key: whole[1:]})


def test_weights_of_another_architecture_are_not_mistaken(random_state: States) -> None:
    with pytest.raises(WeightsError, match="These weights are not of vgg19"):
        VGG("vgg19", random_state("vgg16"))
    with pytest.raises(WeightsError, match="These weights are not of vgg16"):
        VGG("vgg16", random_state("vgg19"))


def test_the_classifier_is_ignored_and_the_given_weights_stay_as_they_are(
    random_state: States,
) -> None:
    state = dict(random_state("vgg16")) | {"classifier.0.weight": torch.zeros(3)}
    before = {key: tensor.clone() for key, tensor in state.items()}
    encoder = VGG("vgg16", state).to(torch.float64)
    encoder(draw(1, 3, 8, 8), ["relu2_1"])
    assert all(torch.equal(state[key], tensor) for key, tensor in before.items())


@torch.no_grad()
def test_the_gain_keeps_the_size_of_real_activations(
    make_vgg19: Callable[..., VGG], photo: Tensor
) -> None:
    image = F.interpolate(photo, scale_factor=2, mode="bilinear")
    sizes = {
        pooling: make_vgg19(pooling=pooling)(image, ["relu4_1"])["relu4_1"].mean()
        for pooling in POOLING_GAIN
    }
    for pooling in ("average", "l2"):
        assert 0.5 < sizes[pooling] / sizes["max"] < 2
