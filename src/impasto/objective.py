"""What a painting is judged by: an encoder, its targets and their weights become one scalar."""

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
from impasto.pyramid import Size, resize
from impasto.regions import Guidance, ScaledGuidance, pair_masks
from impasto.sights import view_layer, view_partner
from impasto.smoothing import find_content_factor, settle
from impasto.solvers import Evaluation
from impasto.statistics import (
    STATISTICS,
    Moments,
    Sums,
    Target,
    View,
    collect_moments,
    self_similarity,
)
from impasto.statistics.similarity import BALANCE, Sample, draw_places, gather_places
from impasto.targets import find_halo, looks_at, measure_styles, measure_targets
from impasto.tiles import Tile


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
        targets: Layer -> for each region, statistic -> target, where moments are not enough.
        samples: Content layer -> places that are compared with one another, in place of `content`.
    """

    encoder: Encoder
    config: PaintConfig
    content: dict[str, Tensor]
    style: dict[str, tuple[Moments, ...]]
    content_factors: dict[str, float]
    guidance: ScaledGuidance = field(default_factory=ScaledGuidance)
    photograph: Tensor | None = None
    targets: dict[str, tuple[dict[str, Target], ...]] = field(default_factory=dict)
    samples: dict[str, Sample] = field(default_factory=dict)

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
        features = self.encoder(image, [*self.content_factors, *self.style])
        differences = {
            layer: self._compare(features[layer], layer) for layer in self.content_factors
        }
        found = {
            layer: [self._measure(features, layer, index) for index in range(len(regions))]
            for layer, regions in self.style.items()
        }
        positions = {layer: features[layer][0, 0].numel() for layer in self.style}
        slopes = total_variation(image, self.config.seamless)
        terms = self.weigh(differences, found, positions, slopes)
        return terms | self.compute_photoreal(image)

    def _compare(self, features: Tensor, layer: str) -> Tensor:
        if layer in self.samples:
            return self.compare_sample(gather_places(features, self.samples[layer].places), layer)
        weights = self.guidance.weigh_content(self.encoder.stride(layer))
        return squared_difference(features, self.content[layer], weights)

    def _measure(self, features: Mapping[str, Tensor], layer: str, index: int) -> dict[str, Sums]:
        weights = self.guidance.weigh_region(index, self.encoder.stride(layer))
        found: dict[str, Sums] = {}
        if self.needs_moments:
            found["moments"] = collect_moments(features[layer], weights)
        if targets := self.find_targets(layer, index):
            view = self.view(features, layer, index)
            for name, target in targets.items():
                found[name] = STATISTICS[name].collect(view, target.basis)
                if STATISTICS[name].match:
                    found[name] = (self.match(view, found[name], name, target),)
        return found

    @property
    def needs_moments(self) -> bool:
        """Whether any statistic is a function of moments."""
        return any(STATISTICS[name].of_moments for name in self.config.statistics)

    def find_targets(self, layer: str, index: int) -> dict[str, Target]:
        """What statistics that need more than moments look for in a region."""
        return self.targets[layer][index] if layer in self.targets else {}

    def view(
        self,
        features: Mapping[str, Tensor],
        layer: str,
        index: int,
        *,
        size: Size | None = None,
        tile: Tile | None = None,
    ) -> View:
        """A layer, or what a tile owns of it, as those statistics see it."""
        stride, seamless = self.encoder.stride(layer), self.config.seamless
        return view_layer(
            features[layer], self.guidance.weigh_region(index, stride), find_halo(self.config),
            size=size, stride=stride, tile=tile, seamless=seamless,
            partner=view_partner(self.encoder, features, list(self.style), layer, tile),
        )  # fmt: skip

    def match(self, view: View, found: Sums, name: str, target: Target) -> Tensor:
        """Distance of a piece from what a statistic finds for it, given what it found of all."""
        match = STATISTICS[name].match
        assert match is not None
        return match(view, found, target)

    def compare_sample(self, rows: Tensor, layer: str) -> Tensor:
        """Distance of a content layer's sample, (n, C), from the photograph's."""
        sample = self.samples[layer]
        weights = self.guidance.weigh_content(self.encoder.stride(layer))
        return self_similarity(rows, sample.rows, sample.weigh(weights))

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
        found: Mapping[str, Sequence[Mapping[str, Sums]]],
        positions: Mapping[str, int],
        slopes: Tensor,
    ) -> dict[str, Tensor]:
        """Turn what was measured of a picture into the weighted terms.

        The objective sees a picture only through these sums over positions, which is why it can
        be had piece by piece.

        Args:
            differences: Content layer -> summed squared difference, or that of a sample.
            found: Style layer -> for each region, what was found: `moments`, and by the name of
                the statistic what else was collected, or the distance that a match has.
            positions: Style layer -> number of positions.
            slopes: Total variation.
        """
        config = self.config
        # Zero times something measured, so that a term without layers still has a gradient.
        content, style = slopes * 0, slopes * 0
        for layer, weight in _pair(config.content_layers, config.content_layer_weights):
            if layer in differences:
                share = weight * content_weight(config) * self.content_factors[layer]
                content = content + differences[layer] * share
        for layer, weight in _pair(config.style_layers, config.style_layer_weights):
            if layer not in found:
                continue
            # A region counts as much as it is large, as it does in the content loss.
            for index, (area, actual) in enumerate(
                zip(self.guidance.areas, found[layer], strict=True)
            ):
                count = max(1, round(area * positions[layer]))
                for name, share in config.statistics.items():
                    if looks_at(self.encoder, name, layer):
                        loss = self._find_distance(name, actual, layer, index, count)
                        factor = area * weight * (config.style_weight or 0.0) * share
                        style = style + loss * factor
        return {"content": content, "style": style, "tv": slopes * (config.tv_weight or 0.0)}

    def _find_distance(
        self, name: str, actual: Mapping[str, Sums], layer: str, index: int, positions: int
    ) -> Tensor:
        statistic = STATISTICS[name]
        if statistic.of_sums is not None:
            target = self.targets[layer][index][name]
            return statistic.of_sums(actual[name], target) * statistic.balance
        if statistic.of_moments is None:
            return actual[name][0] * statistic.balance
        moments, wanted = Moments(*actual["moments"]), self.style[layer][index]
        moments = settle(self.encoder, moments, self.config)
        if self.config.loss != "impasto":
            return LOSS_FORMS[self.config.loss].style(moments, wanted, positions)
        return statistic.of_moments(moments, wanted) * statistic.balance

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
            targets={layer: targets for layer, targets in self.targets.items() if layer in fine},
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
        samples = sample_content(config, seen)
        guidance = guidance or Guidance(pair_masks(len(styles), (), (), config.style_shares))
        style = measure_styles(encoder, config, styles, size, style_layers, guidance.regions)
        targets = measure_targets(encoder, config, styles, size, style, guidance.regions)
    factors = {
        layer: find_content_factor(
            encoder, config, sum_squares(target), float(target.sum()), target.numel()
        )
        for layer, target in seen.items()
    }
    if samples:
        seen, factors = {}, dict.fromkeys(samples, BALANCE)
    scaled = guidance.scale(size, content.device, config.seamless)
    photograph = picture if config.photoreal_weight else None
    return Objective(looking, config, seen, style, factors, scaled, photograph, targets, samples)


def sample_content(config: PaintConfig, seen: Mapping[str, Tensor]) -> dict[str, Sample]:
    """Places of the photograph's layers that are compared with one another, if any are."""
    if config.content_loss != "self-similarity":
        return {}
    found = {}
    for layer, features in seen.items():
        places = draw_places(features.shape[2], features.shape[3], config.seed)
        places = places.to(features.device)
        found[layer] = Sample(places, gather_places(features, places))
    return found


def content_weight(config: PaintConfig) -> float:
    """Weight of the content loss after strength: twice the strength is a quarter of it."""
    return (config.content_weight or 0.0) / config.strength**2


def select_layers(
    encoder: Encoder, config: PaintConfig, *, details: bool
) -> tuple[list[str], list[str]]:
    """Content and style layers to look at; `details` leaves out the deep ones if any are fine."""
    content, style = select_content_layers(config), select_style_layers(config)
    names = config.statistics
    style = [layer for layer in style if any(looks_at(encoder, name, layer) for name in names)]
    if details and any(is_fine(encoder, layer) for layer in style):
        content = [layer for layer in content if is_fine(encoder, layer)]
        style = [layer for layer in style if is_fine(encoder, layer)]
    return content, style


def is_fine(encoder: Encoder, layer: str) -> bool:
    """Whether a layer has a position for every four pixels, or more."""
    return encoder.stride(layer) <= 4


def check_layers(encoder: Encoder, config: PaintConfig) -> None:
    """Raise a ConfigError that names a layer which the encoder lacks, or a statistic cannot use."""
    for layer in (*(config.content_layers or ()), *(config.style_layers or ())):
        if layer not in encoder.layers:
            raise ConfigError(describe_unknown_layer(layer, config.backbone, encoder.layers))
        if config.seamless != "none" and encoder.stride(layer) > UNIT:
            raise ConfigError(
                f"{layer} has a position for every {encoder.stride(layer)} px, and patterns are"
                f" rounded to {UNIT}; leave that layer out with --seamless."
            )
    for name in config.statistics:
        layers = select_style_layers(config)
        if layers and not any(looks_at(encoder, name, layer) for layer in layers):
            raise ConfigError(
                f"--statistic {name} looks at layers with a position for every"
                f" {STATISTICS[name].least_stride} pixels or fewer, and {', '.join(layers)} have"
                " more; name a deeper one with --style-layers."
            )


def select_content_layers(config: PaintConfig) -> list[str]:
    """Content layers whose weight is not zero; the others need not be computed."""
    pairs = _pair(config.content_layers, config.content_layer_weights)
    return [layer for layer, weight in pairs if weight > 0 and content_weight(config) > 0]


def select_style_layers(config: PaintConfig) -> list[str]:
    """Style layers whose weight is not zero; the others need not be computed."""
    pairs = _pair(config.style_layers, config.style_layer_weights)
    return [layer for layer, weight in pairs if weight > 0 and (config.style_weight or 0) > 0]


def _pair(
    layers: tuple[str, ...] | None, weights: tuple[float, ...] | None
) -> list[tuple[str, float]]:
    return list(zip(layers or (), weights or (), strict=True))
