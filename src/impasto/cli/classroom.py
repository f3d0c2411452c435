"""One training on its way to a file: progress, samples, checkpoints, interruption."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from impasto import images
from impasto.cli.interruption import Interrupted, Interruption
from impasto.cli.trainlog import Board, Log
from impasto.cli.trainreport import Opening, TrainReport
from impasto.devices import Choice, choose_device, keep_freed_memory
from impasto.errors import ConfigError, OutputError
from impasto.heritage import Heritage
from impasto.lessons import Lesson, School, find_pictures
from impasto.shelf import find_network
from impasto.teams import Team
from impasto.trainconfig import Recipe
from impasto.training import TrainProgress, TrainState

#: A large checkpoint takes seconds to write; of the whole time it may take a twentieth.
_KEEPING_SHARE = 20


class Classroom:
    """Runs a lesson, tells the report, and sees that no work is lost.

    Args:
        recipe: What is to be learnt, and how.
        output: File of the network.
        checkpoint: File that an interrupted training goes on from.
        team: Processes that train together; the first one writes and tells.
        report: Who is told.
        interruption: Who may ask for an end.

    Raises:
        ConfigError: If the pictures, the device or TensorBoard are not there.
    """

    def __init__(
        self,
        recipe: Recipe,
        output: Path,
        checkpoint: Path,
        team: Team,
        report: TrainReport,
        interruption: Interruption,
    ) -> None:
        self._recipe, self._output, self._checkpoint = recipe, output, checkpoint
        self._team, self._report, self._interruption = team, report, interruption
        self._first = team.rank == 0
        lesson = read_lesson(recipe)
        if recipe.threads is not None:
            torch.set_num_threads(recipe.threads)
        keep_freed_memory()
        choice = _choose(recipe, team)
        self._board = Board(recipe.tensorboard) if recipe.tensorboard and self._first else None
        self._school = School(lesson, choice.device, recipe.workers, team=team)
        self._opening = Opening.of(lesson, recipe, choice, self._school.precision, team.ranks)
        self._interval = self._wanted = recipe.keep_every * 60
        self._given_up: set[str] = set()

    def teach(self, *, go_on: bool) -> None:
        """Train and write.

        Args:
            go_on: Whether to go on from the checkpoint, if there is one.

        Raises:
            Interrupted: After what there is has been written.
            ImpastoError: If it cannot be trained or written.
        """
        state = self._find_state() if go_on else None
        self._report.begin(self._opening, state.step if state else 0)
        if self._school.beginning and state is None:
            self._report.note(self._school.beginning)
        for note in self._school.prepare(afresh=state is None):
            self._report.note(note)
        deadline = self._recipe.minutes * 60 if self._recipe.minutes else float("inf")
        log = Log(self._recipe.log if self._first else None, state.step if state else 0)
        last: TrainProgress | None = None
        kept = time.monotonic()
        try:
            for progress in self._school.run(state, deadline, self._asks_to_stop):
                last = progress
                self._interruption.worth_saving = True
                if not self._first:
                    continue
                self._report.learn(progress)
                self._attempt("the log", lambda now=progress: log.add(now))  # type: ignore[misc]
                if self._board:
                    self._board.add(progress)
                if progress.done < 1 and time.monotonic() - kept >= self._interval:
                    kept = self._keep(progress)
            self._close(state, last)
        finally:
            log.close()
            if self._board:
                self._board.close()

    def _close(self, state: TrainState | None, last: TrainProgress | None) -> None:
        """Write what there is in the end, and tell of it."""
        broken = self._gather_broken()
        if last is None and state is None:
            raise ConfigError("There was no time for a single step; give more --minutes.")
        if self._first:
            final = last.state() if last else state
            assert final is not None
            finished = last is None or last.done >= 1
            if not finished:
                self._attempt("a checkpoint", lambda: self._school.keep(self._checkpoint, final))
            self._school.save(self._output, final)
            self._attempt("the samples", lambda: self._save_samples(final))
            if finished:
                self._interruption.worth_saving = False
                self._checkpoint.unlink(missing_ok=True)
                self._report.finish(str(self._output), final, broken)
            else:
                self._report.break_off(str(self._output), final, broken)
        if last is not None and last.done < 1:
            raise Interrupted(self._interruption.exit_code or 130)

    def _find_state(self) -> TrainState | None:
        if self._checkpoint.exists():
            return self._school.load(self._checkpoint)
        self._report.note(f"There is nothing to resume at {self._output}; starting afresh.")
        return None

    def _asks_to_stop(self) -> bool:
        return bool(self._interruption.exit_code)

    def _keep(self, progress: TrainProgress) -> float:
        """Write everything on the way; gives the time when that was done."""
        began = time.monotonic()
        state = progress.state()
        self._attempt("a checkpoint", lambda: self._school.keep(self._checkpoint, state))
        self._attempt("the network so far", lambda: self._school.save(self._output, state))
        self._attempt("the samples", lambda: self._save_samples(state))
        now = time.monotonic()
        self._interval = max(self._wanted, _KEEPING_SHARE * (now - began))
        return now

    def _save_samples(self, state: TrainState) -> None:
        if self._recipe.samples is not None:
            sheet = self._school.sample(state)
            images.save(sheet.cpu(), Path(self._recipe.samples))
            if self._board:
                self._board.show(sheet, state.step)

    def _gather_broken(self) -> dict[str, str]:
        broken: dict[str, str] = {}
        for found in self._team.gather(self._school.broken):
            broken |= found
        return broken

    def _attempt(self, what: str, write: Callable[[], object]) -> None:
        """Write something that is not the network itself: a failure is told once, no more."""
        if what in self._given_up:
            return
        try:
            write()
        except OutputError as error:
            self._given_up.add(what)
            self._report.note(f"{error} Training goes on without {what}.")


def read_lesson(recipe: Recipe) -> Lesson:
    """The lesson of a recipe.

    Raises:
        ConfigError: If its pictures are not there, or do not suit the network.
    """
    network = str(recipe.network)
    return Lesson(
        network=network,
        photographs=find_pictures(recipe.content),
        styles=find_pictures(recipe.styles, gallery_too=True),
        config=recipe.config,
        arguments=recipe.arguments,
        style_size=recipe.style_size,
        data=recipe.data or "",
        licence=recipe.licence or "",
        start=None if recipe.start is None else Heritage(find_network(recipe.start), network),
        teacher=None if recipe.teacher is None else find_network(recipe.teacher),
        fit=recipe.fit,
    )


def _choose(recipe: Recipe, team: Team) -> Choice:
    if team.device.type != "cuda":
        return choose_device("cpu" if team.ranks > 1 and recipe.device == "auto" else recipe.device)
    torch.cuda.set_device(team.device)
    return Choice(team.device, f"one of {team.ranks} processes")
