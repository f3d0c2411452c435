"""Painting tiles that repeat, with the real VGG-19: no seam, whatever the pattern and start."""

import typing
from typing import Any

import pytest
import torch
from torch import Tensor

from impasto.config import PaintConfig, Pattern
from impasto.encoders.vgg import VGG
from impasto.memory import Frugality
from impasto.painting import paint
from impasto.patterns import make_sheet, measure_seam, wraps
from impasto.progress import Progress
from impasto.regions import Guidance, pair_masks
from slowly import all_slow_but, slow

PATTERNS = typing.get_args(Pattern)
MOVED = [kind for kind in PATTERNS if wraps(kind)]
#: Two scales, of which the second takes the first one's border over.
BRIEF: dict[str, Any] = {"size": 96, "scales": 2, "steps": (10, 4)}


@pytest.fixture(scope="module")
def coffee(style: Tensor) -> Tensor:
    """The photograph: a cup on a table, lit from one side and cut off below."""
    return style


@pytest.fixture(scope="module")
def portrait(photo: Tensor) -> Tensor:
    """The style: many colours."""
    return photo


def run(photo: Tensor, style: Tensor, encoder: VGG, **settings: Any) -> list[Progress]:
    names = ("start", "state", "guidance", "frugality")
    given = {name: settings.pop(name) for name in names if name in settings}
    config = PaintConfig(**(BRIEF | settings))
    return list(paint(photo, [style], encoder, config, **given))


@pytest.fixture(scope="module")
def ordinary(coffee: Tensor, portrait: Tensor, vgg19: VGG) -> Tensor:
    """What is painted of the same pictures if nothing is said."""
    return run(coffee, portrait, vgg19)[-1].picture()


@pytest.mark.parametrize("kind", all_slow_but(["half-drop"], MOVED))
def test_a_pattern_has_no_seam(
    kind: Pattern, ordinary: Tensor, coffee: Tensor, portrait: Tensor, vgg19: VGG
) -> None:
    painted = run(coffee, portrait, vgg19, seamless=kind)[-1].picture()
    assert painted.shape[2:] == (64, 96)
    assert measure_seam(painted, kind) < 1.3
    assert measure_seam(ordinary, kind) > 2


def test_a_mirrored_tile_has_no_frame(coffee: Tensor, portrait: Tensor, vgg19: VGG) -> None:
    painted = run(coffee, portrait, vgg19, seamless="mirror")[-1].picture()
    assert painted.shape[2:] == (64, 96)
    assert measure_seam(painted, "mirror") == 0
    # The sheet is flat for one step at each fold; beside it, it is as rough as anywhere.
    for tile in (painted, painted.flip(2), painted.mT, painted.mT.flip(2)):
        steps = tile.diff(dim=2).abs().mean((0, 1, 3))
        assert 0.5 * steps.mean() < steps[:2].mean() < 1.7 * steps.mean()
    assert make_sheet(painted, "mirror", 2).shape[2:] == (128, 192)


@pytest.mark.parametrize(
    "settings",
    [
        {"init": "noise"},
        slow({"init": "style"}),
        slow({"init": "file"}),
        slow({"init": "noise", "content_weight": 0.0}),
        slow({"keep_colors": True}),
        slow({"colors": "luminance"}),
        slow({"colors": "histogram"}),
        slow({"colors": "palette"}),
        slow({"finish": "canvas:0.5,sharpen:1,denoise:0.3"}),
        slow({"finish": "grain:0.4,blend:0.4", "keep_colors": True}),
        slow({"optimizer": "adam", "average": 0.5, "learning_rate": 10.0}),
        slow({"scales": 2, "steps": (10, 4), "detail_steps": 3}),
    ],
)
def test_it_has_none_with_any_settings(
    settings: dict[str, Any], coffee: Tensor, portrait: Tensor, vgg19: VGG
) -> None:
    if settings.get("init") == "file":
        settings = settings | {"start": coffee.flip(2)}
    # At one size: enlarging makes each third or fourth step larger, of which the border is one.
    settings = {"scales": 1, "steps": (12,), "seamless": "half-drop"} | settings
    painted = run(coffee, portrait, vgg19, **settings)[-1].picture()
    assert measure_seam(painted, "half-drop") < 1.3


@pytest.mark.slow
def test_it_is_painted_in_tiles_as_well(coffee: Tensor, portrait: Tensor, vgg19: VGG) -> None:
    config = PaintConfig(
        **BRIEF | {"steps": (2, 2)},
        seamless="half-drop",
        content_layers=("relu2_2",),
        style_layers=("relu1_1", "relu3_1"),
    )
    whole, tiled = (
        [*paint(coffee, [portrait], vgg19, config, frugality=frugality)][-1]
        for frugality in (None, Frugality(tile=48, keep_targets=False))
    )
    assert tiled.loss == pytest.approx(whole.loss, rel=1e-3)
    assert (tiled.picture() - whole.picture()).abs().mean() < 1e-3


@pytest.mark.parametrize("kind", PATTERNS)
@pytest.mark.parametrize("tile", [None, slow(48)])
def test_masks_repeat_as_the_pattern_does(
    kind: Pattern, tile: int | None, coffee: Tensor, portrait: Tensor, vgg19: VGG
) -> None:
    left = torch.zeros(1, 1, 80, 120)
    left[..., :60] = 1
    strength = torch.linspace(0, 1, 80)[:, None].expand(1, 1, 80, 120)
    guidance = Guidance(pair_masks(2, (left, 1 - left)), strength)
    config = PaintConfig(
        size=96, scales=1, steps=(6,), seamless=kind, finish="canvas:0.4,sharpen:0.5",
        content_layers=("relu2_2",), style_layers=("relu1_1", "relu3_1"),
    )  # fmt: skip
    frugality = None if tile is None else Frugality(tile=tile, keep_targets=False)
    styles = [portrait, portrait.flip(1)]
    *_, last = paint(coffee, styles, vgg19, config, frugality=frugality, guidance=guidance)
    assert measure_seam(last.picture(), kind) < 1.3
    # Where nothing is to be painted the photograph is left, as it repeats.
    plain = paint(coffee, styles, vgg19, config, guidance=Guidance(guidance.regions))
    assert not torch.equal([*plain][-1].picture(), last.picture())


@pytest.mark.slow
def test_an_interrupted_pattern_goes_on_to_the_same_result(
    coffee: Tensor, portrait: Tensor, vgg19: VGG
) -> None:
    settings = BRIEF | {"steps": (2, 4), "seamless": "half-brick"}
    events = paint(coffee, [portrait], vgg19, PaintConfig(**settings))
    seen = [(event, event.state() if event.scale == 1 else None) for event in events]
    state = seen[3][1]
    assert state is not None
    assert (state.scale, state.step) == (1, 2)
    again = run(coffee, portrait, vgg19, **settings, state=state)
    assert len(again) == 2
    assert torch.equal(again[-1].picture(), seen[-1][0].picture())
