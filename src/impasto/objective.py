"""What a painting is judged by: an encoder, its targets and their weights become one scalar."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.config import PaintConfig
from impasto.encoders import Encoder
from impasto.errors import ConfigError
from impasto.losses import LOSS_FORMS, total_variation
from impasto.pyramid import SMALLEST_SIDE, Size, fit_size, resize
from impasto.solvers import Evaluation
from impasto.statistics import Moments, blend_moments, collect_moments


@dataclass(frozen=True)
class Objective:
    """The loss of a picture at one scale; call it with a picture to evaluate it.

    Attributes:
        encoder: The network that looks.
        config: Resolved settings; layers, weights and the form of the loss matter here.
        content: Layer -> activations of the photograph.
        style: Layer -> moments of the blended styles.
    """

    encoder: Encoder
    config: PaintConfig
    content: dict[str, Tensor]
    style: dict[str, Moments]

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate loss and gradient.

        Args:
            image: Shape (1, 3, H, W), values in [0, 1]; it is not changed.
        """
        image = image.detach().requires_grad_(True)
        terms = self.compute_terms(image)
        total = torch.stack(list(terms.values())).sum()
        (gradient,) = torch.autograd.grad(total, image)
        values = {name: term.item() for name, term in terms.items()}
        return Evaluation(total.item(), gradient, values)

    def compute_terms(self, image: Tensor) -> dict[str, Tensor]:
        """The weighted terms as differentiable scalars: content, style and tv."""
        config, form = self.config, LOSS_FORMS[self.config.loss]
        features = self.encoder(image, [*self.content, *self.style])
        terms = {
            # Zero times the picture, so that an objective without weights still has a gradient.
            "content": image.sum() * 0,
            "style": image.sum() * 0,
            "tv": total_variation(image) * (config.tv_weight or 0.0),
        }
        for layer, weight in _pair(config.content_layers, config.content_layer_weights):
            if layer in self.content:
                loss = form.content(features[layer], self.content[layer])
                terms["content"] = terms["content"] + loss * (weight * content_weight(config))
        for layer, weight in _pair(config.style_layers, config.style_layer_weights):
            if layer in self.style:
                positions = features[layer].shape[2] * features[layer].shape[3]
                loss = form.style(collect_moments(features[layer]), self.style[layer], positions)
                terms["style"] = terms["style"] + loss * (weight * (config.style_weight or 0.0))
        return terms


def build_objective(
    encoder: Encoder,
    config: PaintConfig,
    content: Tensor,
    styles: Sequence[Tensor],
    size: Size,
) -> Objective:
    """Look at the photograph and the styles once, at one scale.

    Args:
        encoder: The network.
        config: Resolved settings.
        content: The photograph at full size, shape (1, 3, H, W).
        styles: Style pictures at full size, each (1, 3, any, any).
        size: (H, W) of this scale.

    Raises:
        ConfigError: If a layer is unknown, or shares and styles differ in number.
    """
    check_layers(encoder, config)
    content_layers = _select(config.content_layers, config.content_layer_weights)
    style_layers = _select(config.style_layers, config.style_layer_weights)
    if not content_weight(config):
        content_layers = []
    if not config.style_weight:
        style_layers = []
    with torch.no_grad():
        seen = encoder(resize(content, size), content_layers) if content_layers else {}
        style = _measure_styles(encoder, config, styles, size, style_layers)
    return Objective(encoder, config, seen, style)


def content_weight(config: PaintConfig) -> float:
    """Weight of the content loss after strength: twice the strength is a quarter of it."""
    return (config.content_weight or 0.0) / config.strength**2


def scale_style(style: Tensor, size: Size, stroke_size: float) -> Tensor:
    """Resample a style picture so that its strokes suit a painting of `size`.

    A style is never enlarged beyond its own resolution: what it lacks in detail would be
    painted as blur. Nor is it shrunk until its short side leaves nothing to look at.
    """
    own = (style.shape[-2], style.shape[-1])
    least = math.ceil(SMALLEST_SIDE * max(own) / min(own))
    side = min(max(round(max(size) * stroke_size), least), max(own))
    return resize(style, fit_size(own, side))


def check_layers(encoder: Encoder, config: PaintConfig) -> None:
    """Raise a ConfigError that names a layer which the encoder does not have."""
    for layer in (*(config.content_layers or ()), *(config.style_layers or ())):
        if layer not in encoder.layers:
            raise ConfigError(
                f"Unknown layer {layer!r} of {config.backbone}; its layers are"
                f" {', '.join(encoder.layers)} (conv4_2 or block4_conv2 mean relu4_2)."
            )


def _measure_styles(
    encoder: Encoder,
    config: PaintConfig,
    styles: Sequence[Tensor],
    size: Size,
    layers: list[str],
) -> dict[str, Moments]:
    if not layers or not styles:
        return {}
    shares = config.style_shares or (1.0,) * len(styles)
    if len(shares) != len(styles):
        raise ConfigError(f"{len(shares)} style shares for {len(styles)} styles; give one each.")
    seen = [
        {
            layer: collect_moments(features)
            for layer, features in encoder(
                scale_style(style, size, config.stroke_size), layers
            ).items()
        }
        for style in styles
    ]
    return {layer: blend_moments([one[layer] for one in seen], shares) for layer in layers}


def _pair(
    layers: tuple[str, ...] | None, weights: tuple[float, ...] | None
) -> list[tuple[str, float]]:
    return list(zip(layers or (), weights or (), strict=True))


def _select(layers: tuple[str, ...] | None, weights: tuple[float, ...] | None) -> list[str]:
    """Layers whose weight is not zero; the others need not be computed."""
    return [layer for layer, weight in _pair(layers, weights) if weight > 0]
