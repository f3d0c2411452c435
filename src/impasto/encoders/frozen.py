"""What frozen networks beside VGG have in common: parts, geometry, and the run from layer to layer.

A family builds its stages from the parts here, each under the name of the layer that it ends with,
and hands them to `Frozen`, which is the encoder. A stage is any module that takes activations and
how the picture goes on beyond its border, and that tells its `path`.
"""

import copy
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.config import Padding, Pattern, Pooling
from impasto.encoders import describe_unknown_layer
from impasto.errors import ConfigError, ShapeError, WeightsError
from impasto.patterns import cut_window, round_size

Border = Padding | Pattern
State = Mapping[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

_PATTERNS: tuple[Pattern, ...] = typing.get_args(Pattern)
_PADDINGS: tuple[Border, ...] = (*typing.get_args(Padding), *_PATTERNS)

#: Mean and standard deviation that the input is normalised with, for RGB in [0, 1].
PREPROCESSING: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "torchvision": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # TensorFlow's networks for phones: 0-255, minus 127, divided by 128.
    "lite": ((127 / 255,) * 3, (128 / 255,) * 3),
}


class Part(Protocol):
    """A convolution or pooling: a window that moves over the activations."""

    kernel: int
    step: int
    before: int


class Stage(Protocol):
    """What lies between one named layer and the next."""

    def __call__(self, x: Tensor, border: Border) -> Tensor:
        """Compute the next layer."""

    @property
    def path(self) -> Sequence[Part]:
        """The windows on the way that sees farthest."""


class Convolution(nn.Module):
    """A convolution with its batch normalisation folded in.

    Args:
        weight: Shape (C, C_in / groups, k, k).
        bias: Shape (C,).
        step: Positions of the input for each of the output.
        before: Rows and columns that are added above and to the left.
        after: Those below and to the right.
        first: Whether it sees the picture itself, which may be continued by its border's pixels.
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        *,
        step: int = 1,
        before: int = 0,
        after: int | None = None,
        first: bool = False,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias)
        self.kernel, self.step, self.before = weight.shape[-1], step, before
        self._after = before if after is None else after
        self._first = first

    def forward(self, x: Tensor, border: Border) -> Tensor:
        """Shape (B, C_in, H, W) -> (B, C, ceil(H / step), ceil(W / step))."""
        groups = x.shape[1] // self.weight.shape[1]
        even = self.before == self._after and not (self._first and border == "replicate")
        if _repeats(border) or not even:
            x = _surround(x, self.before, self._after, border, first=self._first)
            padding = 0
        else:
            padding = self.before
        return F.conv2d(x, self.weight, self.bias, self.step, padding, groups=groups)


class Shrinking(nn.Module):
    """Pooling over windows of 3 x 3, every second of them.

    Args:
        pooling: `max` as trained; `average`; `l2`, the root of the mean square.
    """

    kernel, step, before = 3, 2, 1

    def __init__(self, pooling: Pooling = "max") -> None:
        super().__init__()
        self._pooling = pooling

    def forward(self, x: Tensor, border: Border) -> Tensor:
        """Shape (B, C, H, W) -> (B, C, ceil(H / 2), ceil(W / 2))."""
        around = 1
        if _repeats(border):
            x, around = _surround(x, 1, 1, border), 0
        if self._pooling == "max":
            return F.max_pool2d(x, 3, 2, around)
        if self._pooling == "average":
            return F.avg_pool2d(x, 3, 2, around, count_include_pad=False)
        mean = F.avg_pool2d(x.square(), 3, 2, around, count_include_pad=False)
        # The small constant keeps the square root's slope finite where nothing is active.
        return (mean + 1e-8).sqrt_()

    @property
    def path(self) -> Sequence[Part]:
        """Itself."""
        return (self,)


class Stem(nn.Module):
    """The first convolution and its ReLU, up to `ceiling` where a network has one."""

    def __init__(self, convolution: Convolution, ceiling: float | None = None) -> None:
        super().__init__()
        self._convolution, self._ceiling = convolution, ceiling
        self.path: Sequence[Part] = (convolution,)

    def forward(self, x: Tensor, border: Border) -> Tensor:
        """Compute the next layer."""
        return rectify(self._convolution(x, border), self._ceiling)


class Frozen(nn.Module):
    """A frozen network: image in, named activations out; satisfies `Encoder`.

    A layer has one position for every `stride(layer)` pixels and side, rounded down: where the
    network's own arithmetic gives one more, which sees mostly what is not there, it is left out.

    Args:
        architecture: Its name.
        stages: Layer -> what computes it from the layer before, shallow to deep.
        preprocessing: A key of `PREPROCESSING`.
        padding: How the picture is continued beyond its border. `zero` is what the networks
            were trained with; `replicate` repeats the border pixels at the first convolution,
            while deeper layers pad with zeros. A pattern goes on in every layer.

    Raises:
        ConfigError: If an argument is unknown.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        architecture: str,
        stages: Mapping[str, nn.Module],
        *,
        preprocessing: str = "torchvision",
        padding: Border = "replicate",
    ) -> None:
        super().__init__()
        _require(preprocessing, PREPROCESSING, "preprocessing")
        _require(padding, _PADDINGS, "padding")
        self.architecture = architecture
        self.layers = tuple(stages)
        self.padding: Border = padding
        mean, std = PREPROCESSING[preprocessing]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        self._stages = nn.ModuleList(stages.values())
        self._geometry = dict(zip(self.layers, _measure(stages.values()), strict=True))

    def forward(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Compute the activations of some layers, and nothing beyond the deepest of them.

        Args:
            image: Shape (B, 3, H, W), values in [0, 1].
            layers: Names, in any order.

        Returns:
            Name -> activations, shape (B, C, H // stride, W // stride), in the precision of the
            weights.

        Raises:
            ConfigError: If a layer is unknown.
            ShapeError: If the image has not three channels, is too small for the layers, or does
                not repeat as the padding says.
        """
        wanted = [name for name in self.layers if name in set(layers)]
        self._check(image, set(layers))
        height, width = image.shape[-2:]
        x = (image - self.mean) / self.std
        x = x.to(self.precision, memory_format=torch.channels_last)
        found: dict[str, Tensor] = {}
        depth = self.layers.index(wanted[-1]) + 1 if wanted else 0
        for name, stage in zip(self.layers[:depth], self._stages, strict=False):
            x = stage(x, self.padding)
            if name in wanted:
                stride = self.stride(name)
                found[name] = x[..., : height // stride, : width // stride]
        return found

    def stride(self, layer: str) -> int:
        """Pixels between two neighbouring positions of a layer."""
        return self._geometry[layer][0]

    def reach(self, layer: str) -> int:
        """How many pixels beyond its own a position of a layer sees, at most."""
        return self._geometry[layer][1]

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.mean.device

    @property
    def precision(self) -> torch.dtype:
        """Number format of the weights and activations; the input is normalised in float32."""
        return next(self._stages.buffers()).dtype

    def with_precision(self, dtype: torch.dtype) -> "Frozen":
        """The same network in another number format; itself if nothing changes."""
        if dtype == self.precision:
            return self
        other = copy.copy(self)
        other._modules = dict(self._modules)
        other._stages = copy.deepcopy(self._stages).to(dtype)
        return other

    def with_padding(self, padding: Border) -> "Frozen":
        """The same network continuing pictures in another way; itself if nothing changes."""
        _require(padding, _PADDINGS, "padding")
        if padding == self.padding:
            return self
        other = copy.copy(self)
        other.padding = padding
        return other

    def _check(self, image: Tensor, wanted: set[str]) -> None:
        if unknown := wanted.difference(self.layers):
            raise ConfigError(
                describe_unknown_layer(sorted(unknown)[0], self.architecture, self.layers)
            )
        if image.ndim != 4 or image.shape[1] != 3:
            raise ShapeError(f"An image has shape (B, 3, H, W), not {tuple(image.shape)}.")
        size = (image.shape[-2], image.shape[-1])
        least = max(map(self.stride, wanted), default=1)
        if min(size) < least:
            raise ShapeError(
                f"A picture of {size[1]}x{size[0]} px is too small for"
                f" {max(wanted, key=self.layers.index)}, which needs at least {least} px a side."
            )
        border = self.padding
        if _repeats(border) and (fitting := round_size(size, border, least)) != size:
            raise ShapeError(
                f"A picture of {size[1]}x{size[0]} px does not repeat as {border} for these"
                f" layers; {fitting[1]}x{fitting[0]} px does."
            )


class Reader:
    """Takes weights out of a state dict and says clearly what is missing.

    Args:
        architecture: Whose weights they should be.
        state: Weights with torchvision's names.
        epsilon: Of batch normalisation.
    """

    def __init__(self, architecture: str, state: State, epsilon: float = 1e-5) -> None:
        self._architecture, self._state, self._epsilon = architecture, state, epsilon

    def take(self, key: str, shape: tuple[int, ...]) -> Tensor:
        """One tensor in float32.

        Raises:
            WeightsError: If it is missing or of another shape.
        """
        tensor = self._state.get(key)
        if tensor is None:
            raise WeightsError(f"These weights are not of {self._architecture}: {key} is missing.")
        if tuple(tensor.shape) != shape:
            raise WeightsError(
                f"These weights are not of {self._architecture}: {key} has shape"
                f" {tuple(tensor.shape)}, not {shape}."
            )
        return tensor.detach().float()

    def scale(self, key: str, channels: int) -> tuple[Tensor, Tensor]:
        """A frozen batch normalisation (Ioffe & Szegedy 2015) as factor and offset, each (C,)."""
        gamma, beta, mean, variance = (
            self.take(f"{key}.{part}", (channels,))
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gamma / (variance + self._epsilon).sqrt()
        return factor, beta - mean * factor

    def convolution(
        self, key: str, norm: str | None, shape: tuple[int, ...], **geometry: Any
    ) -> Convolution:
        """A convolution without bias, with the batch normalisation after it folded in.

        Args:
            key: Of the convolution.
            norm: Of the batch normalisation, if there is one.
            shape: Of the weight, (C, C_in / groups, k, k).
            **geometry: See `Convolution`; `before` is half the kernel if left out.
        """
        weight, bias = self.take(f"{key}.weight", shape), torch.zeros(shape[0])
        if norm is not None:
            factor, bias = self.scale(norm, shape[0])
            weight = weight * factor.view(-1, 1, 1, 1)
        return Convolution(weight, bias, **{"before": shape[-1] // 2} | geometry)


def rectify(x: Tensor, ceiling: float | None = None) -> Tensor:
    """ReLU in place, cut off at `ceiling` if there is one."""
    return F.relu_(x) if ceiling is None else x.clamp_(0, ceiling)


def list_norm(key: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a batch normalisation in a state dict."""
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{key}.{part}", (channels,)


def _measure(stages: Iterable[Any]) -> Iterator[tuple[int, int]]:
    """Stride and reach of each layer in px."""
    stride, left, right = 1, 0, 0
    for stage in stages:
        for part in stage.path:
            left += part.before * stride
            right += (part.kernel - 1 - part.before) * stride
            stride *= part.step
        yield stride, max(left, right)


def _surround(x: Tensor, before: int, after: int, border: Border, *, first: bool = False) -> Tensor:
    """Activations with what lies around them."""
    if _repeats(border):
        height, width = x.shape[-2:]
        return cut_window(x, (-before, height + after), (-before, width + after), border)
    mode = "replicate" if first and border == "replicate" else "constant"
    return F.pad(x, (before, after, before, after), mode)


def _repeats(border: Border) -> TypeGuard[Pattern]:
    return border in _PATTERNS


def _require(value: str, choices: Iterable[str], what: str) -> None:
    if value not in choices:
        raise ConfigError(f"Unknown {what} {value!r}; choose from {', '.join(choices)}.")
