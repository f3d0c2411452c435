"""Networks that look at a picture: image in, named activations out. One family a file."""

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor

from impasto.config import Padding, Pattern


class Encoder(Protocol):
    """What the painting engine needs of a network."""

    layers: tuple[str, ...]
    architecture: str

    def __call__(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Activations of some layers for an image of shape (B, 3, H, W) in [0, 1]."""

    def stride(self, layer: str) -> int:
        """Pixels between two neighbouring positions of a layer."""

    def reach(self, layer: str) -> int:
        """How many pixels beyond its own a position of a layer sees, at most."""

    @property
    def device(self) -> torch.device:
        """Where the network is."""

    @property
    def precision(self) -> torch.dtype:
        """Number format that the network computes in."""

    def with_precision(self, dtype: torch.dtype) -> "Encoder":
        """The same network computing in another number format."""

    def with_padding(self, padding: Padding | Pattern) -> "Encoder":
        """The same network continuing a picture beyond its border in another way."""


def describe_unknown_layer(name: str, network: str, layers: Iterable[str]) -> str:
    """One line that says which layers there are."""
    names = tuple(layers)
    spelling = " (conv4_2 or block4_conv2 mean relu4_2)" if "relu4_2" in names else ""
    return f"Unknown layer {name!r} of {network}; its layers are {', '.join(names)}{spelling}."
