"""The painting engine: one visible loop, from a first picture through all scales to the last.

`paint` is a generator of `Progress`. A terminal bar, a web socket or an experiment log consumes
the same events; none of them has a loop of its own.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from impasto.config import PaintConfig
from impasto.encoders import Encoder
from impasto.errors import NumericalError
from impasto.memory import Frugality
from impasto.objective import Objective, build_objective
from impasto.palettes import Palette
from impasto.preparation import (
    check_pictures,
    make_start,
    prepare_content,
    prepare_styles,
    recolor_photograph,
)
from impasto.progress import Clock, PaintState, Progress
from impasto.pyramid import Scale, plan_painting, resize
from impasto.recoloring import check_modes
from impasto.regions import Guidance
from impasto.showing import Show, develop, lay_over, show_unpainted
from impasto.solvers import LBFGS, SGD, Adam, Evaluate, Evaluation, Solver
from impasto.tiled import TiledObjective, build_tiled_objective


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
    check_pictures(content, styles, config)
    plan = plan_painting(config, (content.shape[-2], content.shape[-1]))
    content = prepare_content(content, config, plan[-1].size)
    check_modes(config.color_modes, guidance)
    show = Show(content, styles, config, palette)
    if not config.is_painted:
        yield from show_unpainted(show, encoder, plan[-1].size, guidance)
        return
    styles = prepare_styles(content, styles, config)
    if state and state.precise:
        encoder = encoder.with_precision(torch.float32)
    clock = Clock(plan)
    model = recolor_photograph(content, styles, encoder, config, plan[-1].size, guidance)
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
        clock: Clock,
        solver: Solver,
        objective: Objective | TiledObjective,
        show: Show,
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
        return lay_over(self._photograph, image, self._presence)

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

        def finish_sitting() -> Tensor:
            return develop(picture, photograph, places.presence, show.config)

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
            picture=lambda: show.finish(finish_sitting(), places),
            state=lambda: PaintState(index, done, image, solver.state(), average, **facts),
            palettes=show.palettes(finish_sitting, places),
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
