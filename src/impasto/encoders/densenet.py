"""DenseNet (Huang et al. 2017), frozen.

Weights come as torchvision's state dict, by its names of today or those of its checkpoints
(`norm.1`). Layers are what its modules put out: `relu0`, `pool0`, `denseblock1` (all that the block
has gathered), `transition1`, and so on. Batch normalisation that stands before a ReLU cannot be
folded into a convolution, and stays a factor and an offset.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.config import Padding, Pattern, Pooling
from impasto.encoders.frozen import (
    Border,
    Frozen,
    Part,
    Reader,
    Shapes,
    Shrinking,
    State,
    Stem,
    list_norm,
)

#: Layers in each of the four blocks, channels of the stem, and channels that each layer adds.
_PLANS: dict[str, tuple[tuple[int, ...], int, int]] = {"densenet121": ((6, 12, 24, 16), 64, 32)}
ARCHITECTURES = tuple(_PLANS)
#: Channels between the two convolutions of a layer, in units of those that it adds.
_WIDENING = 4


class _Growth(NamedTuple):
    """One layer of a block: its name in the state dict, and the channels that it takes."""

    key: str
    inputs: int


class _Group(NamedTuple):
    """One block, and what it gives."""

    number: int
    layers: tuple[_Growth, ...]
    outputs: int


def list_layers(architecture: str) -> tuple[str, ...]:
    """Name all layers, shallow to deep: `relu0`, `pool0`, `denseblock1`, `transition1` ..."""
    names = ["relu0", "pool0"]
    for group in _list_groups(architecture):
        names += [f"transition{group.number - 1}"] if group.number > 1 else []
        names.append(f"denseblock{group.number}")
    return tuple(names)


def list_weights(architecture: str) -> Shapes:
    """Names and shapes of the convolutional part, in the order of the layers."""
    counts, stem, growth = _PLANS[architecture]
    shapes: Shapes = {"features.conv0.weight": (stem, 3, 7, 7)}
    shapes |= list_norm("features.norm0", stem)
    for group in _list_groups(architecture):
        for key, inputs in group.layers:
            shapes |= list_norm(f"{key}.norm1", inputs)
            shapes[f"{key}.conv1.weight"] = (_WIDENING * growth, inputs, 1, 1)
            shapes |= list_norm(f"{key}.norm2", _WIDENING * growth)
            shapes[f"{key}.conv2.weight"] = (growth, _WIDENING * growth, 3, 3)
        if group.number < len(counts):
            key = f"features.transition{group.number}"
            shapes |= list_norm(f"{key}.norm", group.outputs)
            shapes[f"{key}.conv.weight"] = (group.outputs // 2, group.outputs, 1, 1)
    return shapes


def modernise(name: str) -> str:
    """The name of today for one from a checkpoint: `norm.1` is `norm1`."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2.", name)


def build(
    architecture: str,
    state: State,
    *,
    preprocessing: str = "torchvision",
    padding: Padding | Pattern = "replicate",
    pooling: Pooling = "max",
) -> Frozen:
    """Build the encoder.

    Args:
        architecture: One of `ARCHITECTURES`.
        state: Weights with torchvision's names; those of the classifier are ignored.
        preprocessing: See `Frozen`.
        padding: See `Frozen`.
        pooling: See `Shrinking`.

    Raises:
        WeightsError: If `state` lacks a weight or has one of another shape.
    """
    reader = Reader(architecture, {modernise(name): tensor for name, tensor in state.items()})
    _, width, growth = _PLANS[architecture]
    stem = reader.convolution(
        "features.conv0", "features.norm0", (width, 3, 7, 7), step=2, first=True
    )
    stages: dict[str, nn.Module] = {"relu0": Stem(stem), "pool0": Shrinking(pooling)}
    outputs = width
    for group in _list_groups(architecture):
        if group.number > 1:
            name = f"transition{group.number - 1}"
            stages[name] = _Transition(reader, f"features.{name}", outputs)
        layers = [_Layer(reader, one, growth) for one in group.layers]
        stages[f"denseblock{group.number}"] = _Block(layers)
        outputs = group.outputs
    return Frozen(architecture, stages, preprocessing=preprocessing, padding=padding)


class _Scale(nn.Module):
    """A frozen batch normalisation and its ReLU."""

    factor: Tensor
    offset: Tensor

    def __init__(self, factor: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("factor", factor.view(1, -1, 1, 1))
        self.register_buffer("offset", offset.view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(torch.addcmul(self.offset, x, self.factor))


class _Layer(nn.Module):
    """Computes from all that there is what a block adds next."""

    def __init__(self, reader: Reader, plan: _Growth, growth: int) -> None:
        super().__init__()
        key, wide = plan.key, _WIDENING * growth
        self.scale = _Scale(*reader.scale(f"{key}.norm1", plan.inputs))
        shape = (wide, plan.inputs, 1, 1)
        self.narrow = reader.convolution(f"{key}.conv1", f"{key}.norm2", shape)
        self.look = reader.convolution(f"{key}.conv2", None, (growth, wide, 3, 3))

    def forward(self, x: Tensor, border: Border) -> Tensor:
        added: Tensor = self.look(F.relu_(self.narrow(self.scale(x), border)), border)
        return added


class _Block(nn.Module):
    """A dense block: each layer sees what all before it have added."""

    def __init__(self, layers: Sequence[_Layer]) -> None:
        super().__init__()
        self._layers = nn.ModuleList(layers)
        self.path: Sequence[Part] = tuple(layer.look for layer in layers)

    def forward(self, x: Tensor, border: Border) -> Tensor:
        for layer in self._layers:
            x = torch.cat([x, layer(x, border)], dim=1)
        return x


class _Halving:
    """The window of an average over 2 x 2."""

    kernel, step, before = 2, 2, 0


class _Transition(nn.Module):
    """Half the channels, half the sides.

    Averaging comes before the convolution: both are linear, and so there is a quarter to do.
    """

    path: Sequence[Part] = (_Halving(),)

    def __init__(self, reader: Reader, key: str, inputs: int) -> None:
        super().__init__()
        self.scale = _Scale(*reader.scale(f"{key}.norm", inputs))
        self.mix = reader.convolution(f"{key}.conv", None, (inputs // 2, inputs, 1, 1))

    def forward(self, x: Tensor, border: Border) -> Tensor:
        mixed: Tensor = self.mix(F.avg_pool2d(self.scale(x), 2), border)
        return mixed


def _list_groups(architecture: str) -> Iterator[_Group]:
    counts, channels, growth = _PLANS[architecture]
    for number, count in enumerate(counts, start=1):
        layers = tuple(
            _Growth(f"features.denseblock{number}.denselayer{n + 1}", channels + n * growth)
            for n in range(count)
        )
        channels += count * growth
        yield _Group(number, layers, channels)
        channels //= 2
