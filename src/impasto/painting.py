"""The painting engine: one visible loop, from a first picture through all scales to the last.

`paint` is a generator of `Progress`. A terminal bar, a web socket or an experiment log consumes
the same events; none of them has a loop of its own.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from impasto.color import match_colors
from impasto.colormodes import sample_colors
from impasto.config import PaintConfig, parse_blend
from impasto.encoders import Encoder
from impasto.errors import ConfigError, NumericalError, ShapeError
from impasto.finishing import parse_finish
from impasto.matting import smooth_affinely
from impasto.memory import Frugality
from impasto.objective import Objective, build_objective
from impasto.palettes import Palette, draw_toward, measure_palette
from impasto.patterns import make_seamless
from impasto.photoreal import fit_look, transfer_look
from impasto.pyramid import Scale, Size, cover, plan_painting, resize, trim_border
from impasto.recoloring import check_modes, recolor_painting, recolor_styles
from impasto.regions import Guidance, ScaledGuidance, pair_masks
from impasto.solvers import LBFGS, SGD, Adam, Evaluate, Evaluation, Solver
from impasto.tiled import TiledObjective, build_tiled_objective
from impasto.touches import apply_finish


@dataclass(frozen=True)
class PaintState:
    """Everything an interrupted painting needs to go on to the same result.

    Attributes:
        scale: Index of the scale that is being painted.
        step: Steps done at that scale.
        image: The solver's picture, shape (1, 3, h, w).
        solver: The solver's own memory.
        average: Running average of iterates, or None.
        precise: Whether the network had to be switched to float32.
        failures: Steps in a row that led nowhere.
        details_over: Whether the detail steps of this scale ended before their number was done.
    """

    scale: int
    step: int
    image: Tensor
    solver: dict[str, Tensor] = field(default_factory=dict)
    average: Tensor | None = None
    precise: bool = False
    failures: int = 0
    details_over: bool = False


@dataclass(frozen=True)
class Progress:
    """What happened in one step.

    Attributes:
        scale: Index of the scale, from 0.
        scales: Number of scales.
        size: (H, W) of this scale in px.
        step: Steps done at this scale, from 1.
        steps: Steps planned at this scale.
        loss: The objective that the step looked at, which for detail steps is less than the
            whole; for L-BFGS of the picture after the step, for Adam and SGD before.
        terms: Its weighted parts: content, style, tv.
        seconds: Time since the start.
        seconds_left: Estimated time to the end.
        note: Something the user should know, or an empty string.
        done: Whether this is the last event.
        picture: Makes the picture so far, (1, 3, H, W) in [0, 1], at this scale's size.
        state: Takes a snapshot that `paint` can go on from.
        palettes: Measures the colours before and after they are drawn toward a family's; None
            without one.
    """

    scale: int
    scales: int
    size: Size
    step: int
    steps: int
    loss: float
    terms: dict[str, float]
    seconds: float
    seconds_left: float
    note: str
    done: bool
    picture: Callable[[], Tensor]
    state: Callable[[], PaintState]
    palettes: Callable[[], tuple[Palette, Palette]] | None = None


def paint(
    content: Tensor,
    styles: Sequence[Tensor],
    encoder: Encoder,
    config: PaintConfig,
    *,
    start: Tensor | None = None,
    state: PaintState | None = None,
    frugality: Frugality | None = None,
    guidance: Guidance | None = None,
    palette: Palette | None = None,
) -> Iterator[Progress]:
    """Paint a photograph in the manner of one or several pictures.

    Args:
        content: The photograph, shape (1, 3, H, W), values in [0, 1].
        styles: Style pictures, each (1, 3, any, any), on the same device; none are needed with a
            style weight of 0.
        encoder: The network that looks at them.
        config: All settings.
        start: Picture to start from, for `init="file"`; any size.
        state: Snapshot of an interrupted run with the same arguments.
        frugality: How memory is saved at scales larger than its tiles; None if it need not be.
        guidance: Where which style is painted and how strongly; by default all of them, evenly.
        palette: Of a family of pictures, toward which the finished colours are drawn.

    Yields:
        An event after each step. The last one has `done` set and holds the finished picture.

    Raises:
        ConfigError: If settings and pictures do not fit together.
        NumericalError: If the loss is not finite even in float32 and with careful steps.
        ShapeError: If a picture has the wrong shape or is too small for the layers.
    """
    config = config.resolve()
    _check_pictures(content, styles, config)
    plan = plan_painting(config, (content.shape[-2], content.shape[-1]))
    content = _prepare_content(content, config, plan[-1].size)
    check_modes(config.color_modes, guidance)
    show = _Show(content, styles, config, palette)
    if not config.is_painted:
        yield from _show_unpainted(show, encoder, plan[-1].size, guidance)
        return
    styles = _prepare_styles(content, styles, config)
    if state and state.precise:
        encoder = encoder.with_precision(torch.float32)
    clock = _Clock(plan)
    model = _recolor(content, styles, encoder, config, plan[-1].size, guidance)
    picture = state.image if state else make_start(model, styles, config, plan[0].size, start)
    for index in range(state.scale if state else 0, len(plan)):
        size, steps = plan[index].size, plan[index].steps
        saving = frugality if frugality and max(size) > frugality.tile else None
        objective = _look(encoder, config, model, styles, plan[index], saving, guidance)
        history = min(config.history, saving.history) if saving else config.history
        solver = build_solver(config, resize(picture, size, config.seamless).to(content), history)
        sitting = _Sitting(index, plan, clock, solver, objective, show)
        first = sitting.restore(state) if state and index == state.scale else 0
        if first == steps and index + 1 == len(plan):
            yield sitting.report(steps, sitting.evaluate(solver.image), "", last=True)
        for step in range(first + 1, steps + 1):
            sitting.look(step)
            evaluation = solver.step(sitting.evaluate)
            note, stuck = sitting.judge()
            yield sitting.report(step, evaluation, note, last=stuck or step == steps)
            if stuck:
                break
        picture = sitting.picture
        encoder = encoder.with_precision(sitting.objective.encoder.precision)
        # Room for the next size: events that a caller still holds keep the solver alive.
        solver.forget()
        del objective, sitting


def build_solver(config: PaintConfig, image: Tensor, history: int) -> Solver:
    """The solver that the settings ask for, at the start of a scale."""
    if config.optimizer == "lbfgs":
        return LBFGS(image, history=history)
    rate, decay, decay_steps = config.learning_rate, config.decay, config.decay_steps
    if config.optimizer == "adam":
        return Adam(image, learning_rate=rate or 5.0, decay=decay, decay_steps=decay_steps)
    return SGD(image, learning_rate=rate, decay=decay, decay_steps=decay_steps)


def make_start(
    content: Tensor,
    styles: Sequence[Tensor],
    config: PaintConfig,
    size: Size,
    start: Tensor | None = None,
) -> Tensor:
    """Mix the picture that painting starts from, shape (1, 3, *size), values in [0, 1]."""
    shares = parse_blend(config.init)
    if "file" in shares and start is None:
        raise ConfigError("The start 'file' needs a picture; give one, with --init-file.")
    mixed = torch.zeros((1, 3, *size), device=content.device)
    for name, share in shares.items():
        if name == "content":
            part = resize(content, size, config.seamless)
        elif name == "style":
            hung = torch.stack([cover(style, size) for style in styles]).mean(0)
            part = make_seamless(hung, config.seamless)
        elif name == "noise":
            # On the CPU, so that a seed gives the same noise on every device.
            generator = torch.Generator().manual_seed(config.seed)
            part = torch.rand((1, 3, *size), generator=generator).to(content.device)
        else:
            assert start is not None
            part = make_seamless(cover(start.to(content.device), size), config.seamless)
        mixed += share * part
    return mixed.clamp_(0, 1)


def finish(
    picture: Tensor,
    content: Tensor,
    config: PaintConfig,
    styles: Sequence[Tensor] = (),
    palette: Palette | None = None,
    places: ScaledGuidance | None = None,
) -> Tensor:
    """What is done to a painting after the last step: colours, then the finishing touches.

    Args:
        picture: Shape (1, 3, H, W).
        content: The photograph, any size.
        config: All settings.
        styles: As they were given.
        palette: Of a family, toward which the colours are drawn.
        places: Where there is any paint, and which region's; all over if left out.
    """
    kind, seed, places = config.seamless, config.seed, places or ScaledGuidance()
    photograph = resize(content, (picture.shape[-2], picture.shape[-1]), kind)
    picture = recolor_painting(picture, photograph, styles, config.color_modes, places, seed)
    if palette is not None:
        picture = draw_toward(picture, palette, config.family_pull, places.presence)
    if not config.finish:
        return picture
    touches = parse_finish(config.finish)
    return apply_finish(picture, touches, photograph=photograph, seed=seed, seamless=kind)


@dataclass(frozen=True)
class _Show:
    """What is seen of a painting, and what it takes to finish it; see `finish`."""

    content: Tensor
    styles: Sequence[Tensor]
    config: PaintConfig
    palette: Palette | None

    def finish(self, picture: Tensor, places: ScaledGuidance) -> Tensor:
        return finish(picture, self.content, self.config, self.styles, self.palette, places)

    def palettes(
        self, make: Callable[[], Tensor], places: ScaledGuidance
    ) -> Callable[[], tuple[Palette, Palette]] | None:
        if self.palette is None:
            return None

        wanted, bare = self.palette, self.config.model_copy(update={"finish": ""})
        presence = places.presence

        def measure() -> tuple[Palette, Palette]:
            plain = finish(make(), self.content, bare, self.styles, None, places)
            drawn = draw_toward(plain, wanted, bare.family_pull, presence)
            return measure_palette(plain, presence), measure_palette(drawn, presence)

        return measure


def _show_unpainted(
    show: _Show, encoder: Encoder, size: Size, guidance: Guidance | None
) -> Iterator[Progress]:
    """The events of a painting that is the photograph in other colours."""
    began, config = time.perf_counter(), show.config
    picture, places = resize(show.content, size, config.seamless), ScaledGuidance()
    if guidance is not None:
        places = guidance.scale(size, picture.device, config.seamless)
    steps = 1 if config.photoreal == "none" else 2

    def tell(step: int, make: Callable[[], Tensor]) -> Progress:
        return Progress(
            scale=0, scales=1, size=size, step=step, steps=steps, loss=0.0, terms={},
            seconds=time.perf_counter() - began, seconds_left=0.0, note="", done=step == steps,
            picture=lambda: show.finish(make(), places),
            state=lambda: PaintState(0, step, picture),
            palettes=show.palettes(make, places),
        )  # fmt: skip

    if config.photoreal == "closed-form":
        styles = _prepare_styles(show.content, show.styles, config)
        guidance = guidance or _guide_evenly(styles, config)
        field = fit_look(picture, styles, encoder, guidance, config.strength)
        yield tell(1, lambda: transfer_look(picture, field))
        result = transfer_look(picture, field)
        yield tell(2, lambda: result)
    else:
        yield tell(1, lambda: picture)


def _recolor(
    content: Tensor,
    styles: Sequence[Tensor],
    encoder: Encoder,
    config: PaintConfig,
    size: Size,
    guidance: Guidance | None,
) -> Tensor:
    """The photograph that is painted from: to stay one, it has the style's look from the start.

    Else the content loss would pull the colours and the light of the photograph back.
    """
    if config.photoreal != "affine":
        return content
    guidance = guidance or _guide_evenly(styles, config)
    return transfer_look(resize(content, size), fit_look(content, styles, encoder, guidance))


def _guide_evenly(styles: Sequence[Tensor], config: PaintConfig) -> Guidance:
    return Guidance(pair_masks(len(styles), (), (), config.style_shares))


def _look(
    encoder: Encoder,
    config: PaintConfig,
    content: Tensor,
    styles: Sequence[Tensor],
    scale: Scale,
    saving: Frugality | None,
    guidance: Guidance | None,
) -> Objective | TiledObjective:
    """Look at photograph and styles for one scale: no deeper than its steps will."""
    details = scale.steps == scale.detail_steps
    if saving is None:
        return build_objective(
            encoder, config, content, styles, scale.size, guidance=guidance, details=details
        )
    return build_tiled_objective(
        encoder, config, content, styles, scale.size, saving.tile,
        guidance=guidance, details=details, keep_targets=saving.keep_targets,
    )  # fmt: skip


class _Sitting:
    """One scale being painted: the solver, the average of its iterates, and their troubles.

    Half-precision trouble is answered with float32; a line search that fails three times in a
    row ends the scale, since no direction leads down from there.
    """

    def __init__(
        self,
        index: int,
        plan: Sequence[Scale],
        clock: "_Clock",
        solver: Solver,
        objective: Objective | TiledObjective,
        show: _Show,
    ) -> None:
        self.objective = objective
        self._whole = objective
        self._detail_steps = plan[index].detail_steps
        self._index, self._plan, self._clock = index, plan, clock
        self._solver, self._show = solver, show
        self._average: Tensor | None = None
        self._failures = 0
        self._presence = objective.guidance.presence
        self._photograph = None
        if self._presence is not None or show.config.photoreal == "affine":
            self._photograph = resize(show.content, plan[index].size, show.config.seamless)

    @property
    def picture(self) -> Tensor:
        """The result so far: the average of iterates if one is kept, or the last one."""
        return self._unveil(self._solver.image if self._average is None else self._average)

    @property
    def evaluate(self) -> Evaluate:
        """What the solver lowers: the objective of what is seen of its picture."""
        return self.objective if self._presence is None else self._evaluate_unveiled

    def _unveil(self, image: Tensor) -> Tensor:
        """Lay a painting over the photograph, as far as it is to be seen at each place."""
        return _lay_over(self._photograph, image, self._presence)

    def _evaluate_unveiled(self, image: Tensor) -> Evaluation:
        assert self._presence is not None
        found = self.objective(self._unveil(image))
        return found._replace(gradient=found.gradient * self._presence)

    def restore(self, state: PaintState) -> int:
        """Take up an interrupted scale; returns the steps it has done."""
        self._solver.restore(state.solver)
        if state.average is not None:
            self._average = state.average.to(self._show.content)
        self._failures = state.failures
        if state.details_over:
            self._detail_steps = 0
        return state.step

    def look(self, step: int) -> None:
        """Choose what the next step looks at: details first, then the whole objective."""
        if step <= self._detail_steps:
            if self.objective is self._whole:
                self.objective = self._whole.of_details()
        elif self.objective is not self._whole:
            self.objective = self._whole
            self._solver.reconsider()

    def judge(self) -> tuple[str, bool]:
        """Count the last step; returns (what the user should know, whether to end the scale)."""
        self._update_average()
        trouble = self._solver.trouble
        self._failures = self._failures + 1 if trouble else 0
        if not trouble:
            return "", False
        if trouble == "not finite":
            return self._answer_not_finite(), False
        if self._failures >= 3 and self.objective is not self._whole:
            self._detail_steps = self._failures = 0
            return "the details are done early; going on with the whole", False
        if self._failures >= 3:
            return "no direction leads further down; this size is finished early", True
        return "the step was too long; trying again more carefully", False

    def report(self, step: int, evaluation: Evaluation, note: str, *, last: bool) -> Progress:
        """Make the event of a step; `last` if the scale ends with it."""
        index, plan, show, places = self._index, self._plan, self._show, self.objective.guidance
        done = plan[index].steps if last else step
        self._clock.tick(index, done)
        solver, image, average = self._solver, self._solver.image, self._average
        picture, photograph = self.picture, self._photograph
        facts: dict[str, Any] = {
            "precise": self.objective.encoder.precision == torch.float32,
            "failures": self._failures,
            "details_over": self._detail_steps < plan[index].detail_steps,
        }

        def develop() -> Tensor:
            return _develop(picture, photograph, places.presence, show.config)

        return Progress(
            scale=index,
            scales=len(plan),
            size=plan[index].size,
            step=step,
            steps=plan[index].steps,
            loss=evaluation.loss,
            terms=evaluation.terms,
            seconds=self._clock.seconds,
            seconds_left=self._clock.seconds_left,
            note=note,
            done=last and index + 1 == len(plan),
            picture=lambda: show.finish(develop(), places),
            state=lambda: PaintState(index, done, image, solver.state(), average, **facts),
            palettes=show.palettes(develop, places),
        )

    def _update_average(self) -> None:
        memory, image = self._show.config.average, self._solver.image
        if memory:
            average = self._average
            self._average = image if average is None else average.lerp(image, 1 - memory)

    def _forget_curvature(self) -> None:
        if isinstance(self._solver, LBFGS):
            self._solver.restore({})

    def _answer_not_finite(self) -> str:
        encoder = self.objective.encoder
        if encoder.precision != torch.float32:
            self._whole = self._whole.in_float32()
            self.objective = self.objective.in_float32()
            # Curvature measured in half precision is not to be trusted either.
            self._forget_curvature()
            return "the loss was not finite in half precision; going on in float32"
        if self._failures >= 4:
            raise NumericalError(
                "The loss is not finite even in float32; lower the weights or the learning rate."
            )
        return "the loss was not finite; trying again more carefully"


class _Clock:
    """Estimates the time left from the work done: a step costs as much as it has pixels.

    Detail steps cost less than half of that.
    """

    def __init__(self, plan: Sequence[Scale]) -> None:
        self._plan = plan
        self._began = time.perf_counter()
        self._before: float | None = None
        self._last = self._began
        self._rate = 0.0
        self._left = 0.0

    def tick(self, scale: int, step: int) -> None:
        now = time.perf_counter()
        total = sum(_count_work(one, one.steps) for one in self._plan)
        done = sum(_count_work(one, one.steps) for one in self._plan[:scale])
        done += _count_work(self._plan[scale], step)
        if self._before is not None and done > self._before:
            rate = (now - self._last) / (done - self._before)
            # Small pictures cost more per pixel, so that what was measured last counts most.
            self._rate = rate if not self._rate else 0.7 * self._rate + 0.3 * rate
        self._before, self._last = done, now
        self._left = self._rate * (total - done)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    @property
    def seconds_left(self) -> float:
        return self._left


def _count_work(scale: Scale, steps: int) -> float:
    details = min(steps, scale.detail_steps)
    return (steps - 0.55 * details) * scale.size[0] * scale.size[1]


def _prepare_content(content: Tensor, config: PaintConfig, size: Size) -> Tensor:
    """The photograph as it is painted: a tile, at the full size, if the painting is to be one."""
    if config.seamless == "none":
        return content
    return make_seamless(resize(content, size), config.seamless)


def _prepare_styles(content: Tensor, styles: Sequence[Tensor], config: PaintConfig) -> list[Tensor]:
    trimmed = [trim_border(style, config.trim_style) for style in styles]
    scales = config.list_style_scales(len(styles))
    coarse = [style for style, scale in zip(trimmed, scales, strict=True) if scale == "coarse"]
    if coarse:
        # Brushwork without its colours, which the layers that see it would bring along.
        colors = torch.cat([sample_colors(style, config.seed) for style in coarse], dim=1)
        palette = colors[None, :, None].to(content)
        trimmed = [
            match_colors(style, palette) if scale == "fine" else style
            for style, scale in zip(trimmed, scales, strict=True)
        ]
    return recolor_styles(trimmed, content, config.color_modes)


def _lay_over(photograph: Tensor | None, picture: Tensor, presence: Tensor | None) -> Tensor:
    """Show a picture above the photograph, as far as it is to be seen at each place."""
    if photograph is None or presence is None:
        return picture
    return torch.lerp(photograph, picture, presence)


def _develop(
    picture: Tensor, photograph: Tensor | None, presence: Tensor | None, config: PaintConfig
) -> Tensor:
    """What is shown of a painting: for photorealism, the nearest smooth change of colours."""
    if config.photoreal != "affine" or photograph is None:
        return picture
    return _lay_over(photograph, smooth_affinely(photograph, picture), presence)


def _check_pictures(content: Tensor, styles: Sequence[Tensor], config: PaintConfig) -> None:
    if not styles and config.needs_style:
        raise ConfigError("No style is given; name at least one style picture.")
    for image in (content, *styles):
        if image.ndim != 4 or image.shape[:2] != (1, 3):
            raise ShapeError(f"A picture has shape (1, 3, H, W), not {tuple(image.shape)}.")
