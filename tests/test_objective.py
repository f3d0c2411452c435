"""The objective: its gradient, its weights and what it does not compute."""

import itertools
from collections.abc import Callable, Iterable, Mapping

import pytest
import torch
from torch import Tensor

from impasto.config import PaintConfig
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError
from impasto.losses import LOSS_FORMS, total_variation
from impasto.objective import (
    Objective,
    build_objective,
    check_layers,
    content_weight,
)
from impasto.pyramid import resize
from impasto.statistics import blend_moments, collect_moments
from impasto.targets import scale_style

SIZE = (24, 20)


def draw(height: int, width: int, seed: int) -> Tensor:
    """A smooth picture, for one of pure noise has hardly any slope to test."""
    rough = torch.rand((1, 3, 6, 6), generator=torch.Generator().manual_seed(seed))
    return resize(rough, (height, width))


CONTENT, STYLE, OTHER = draw(48, 40, 1), draw(40, 60, 2), draw(30, 30, 3)
IMAGE = draw(*SIZE, seed=4)


@pytest.fixture(scope="module")
def encoder(random_state: Callable[[str], Mapping[str, Tensor]]) -> VGG:
    return VGG("vgg16", random_state("vgg16"), pooling="average")


def configure(**settings: object) -> PaintConfig:
    chosen: dict[str, object] = {
        "content_layers": ("relu2_2", "relu3_1"),
        "style_layers": ("relu1_1", "relu2_1", "relu3_1"),
        "tv_weight": 0.5,
        **settings,
    }
    return PaintConfig(**chosen).resolve()


def build(encoder: VGG, styles: Iterable[Tensor] = (STYLE,), **settings: object) -> Objective:
    return build_objective(encoder, configure(**settings), CONTENT, list(styles), SIZE)


class Spy:
    """An encoder that writes down what it was asked."""

    def __init__(self, encoder: VGG) -> None:
        self._encoder, self.layers = encoder, encoder.layers
        self.asked: list[set[str]] = []
        self.sizes: list[tuple[int, ...]] = []

    def __call__(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        self.asked.append(set(wanted := list(layers)))
        self.sizes.append(tuple(image.shape[-2:]))
        return self._encoder(image, wanted)

    @property
    def precision(self) -> torch.dtype:
        return self._encoder.precision

    def stride(self, layer: str) -> int:
        return self._encoder.stride(layer)

    def reach(self, layer: str) -> int:
        return self._encoder.reach(layer)

    def with_precision(self, dtype: torch.dtype) -> "Spy":
        return Spy(self._encoder.with_precision(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", LOSS_FORMS)
def test_the_gradient_is_the_slope(loss: str, dtype: torch.dtype, encoder: VGG) -> None:
    objective = build(encoder.with_precision(dtype), loss=loss)
    image = IMAGE.to(dtype)
    gradient = objective(image).gradient
    assert gradient.shape == image.shape
    generator = torch.Generator().manual_seed(9)
    for mixing in (0.0, 0.5):
        # Partly at random, so that not only the gradient's own length is measured.
        noise = torch.randn(image.shape, generator=generator).to(dtype)
        direction = gradient / gradient.norm() + mixing * noise / noise.norm()
        step = 2e-2 * direction
        rise = objective(image + step).loss - objective(image - step).loss
        assert rise == pytest.approx(2 * float((gradient * step).sum()), rel=0.02)


@pytest.mark.parametrize("part", ["content", "style", "tv"])
def test_each_term_has_the_gradient_of_its_own(part: str, encoder: VGG) -> None:
    weights = dict.fromkeys(("content_weight", "style_weight", "tv_weight"), 0.0)
    objective = build(encoder, **(weights | {f"{part}_weight": 1.0}))
    here = objective(IMAGE)
    step = 2e-2 * here.gradient / here.gradient.norm()
    rise = objective(IMAGE + step).loss - objective(IMAGE - step).loss
    assert rise == pytest.approx(2 * float((here.gradient * step).sum()), rel=0.02)
    assert here.terms[part] == pytest.approx(here.loss)
    assert here.loss > 0


@pytest.mark.parametrize("loss", LOSS_FORMS)
def test_terms_sum_to_the_total(loss: str, encoder: VGG) -> None:
    found = build(encoder, loss=loss)(IMAGE)
    assert list(found.terms) == ["content", "style", "tv"]
    assert min(found.terms.values()) > 0
    assert sum(found.terms.values()) == pytest.approx(found.loss, rel=1e-5)
    assert found.finite


@pytest.mark.parametrize("loss", LOSS_FORMS)
def test_terms_are_the_weighted_losses_of_the_layers(loss: str, encoder: VGG) -> None:
    content_weights, style_weights = (0.3, 2.0), (0.5, 0.0, 4.0)
    config = configure(
        loss=loss, content_layer_weights=content_weights, style_layer_weights=style_weights,
        content_weight=7.0, style_weight=11.0, tv_weight=13.0, strength=2.0,
    )  # fmt: skip
    found = build_objective(encoder, config, CONTENT, [STYLE], SIZE)(IMAGE)
    form = LOSS_FORMS[loss]
    assert config.content_layers is not None
    assert config.style_layers is not None
    here = encoder(IMAGE, [*config.content_layers, *config.style_layers])
    there = encoder(resize(CONTENT, SIZE), config.content_layers)
    painted = encoder(scale_style(STYLE, SIZE, 1), config.style_layers)
    content = sum(
        weight * form.content(here[layer], there[layer]).item()
        for layer, weight in zip(config.content_layers, content_weights, strict=True)
    )
    style = sum(
        weight
        * form.style(
            collect_moments(here[layer]),
            collect_moments(painted[layer]),
            here[layer].shape[2] * here[layer].shape[3],
        ).item()
        for layer, weight in zip(config.style_layers, style_weights, strict=True)
    )
    assert found.terms["content"] == pytest.approx(content * 7 / 2**2, rel=1e-4)
    assert found.terms["style"] == pytest.approx(style * 11, rel=1e-4)
    assert found.terms["tv"] == pytest.approx(total_variation(IMAGE).item() * 13, rel=1e-5)


@pytest.mark.parametrize("part", ["content", "style", "tv"])
def test_weights_scale_their_terms(part: str, encoder: VGG) -> None:
    once = build(encoder, **{f"{part}_weight": 1.0})(IMAGE).terms
    thrice = build(encoder, **{f"{part}_weight": 3.0})(IMAGE).terms
    for name in once:
        assert thrice[name] == pytest.approx(once[name] * (3 if name == part else 1), rel=1e-5)


def test_twice_the_strength_is_a_quarter_of_the_content(encoder: VGG) -> None:
    assert content_weight(configure(content_weight=8.0, strength=2.0)) == 2
    one, two = (build(encoder, strength=strength)(IMAGE).terms for strength in (1.0, 2.0))
    assert two["content"] == pytest.approx(one["content"] / 4, rel=1e-5)
    assert two["style"] == one["style"]
    assert two["tv"] == one["tv"]


def test_the_picture_is_not_changed(encoder: VGG) -> None:
    image = IMAGE.clone()
    build(encoder)(image)
    assert torch.equal(image, IMAGE)
    assert not image.requires_grad


def test_the_targets_are_a_fixed_point(encoder: VGG) -> None:
    # At the photograph the content term vanishes; with itself as its style, so does that.
    objective = build_objective(
        encoder, configure(tv_weight=0.0), resize(CONTENT, SIZE), [resize(CONTENT, SIZE)], SIZE
    )
    found = objective(resize(CONTENT, SIZE))
    assert found.loss == pytest.approx(0, abs=1e-9)
    assert found.gradient.abs().max() < 1e-6


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, {"relu1_1", "relu2_1", "relu2_2", "relu3_1"}),
        ({"content_weight": 0.0}, {"relu1_1", "relu2_1", "relu3_1"}),
        ({"style_weight": 0.0}, {"relu2_2", "relu3_1"}),
        ({"style_layer_weights": (1, 1, 0)}, {"relu1_1", "relu2_1", "relu2_2", "relu3_1"}),
        (
            {"style_layer_weights": (0, 1, 0), "content_layer_weights": (1, 0)},
            {"relu2_1", "relu2_2"},
        ),
        ({"content_weight": 0.0, "style_weight": 0.0}, set()),
    ],
)
def test_layers_without_weight_are_not_asked_for(
    settings: dict[str, object], asked: set[str], encoder: VGG
) -> None:
    spy = Spy(encoder)
    objective = build_objective(spy, configure(**settings), CONTENT, [STYLE], SIZE)
    assert set().union(*spy.asked) == asked
    spy.asked.clear()
    found = objective(IMAGE)
    assert spy.asked == [asked]
    assert found.terms["tv"] > 0
    assert (found.terms["content"] > 0) == bool(settings.get("content_weight", 1))
    assert (found.terms["style"] > 0) == bool(settings.get("style_weight", 1))


def test_without_any_weight_there_is_no_slope(encoder: VGG) -> None:
    found = build(encoder, content_weight=0.0, style_weight=0.0, tv_weight=0.0)(IMAGE)
    assert found.loss == 0
    assert not found.gradient.any()
    assert found.gradient.shape == IMAGE.shape


def test_targets_take_part_in_no_graph(encoder: VGG) -> None:
    objective = build(encoder)
    assert not any(target.requires_grad for target in objective.content.values())
    regions = [moments for targets in objective.style.values() for moments in targets]
    assert not any(part.requires_grad for moments in regions for part in moments)


@pytest.mark.parametrize("shares", [(1, 3), (0, 2), (5, 0), None])
def test_styles_are_mixed_by_their_shares(shares: tuple[float, float] | None, encoder: VGG) -> None:
    both = build(encoder, [STYLE, OTHER], style_shares=shares).style
    alone = [build(encoder, [style]).style for style in (STYLE, OTHER)]
    for layer, (found,) in both.items():
        wanted = blend_moments([one[layer][0] for one in alone], shares or (1, 1))
        torch.testing.assert_close(tuple(found), tuple(wanted))
        if shares == (0, 2):
            torch.testing.assert_close(tuple(found), tuple(alone[1][layer][0]))


@pytest.mark.parametrize("shares", [(1.0,), (1.0, 2.0, 3.0)])
def test_each_style_needs_a_share(shares: tuple[float, ...], encoder: VGG) -> None:
    with pytest.raises(ConfigError, match=f"{len(shares)} style shares for 2 styles; give one"):
        build(encoder, [STYLE, OTHER], style_shares=shares)


def test_styles_are_looked_at_in_the_size_of_their_strokes(encoder: VGG) -> None:
    spy = Spy(encoder)
    build_objective(spy, configure(stroke_size=1.5), CONTENT, [draw(100, 200, 1)], SIZE)
    assert spy.sizes == [SIZE, (18, 36)]


@pytest.mark.parametrize("loss", ["impasto", "gatys"])
def test_half_precision_agrees_with_float32(
    loss: str, photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    """The tolerance that docs/performance.md states, for the whole objective of real pictures."""
    config = PaintConfig(loss=loss).resolve()  # type: ignore[arg-type]
    size = (64, 64)
    image = resize(photo, size).lerp(resize(style, size), 0.3)
    exact, half = (
        build_objective(encoder, config, photo, [style], size)(image)
        for encoder in (vgg19, vgg19.with_precision(torch.bfloat16))
    )
    assert half.loss == pytest.approx(exact.loss, rel=0.02)
    for name, term in exact.terms.items():
        assert half.terms[name] == pytest.approx(term, rel=0.02)
    alike = torch.cosine_similarity(half.gradient.flatten(), exact.gradient.flatten(), dim=0)
    assert float(alike) > 0.99
    assert float(half.gradient.norm()) == pytest.approx(float(exact.gradient.norm()), rel=0.05)


@pytest.mark.parametrize(
    ("own", "size", "strokes", "wanted"),
    [
        ((200, 300), (100, 80), 1.0, (67, 100)),
        ((200, 300), (100, 80), 2.0, (133, 200)),
        ((200, 300), (100, 80), 0.5, (33, 50)),
        ((200, 300), (100, 80), 8.0, (200, 300)),
        ((30, 20), (512, 512), 1.0, (30, 20)),
    ],
)
def test_a_style_is_scaled_to_its_strokes_and_never_enlarged(
    own: tuple[int, int], size: tuple[int, int], strokes: float, wanted: tuple[int, int]
) -> None:
    assert scale_style(torch.zeros(1, 3, *own), size, strokes).shape[2:] == wanted


@pytest.mark.parametrize("own", [(300, 400), (400, 16), (40, 700), (64, 64), (12, 300)])
def test_the_finest_strokes_leave_something_to_look_at(own: tuple[int, int]) -> None:
    for side, strokes in itertools.product((16, 128, 400), (0.1, 1.0)):
        scaled = scale_style(torch.zeros(1, 3, *own), (side, side), strokes)
        assert min(scaled.shape[2:]) >= min(16, *own)
        assert max(scaled.shape[2:]) <= max(own)


def test_unknown_layers_are_named(encoder: VGG) -> None:
    check_layers(encoder, configure())
    for setting in ("content_layers", "style_layers"):
        config = PaintConfig(backbone="vgg16", **{setting: ("relu1_1", "relu9_1")}).resolve()
        with pytest.raises(ConfigError, match=r"Unknown layer 'relu9_1' of vgg16; its layers are"):
            check_layers(encoder, config)
