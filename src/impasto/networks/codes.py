"""A style as a row of numbers, by which networks are told what to paint."""

from collections.abc import Mapping

import torch
from torch import Tensor

from impasto.encoders import Encoder
from impasto.networks.blocks import measure_instance

#: Where a style is looked at, and the channels there.
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
_CHANNELS = (64, 128, 256, 512)
#: Means of Oxford's activations over natural pictures, by which they become of size one.
_SIZES = (21.0, 120.0, 120.0, 460.0)
CODE = 2 * sum(_CHANNELS)


def describe_style(encoder: Encoder, style: Tensor) -> Tensor:
    """A style's code: means and deviations of VGG's activations, compressed; (B, 1920).

    Args:
        encoder: VGG-19 with Oxford's weights.
        style: Shape (B, 3, H, W), values in [0, 1].
    """
    return write_code(encoder(style, LAYERS))


def write_code(seen: Mapping[str, Tensor]) -> Tensor:
    """A style's code from VGG's activations in `LAYERS`, (B, 1920)."""
    parts = []
    for layer, size in zip(LAYERS, _SIZES, strict=True):
        for measure in measure_instance(seen[layer].float()):
            # Activations differ by factors, which a root makes differences of a size.
            parts.append((measure.flatten(1) / size).clamp(min=0).sqrt())
    return torch.cat(parts, dim=1)
