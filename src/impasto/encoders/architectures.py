"""All networks by name: their layers, their weights, and how they are built."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from impasto.backbones import ARCHITECTURES, find_family
from impasto.config import PaintConfig
from impasto.encoders import densenet, efficientnet, resnet, vgg
from impasto.encoders.frozen import Frozen
from impasto.errors import ConfigError

_FAMILIES: dict[str, Any] = {
    "vgg": vgg,
    "resnet": resnet,
    "densenet": densenet,
    "efficientnet": efficientnet,
}


def list_layers(architecture: str) -> tuple[str, ...]:
    """Name all layers of an architecture, shallow to deep; no weights are needed.

    Raises:
        ConfigError: If the architecture is unknown.
    """
    names: tuple[str, ...] = _find(architecture).list_layers(architecture)
    return names


def list_weights(architecture: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the convolutional part of a state dict, in the order of the layers.

    Raises:
        ConfigError: If the architecture is unknown.
    """
    shapes: dict[str, tuple[int, ...]] = _find(architecture).list_weights(architecture)
    return shapes


def build_encoder(
    architecture: str, state: Mapping[str, Tensor], preprocessing: str, config: PaintConfig
) -> vgg.VGG | Frozen:
    """Build a network as the settings want it, in float32.

    Args:
        architecture: One of `impasto.backbones.ARCHITECTURES`.
        state: Its weights.
        preprocessing: What they take.
        config: Pooling and padding matter here.

    Raises:
        ConfigError: If the architecture is unknown.
        WeightsError: If `state` does not fit.
    """
    options: dict[str, Any] = {"preprocessing": preprocessing, "padding": config.padding}
    family = _find(architecture)
    if family is vgg:
        options |= {"pooling": config.pooling, "pooling_gain": config.pooling_gain}
        return vgg.VGG(architecture, state, **options)
    if family is not efficientnet:  # which has strides in place of poolings
        options["pooling"] = config.pooling
    network: Frozen = family.build(architecture, state, **options)
    return network


def draw_state(architecture: str, seed: int = 0) -> dict[str, Tensor]:
    """Weights that were never trained: the same for every call.

    Convolutions are drawn as He et al. 2015 advise, normal with a variance of 2 / fan-in, so that
    activations keep their size through ReLUs; biases are zero, and batch normalisation does
    nothing. Of N residual branches each counts 1 / sqrt(N), or their sum would double the
    variance with each of them.

    Raises:
        ConfigError: If the architecture is unknown.
    """
    family, generator = _find(architecture), torch.Generator().manual_seed(seed)
    quiet = set(family.list_quiet(architecture)) if hasattr(family, "list_quiet") else set()
    state: dict[str, Tensor] = {}
    for name, shape in list_weights(architecture).items():
        if len(shape) == 4:
            deviation = math.sqrt(2 / math.prod(shape[1:]))
            state[name] = torch.randn(shape, generator=generator) * deviation
        elif name in quiet:
            state[name] = torch.full(shape, len(quiet) ** -0.5)
        elif name.endswith(("running_var", "weight")):
            state[name] = torch.ones(shape)
        else:
            state[name] = torch.zeros(shape)
    return state


def _find(architecture: str) -> Any:
    if architecture not in ARCHITECTURES:
        raise ConfigError(
            f"Unknown network {architecture!r}; choose from {', '.join(ARCHITECTURES)}."
        )
    return _FAMILIES[find_family(architecture)]
