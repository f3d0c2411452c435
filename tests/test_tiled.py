"""Tiling: the same loss and gradient as the whole picture, whatever the tiles."""

import typing

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from impasto.config import PaintConfig, Pattern
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError
from impasto.losses import LOSS_FORMS
from impasto.objective import build_objective
from impasto.pyramid import resize
from impasto.regions import pair_masks
from impasto.solvers import Evaluation
from impasto.targets import measure_styles
from impasto.tiled import build_tiled_objective
from impasto.tiles import plan_tiles
from slowly import slow

SIZE = (131, 115)  # odd, and no multiple of any stride
LAYERS = ("relu4_2", "relu5_1")


def draw(height: int, width: int, seed: int) -> Tensor:
    rough = torch.rand((1, 3, 24, 24), generator=torch.Generator().manual_seed(seed))
    return resize(rough, (height, width))


CONTENT, STYLE, IMAGE = draw(*SIZE, seed=1), draw(120, 160, seed=2), draw(*SIZE, seed=3)


def evaluate(
    encoder: VGG, config: PaintConfig, side: int | None, *, keep_targets: bool = True
) -> Evaluation:
    config = config.resolve()
    if side is None:
        return build_objective(encoder, config, CONTENT, [STYLE], SIZE)(IMAGE)
    tiled = build_tiled_objective(
        encoder, config, CONTENT, [STYLE], SIZE, side, keep_targets=keep_targets
    )
    return tiled(IMAGE)


def assert_equal(tiled: Evaluation, whole: Evaluation) -> None:
    assert tiled.loss == pytest.approx(whole.loss, rel=1e-5)
    assert tiled.terms == pytest.approx(whole.terms, rel=1e-4)
    difference = (tiled.gradient - whole.gradient).norm() / whole.gradient.norm()
    assert difference < 1e-4


@pytest.mark.parametrize("side", [slow(32), slow(48), 96, 150])
def test_tiles_change_nothing(vgg19: VGG, side: int) -> None:
    assert_equal(evaluate(vgg19, PaintConfig(), side), evaluate(vgg19, PaintConfig(), None))


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"content_weight": 0.0}, {"loss": "gatys"}])
def test_targets_computed_anew_change_nothing(vgg19: VGG, changes: dict[str, object]) -> None:
    config = PaintConfig(**changes)
    anew = evaluate(vgg19, config, 96, keep_targets=False)
    assert_equal(anew, evaluate(vgg19, config, None))


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSS_FORMS)
def test_every_form_of_the_loss_can_be_tiled(vgg19: VGG, loss: str) -> None:
    config = PaintConfig(loss=loss, tv_weight=1.0)
    assert_equal(evaluate(vgg19, config, 96), evaluate(vgg19, config, None))


@pytest.mark.parametrize(
    "changes",
    [
        slow({"content_weight": 0.0}),
        {"style_weight": 0.0},
        {"content_weight": 0.0, "style_weight": 0.0},
        slow({"tv_weight": 0.0}),
        {"style_layers": ("relu1_1", "pool2")},
    ],
)
def test_missing_terms_are_tiled_too(vgg19: VGG, changes: dict[str, object]) -> None:
    config = PaintConfig(**changes)
    whole, tiled = evaluate(vgg19, config, None), evaluate(vgg19, config, 64)
    assert_equal(tiled, whole)


@pytest.mark.parametrize(
    ("side", "changes"),
    [
        slow(96, {}),
        (32, {"style_layers": ("relu1_1", "relu3_1"), "content_layers": ("relu3_2",)}),
    ],
)
@pytest.mark.parametrize("kind", typing.get_args(Pattern))
def test_tiles_look_around_the_corners_of_a_pattern(
    kind: Pattern, side: int, changes: dict[str, object], vgg19: VGG
) -> None:
    size = (96, 64)
    content, image = draw(*size, seed=1), draw(*size, seed=3)
    config = PaintConfig(seamless=kind, tv_weight=5.0, **changes).resolve()
    whole = build_objective(vgg19, config, content, [STYLE], size)
    tiled = build_tiled_objective(vgg19, config, content, [STYLE], size, side, keep_targets=False)
    assert_equal(tiled(image), whole(image))
    if changes:
        assert_equal(tiled.of_details()(image), whole.of_details()(image))
    plain = config.model_copy(update={"seamless": "none"})
    other = build_objective(vgg19, plain, content, [STYLE], size)(image)
    assert other.loss != pytest.approx(whole(image).loss, rel=1e-4)


@pytest.mark.slow
def test_photorealism_is_tiled_too(vgg19: VGG) -> None:
    config = PaintConfig(photoreal="affine", photoreal_weight=1e5)
    whole, tiled = evaluate(vgg19, config, None), evaluate(vgg19, config, 64)
    assert_equal(tiled, whole)
    assert whole.terms["photoreal"] > 0.1 * whole.loss
    without = evaluate(vgg19, PaintConfig(), 64)
    assert (tiled.gradient - without.gradient).norm() > 0.1 * without.gradient.norm()


@pytest.mark.slow
def test_a_style_larger_than_a_tile_is_looked_at_in_tiles(vgg19: VGG) -> None:
    layers, size = ["relu1_1", "relu3_1", "relu5_1"], (STYLE.shape[-2], STYLE.shape[-1])
    config = PaintConfig(style_layers=layers, stroke_size=2.0)
    whole = measure_styles(vgg19, config, [STYLE, CONTENT], size, layers, pair_masks(2, ()), 4096)
    tiled = measure_styles(vgg19, config, [STYLE, CONTENT], size, layers, pair_masks(2, ()), 48)
    for layer in layers:
        for found, expected in zip(*tiled[layer], *whole[layer], strict=True):
            assert (found - expected).norm() < 1e-5 * expected.norm()


@pytest.mark.slow
def test_the_callers_picture_is_left_alone(vgg19: VGG) -> None:
    before = IMAGE.clone()
    evaluate(vgg19, PaintConfig(), 96)
    assert torch.equal(IMAGE, before)
    assert not IMAGE.requires_grad


def test_an_unknown_layer_is_named(vgg19: VGG) -> None:
    with pytest.raises(ConfigError, match="relu9_1"):
        evaluate(vgg19, PaintConfig(style_layers=("relu9_1",)), 96)


@given(height=st.integers(16, 700), width=st.integers(16, 700), side=st.integers(1, 800))
@settings(max_examples=200, deadline=None)
def test_tiles_own_every_pixel_once(vgg19: VGG, height: int, width: int, side: int) -> None:
    owned = torch.zeros(height, width)
    tiles = plan_tiles(vgg19, LAYERS, (height, width), side)
    border = vgg19.reach("relu5_1")
    for tile in tiles:
        for span, length in ((tile.rows, height), (tile.columns, width)):
            assert span.start % 16 == span.outer_start % 16 == 0
            assert span.start - span.outer_start >= min(border, span.start)
            assert span.outer_stop - span.stop >= min(border, length - span.stop)
        owned[tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop] += 1
    assert (owned == 1).all()


@pytest.mark.slow
def test_a_border_as_wide_as_the_network_sees_is_needed(
    vgg19: VGG, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VGG, "reach", lambda self, layer: 16)
    whole, tiled = evaluate(vgg19, PaintConfig(), None), evaluate(vgg19, PaintConfig(), 64)
    difference = (tiled.gradient - whole.gradient).norm() / whole.gradient.norm()
    assert difference > 1e-4
