"""One painting on its way to a file: progress, previews, checkpoints, interruption."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from impasto import images
from impasto.api import Job, Painting
from impasto.checkpoints import save_checkpoint
from impasto.cli.interruption import Interrupted, Interruption
from impasto.cli.report import Report
from impasto.cli.start import introduce
from impasto.cli.targets import Target, mark_interrupted
from impasto.config import Pattern
from impasto.errors import OutputError
from impasto.images import Picture
from impasto.images.layers import save_layers
from impasto.patterns import make_sheet, round_size
from impasto.progress import PaintState, Progress
from impasto.pyramid import fit_size, resize

_PREVIEW_SECONDS = 2.0
_CHECKPOINT_SECONDS = 60.0
#: A large checkpoint takes seconds to write; of the whole time it may take a twentieth.
_CHECKPOINT_SHARE = 20
#: Long side in px to which tiles are shrunk for a sheet: it is for a look, and has nine of them.
_SHEET_TILE = 1024


class Easel:
    """Runs a job, tells the report, and sees that no work is lost.

    Args:
        job: What to paint.
        target: Where it goes.
        report: Who is told.
        interruption: Who may ask for an end.
        keep_unfinished: Whether an interrupted painting is written too; in a folder it is not,
            since a later run would take it for a finished one.
    """

    def __init__(
        self,
        job: Job,
        target: Target,
        report: Report,
        interruption: Interruption,
        *,
        keep_unfinished: bool = True,
    ) -> None:
        self._job = job
        self._target = target
        self._report = report
        self._interruption = interruption
        self._keep_unfinished = keep_unfinished
        self._start = introduce(job, target.name)
        self._fingerprint: str | None = None
        self._previewed = self._checkpointed = time.monotonic()
        self._interval = _CHECKPOINT_SECONDS
        self._given_up: set[str] = set()

    def paint(self, state: PaintState | None = None) -> Painting:
        """Paint and write.

        Args:
            state: Snapshot to go on from.

        Raises:
            Interrupted: After what there is has been written.
            ImpastoError: If it cannot be painted or written.
        """
        self._report.start(self._start)
        for progress in self._job.run(state):
            self._interruption.worth_saving = True
            self._report.progress(progress)
            self._save_on_the_way(progress)
            if progress.done:
                break
            if self._interruption.exit_code:
                self._stop(progress)
        painting = self._job.collect(progress)
        self._target.save(painting)
        if layers := self._target.layers:
            sheets = self._job.make_layers(painting)
            save_layers(
                sheets, layers, bits=self._target.bits, settings=painting.settings,
                dpi=painting.picture.dpi,
            )  # fmt: skip
        if sheet := self._target.sheet:
            self._attempt("the sheet", lambda: self._save_sheet(painting, sheet))
        self._interruption.worth_saving = False
        if self._target.checkpoint is not None:
            self._target.checkpoint.unlink(missing_ok=True)
        self._report.done(painting, self._target.name)
        return painting

    def _stop(self, progress: Progress) -> None:
        resumable = self._attempt("a checkpoint", lambda: self._save_checkpoint(progress))
        saved = self._keep_unfinished and self._target.path is not None
        if saved:
            painting = self._job.collect(progress)
            settings = mark_interrupted(painting.settings)
            self._target.save(dataclasses.replace(painting, settings=settings))
        resumable = resumable and self._target.checkpoint is not None
        self._report.interrupted(self._target.name, saved, resumable)
        raise Interrupted(self._interruption.exit_code)

    def _save_on_the_way(self, progress: Progress) -> None:
        now = time.monotonic()
        if preview := self._target.preview:
            last = progress.step == progress.steps or progress.done
            if last or now - self._previewed >= _PREVIEW_SECONDS:
                self._attempt("the preview", lambda: self._save_preview(progress, preview))
        if self._target.save_every:
            number, rest = divmod(self._count_steps(progress), self._target.save_every)
            if not rest:
                path = self._target.numbered(number)
                self._attempt(
                    path.name, lambda: self._target.save(self._job.collect(progress), path)
                )
        if not progress.done and now - self._checkpointed >= self._interval:
            self._attempt("a checkpoint", lambda: self._save_checkpoint(progress))
            self._checkpointed = time.monotonic()
            spent = self._checkpointed - now
            self._interval = max(_CHECKPOINT_SECONDS, _CHECKPOINT_SHARE * spent)

    def _save_preview(self, progress: Progress, path: Path) -> None:
        images.save(progress.picture(), path, settings=mark_interrupted(self._job.settings))
        self._previewed = time.monotonic()

    def _save_sheet(self, painting: Painting, path: Path) -> None:
        kind = self._job.config.seamless
        assert kind != "none"
        images.save(_lay_out(painting.picture, kind), path, settings=painting.settings)

    def _save_checkpoint(self, progress: Progress) -> None:
        if self._target.checkpoint is None:
            return
        if self._fingerprint is None:
            self._fingerprint = self._job.fingerprint
        save_checkpoint(self._target.checkpoint, progress.state(), self._fingerprint)

    def _count_steps(self, progress: Progress) -> int:
        return sum(scale.steps for scale in self._start.plan[: progress.scale]) + progress.step

    def _attempt(self, what: str, write: Callable[[], None]) -> bool:
        """Write something that is not the painting itself: a failure is told once, no more."""
        if what in self._given_up:
            return False
        try:
            write()
        except OutputError as error:
            self._given_up.add(what)
            self._report.note(f"{error} Painting goes on without {what}.")
            return False
        return True


def _lay_out(tile: Picture, kind: Pattern) -> Picture:
    side = min(max(tile.size), _SHEET_TILE)
    size = round_size(fit_size(tile.size, side), kind)
    pixels, alpha = (
        None if planes is None else make_sheet(resize(planes, size, kind), kind)
        for planes in (tile.pixels, tile.alpha)
    )
    assert pixels is not None
    # A sheet that is printed shows the tiles at their own size.
    dpi = tile.dpi and (tile.dpi[0] * size[1] / tile.size[1], tile.dpi[1] * size[0] / tile.size[0])
    return dataclasses.replace(tile, pixels=pixels, alpha=alpha, dpi=dpi)
