"""VGG-16 and VGG-19 (Simonyan & Zisserman 2015), frozen, as feature extractors for painting.

The convolutional part only, cut after the deepest layer that is asked for. Weights come as a
torchvision-compatible state dict (`features.N.weight`); batch normalisation is folded into the
convolution before it, which is exact for a frozen network.
"""

import copy
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from impasto.config import Padding, Pattern, Pooling
from impasto.encoders import describe_unknown_layer, winograd
from impasto.errors import ConfigError, ShapeError, WeightsError
from impasto.patterns import UNIT, continue_picture, fold_border, round_size

#: Convolutions in each of the five blocks, and their channels.
BLOCKS: dict[str, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
CHANNELS = (64, 128, 256, 512, 512)
ARCHITECTURES = ("vgg16", "vgg16_bn", "vgg19", "vgg19_bn")

#: Mean and standard deviation that the input is normalised with, for RGB in [0, 1].
PREPROCESSING: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    # Oxford's Caffe networks: 0-255, minus the mean colour of ImageNet, not divided.
    "caffe": ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3),
    "torchvision": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}

#: How a picture may be continued: at its border only, or as a pattern in every layer.
PATTERNS: tuple[Pattern, ...] = typing.get_args(Pattern)
PADDINGS: tuple[Padding | Pattern, ...] = (*typing.get_args(Padding), *PATTERNS)

#: What a pooled activation is multiplied with so that it keeps its size. The papers do not.
#: Measured once with Oxford's VGG-19 on photographs, as mean(max pool) / mean(other pool).
POOLING_GAIN: dict[str, float] = {"max": 1.0, "average": 1.6, "l2": 1.26}


def list_layers(architecture: str) -> tuple[str, ...]:
    """Name all layers of an architecture, shallow to deep: `relu1_1 ... pool5`.

    Raises:
        ConfigError: If the architecture is unknown.
    """
    base = architecture.removesuffix("_bn")
    if architecture not in ARCHITECTURES:
        raise ConfigError(
            f"Unknown VGG architecture {architecture!r}; choose from {', '.join(ARCHITECTURES)}."
        )
    names: list[str] = []
    for block, count in enumerate(BLOCKS[base], start=1):
        names += [f"relu{block}_{index}" for index in range(1, count + 1)]
        names.append(f"pool{block}")
    return tuple(names)


def list_weights(architecture: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the convolutional part of a state dict, in the order of the layers."""
    normalised = architecture.endswith("_bn")
    shapes: dict[str, tuple[int, ...]] = {}
    index, inputs = 0, 3
    for repeats, outputs in zip(BLOCKS[architecture.removesuffix("_bn")], CHANNELS, strict=True):
        for _ in range(repeats):
            shapes[f"features.{index}.weight"] = (outputs, inputs, 3, 3)
            shapes[f"features.{index}.bias"] = (outputs,)
            if normalised:
                for part in ("weight", "bias", "running_mean", "running_var"):
                    shapes[f"features.{index + 1}.{part}"] = (outputs,)
            index += 3 if normalised else 2
            inputs = outputs
        index += 1  # pooling
    return shapes


class VGG(nn.Module):
    """A frozen VGG: image in, named activations out.

    Args:
        architecture: `vgg16`, `vgg19`, or either with `_bn`.
        state: Weights with torchvision's names; classifier weights are ignored.
        preprocessing: `caffe` (Oxford's weights) or `torchvision`.
        pooling: `max` as trained; `average` as Gatys et al. 2016 advise; `l2`, the root of the
            mean square (Hénaff & Simoncelli 2016), which avoids aliasing.
        padding: How the picture is continued beyond its border. `zero` is what the networks
            were trained with, and darkens the painted border; `replicate` repeats the border
            pixels at the first convolution, while deeper layers pad with zeros. A pattern (see
            `impasto.patterns`) goes on in every layer: the picture is one tile of it.
        pooling_gain: Multiply pooled activations so that average and L2 pooling keep the size
            that maximum pooling would give. Off: as in the papers.

    Raises:
        ConfigError: If an argument is unknown.
        WeightsError: If `state` lacks a weight or has one of another shape.
    """

    def __init__(
        self,
        architecture: str,
        state: Mapping[str, Tensor],
        *,
        preprocessing: str = "torchvision",
        pooling: Pooling = "max",
        padding: Padding | Pattern = "replicate",
        pooling_gain: bool = True,
    ) -> None:
        super().__init__()
        self.layers = list_layers(architecture)
        _require(preprocessing, PREPROCESSING, "preprocessing")
        _require(pooling, POOLING_GAIN, "pooling")
        _require(padding, PADDINGS, "padding")
        self.architecture = architecture
        self.pooling = pooling
        self.padding: Padding | Pattern = padding
        self.gain = POOLING_GAIN[pooling] if pooling_gain else 1.0
        self._kernels: dict[tuple[str, bool], Tensor] = {}
        mean, std = PREPROCESSING[preprocessing]
        self.mean: Tensor
        self.std: Tensor
        self.relu1_1_weight: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        for name, (weight, bias) in _read_convolutions(architecture, state).items():
            self.register_buffer(f"{name}_weight", weight)
            self.register_buffer(f"{name}_bias", bias)

    def forward(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Compute the activations of some layers, and nothing beyond the deepest of them.

        Args:
            image: Shape (B, 3, H, W), values in [0, 1].
            layers: Names such as `relu4_2`, in any order.

        Returns:
            Name -> activations, shape (B, C, H / 2^k, W / 2^k), in the precision of the weights.

        Raises:
            ConfigError: If a layer is unknown.
            ShapeError: If the image has not three channels, or is too small for the layers.
        """
        wanted = set(layers)
        if unknown := wanted.difference(self.layers):
            raise ConfigError(
                describe_unknown_layer(sorted(unknown)[0], self.architecture, self.layers)
            )
        if image.ndim != 4 or image.shape[1] != 3:
            raise ShapeError(f"An image has shape (B, 3, H, W), not {tuple(image.shape)}.")
        if min(image.shape[-2:]) < (least := smallest_side(wanted)):
            raise ShapeError(
                f"A picture of {image.shape[-1]}x{image.shape[-2]} px is too small for "
                f"{max(wanted, key=self.layers.index)}, which needs at least {least} px a side."
            )
        self._check_repeats((image.shape[-2], image.shape[-1]), min(least, UNIT))
        return self._run(self._normalise(image), wanted)

    def stride(self, layer: str) -> int:
        """Pixels between two neighbouring positions of a layer."""
        return smallest_side([layer])

    def reach(self, layer: str) -> int:
        """How many pixels beyond its own a position of a layer sees, at most."""
        reach, stride = 0, 1
        for name in self.layers:
            reach += stride  # a 3 x 3 convolution, or the far half of a pooling window
            stride *= 2 if name.startswith("pool") else 1
            if name == layer:
                break
        return reach

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.relu1_1_weight.device

    @property
    def precision(self) -> torch.dtype:
        """Number format of the weights and activations; the input is normalised in float32."""
        return self.relu1_1_weight.dtype

    def with_precision(self, dtype: torch.dtype) -> "VGG":
        """The same network in another number format; itself if nothing changes."""
        if dtype == self.precision:
            return self
        other = self.duplicate()
        for name, buffer in self._buffers.items():
            if name not in ("mean", "std") and buffer is not None:
                other._buffers[name] = buffer.to(dtype)
        return other

    def duplicate(self) -> "VGG":
        """The same network, whose weights can be replaced without changing this one's."""
        other = copy.copy(self)
        other._buffers, other._kernels = dict(self._buffers), {}
        return other

    def with_padding(self, padding: Padding | Pattern) -> "VGG":
        """The same network continuing pictures in another way; itself if nothing changes."""
        _require(padding, PADDINGS, "padding")
        if padding == self.padding:
            return self
        other = copy.copy(self)
        other.padding = padding
        return other

    def _run(self, x: Tensor, wanted: set[str]) -> dict[str, Tensor]:
        names = [name for name in self.layers if name in wanted]
        if torch.is_grad_enabled() and x.requires_grad:
            found = _Trunk.apply(x, self, names)  # type: ignore[no-untyped-call]
            return dict(zip(names, found, strict=True))
        return {step.name: step.after for step in self.walk(x, names) if step.name in wanted}

    def walk(self, x: Tensor, names: Sequence[str]) -> Iterator["_Step"]:
        """Compute layer after layer, as deep as the last of `names`."""
        for name in self.layers[: self.layers.index(names[-1]) + 1] if names else ():
            step = self._pool(x, name) if name.startswith("pool") else self._convolve(x, name)
            yield step
            x = step.after

    def _check_repeats(self, size: tuple[int, int], unit: int) -> None:
        """Raise a ShapeError if poolings would cut off rows that a pattern needs."""
        if _repeats(self.padding) and (fitting := round_size(size, self.padding, unit)) != size:
            raise ShapeError(
                f"A picture of {size[1]}x{size[0]} px does not repeat as {self.padding} for these"
                f" layers; {fitting[1]}x{fitting[0]} px does."
            )

    def _normalise(self, image: Tensor) -> Tensor:
        weight = self.relu1_1_weight
        x = (image - self.mean) / self.std
        x = x.to(weight.dtype, memory_format=torch.channels_last)
        # Padding follows normalisation: a zero there is the mean colour, as in training.
        return F.pad(x, (1, 1, 1, 1), "replicate") if self.padding == "replicate" else x

    def _continue(self, x: Tensor, name: str) -> tuple[Tensor, int]:
        """What a convolution sees: activations with what lies around them, and rows of zeros."""
        if _repeats(self.padding):
            return continue_picture(x, 1, self.padding), 0
        return x, 0 if name == "relu1_1" and self.padding == "replicate" else 1

    def _convolve(self, x: Tensor, name: str) -> "_Step":
        seen, padding = self._continue(x, name)
        shape = seen.shape
        weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")
        winograd_pays = winograd.pays(weight)
        if winograd_pays:
            kernel = self._transform_kernel(name, weight, backward=False)
            after = F.relu_(winograd.convolve(seen, kernel, padding).add_(bias.view(1, -1, 1, 1)))
        else:
            after = F.relu_(F.conv2d(seen, weight, bias, padding=padding))

        def pull(slope: Tensor) -> Tensor:
            # In place: fetching fresh memory takes longer than the arithmetic.
            torch.ops.aten.threshold_backward.grad_input(slope, after, 0, grad_input=slope)
            if winograd_pays:
                kernel = self._transform_kernel(name, weight, backward=True)
                pulled = winograd.convolve(slope, kernel, 2 - padding)
            else:
                # Only its shape is asked for. What was seen is not kept: `x` is, as it is.
                blank = x if x.shape == shape else _make_blank(shape, slope)
                pulled = torch.ops.aten.convolution_backward(
                    slope, blank, weight, None, (1, 1), (padding, padding), (1, 1), False, (0, 0),
                    1, (True, False, False),
                )[0]  # fmt: skip
            return fold_border(pulled, 1, self.padding) if _repeats(self.padding) else pulled

        return _Step(name, after, pull)

    def _transform_kernel(self, name: str, weight: Tensor, *, backward: bool) -> Tensor:
        """Kernel for Winograd's convolution, made once; backward it is turned by 180 degrees."""
        key = (name, backward)
        if key not in self._kernels:
            turned = weight.transpose(0, 1).flip(2, 3) if backward else weight
            self._kernels[key] = winograd.transform_kernel(turned)
        return self._kernels[key]

    def _pool(self, x: Tensor, name: str) -> "_Step":
        if self.pooling == "max":
            after, places = F.max_pool2d(x, 2, return_indices=True)

            def pull(slope: Tensor) -> Tensor:
                pulled: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(
                    slope, x, (2, 2), (2, 2), (0, 0), (1, 1), False, places
                )
                return pulled

            return _Step(name, after, pull)
        if self.pooling == "average":
            after = F.avg_pool2d(x, 2).mul_(self.gain)
            return _Step(name, after, lambda slope: _spread(slope.mul_(self.gain), x))
        # The small constant keeps the square root's slope finite where nothing is active.
        root = (F.avg_pool2d(x.square(), 2) + 1e-8).sqrt_()
        return _Step(
            name,
            root * self.gain,
            lambda slope: _spread(slope.mul_(self.gain).div_(root), x).mul_(x),
        )


class _Step(NamedTuple):
    """One layer: its activations, and how a slope by them is pulled back to what was before.

    `pull` may overwrite the slope that it is given.
    """

    name: str
    after: Tensor
    pull: Callable[[Tensor], Tensor]


class _Trunk(torch.autograd.Function):
    """All layers as one step of autograd, pulled back in place and freed on the way.

    Autograd by itself would allocate each ReLU's slope and each sum of slopes anew, which for
    large activations takes as long as a third of the convolutions.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, encoder: VGG, names: list[str]) -> tuple[Tensor, ...]:
        ctx.names = names
        ctx.steps = list(encoder.walk(x, names))
        found = {step.name: step.after for step in ctx.steps}
        # Aliases: what autograd returns must not be what the context holds, or both would
        # keep each other alive.
        return tuple(found[name].view_as(found[name]) for name in names)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor | None) -> tuple[Tensor | None, None, None]:
        by_name = dict(zip(ctx.names, slopes, strict=True))
        slope: Tensor | None = None
        while ctx.steps:
            step = ctx.steps.pop()
            own = by_name.get(step.name)
            if own is not None and slope is not None:
                slope.add_(own)
            elif own is not None:
                # A copy, for it is overwritten and may be the caller's.
                slope = own.clone(memory_format=torch.channels_last)
            if slope is not None:
                slope = step.pull(slope)
        return slope, None, None


def _repeats(padding: Padding | Pattern) -> TypeGuard[Pattern]:
    return padding in PATTERNS


def _make_blank(shape: torch.Size, like: Tensor) -> Tensor:
    """A tensor that holds anything."""
    layout = torch.channels_last
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=layout)


def _spread(slope: Tensor, before: Tensor) -> Tensor:
    """Backward pass of 2 x 2 average pooling."""
    spread: Tensor = torch.ops.aten.avg_pool2d_backward(
        slope, before, (2, 2), (2, 2), (0, 0), False, True, None
    )
    return spread


def smallest_side(layers: Iterable[str]) -> int:
    """Smallest picture side in pixels that leaves one position in the deepest of `layers`."""
    poolings = [int(name[4]) - (name.startswith("relu")) for name in layers]
    return 1 << max(poolings, default=0)


def _require(value: str, choices: Iterable[str], what: str) -> None:
    if value not in choices:
        raise ConfigError(f"Unknown {what} {value!r}; choose from {', '.join(choices)}.")


def _read_convolutions(
    architecture: str, state: Mapping[str, Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Collect (weight, bias) per `reluN_M`, with batch normalisation folded in."""
    normalised = architecture.endswith("_bn")
    found: dict[str, tuple[Tensor, Tensor]] = {}
    index, channels_in = 0, 3
    for name in list_layers(architecture):
        if name.startswith("pool"):
            index += 1
            continue
        channels = CHANNELS[int(name[4]) - 1]
        key = f"features.{index}"
        weight = _take(state, f"{key}.weight", (channels, channels_in, 3, 3), architecture)
        bias = _take(state, f"{key}.bias", (channels,), architecture)
        if normalised:
            weight, bias = _fold(weight, bias, state, f"features.{index + 1}", architecture)
        found[name] = (weight.contiguous(memory_format=torch.channels_last), bias)
        index, channels_in = index + (3 if normalised else 2), channels
    return found


def _fold(
    weight: Tensor, bias: Tensor, state: Mapping[str, Tensor], key: str, architecture: str
) -> tuple[Tensor, Tensor]:
    """Fold a frozen batch normalisation (Ioffe & Szegedy 2015) into the convolution before it."""
    shape = (weight.shape[0],)
    gamma = _take(state, f"{key}.weight", shape, architecture)
    beta = _take(state, f"{key}.bias", shape, architecture)
    mean = _take(state, f"{key}.running_mean", shape, architecture)
    variance = _take(state, f"{key}.running_var", shape, architecture)
    scale = gamma / (variance + 1e-5).sqrt()
    return weight * scale.view(-1, 1, 1, 1), (bias - mean) * scale + beta


def _take(
    state: Mapping[str, Tensor], key: str, shape: tuple[int, ...], architecture: str
) -> Tensor:
    tensor = state.get(key)
    if tensor is None:
        raise WeightsError(f"These weights are not of {architecture}: {key} is missing.")
    if tuple(tensor.shape) != shape:
        raise WeightsError(
            f"These weights are not of {architecture}: {key} has shape {tuple(tensor.shape)}, "
            f"not {shape}."
        )
    return tensor.detach().float()
