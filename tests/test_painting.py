"""The engine with the real VGG-19: few steps, small pictures."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import weights
from impasto.color import rgb_to_oklab
from impasto.colormodes import histogram_distance, measure_color_error
from impasto.config import PaintConfig
from impasto.encoders import Encoder
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError, NumericalError, ShapeError
from impasto.losses import LOSS_FORMS
from impasto.memory import Frugality
from impasto.metrics import edge_ssim
from impasto.objective import build_objective
from impasto.painting import paint
from impasto.preparation import make_start
from impasto.progress import PaintState, Progress
from impasto.pyramid import cover, fit_size, resize
from impasto.regions import Guidance, pair_masks
from impasto.showing import finish
from impasto.solvers import LBFGS, Evaluation
from slowly import slow

#: What keeps a run short; relu5_1 needs 16 px a side.
BRIEF: dict[str, Any] = {"size": 64, "scales": 1, "steps": (4,)}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "lbfgs": {"optimizer": "lbfgs"},
    "adam": {"optimizer": "adam", "average": 0.7, "decay": 0.9},
    "sgd": {"optimizer": "sgd", "learning_rate": 2e5, "decay": 0.9, "decay_steps": 2},
}


def run(
    photo: Tensor, style: Tensor | list[Tensor], encoder: Encoder, /, **settings: Any
) -> list[Progress]:
    given = {name: settings.pop(name) for name in ("start", "state") if name in settings}
    styles = style if isinstance(style, list) else [style]
    return list(paint(photo, styles, encoder, PaintConfig(**(BRIEF | settings)), **given))


def in_box(picture: Tensor) -> bool:
    return bool(picture.min() >= 0 and picture.max() <= 1)


class Altered:
    """An encoder whose activations are put through a function of (activations, precision)."""

    def __init__(self, encoder: Encoder, alter: Callable[[Tensor, torch.dtype], Tensor]) -> None:
        self._encoder, self._alter = encoder, alter
        self.layers = encoder.layers

    def __call__(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        found = self._encoder(image, layers)
        if not image.requires_grad:  # targets stay as they are
            return found
        return {name: self._alter(x, self.precision) for name, x in found.items()}

    def stride(self, layer: str) -> int:
        return self._encoder.stride(layer)

    def reach(self, layer: str) -> int:
        return self._encoder.reach(layer)

    @property
    def precision(self) -> torch.dtype:
        return self._encoder.precision

    def with_precision(self, dtype: torch.dtype) -> "Altered":
        return Altered(self._encoder.with_precision(dtype), self._alter)


# --- it paints --------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSS_FORMS)
def test_every_form_of_the_loss_falls(loss: str, photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    events = run(photo, style, vgg19, loss=loss, init="noise", steps=(8,))
    assert events[-1].loss < 0.8 * events[0].loss


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_lowers_the_loss(
    optimizer: str, photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    events = run(photo, style, vgg19, **OPTIMIZERS[optimizer], steps=(8,))
    assert len(events) == 8
    assert events[-1].loss < 0.9 * events[0].loss
    for event in events:
        assert in_box(event.picture())


def test_what_is_painted_looks_like_both(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    """The objective at full size, of the photograph, the style and the painting."""
    painted = run(photo, style, vgg19, steps=(20,), init="noise", strength=0.5)[-1].picture()
    config = PaintConfig(**BRIEF).resolve()
    judge = build_objective(vgg19, config, photo, [style], (64, 51))
    noise = make_start(photo, [style], PaintConfig(init="noise", seed=1), (64, 51))
    hung = cover(style, (64, 51))
    terms = {
        name: judge(picture).terms
        for name, picture in (("painted", painted), ("noise", noise), ("style", hung))
    }
    assert terms["painted"]["content"] < 0.8 * terms["noise"]["content"]
    assert terms["painted"]["content"] < 0.8 * terms["style"]["content"]
    photograph = judge(resize(photo, (64, 51))).terms
    assert terms["painted"]["style"] < 0.3 * photograph["style"]


def test_several_scales_go_from_small_to_large(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    events = run(photo, style, vgg19, size=80, scales=3, steps=(3, 0, 2))
    assert [(event.scale, event.step, event.steps) for event in events] == [
        (0, 1, 3), (0, 2, 3), (0, 3, 3), (2, 1, 2), (2, 2, 2)
    ]  # fmt: skip
    assert all(event.scales == 3 for event in events)
    assert events[0].size == events[0].picture().shape[2:]
    assert events[0].size < events[-1].size == (80, 64)
    assert events[-1].picture().shape == (1, 3, 80, 64)
    # What was painted small is where the large scale begins.
    alone = run(photo, style, vgg19, size=80, scales=1, steps=(1,))
    assert events[3].loss < alone[0].loss


def test_progress_is_consistent(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    events = run(photo, style, vgg19, scales=2, steps=(2, 3))
    assert [event.done for event in events] == [False] * 4 + [True]
    assert [event.seconds for event in events] == sorted(event.seconds for event in events)
    assert all(event.seconds_left >= 0 for event in events)
    assert all(event.seconds_left > 0 for event in events[1:-1])
    assert events[-1].seconds_left == 0
    assert all(event.note == "" for event in events)
    for event in events:
        assert list(event.terms) == ["content", "style", "tv"]
        assert sum(event.terms.values()) == pytest.approx(event.loss, rel=1e-5)
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.done = True  # type: ignore[misc]


def test_an_event_keeps_its_picture_while_painting_goes_on(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    for settings in OPTIMIZERS.values():
        config = PaintConfig(**(BRIEF | settings))
        seen = [(e, e.picture().clone()) for e in paint(photo, [style], vgg19, config)]
        for event, picture in seen:
            assert torch.equal(event.picture(), picture)
        for (_, before), (_, after) in itertools.pairwise(seen):
            assert not torch.equal(before, after)


def test_for_lbfgs_the_loss_is_that_of_the_picture(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    event = run(photo, style, vgg19)[-1]
    config = PaintConfig(**BRIEF, trim_style=0).resolve()
    untrimmed = run(photo, style, vgg19, trim_style=0)[-1]
    judge = build_objective(vgg19, config, photo, [style], event.size)
    assert judge(untrimmed.picture()).loss == pytest.approx(untrimmed.loss, rel=1e-5)


def test_the_border_of_a_style_is_trimmed(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    framed = F.pad(style, (4, 4, 4, 4), value=1.0)
    share = 4 / max(framed.shape[2:])
    assert torch.equal(
        run(photo, framed, vgg19, trim_style=share, steps=(2,))[-1].picture(),
        run(photo, style, vgg19, trim_style=0, steps=(2,))[-1].picture(),
    )
    assert not torch.equal(
        run(photo, framed, vgg19, trim_style=0, steps=(2,))[-1].picture(),
        run(photo, style, vgg19, trim_style=0, steps=(2,))[-1].picture(),
    )


@pytest.mark.slow
def test_more_strength_leaves_the_photograph_further_behind(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    own = resize(photo, (64, 51))
    away = [
        float((run(photo, style, vgg19, strength=s, steps=(10,))[-1].picture() - own).norm())
        for s in (0.2, 1.0, 5.0)
    ]
    assert away == sorted(away)
    assert away[2] > 1.1 * away[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_nothing_that_was_given_is_changed(
    optimizer: str, photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    given = [photo.clone(), style.clone(), photo.flip(3)]
    before = [tensor.clone() for tensor in given]
    state = vgg19.state_dict()
    buffers = {name: buffer.clone() for name, buffer in state.items()}
    # At its own size, where resampling makes no copy.
    for settings in ({"init": "content"}, {"init": "file"}, {"init": "file", "keep_colors": True}):
        run(
            given[0], given[1], vgg19, start=given[2], size=80, trim_style=0, steps=(2,),
            **OPTIMIZERS[optimizer], **settings,
        )  # fmt: skip
    for tensor, its_copy in zip(given, before, strict=True):
        assert torch.equal(tensor, its_copy)
        assert not tensor.requires_grad
    assert all(torch.equal(state[name], buffer) for name, buffer in buffers.items())


# --- the same again ---------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_same_seed_gives_the_same_bytes(
    optimizer: str, photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    settings = {"init": "content:0.5,noise:0.5", "seed": 3, "scales": 2, **OPTIMIZERS[optimizer]}
    first = run(photo, style, vgg19, **settings)[-1]
    torch.manual_seed(99)
    second = run(photo, style, vgg19, **settings)[-1]
    assert first.picture().numpy().tobytes() == second.picture().numpy().tobytes()
    assert first.loss == second.loss


def test_another_seed_gives_another_picture_from_noise_only(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    def last(**settings: Any) -> Tensor:
        return run(photo, style, vgg19, steps=(1,), **settings)[-1].picture()

    assert not torch.equal(last(init="noise", seed=1), last(init="noise", seed=2))
    assert torch.equal(last(init="content", seed=1), last(init="content", seed=2))


def test_painting_leaves_the_global_random_numbers_alone(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    before = torch.get_rng_state()
    run(photo, style, vgg19, init="noise", steps=(1,))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("at", [(0, 2), (0, 3), (1, 1)])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_interrupted_painting_ends_bit_by_bit_the_same(
    optimizer: str, at: tuple[int, int], photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    settings = {"scales": 2, "steps": (3, 3), **OPTIMIZERS[optimizer]}
    config = PaintConfig(**(BRIEF | settings))
    snapshots, events = {}, []
    for event in paint(photo, [style], vgg19, config):
        snapshots[event.scale, event.step] = event.state()
        events.append(event)
    resumed = run(photo, style, vgg19, state=snapshots[at], **settings)
    assert [(e.scale, e.step) for e in resumed] == [
        (e.scale, e.step) for e in events if (e.scale, e.step) > at
    ]
    assert torch.equal(resumed[-1].picture(), events[-1].picture())
    assert resumed[-1].loss == events[-1].loss
    assert resumed[-1].done


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_snapshot_is_not_changed_by_what_follows(
    optimizer: str, photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    def flatten(state: PaintState) -> list[Tensor]:
        average = [] if state.average is None else [state.average]
        return [state.image, *average, *state.solver.values()]

    config = PaintConfig(**(BRIEF | OPTIMIZERS[optimizer]))
    taken = []
    for event in paint(photo, [style], vgg19, config):
        state = event.state()
        taken.append((state, [tensor.clone() for tensor in flatten(state)]))
    run(photo, style, vgg19, state=taken[1][0], **OPTIMIZERS[optimizer])
    for state, copies in taken:
        for tensor, its_copy in zip(flatten(state), copies, strict=True):
            assert torch.equal(tensor, its_copy)
    assert (taken[0][0].average is not None) == (optimizer == "adam")


def test_the_average_of_iterates_is_the_result(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    config = PaintConfig(**(BRIEF | {"optimizer": "adam", "average": 0.75, "steps": (3,)}))
    iterates, results = [], []
    for event in paint(photo, [style], vgg19, config):
        iterates.append(event.state().image)
        results.append(event.picture())
    wanted = iterates[0]
    for iterate, result in zip(iterates[1:], results[1:], strict=True):
        wanted = 0.75 * wanted + 0.25 * iterate
        torch.testing.assert_close(result, wanted)
    plain = run(photo, style, vgg19, optimizer="adam", steps=(3,))[-1]
    torch.testing.assert_close(plain.picture(), iterates[-1])


# --- where it starts --------------------------------------------------------------------------


@pytest.mark.parametrize("init", ["content", "noise", "style", "file", "content:0.6,file:0.4"])
def test_every_start_leads_somewhere(init: str, photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    events = run(photo, style, vgg19, init=init, start=style.flip(3))
    assert events[-1].loss < events[0].loss
    assert in_box(events[-1].picture())


def test_starts_are_what_they_are_called(photo: Tensor, style: Tensor) -> None:
    def begin(init: str, **settings: Any) -> Tensor:
        config = PaintConfig(init=init, **settings)
        return make_start(photo, [style, style.flip(2)], config, (40, 32), photo.flip(3))

    content, file = resize(photo, (40, 32)), resize(photo.flip(3), (40, 32))
    assert torch.equal(begin("content"), content)
    assert torch.equal(begin("file"), file)
    hung = (cover(style, (40, 32)) + cover(style.flip(2), (40, 32))) / 2
    torch.testing.assert_close(begin("style"), hung)
    noise = begin("noise", seed=4)
    assert noise.shape == (1, 3, 40, 32)
    assert noise.mean().item() == pytest.approx(0.5, abs=0.03)
    assert noise.std().item() == pytest.approx(12**-0.5, abs=0.03)
    assert torch.equal(noise, begin("noise", seed=4))
    mixed = begin("content:3,noise:1", seed=4)
    torch.testing.assert_close(mixed, 0.75 * content + 0.25 * noise)


def test_a_file_to_start_from_must_be_given(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    with pytest.raises(ConfigError, match="The start 'file' needs a picture"):
        run(photo, style, vgg19, init="file")


# --- several styles, and colours --------------------------------------------------------------


def test_a_style_with_a_share_of_zero_leaves_no_trace(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    alone = run(photo, style, vgg19, steps=(3,))[-1]
    other = run(photo, [style, photo], vgg19, steps=(3,), style_shares=(2, 0))[-1]
    torch.testing.assert_close(other.picture(), alone.picture(), rtol=0, atol=1e-3)
    both = run(photo, [style, photo], vgg19, steps=(3,), style_shares=(1, 1))[-1]
    assert (both.picture() - alone.picture()).abs().mean() > 0.005


def test_kept_colours_are_those_of_the_photograph(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    painted = run(photo, style, vgg19, keep_colors=True, init="noise", steps=(6,))[-1].picture()
    own = rgb_to_oklab(resize(photo, (64, 51)))
    found = rgb_to_oklab(painted)
    shown = ((painted > 0.002) & (painted < 0.998)).all(1, keepdim=True).expand(1, 2, -1, -1)
    assert shown.float().mean() > 0.5
    torch.testing.assert_close(found[:, 1:][shown], own[:, 1:][shown], rtol=0, atol=2e-3)
    assert not torch.allclose(found[:, :1], own[:, :1], atol=0.1), "lightness is painted"
    free = rgb_to_oklab(run(photo, style, vgg19, steps=(6,))[-1].picture())
    assert (free - own)[:, 1:].abs().mean() > 0.01


@pytest.mark.slow
def test_kept_colours_do_not_depend_on_those_of_the_style(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    # The style is given the photograph's colours first: a paler print teaches the same strokes.
    def last(picture: Tensor, **settings: Any) -> Tensor:
        return run(photo, picture, vgg19, **settings)[-1].picture()

    pale = 0.5 * style + 0.3
    with_colours = last(style, keep_colors=True), last(pale, keep_colors=True)
    assert (with_colours[0] - with_colours[1]).abs().mean() < 2e-3
    assert (last(style) - last(pale)).abs().mean() > 1e-2


def test_without_a_wish_for_colours_nothing_is_done_to_the_picture(photo: Tensor) -> None:
    assert finish(photo, photo.flip(3), PaintConfig()) is photo


# --- when something goes wrong ----------------------------------------------------------------


@pytest.mark.slow
def test_half_precision_that_fails_is_answered_with_float32(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    def overflow(x: Tensor, precision: torch.dtype) -> Tensor:
        return x * torch.inf if precision == torch.bfloat16 else x

    for settings in OPTIMIZERS.values():
        encoder = Altered(vgg19.with_precision(torch.bfloat16), overflow)
        events = run(photo, style, encoder, scales=2, steps=(5, 2), **settings)
        notes = [event.note for event in events if event.note]
        assert notes == ["the loss was not finite in half precision; going on in float32"]
        assert events[0].note == notes[0]
        assert events[-1].done
        assert events[4].loss < events[1].loss
        assert events[4].terms["content"] > 0
        assert torch.isfinite(events[-1].picture()).all()
        assert events[-1].state().precise


@pytest.mark.slow
def test_a_painting_that_went_on_in_float32_is_resumed_in_float32(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    def overflow(x: Tensor, precision: torch.dtype) -> Tensor:
        return x * torch.nan if precision == torch.bfloat16 else x

    encoder = Altered(vgg19.with_precision(torch.bfloat16), overflow)
    config = PaintConfig(**BRIEF)
    states = [event.state() for event in paint(photo, [style], encoder, config)]
    resumed = run(photo, style, encoder, state=states[1])
    assert [event.note for event in resumed] == ["", ""]
    healthy = run(photo, style, vgg19.with_precision(torch.bfloat16))
    assert not healthy[-1].state().precise


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_fails_in_float32_as_well_ends_in_one_line(
    optimizer: str, dtype: torch.dtype, photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    encoder = Altered(vgg19.with_precision(dtype), lambda x, _: x * torch.nan)
    config = PaintConfig(**(BRIEF | OPTIMIZERS[optimizer] | {"steps": (20,)}))
    events: list[Progress] = []
    with pytest.raises(NumericalError) as caught:
        events.extend(paint(photo, [style], encoder, config))
    assert "\n" not in str(caught.value)
    assert "not finite even in float32" in str(caught.value)
    assert 1 <= len(events) < 10
    assert all(event.note for event in events)
    assert in_box(events[-1].picture())


@pytest.mark.slow
def test_a_passing_fault_is_survived(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    for settings in OPTIMIZERS.values():
        count = itertools.count()
        spoiled = {10, 11}  # of the calls, one a layer: once, in the second or third evaluation

        def stumble(
            x: Tensor, _: torch.dtype, count: Any = count, spoiled: Any = spoiled
        ) -> Tensor:
            return x * torch.nan if next(count) in spoiled else x

        events = run(photo, style, Altered(vgg19, stumble), steps=(8,), **settings)
        assert events[-1].done
        assert events[-1].note == ""
        assert events[-1].loss < events[0].loss
        assert in_box(events[-1].picture())


@pytest.mark.parametrize("loss", LOSS_FORMS)
def test_sgd_finds_a_rate_that_suits_any_loss(
    photo: Tensor, style: Tensor, vgg19: VGG, loss: str
) -> None:
    events = run(photo, style, vgg19, optimizer="sgd", loss=loss, steps=(12,))
    assert events[-1].loss < 0.9 * events[0].loss


def test_resuming_from_the_last_step_gives_the_finished_picture(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    last = run(photo, style, vgg19, scales=2, steps=(3, 2))[-1]
    again = run(photo, style, vgg19, scales=2, steps=(3, 2), state=last.state())
    assert [event.done for event in again] == [True]
    assert torch.equal(again[0].picture(), last.picture())
    assert again[0].loss == pytest.approx(last.loss)


@pytest.mark.slow
def test_details_come_first_and_only_at_later_sizes(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    events = run(photo, style, vgg19, size=96, scales=2, steps=(2, 2), detail_steps=3)
    assert [(event.scale, event.steps) for event in events] == [(0, 2)] * 2 + [(1, 5)] * 5
    assert events[4].loss < events[2].loss, "the details improve"
    coarse = {"content_layers": ("relu4_2",), "size": 96, "scales": 2, "steps": (2, 2)}
    events = run(photo, style, vgg19, **coarse, detail_steps=3)
    assert [event.terms["content"] > 0 for event in events] == [True] * 2 + [False] * 3 + [True] * 2


@pytest.mark.parametrize("colors", ["photo", "luminance", "linear", "histogram", "palette"])
def test_colors_follow_the_mode(photo: Tensor, style: Tensor, vgg19: VGG, colors: str) -> None:
    own = run(photo, style, vgg19, steps=(3,))[-1].picture()
    events = run(photo, style, vgg19, steps=(3,), colors=colors)
    found = events[-1].picture()
    assert events[-1].done
    assert found.shape == own.shape
    if colors == "palette":
        assert len(events) == 1
        assert histogram_distance(found, style) < histogram_distance(own, style)
    elif colors != "linear":  # which only recolours the style, and that takes more steps to show
        error = measure_color_error(found, resize(photo, (own.shape[-2], own.shape[-1])))
        plain = measure_color_error(own, resize(photo, (own.shape[-2], own.shape[-1])))
        assert error.chroma < plain.chroma


def test_keep_colors_is_a_color_mode(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    kept = run(photo, style, vgg19, steps=(2,), keep_colors=True)[-1].picture()
    named = run(photo, style, vgg19, steps=(2,), colors="photo")[-1].picture()
    assert torch.equal(kept, named)


def test_finishing_touches_come_last(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    plain = run(photo, style, vgg19, steps=(2,))[-1].picture()
    grey = run(photo, style, vgg19, steps=(2,), finish="saturation:0")[-1].picture()
    assert (grey[:, 0] - grey[:, 2]).abs().max() < 1 / 255
    same = run(photo, style, vgg19, steps=(2,), finish="blend:1")[-1].picture()
    torch.testing.assert_close(same, resize(photo, (plain.shape[-2], plain.shape[-1])))


def test_where_no_layer_is_fine_details_are_the_whole(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    given = {"style_layers": ("relu4_1",), "size": 96, "scales": 2}
    events = run(photo, style, vgg19, **given, steps=(2, 0), detail_steps=3)
    assert len(events) == 5
    assert all(event.terms["style"] > 0 for event in events)


@pytest.mark.slow
def test_details_that_fail_are_followed_by_the_whole(
    photo: Tensor, style: Tensor, vgg19: VGG, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = LBFGS.step

    def stumble(self: LBFGS, evaluate: Callable[[Tensor], Evaluation]) -> Evaluation:
        found = original(self, evaluate)
        fine = "relu5_1" not in evaluate.style  # type: ignore[attr-defined]
        self.trouble = "line search failed" if fine else ""
        return found

    monkeypatch.setattr(LBFGS, "step", stumble)
    events = run(photo, style, vgg19, size=96, scales=2, steps=(2, 2), detail_steps=5)
    assert "whole" in events[4].note
    assert len(events) == 2 + 7
    assert not any(event.note for event in events[5:])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("stop", [slow(3), 5, slow(6)])
def test_details_are_resumed_to_the_same_picture(
    photo: Tensor, style: Tensor, vgg19: VGG, optimizer: str, stop: int
) -> None:
    given = {
        "size": 96, "scales": 2, "steps": (2, 3), "detail_steps": 3, "optimizer": optimizer
    }  # fmt: skip
    events, states = [], []
    for event in paint(photo, [style], vgg19, PaintConfig(**given)):
        events.append(event)
        states.append(event.state())
    again = list(paint(photo, [style], vgg19, PaintConfig(**given), state=states[stop - 1]))
    assert torch.equal(again[-1].picture(), events[-1].picture())


@pytest.mark.slow
def test_tiles_paint_the_same_picture(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    whole = run(photo, style, vgg19, size=160, steps=(4,))
    given = {"size": 160, "scales": 1, "steps": (4,)}
    tiled = list(paint(photo, [style], vgg19, PaintConfig(**given), frugality=Frugality(64)))
    assert [event.step for event in tiled] == [1, 2, 3, 4]
    assert tiled[-1].loss == pytest.approx(whole[-1].loss, rel=1e-3)
    assert (tiled[-1].picture() - whole[-1].picture()).abs().max() < 1 / 255


@pytest.mark.slow
def test_trouble_in_tiles_is_answered_in_float32(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    half = Altered(
        vgg19.with_precision(torch.bfloat16),
        lambda x, precision: x if precision == torch.float32 else x * torch.nan,
    )
    config = PaintConfig(size=96, scales=1, steps=(3,))
    events = list(paint(photo, [style], half, config, frugality=Frugality(64)))
    assert "float32" in events[0].note
    assert events[-1].loss == events[-1].loss, "a number again"


def test_faults_count_only_in_a_row(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    count = itertools.count()
    encoder = Altered(vgg19, lambda x, _: x * torch.nan if next(count) % 3 else x)
    # With a single layer each look is one evaluation: two in three fail.
    events = run(
        photo, style, encoder, optimizer="adam", content_weight=0.0, style_layers=("relu2_1",),
        steps=(13,),
    )  # fmt: skip
    assert [bool(event.note) for event in events] == [False, True, True] * 4 + [False]
    assert events[-1].done


@pytest.mark.slow
def test_a_size_without_a_way_down_is_finished_early(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    factor = itertools.count(1)
    encoder = Altered(vgg19, lambda x, _: x * 1.05 ** next(factor))
    events = run(photo, style, encoder, scales=2, steps=(9, 9))
    tail = "no direction leads further down; this size is finished early"
    for scale in (0, 1):
        notes = [event.note for event in events if event.scale == scale]
        assert notes == ["the step was too long; trying again more carefully"] * 2 + [tail]
    assert [event.done for event in events] == [False] * 5 + [True]
    assert events[-1].seconds_left == 0
    assert torch.equal(events[2].picture(), events[0].picture())


@pytest.mark.slow
@pytest.mark.parametrize("at", range(3, 9))
def test_troubles_are_remembered_over_an_interruption(
    at: int, photo: Tensor, style: Tensor, vgg19: VGG, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = LBFGS.step

    def stumble(self: LBFGS, evaluate: Callable[[Tensor], Evaluation]) -> Evaluation:
        found = original(self, evaluate)
        later = self.image.shape[-1] > 64
        self.trouble = "line search failed" if later else ""
        return found

    monkeypatch.setattr(LBFGS, "step", stumble)
    settings = {"size": 96, "scales": 2, "steps": (2, 4), "detail_steps": 5}
    states, notes = [], []
    config = PaintConfig(**settings)
    for event in paint(photo, [style], vgg19, config):
        states.append(event.state())
        notes.append(event.note)
    assert notes[4] == "the details are done early; going on with the whole"
    assert "finished early" in notes[7]
    resumed = run(photo, style, vgg19, state=states[at - 1], **settings)
    assert [event.note for event in resumed] == (notes[at:] or [""])


def test_it_needs_a_style(photo: Tensor, vgg19: VGG) -> None:
    with pytest.raises(ConfigError, match="No style is given"):
        run(photo, [], vgg19)


@pytest.mark.parametrize("shape", [(3, 40, 40), (2, 3, 40, 40), (1, 1, 40, 40), (1, 4, 40, 40)])
def test_pictures_have_one_shape(
    shape: tuple[int, ...], photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    message = r"\(1, 3, H, W\), not"
    with pytest.raises(ShapeError, match=message):
        run(torch.zeros(shape), style, vgg19)
    with pytest.raises(ShapeError, match=message):
        run(photo, [style, torch.zeros(shape)], vgg19)


def test_a_picture_too_small_for_its_layers_is_refused(
    photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    with pytest.raises(ShapeError, match="px is too small for relu5_1"):
        run(photo, style[..., :12, :12], vgg19, style_layers=("relu5_1",))


# --- the paper --------------------------------------------------------------------------------


@torch.no_grad()
def test_the_form_of_gatys_is_the_paper_to_the_letter(
    photo: Tensor, style: Tensor, make_vgg19: Callable[..., VGG]
) -> None:
    """Gatys et al. 2016, eqs. 1 to 7, with Oxford's network written out literally."""
    state, _, _ = weights.read("vgg19")
    alpha, beta = 1.0, 1e3
    picture, painting = photo.flip(3), cover(style, (80, 64))

    def look(image: Tensor) -> dict[str, Tensor]:
        x = image * 255 - torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)
        found, index = {}, 0
        for block, convolutions in enumerate((2, 2, 4, 4, 4), start=1):
            for position in range(1, convolutions + 1):
                x = F.conv2d(
                    x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1
                )
                x = F.relu(x)
                found[f"relu{block}_{position}"] = x
                index += 2
            x = F.max_pool2d(x, 2, 2)
            index += 1
        return found

    here, p, a = look(picture), look(photo), look(painting)
    content = ((here["relu4_2"] - p["relu4_2"]).double() ** 2).sum() / 2
    style_loss = 0.0
    for layer in ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"):
        f, s = here[layer][0].flatten(1).double(), a[layer][0].flatten(1).double()
        n, m = f.shape
        style_loss += 1 / 5 * float(((f @ f.T - s @ s.T) ** 2).sum()) / (4 * n**2 * m**2)

    config = PaintConfig(
        size=80, loss="gatys", pooling="max", padding="zero", pooling_gain=False,
        content_weight=alpha, style_weight=beta, tv_weight=0,
    ).resolve()  # fmt: skip
    assert config.content_layers == ("relu4_2",)
    assert config.style_layer_weights == (1 / 5,) * 5
    encoder = make_vgg19(pooling="max", padding="zero", pooling_gain=False)
    assert fit_size((80, 64), 80) == (80, 64)
    objective = build_objective(encoder, config, photo, [painting], (80, 64))
    with torch.enable_grad():
        terms = objective(picture).terms
    assert terms["content"] == pytest.approx(alpha * float(content), rel=1e-4)
    assert terms["style"] == pytest.approx(beta * style_loss, rel=1e-4)
    assert terms["tv"] == 0


# --- photorealism -----------------------------------------------------------------------------


@pytest.mark.slow
def test_affine_keeps_edges_that_painting_loses(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    settings = {"steps": (15,), "strength": 2.0}
    kept = run(photo, style, vgg19, photoreal="affine", **settings)
    lost = run(photo, style, vgg19, **settings)
    small = resize(photo, (64, 51))
    assert kept[-1].loss < kept[0].loss
    assert kept[-1].terms["photoreal"] > 0
    assert edge_ssim(kept[-1].picture(), small) > 0.8
    assert edge_ssim(kept[-1].picture(), small) > edge_ssim(lost[-1].picture(), small) + 0.1
    assert histogram_distance(kept[-1].picture(), style) < 0.6 * histogram_distance(small, style)


def test_affine_goes_on_to_the_same_picture(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    config = PaintConfig(**(BRIEF | {"photoreal": "affine"}))
    states, last = [], None
    for event in paint(photo, [style], vgg19, config):
        states.append(event.state())
        last = event.picture()
    rest = run(photo, style, vgg19, photoreal="affine", state=states[1])
    assert len(rest) == 2
    assert last is not None
    assert torch.equal(rest[-1].picture(), last)


@pytest.mark.parametrize("photoreal", ["affine", "closed-form"])
def test_photorealism_knows_of_masks(
    photoreal: str, photo: Tensor, style: Tensor, vgg19: VGG
) -> None:
    left = torch.zeros(1, 1, 80, 64)
    left[..., :32] = 1
    config = PaintConfig(**(BRIEF | {"photoreal": photoreal}))
    guidance = Guidance(pair_masks(1, [left]))
    last = list(paint(photo, [style], vgg19, config, guidance=guidance))[-1].picture()
    small = resize(photo, (64, 51))
    assert (last[..., 28:] - small[..., 28:]).abs().max() < 1e-4
    assert (last[..., :24] - small[..., :24]).abs().mean() > 0.02


def test_closed_form_tells_of_its_way(photo: Tensor, style: Tensor, vgg19: VGG) -> None:
    events = run(photo, style, vgg19, photoreal="closed-form", steps=None, scales=None)
    assert [(event.step, event.steps, event.done) for event in events] == [
        (1, 2, False),
        (2, 2, True),
    ]
    assert events[0].seconds <= events[1].seconds
    assert torch.equal(events[0].picture(), events[1].picture())
    assert in_box(events[1].picture())
    assert events[1].picture().shape == (1, 3, 64, 51)
