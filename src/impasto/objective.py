"""What a painting is judged by: an encoder, its targets and their weights become one scalar."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from impasto.config import PaintConfig
from impasto.encoders import Encoder, describe_unknown_layer
from impasto.errors import ConfigError
from impasto.losses import LOSS_FORMS, squared_difference, sum_squares, total_variation
from impasto.matting import matting_energy
from impasto.patterns import UNIT
from impasto.pyramid import SMALLEST_SIDE, Size, fit_size, resize, resize_mask
from impasto.regions import Guidance, Region, ScaledGuidance, StylePart, pair_masks
from impasto.smoothing import find_content_factor, settle
from impasto.solvers import Evaluation
from impasto.statistics import Moments, blend_moments, collect_moments
from impasto.swatches import choose_parts, collect_swatch


@dataclass(frozen=True)
class Objective:
    """The loss of a picture at one scale; call it with a picture to evaluate it.

    Attributes:
        encoder: The network that looks.
        config: Resolved settings; layers, weights and the form of the loss matter here.
        content: Layer -> activations of the photograph.
        style: Layer -> for each region, moments of its blended styles.
        content_factors: Content layer -> what its summed squared difference is multiplied with.
        guidance: Where the regions are, and how strongly it paints.
        photograph: What the picture must be locally affine to, shape (1, 3, H, W); None: nothing.
    """

    encoder: Encoder
    config: PaintConfig
    content: dict[str, Tensor]
    style: dict[str, tuple[Moments, ...]]
    content_factors: dict[str, float]
    guidance: ScaledGuidance = field(default_factory=ScaledGuidance)
    photograph: Tensor | None = None

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
        """The weighted terms as differentiable scalars: content, style, tv and photoreal."""
        features = self.encoder(image, [*self.content, *self.style])
        stride, guidance = self.encoder.stride, self.guidance
        differences = {
            layer: squared_difference(
                features[layer], target, guidance.weigh_content(stride(layer))
            )
            for layer, target in self.content.items()
        }
        moments = {
            layer: [
                collect_moments(features[layer], guidance.weigh_region(index, stride(layer)))
                for index in range(len(targets))
            ]
            for layer, targets in self.style.items()
        }
        positions = {layer: features[layer][0, 0].numel() for layer in self.style}
        slopes = total_variation(image, self.config.seamless)
        terms = self.weigh(differences, moments, positions, slopes)
        return terms | self.compute_photoreal(image)

    def compute_photoreal(self, image: Tensor) -> dict[str, Tensor]:
        """The term that keeps a picture locally affine to its photograph; empty if none does.

        It works in bands of its own, so that tiles need nothing else.
        """
        if self.photograph is None:
            return {}
        energy = matting_energy(image, self.photograph)
        return {"photoreal": energy * (self.config.photoreal_weight or 0.0)}

    def weigh(
        self,
        differences: Mapping[str, Tensor],
        moments: Mapping[str, Sequence[Moments]],
        positions: Mapping[str, int],
        slopes: Tensor,
    ) -> dict[str, Tensor]:
        """Turn what was measured of a picture into the weighted terms.

        The objective sees a picture only through these sums over positions, which is why it can
        be had piece by piece.

        Args:
            differences: Content layer -> summed squared difference.
            moments: Style layer -> moments of each region.
            positions: Style layer -> number of positions.
            slopes: Total variation.
        """
        config, form = self.config, LOSS_FORMS[self.config.loss]
        # Zero times something measured, so that a term without layers still has a gradient.
        content, style = slopes * 0, slopes * 0
        for layer, weight in _pair(config.content_layers, config.content_layer_weights):
            if layer in differences:
                share = weight * content_weight(config) * self.content_factors[layer]
                content = content + differences[layer] * share
        for layer, weight in _pair(config.style_layers, config.style_layer_weights):
            if layer in moments:
                # A region counts as much as it is large, as it does in the content loss.
                for area, actual, wanted in zip(
                    self.guidance.areas, moments[layer], self.style[layer], strict=True
                ):
                    actual = settle(self.encoder, actual, config)
                    loss = form.style(actual, wanted, max(1, round(area * positions[layer])))
                    style = style + loss * (area * weight * (config.style_weight or 0.0))
        return {"content": content, "style": style, "tv": slopes * (config.tv_weight or 0.0)}

    def of_details(self) -> "Objective":
        """The same objective without its deep layers; itself if no style layer is fine.

        Enlarging a picture blurs what fine layers see of it and leaves what deep ones see nearly
        as it was, so that a few steps are well spent on the former alone.
        """
        fine = {
            layer for layer in (*self.content_factors, *self.style) if is_fine(self.encoder, layer)
        }
        if fine.isdisjoint(self.style):
            return self
        return replace(
            self,
            content={layer: seen for layer, seen in self.content.items() if layer in fine},
            style={layer: moments for layer, moments in self.style.items() if layer in fine},
            content_factors={k: v for k, v in self.content_factors.items() if k in fine},
        )

    def in_float32(self) -> "Objective":
        """The same objective with a network that computes in float32."""
        content = {layer: seen.float() for layer, seen in self.content.items()}
        return replace(self, encoder=self.encoder.with_precision(torch.float32), content=content)


def build_objective(
    encoder: Encoder,
    config: PaintConfig,
    content: Tensor,
    styles: Sequence[Tensor],
    size: Size,
    *,
    guidance: Guidance | None = None,
    details: bool = False,
) -> Objective:
    """Look at the photograph and the styles once, at one scale.

    Args:
        encoder: The network.
        config: Resolved settings.
        content: The photograph at full size, shape (1, 3, H, W).
        styles: Style pictures at full size, each (1, 3, any, any).
        size: (H, W) of this scale.
        guidance: Where which style is painted; by default all of them everywhere.
        details: Look at fine layers only; see `Objective.of_details`.

    Raises:
        ConfigError: If a layer is unknown, or shares and styles differ in number.
    """
    check_layers(encoder, config)
    content_layers, style_layers = select_layers(encoder, config, details=details)
    looking = encoder if config.seamless == "none" else encoder.with_padding(config.seamless)
    picture = resize(content, size, config.seamless)
    with torch.no_grad():
        seen = looking(picture, content_layers) if content_layers else {}
        guidance = guidance or Guidance(pair_masks(len(styles), (), (), config.style_shares))
        style = measure_styles(encoder, config, styles, size, style_layers, guidance.regions)
    factors = {
        layer: find_content_factor(
            encoder, config, sum_squares(target), float(target.sum()), target.numel()
        )
        for layer, target in seen.items()
    }
    scaled = guidance.scale(size, content.device, config.seamless)
    photograph = picture if config.photoreal_weight else None
    return Objective(looking, config, seen, style, factors, scaled, photograph)


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


def select_layers(
    encoder: Encoder, config: PaintConfig, *, details: bool
) -> tuple[list[str], list[str]]:
    """Content and style layers to look at; `details` leaves out the deep ones if any are fine."""
    content, style = select_content_layers(config), select_style_layers(config)
    if details and any(is_fine(encoder, layer) for layer in style):
        content = [layer for layer in content if is_fine(encoder, layer)]
        style = [layer for layer in style if is_fine(encoder, layer)]
    return content, style


def is_fine(encoder: Encoder, layer: str) -> bool:
    """Whether a layer has a position for every four pixels, or more."""
    return encoder.stride(layer) <= 4


def check_layers(encoder: Encoder, config: PaintConfig) -> None:
    """Raise a ConfigError that names a layer which there is not, or which does not repeat."""
    for layer in (*(config.content_layers or ()), *(config.style_layers or ())):
        if layer not in encoder.layers:
            raise ConfigError(describe_unknown_layer(layer, config.backbone, encoder.layers))
        if config.seamless != "none" and encoder.stride(layer) > UNIT:
            raise ConfigError(
                f"{layer} has a position for every {encoder.stride(layer)} px, and patterns are"
                f" rounded to {UNIT}; leave that layer out with --seamless."
            )


def select_content_layers(config: PaintConfig) -> list[str]:
    """Content layers whose weight is not zero; the others need not be computed."""
    pairs = _pair(config.content_layers, config.content_layer_weights)
    return [layer for layer, weight in pairs if weight > 0 and content_weight(config) > 0]


def select_style_layers(config: PaintConfig) -> list[str]:
    """Style layers whose weight is not zero; the others need not be computed."""
    pairs = _pair(config.style_layers, config.style_layer_weights)
    return [layer for layer, weight in pairs if weight > 0 and (config.style_weight or 0) > 0]


def measure_styles(
    encoder: Encoder,
    config: PaintConfig,
    styles: Sequence[Tensor],
    size: Size,
    layers: Sequence[str],
    regions: Sequence[Region],
    tile: int | None = None,
) -> dict[str, tuple[Moments, ...]]:
    """Moments of each region's styles in each layer, at the size that suits a painting of `size`.

    A style larger than `tile` px, by default than the painting itself and than 1024 px, is
    looked at in tiles.

    Raises:
        ConfigError: If a mask leaves nothing of a style, or settings for each style do not fit
            their number.
    """
    if not layers or not styles:
        return {}
    side = tile or max(*size, 1024)
    count = len(styles)
    strokes, scales = config.list_stroke_sizes(count), config.list_style_scales(count)
    parts = [part for region in regions for part in region.parts]
    seen: dict[int, dict[str, Moments]] = {}
    for index, style in enumerate(styles):
        picture = scale_style(style, size, strokes[index])
        places = [place for place, part in enumerate(parts) if part.style == index]
        masks = [_scale_mask(parts[place], picture) for place in places]
        if places:
            augment = config.style_augment or ()
            swatches = collect_swatch(encoder, picture, layers, side, masks, augment)
            seen |= dict(zip(places, swatches, strict=True))
    result: dict[str, tuple[Moments, ...]] = {}
    for layer in layers:
        moments, first = [], 0
        for region in regions:
            chosen = choose_parts(region.parts, scales, encoder.stride(layer))
            shares = [region.parts[place].share for place in chosen]
            found = [settle(encoder, seen[first + n][layer], config) for n in chosen]
            moments.append(blend_moments(found, shares))
            first += len(region.parts)
        result[layer] = tuple(moments)
    return result


def _scale_mask(part: StylePart, picture: Tensor) -> Tensor | None:
    if part.mask is None:
        return None
    mask = resize_mask(part.mask.to(picture), (picture.shape[-2], picture.shape[-1]))
    if float(mask.mean()) < 1e-4:
        raise ConfigError(f"The mask of style {part.style + 1} leaves nothing of it.")
    return mask


def _pair(
    layers: tuple[str, ...] | None, weights: tuple[float, ...] | None
) -> list[tuple[str, float]]:
    return list(zip(layers or (), weights or (), strict=True))
