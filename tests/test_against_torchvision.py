"""Every named layer of every network against torchvision's own modules with the same weights."""

import contextlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.backbones import ARCHITECTURES, find_family
from impasto.config import PaintConfig
from impasto.encoders.architectures import build_encoder, draw_state, list_layers
from slowly import all_slow_but

#: Custom operators that torchvision describes as it is imported, which its C library would bring.
_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def import_models() -> Any:
    """Torchvision's models, also where its C library is built for another PyTorch than ours."""
    spec = find_spec("torchvision")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0])
    try:
        for file in folder.glob("_C*.so"):
            torch.ops.load_library(str(file))
    except OSError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in _OPERATORS:
            with contextlib.suppress(RuntimeError):  # what an earlier call has declared
                library.define(operator)
        import_models.library = library  # type: ignore[attr-defined]  # it lives as long as this
    import torchvision.models

    return torchvision.models


MODELS = import_models()
COMPARED = [name for name in ARCHITECTURES if find_family(name) != "efficientnet"]


def draw_trained(architecture: str) -> dict[str, Tensor]:
    """Weights as training leaves them: batch normalisation that does something everywhere."""
    generator = torch.Generator().manual_seed(3)
    state = draw_state(architecture)
    for name, tensor in state.items():
        if tensor.ndim == 1:
            noise = torch.rand(tensor.shape, generator=generator)
            signed = name.endswith(("bias", "running_mean"))
            state[name] = tensor + 0.2 * (noise - 0.5) if signed else tensor * (0.75 + noise / 2)
    return state


def spell_module(architecture: str, layer: str) -> str:
    """The module of torchvision's that puts out a layer, by its path."""
    family = find_family(architecture)
    if family == "vgg":
        return f"features.{_count_vgg(architecture)[layer]}"
    if family == "densenet":
        return f"features.{layer}"
    group, _, index = layer.partition("_")
    return f"{group}.{int(index) - 1}" if index else {"relu1": "relu", "pool1": "maxpool"}[layer]


def _count_vgg(architecture: str) -> dict[str, int]:
    found, index = {}, 0
    for name in list_layers(architecture):
        width = (3 if architecture.endswith("_bn") else 2) if name.startswith("relu") else 1
        index += width
        found[name] = index - 1
    return found


@contextlib.contextmanager
def recording(model: nn.Module, paths: dict[str, str]) -> Iterator[dict[str, Tensor]]:
    """What the modules put out the first time that they are called."""
    found: dict[str, Tensor] = {}

    def keep(layer: str) -> Any:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            # A copy, for what comes next may write over it.
            found.setdefault(layer, output.clone())

        return hook

    hooks = [
        model.get_submodule(path).register_forward_hook(keep(layer))
        for layer, path in paths.items()
    ]
    yield found
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("architecture", all_slow_but(["vgg19", "resnet18"], COMPARED))
@torch.no_grad()
def test_every_layer_is_torchvisions(architecture: str) -> None:
    state = draw_trained(architecture)
    model = getattr(MODELS, architecture)(weights=None).eval()
    lacking, unknown = model.load_state_dict(state, strict=False)
    assert not unknown
    assert all(
        name.endswith("num_batches_tracked") or "classifier" in name or "norm5" in name
        or name.startswith("fc.") for name in lacking
    )  # fmt: skip
    encoder = build_encoder(architecture, state, "torchvision", PaintConfig(padding="zero"))
    image = torch.rand((1, 3, 75, 98), generator=torch.Generator().manual_seed(1))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    paths = {layer: spell_module(architecture, layer) for layer in encoder.layers}
    with recording(model, paths) as wanted:
        model((image - mean[:, None, None]) / std[:, None, None])
    found = encoder(image, encoder.layers)
    assert tuple(found) == encoder.layers == list_layers(architecture)
    for layer, here in found.items():
        stride = encoder.stride(layer)
        assert here.shape[2:] == (75 // stride, 98 // stride)
        there = wanted[layer][..., : 75 // stride, : 98 // stride]
        assert float(there.std()) > 0.01 * float(there.abs().max()), layer
        error = float((here - there).abs().max() / there.abs().max())
        assert error < 1e-5, layer


@torch.no_grad()
def test_the_comparison_can_fail() -> None:
    state = draw_trained("resnet18")
    encoder = build_encoder("resnet18", state, "torchvision", PaintConfig(padding="zero"))
    changed = state | {"layer2.0.bn2.bias": state["layer2.0.bn2.bias"] + 0.01}
    other = build_encoder("resnet18", changed, "torchvision", PaintConfig(padding="zero"))
    image = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    before, after = (one(image, ["layer1_2", "layer2_1"]) for one in (encoder, other))
    assert torch.equal(before["layer1_2"], after["layer1_2"])
    assert not torch.allclose(before["layer2_1"], after["layer2_1"], rtol=1e-4)


@torch.no_grad()
def test_efficientnet_is_what_its_paper_says() -> None:
    """Torchvision has none of the Lite kind: a plain account of three blocks stands in for it."""
    state = draw_trained("efficientnet_lite0")
    encoder = build_encoder("efficientnet_lite0", state, "lite", PaintConfig(padding="zero"))
    image = torch.rand((1, 3, 64, 96), generator=torch.Generator().manual_seed(1))

    def normalise(x: Tensor, key: str) -> Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{key}.{part}"] for part in parts), eps=1e-3)  # type: ignore[arg-type]

    x = F.pad((image * 255 - 127) / 128, (0, 1, 0, 1))
    x = F.relu6(normalise(F.conv2d(x, state["_conv_stem.weight"], stride=2), "_bn0"))
    found = encoder(image, ["stem", "block0", "block1", "block2"])
    torch.testing.assert_close(found["stem"], x, rtol=1e-5, atol=1e-5)
    for index, step in enumerate((1, 2, 1)):
        key, before = f"_blocks.{index}", x
        if index:
            x = F.conv2d(x, state[f"{key}._expand_conv.weight"])
            x = F.relu6(normalise(x, f"{key}._bn0"))
        x = F.pad(x, (0, 1, 0, 1) if step == 2 else (1, 1, 1, 1))
        weight = state[f"{key}._depthwise_conv.weight"]
        x = F.relu6(normalise(F.conv2d(x, weight, stride=step, groups=len(weight)), f"{key}._bn1"))
        x = normalise(F.conv2d(x, state[f"{key}._project_conv.weight"]), f"{key}._bn2")
        x = x + before if index == 2 else x
        error = float((found[f"block{index}"] - x).abs().max() / x.abs().max())
        assert error < 1e-5, index
