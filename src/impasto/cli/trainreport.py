"""What the terminal is told of a training: a live bar, plain lines, JSON lines or nothing."""
# ruff: noqa: D102 - the calls are described once, in `TrainReport`

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Protocol

import torch

from impasto.cli.bar import Bar
from impasto.cli.report import JsonLines, Lines, Silence, spell_time
from impasto.devices import Choice
from impasto.errors import ImpastoError
from impasto.lessons import Lesson
from impasto.trainconfig import Recipe
from impasto.training import TrainProgress, TrainState
from impasto.version import __version__

#: Pictures that could not be read, with what was wrong.
Broken = Mapping[str, str]
_QUIET_SECONDS = 30.0
#: Names of broken pictures that are told; the rest is a number.
_NAMES = 5
#: How much of the shown losses is older than the last step.
_MEMORY = 0.95


@dataclass(frozen=True)
class Opening:
    """What is known as a training begins."""

    impasto: str
    network: str
    photographs: int
    styles: int
    size: int
    batch: int
    steps: int
    minutes: float | None
    objective: str
    device: str
    reason: str
    precision: str
    processes: int

    @classmethod
    def of(
        cls, lesson: Lesson, recipe: Recipe, choice: Choice, precision: torch.dtype, ranks: int
    ) -> "Opening":
        """Gather the facts."""
        return cls(
            impasto=__version__,
            network=lesson.network,
            photographs=len(lesson.divide()[0]),
            styles=len(lesson.divide_styles()[0]),
            size=recipe.size,
            batch=recipe.batch * ranks,
            steps=recipe.steps,
            minutes=recipe.minutes,
            objective=recipe.objective,
            device=str(choice.device),
            reason=choice.reason,
            precision=str(precision).removeprefix("torch."),
            processes=ranks,
        )

    def describe(self) -> str:
        """One line for people."""
        time_limit = f" or {self.minutes:g} minutes" if self.minutes else ""
        return (
            f"Training {self.network} on {self.device} in {self.precision} ({self.reason}):"
            f" {_count(self.photographs, 'photograph')}, {_count(self.styles, 'style')};"
            f" {_count(self.steps, 'step')}{time_limit} of {_count(self.batch, 'crop')} of"
            f" {self.size} px."
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


class TrainReport(Protocol):
    """Someone who is told what happens. Use it as a context manager."""

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def note(self, text: str) -> None:
        """Something the user should know."""

    def begin(self, opening: Opening, step: int) -> None:
        """It begins, or goes on after `step`."""

    def learn(self, progress: TrainProgress) -> None:
        """A step was done."""

    def finish(self, output: str, state: TrainState, broken: Broken) -> None:
        """It is finished and written."""

    def break_off(self, output: str, state: TrainState, broken: Broken) -> None:
        """It was interrupted, and what there is was written."""

    def error(self, error: ImpastoError) -> int:
        """It ends here; returns the exit code."""


def open_report(*, json_lines: bool, quiet: bool) -> TrainReport:
    """Choose who is told.

    Args:
        json_lines: One JSON object a line.
        quiet: Nothing but errors.
    """
    if quiet:
        return TrainSilence()
    if json_lines:
        return TrainJsonLines(sys.stdout)
    return TrainBar() if sys.stderr.isatty() else TrainLines()


class TrainSilence(Silence):
    """Says nothing but the last words."""

    def begin(self, opening: Opening, step: int) -> None: ...
    def learn(self, progress: TrainProgress) -> None: ...
    def finish(self, output: str, state: TrainState, broken: Broken) -> None: ...
    def break_off(self, output: str, state: TrainState, broken: Broken) -> None: ...


class TrainLines(Lines):
    """A line every half minute; for log files."""

    def __init__(self) -> None:
        super().__init__()
        self._terms: dict[str, float] = {}
        self._stage: int | None = None
        self._told = time.monotonic()

    def begin(self, opening: Opening, step: int) -> None:
        self.say(opening.describe())
        if step:
            self.say(f"It goes on after step {step}.")

    def learn(self, progress: TrainProgress) -> None:
        self._smooth(progress)
        if time.monotonic() - self._told >= _QUIET_SECONDS or progress.done >= 1:
            self._told = time.monotonic()
            self.say(f"Step {progress.step} of {progress.steps}: {self._spell(progress)}")

    def finish(self, output: str, state: TrainState, broken: Broken) -> None:
        self._tell_broken(broken)
        self.say(f"Trained {output}: {state.step} steps in {spell_time(state.seconds)}.")

    def break_off(self, output: str, state: TrainState, broken: Broken) -> None:
        self._tell_broken(broken)
        self.say(
            f"Interrupted after step {state.step}: saved the network so far as {output}; continue"
            " with the same command and --resume."
        )

    def _smooth(self, progress: TrainProgress) -> None:
        if self._stage not in (None, progress.stage):
            # Losses of other layers are other losses.
            self._terms = {}
            self.say(f"Stage {progress.stage + 1} begins with step {progress.step}.")
        self._stage = progress.stage
        for name, value in progress.terms.items():
            before = self._terms.get(name, value)
            self._terms[name] = _MEMORY * before + (1 - _MEMORY) * value

    def _spell(self, progress: TrainProgress) -> str:
        terms = ", ".join(f"{name} {value:.4g}" for name, value in self._terms.items())
        return (
            f"loss {sum(self._terms.values()):.4g} ({terms}), {progress.pictures:.3g} pictures/s,"
            f" {spell_time(progress.seconds)}, {spell_time(progress.seconds_left)} left"
        )

    def _tell_broken(self, broken: Broken) -> None:
        if not broken:
            return
        more = len(broken) - _NAMES
        names = ", ".join(list(broken)[:_NAMES]) + (f" and {more} more" if more > 0 else "")
        count = "1 picture" if len(broken) == 1 else f"{len(broken)} pictures"
        self.say(f"{count} could not be read: {names}.")


class TrainBar(TrainLines):
    """One line that moves; everything else is written above it."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = Bar()

    def __enter__(self) -> "TrainBar":
        self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def say(self, text: str) -> None:
        self._bar.say(text)

    def learn(self, progress: TrainProgress) -> None:
        self._smooth(progress)
        facts = f"step {progress.step}/{progress.steps}  {self._spell(progress)}"
        self._bar.show("Training", round(1000 * min(progress.done, 1.0)), 1000, facts)

    def error(self, error: ImpastoError) -> int:
        return self._bar.error(error)


class TrainJsonLines(JsonLines):
    """One JSON object a line, each with its kind as `event`."""

    def begin(self, opening: Opening, step: int) -> None:
        self.tell("start", **asdict(opening), step=step)

    def learn(self, progress: TrainProgress) -> None:
        self.tell(
            "progress",
            step=progress.step,
            steps=progress.steps,
            stage=progress.stage,
            loss=progress.loss,
            terms=progress.terms,
            learning_rate=progress.learning_rate,
            pictures_per_second=round(progress.pictures, 3),
            seconds=round(progress.seconds, 3),
            seconds_left=round(progress.seconds_left, 3),
        )

    def finish(self, output: str, state: TrainState, broken: Broken) -> None:
        self._close("done", output, state, broken)

    def break_off(self, output: str, state: TrainState, broken: Broken) -> None:
        self._close("interrupted", output, state, broken)

    def _close(self, event: str, output: str, state: TrainState, broken: Broken) -> None:
        unread = [{"name": name, "message": message} for name, message in broken.items()]
        seconds = round(state.seconds, 3)
        self.tell(event, output=output, step=state.step, seconds=seconds, broken=unread)
