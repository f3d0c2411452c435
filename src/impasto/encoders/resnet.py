"""ResNet (He et al. 2016) and wide ResNet (Zagoruyko & Komodakis 2016), frozen.

Weights come as torchvision's state dict. As there, a bottleneck that halves the picture does so
in its 3 x 3 convolution. Layers are `relu1`, `pool1`, and each residual block after its ReLU:
`layer1_1` is the first block of torchvision's `layer1`.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from impasto.config import Padding, Pattern, Pooling
from impasto.encoders.frozen import (
    Border,
    Convolution,
    Frozen,
    Part,
    Reader,
    Shapes,
    Shrinking,
    State,
    Stem,
    list_norm,
)

#: Residual blocks in each of the four groups, whether they are bottlenecks, and their width.
_PLANS: dict[str, tuple[tuple[int, ...], bool, int]] = {
    "resnet18": ((2, 2, 2, 2), False, 64),
    "resnet34": ((3, 4, 6, 3), False, 64),
    "resnet50": ((3, 4, 6, 3), True, 64),
    "resnet101": ((3, 4, 23, 3), True, 64),
    "wide_resnet50_2": ((3, 4, 6, 3), True, 128),
}
ARCHITECTURES = tuple(_PLANS)


class _Kernel(NamedTuple):
    """One convolution of a block, by torchvision's names."""

    key: str
    norm: str
    shape: tuple[int, ...]
    step: int = 1


class _Plan(NamedTuple):
    """One residual block: convolutions of the branch, and of the shortcut if it has one."""

    layer: str
    branch: tuple[_Kernel, ...]
    shortcut: _Kernel | None


def list_layers(architecture: str) -> tuple[str, ...]:
    """Name all layers, shallow to deep: `relu1`, `pool1`, `layer1_1 ... layer4_2`."""
    return ("relu1", "pool1", *(plan.layer for plan in _list_blocks(architecture)))


def list_weights(architecture: str) -> Shapes:
    """Names and shapes of the convolutional part, in the order of the layers."""
    kernels = [_Kernel("conv1", "bn1", (64, 3, 7, 7))]
    for plan in _list_blocks(architecture):
        kernels += [*plan.branch, *([plan.shortcut] if plan.shortcut else [])]
    shapes: Shapes = {}
    for kernel in kernels:
        shapes[f"{kernel.key}.weight"] = kernel.shape
        shapes |= list_norm(kernel.norm, kernel.shape[0])
    return shapes


def list_quiet(architecture: str) -> list[str]:
    """Factors that end a residual branch; small at first in networks that are not trained."""
    return [f"{plan.branch[-1].norm}.weight" for plan in _list_blocks(architecture)]


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
    reader = Reader(architecture, state)
    stem = reader.convolution("conv1", "bn1", (64, 3, 7, 7), step=2, first=True)
    stages: dict[str, nn.Module] = {"relu1": Stem(stem), "pool1": Shrinking(pooling)}
    for plan in _list_blocks(architecture):
        stages[plan.layer] = _Block(
            [_take(reader, kernel) for kernel in plan.branch],
            None if plan.shortcut is None else _take(reader, plan.shortcut),
        )
    return Frozen(architecture, stages, preprocessing=preprocessing, padding=padding)


class _Block(nn.Module):
    """A residual block, from ReLU to ReLU."""

    def __init__(self, branch: Sequence[Convolution], shortcut: Convolution | None) -> None:
        super().__init__()
        self._branch = nn.ModuleList(branch)
        self._shortcut = shortcut
        self.path: Sequence[Part] = tuple(branch)

    def forward(self, x: Tensor, border: Border) -> Tensor:
        *widening, last = self._branch
        after = x
        for convolution in widening:
            after = F.relu_(convolution(after, border))
        after = last(after, border)
        after += x if self._shortcut is None else self._shortcut(x, border)
        return F.relu_(after)


def _take(reader: Reader, kernel: _Kernel) -> Convolution:
    return reader.convolution(kernel.key, kernel.norm, kernel.shape, step=kernel.step)


def _list_blocks(architecture: str) -> Iterator[_Plan]:
    counts, bottleneck, base = _PLANS[architecture]
    inputs = 64
    for group, count in enumerate(counts, start=1):
        width, plain = base << (group - 1), 64 << (group - 1)
        outputs = plain * 4 if bottleneck else plain
        for index in range(count):
            name = f"layer{group}.{index}"
            step = 2 if index == 0 and group > 1 else 1
            shapes: list[tuple[int, ...]]
            if bottleneck:
                shapes = [(width, inputs, 1, 1), (width, width, 3, 3), (outputs, width, 1, 1)]
            else:
                shapes = [(outputs, inputs, 3, 3), (outputs, outputs, 3, 3)]
            halving = 1 if bottleneck else 0
            branch = tuple(
                _Kernel(f"{name}.conv{n}", f"{name}.bn{n}", shape, step if n == halving + 1 else 1)
                for n, shape in enumerate(shapes, start=1)
            )
            shortcut = None
            if step > 1 or inputs != outputs:
                key = f"{name}.downsample"
                shortcut = _Kernel(f"{key}.0", f"{key}.1", (outputs, inputs, 1, 1), step)
            yield _Plan(f"layer{group}_{index + 1}", branch, shortcut)
            inputs = outputs
