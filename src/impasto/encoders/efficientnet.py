"""EfficientNet-Lite0 (Tan & Le 2019, the variant for phones), frozen.

Weights come with the names of `efficientnet_pytorch` (`_blocks.0._depthwise_conv.weight`). Layers
are `stem` and the blocks as they are numbered there, `block0 ... block15`; a block ends without a
ReLU, so that its activations have both signs.

TensorFlow pads a picture with an even side by one pixel less above than below where it halves it,
and one with an odd side evenly. Here all are padded as the even ones: else a part of a picture
would be seen on another grid than the whole.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from impasto.config import Padding, Pattern
from impasto.encoders.frozen import (
    Border,
    Convolution,
    Frozen,
    Part,
    Reader,
    Shapes,
    State,
    Stem,
    list_norm,
    rectify,
)

ARCHITECTURES = ("efficientnet_lite0",)
_EPSILON = 1e-3
_CEILING = 6.0
_STEM = 32
#: Groups of blocks: how many, kernel, step of the first, factor by which they widen, channels.
_GROUPS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class _Kernel(NamedTuple):
    """One convolution of a block, by its names in the state dict."""

    key: str
    norm: str
    shape: tuple[int, ...]
    step: int = 1

    def read(self, reader: Reader) -> Convolution:
        before, after = _pad(self.shape[-1], self.step)
        return reader.convolution(
            self.key, self.norm, self.shape, step=self.step, before=before, after=after
        )


class _Plan(NamedTuple):
    """One inverted residual: what it is made of, and whether what was before is added."""

    kernels: tuple[_Kernel, ...]
    adds: bool


def list_layers(architecture: str) -> tuple[str, ...]:
    """Name all layers, shallow to deep: `stem`, `block0 ... block15`."""
    return ("stem", *(f"block{index}" for index, _ in enumerate(_list_blocks())))


def list_weights(architecture: str) -> Shapes:
    """Names and shapes of the convolutional part, in the order of the layers."""
    kernels = [_Kernel("_conv_stem", "_bn0", (_STEM, 3, 3, 3))]
    kernels += [kernel for plan in _list_blocks() for kernel in plan.kernels]
    shapes: Shapes = {}
    for kernel in kernels:
        shapes[f"{kernel.key}.weight"] = kernel.shape
        shapes |= list_norm(kernel.norm, kernel.shape[0])
    return shapes


def list_quiet(architecture: str) -> list[str]:
    """Factors that end a residual branch; small at first in networks that are not trained."""
    return [f"{plan.kernels[-1].norm}.weight" for plan in _list_blocks() if plan.adds]


def build(
    architecture: str,
    state: State,
    *,
    preprocessing: str = "lite",
    padding: Padding | Pattern = "replicate",
) -> Frozen:
    """Build the encoder.

    Args:
        architecture: One of `ARCHITECTURES`.
        state: Weights; those of the classifier are ignored.
        preprocessing: See `Frozen`.
        padding: See `Frozen`.

    Raises:
        WeightsError: If `state` lacks a weight or has one of another shape.
    """
    reader = Reader(architecture, state, _EPSILON)
    before, after = _pad(3, 2)
    stem = reader.convolution(
        "_conv_stem", "_bn0", (_STEM, 3, 3, 3), step=2, before=before, after=after, first=True
    )
    stages: dict[str, nn.Module] = {"stem": Stem(stem, _CEILING)}
    for index, plan in enumerate(_list_blocks()):
        kernels = [kernel.read(reader) for kernel in plan.kernels]
        stages[f"block{index}"] = _Block(kernels, adds=plan.adds)
    return Frozen(architecture, stages, preprocessing=preprocessing, padding=padding)


class _Block(nn.Module):
    """An inverted residual: widen, look around channel by channel, narrow."""

    def __init__(self, kernels: Sequence[Convolution], *, adds: bool) -> None:
        super().__init__()
        self._kernels = nn.ModuleList(kernels)
        self._adds = adds
        self.path: Sequence[Part] = tuple(kernels)

    def forward(self, x: Tensor, border: Border) -> Tensor:
        *before, last = self._kernels
        after: Tensor = x
        for kernel in before:
            after = rectify(kernel(after, border), _CEILING)
        after = last(after, border)
        if self._adds:
            after += x
        return after


def _pad(kernel: int, step: int) -> tuple[int, int]:
    """Rows above and below; where it halves, the odd one goes below."""
    total = kernel - step
    return total // 2, total - total // 2


def _list_blocks() -> Iterator[_Plan]:
    inputs, index = _STEM, 0
    for count, kernel, first_step, factor, outputs in _GROUPS:
        for number in range(count):
            key, wide = f"_blocks.{index}", inputs * factor
            step = first_step if number == 0 else 1
            kernels = [
                _Kernel(f"{key}._depthwise_conv", f"{key}._bn1", (wide, 1, kernel, kernel), step),
                _Kernel(f"{key}._project_conv", f"{key}._bn2", (outputs, wide, 1, 1)),
            ]
            if factor > 1:
                widen = _Kernel(f"{key}._expand_conv", f"{key}._bn0", (wide, inputs, 1, 1))
                kernels.insert(0, widen)
            yield _Plan(tuple(kernels), number > 0)
            inputs, index = outputs, index + 1
