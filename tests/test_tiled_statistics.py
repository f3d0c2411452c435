"""Every statistic in the objective: tiles, masks, several styles, details, patterns, errors."""

from collections.abc import Callable, Mapping, Sequence

import pytest
import torch
from torch import Tensor

from impasto.config import PaintConfig
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError
from impasto.objective import build_objective, check_layers
from impasto.painting import paint
from impasto.pyramid import resize
from impasto.regions import Guidance, pair_masks
from impasto.solvers import Evaluation
from impasto.statistics import STATISTICS
from impasto.tiled import build_tiled_objective
from slowly import all_slow_but

SIZE = (75, 61)  # odd, and no multiple of any stride
LAYERS = {
    "content_layers": ("relu2_2", "relu3_1"),
    "style_layers": ("relu1_1", "relu2_1", "relu3_1"),
}
OTHERS = [name for name, one in STATISTICS.items() if not one.of_moments]


def draw(height: int, width: int, seed: int) -> Tensor:
    rough = torch.rand((1, 3, 20, 20), generator=torch.Generator().manual_seed(seed))
    return resize(rough, (height, width))


CONTENT, STYLE, OTHER = draw(*SIZE, seed=1), draw(60, 90, seed=2), draw(50, 50, seed=5)
IMAGE = draw(*SIZE, seed=3)


@pytest.fixture(scope="module")
def encoder(random_state: Callable[[str], Mapping[str, Tensor]]) -> VGG:
    return VGG("vgg16", random_state("vgg16"), pooling="average")


def evaluate(
    encoder: VGG,
    side: int | None,
    styles: Sequence[Tensor] = (STYLE,),
    guidance: Guidance | None = None,
    *,
    details: bool = False,
    size: tuple[int, int] = SIZE,
    **settings: object,
) -> Evaluation:
    config = PaintConfig(**(LAYERS | settings)).resolve()  # type: ignore[arg-type]
    content, image = resize(CONTENT, size), resize(IMAGE, size)
    if side is None:
        objective = build_objective(encoder, config, content, styles, size, guidance=guidance)
        return (objective.of_details() if details else objective)(image)
    tiled = build_tiled_objective(encoder, config, content, styles, size, side, guidance=guidance)
    return (tiled.of_details() if details else tiled)(image)


def assert_equal(tiled: Evaluation, whole: Evaluation, tolerance: float = 1e-4) -> None:
    assert tiled.loss == pytest.approx(whole.loss, rel=1e-4)
    assert tiled.terms == pytest.approx(whole.terms, rel=1e-4)
    assert whole.terms["style"] > 1e-4 * whole.loss
    difference = (tiled.gradient - whole.gradient).norm() / whole.gradient.norm()
    assert difference < tolerance


@pytest.mark.parametrize("name", STATISTICS)
def test_tiles_change_nothing(encoder: VGG, name: str) -> None:
    settings = {"statistic": name, "content_weight": 0.0, "tv_weight": 0.0}
    whole = evaluate(encoder, None, **settings)
    assert_equal(evaluate(encoder, 24, **settings), whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_masks_and_several_styles_are_tiled_too(encoder: VGG, name: str) -> None:
    mask = torch.linspace(0, 1, SIZE[1]).expand(1, 1, *SIZE)
    half = torch.zeros(1, 1, 50, 50)
    half[..., :30] = 1
    regions = pair_masks(3, (mask, mask, 1 - mask), (None, half, None), (1, 3, 1))
    settings = {"statistic": f"{name}:2,moments", "style_shares": (1, 3, 1)}
    found = [
        evaluate(encoder, side, (STYLE, OTHER, CONTENT), Guidance(regions), **settings)
        for side in (24, None)
    ]
    assert_equal(*found)
    plain = evaluate(encoder, None, (STYLE, OTHER, CONTENT), **settings)
    assert plain.loss != pytest.approx(found[1].loss, rel=1e-3)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("kind", ["straight", "half-drop", "mirror"])
def test_patterns_are_tiled_too(encoder: VGG, name: str, kind: str) -> None:
    settings = {"statistic": name, "seamless": kind, "content_weight": 0.0, "tv_weight": 0.0}
    whole = evaluate(encoder, None, size=(64, 32), **settings)
    # Among a hundred positions a quantile may fall on a gap between two values, where it jumps.
    tolerance = 1e-3 if name in ("histogram", "sliced") else 1e-4
    assert_equal(evaluate(encoder, 24, size=(64, 32), **settings), whole, tolerance)


def test_a_pattern_looks_around_its_corners(encoder: VGG) -> None:
    # The same plane cut elsewhere.
    config = PaintConfig(
        **LAYERS, statistic="shifted-gram,patches", seamless="straight", content_weight=0
    ).resolve()
    objective = build_objective(encoder, config, CONTENT, [STYLE], (32, 32))
    image = resize(IMAGE, (32, 32))
    moved = objective(image.roll((8, 16), (2, 3)))
    assert moved.loss == pytest.approx(objective(image).loss, rel=1e-4)


@pytest.mark.parametrize("name", ["cross-gram", "patches", "sliced", "mmd-gaussian"])
def test_details_are_tiled_too(encoder: VGG, name: str) -> None:
    layers = ("relu4_1", "relu1_1", "relu3_1")
    settings = {"statistic": name, "style_layers": layers}
    whole = evaluate(encoder, None, details=True, **settings)
    assert_equal(evaluate(encoder, 24, details=True, **settings), whole)
    all_layers = evaluate(encoder, None, **settings)
    assert all_layers.terms["style"] != pytest.approx(whole.terms["style"], rel=1e-3)


def test_content_by_self_similarity_is_tiled_too(encoder: VGG) -> None:
    settings = {"content_loss": "self-similarity", "content_weight": 1.0, "style_weight": 0.0}
    whole = evaluate(encoder, None, **settings)
    tiled = evaluate(encoder, 24, **settings)
    assert tiled.loss == pytest.approx(whole.loss, rel=1e-4)
    assert (tiled.gradient - whole.gradient).norm() < 1e-4 * whole.gradient.norm()
    features = evaluate(encoder, None, content_weight=1.0, style_weight=0.0)
    assert features.terms["content"] != pytest.approx(whole.terms["content"], rel=0.1)


def test_self_similarity_leaves_colours_free(encoder: VGG) -> None:
    settings = {"content_loss": "self-similarity", "content_weight": 1.0, "style_weight": 0.0}
    config = PaintConfig(**LAYERS, **settings).resolve()  # type: ignore[arg-type]
    objective = build_objective(encoder, config, CONTENT, [STYLE], SIZE)
    assert objective(CONTENT).terms["content"] == pytest.approx(0, abs=1e-6)
    assert objective(IMAGE).terms["content"] > 0.05


@pytest.mark.parametrize("name", all_slow_but(["sliced"], OTHERS))
def test_a_style_in_tiles_gives_the_same_targets(encoder: VGG, name: str) -> None:
    config = PaintConfig(**LAYERS, statistic=name, style_augment=("mirror", "rotate")).resolve()  # type: ignore[arg-type]
    whole = build_objective(encoder, config, CONTENT, [STYLE, OTHER], SIZE)
    tiled = build_tiled_objective(encoder, config, CONTENT, [STYLE, OTHER], SIZE, 24).whole
    for layer, regions in whole.targets.items():
        for one, other in zip(regions, tiled.targets[layer], strict=True):
            for sums, parts in zip(one[name].sums, other[name].sums, strict=True):
                if name == "patches":  # in another order
                    sums, parts = (x.flatten(1).sum(1).sort().values for x in (sums, parts))
                assert (sums - parts).norm() <= 1e-3 * sums.norm()


@pytest.mark.parametrize("name", STATISTICS)
def test_one_style_of_two_may_have_no_share(encoder: VGG, name: str) -> None:
    both = evaluate(encoder, None, (STYLE, OTHER), statistic=name, style_shares=(0, 2))
    alone = evaluate(encoder, None, (OTHER,), statistic=name)
    assert both.terms["style"] == pytest.approx(alone.terms["style"], rel=1e-4)


def test_weights_add_up(encoder: VGG) -> None:
    def find(text: str) -> float:
        return evaluate(encoder, None, statistic=text).terms["style"]

    wanted = 0.5 * find("gram") + 2 * find("sliced") + find("patches")
    assert find("gram:0.5,sliced:2,patches") == pytest.approx(wanted, rel=1e-4)


def test_left_out_it_is_the_moments(encoder: VGG) -> None:
    plain, named = evaluate(encoder, None), evaluate(encoder, None, statistic="moments:1")
    assert named.loss == plain.loss
    assert torch.equal(named.gradient, plain.gradient)


@pytest.mark.parametrize("loss", ["gatys", "johnson", "tutorial"])
def test_a_papers_own_scaling_is_the_gram_one(encoder: VGG, loss: str) -> None:
    plain, named = (
        evaluate(encoder, None, loss=loss, **more) for more in ({}, {"statistic": "gram"})
    )
    assert named.loss == plain.loss


def test_patches_need_a_deep_layer(encoder: VGG) -> None:
    config = PaintConfig(**(LAYERS | {"style_layers": ("relu1_1", "relu2_1")}), statistic="patches")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="patches looks at layers with a position for every 4"):
        check_layers(encoder, config.resolve())


def test_fine_layers_are_not_computed_for_patches(encoder: VGG) -> None:
    config = PaintConfig(**LAYERS, statistic="patches").resolve()  # type: ignore[arg-type]
    assert list(build_objective(encoder, config, CONTENT, [STYLE], SIZE).style) == ["relu3_1"]


@pytest.mark.parametrize("name", [*STATISTICS, "gram:0.3,sliced"])
def test_painting_lowers_the_loss(encoder: VGG, name: str) -> None:
    config = PaintConfig(
        **LAYERS, statistic=name, size=48, steps=(5,), scales=1, content_weight=0.01, detail_steps=0
    )  # type: ignore[arg-type]
    losses = [event.loss for event in paint(CONTENT, [STYLE], encoder, config)]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", ["sliced", "patches", "mmd-gaussian"])
def test_an_interrupted_painting_goes_on_to_the_same(encoder: VGG, name: str) -> None:
    config = PaintConfig(
        **LAYERS, statistic=name, content_loss="self-similarity", size=48, steps=(3,), scales=1
    )  # type: ignore[arg-type]
    whole, states = [], []
    for event in paint(CONTENT, [STYLE], encoder, config):
        whole.append(event.picture())
        states.append(event.state())
    resumed = list(paint(CONTENT, [STYLE], encoder, config, state=states[0]))
    assert torch.equal(resumed[-1].picture(), whole[-1])
