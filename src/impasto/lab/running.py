"""One run, from its settings to a line in the notebook, through the public `Painter`.

A run that is broken off leaves a checkpoint and the losses so far; the next attempt goes on from
there to the same picture and the same curve.
"""

import contextlib
import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto import images
from impasto.api import Job, Painter
from impasto.checkpoints import checkpoint_path, load_checkpoint, save_checkpoint
from impasto.config import PaintConfig
from impasto.devices import describe_machine
from impasto.errors import ImpastoError
from impasto.files import replacing
from impasto.images import Picture
from impasto.lab.experiments import WEIGHTS, Run, explain
from impasto.lab.notebook import INPUTS, PICTURES, Record
from impasto.lab.scoring import measure
from impasto.progress import PaintState, Progress
from impasto.pyramid import cover, fit_size, resize, trim_border
from impasto.version import __version__

CHECKPOINT_SECONDS = 20.0
#: Long side in px of the copies of photographs and styles that the report shows.
_INPUT_SIDE = 1024

Watch = Callable[[Progress], bool]
"""Called after each step; a run is broken off when it returns False."""


class StoppedError(ImpastoError):
    """A run was broken off, and can be taken up again."""

    exit_code = 130


@dataclass
class Losses:
    """What each step reported, as columns.

    Attributes:
        scale: Index of the scale.
        step: Steps done at that scale.
        loss: The objective.
        seconds: Since the start, without pauses.
        terms: Its weighted parts, a column each.
    """

    scale: list[int] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    terms: dict[str, list[float]] = field(default_factory=dict)

    def add(self, progress: Progress, before: float) -> None:
        """Note a step; `before` are the seconds that earlier attempts took."""
        self.scale.append(progress.scale)
        self.step.append(progress.step)
        self.loss.append(_short(progress.loss))
        self.seconds.append(round(progress.seconds + before, 3))
        for name, value in progress.terms.items():
            column = self.terms.setdefault(name, [0.0] * (len(self.loss) - 1))
            column.append(_short(value))

    def cut(self, state: PaintState) -> "Losses":
        """Those up to a snapshot: steps after it are done once more."""
        done = [(s, n) <= (state.scale, state.step) for s, n in zip(self.scale, self.step)]  # noqa: B905
        count = sum(done)
        return Losses(
            self.scale[:count], self.step[:count], self.loss[:count], self.seconds[:count],
            {name: column[:count] for name, column in self.terms.items()},
        )  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """Where runs are made.

    Attributes:
        folder: Of the experiment.
        hire: Makes who paints, with weights in place of the published ones; None: with those.
        checkpoint_seconds: Time between checkpoints.
    """

    folder: Path
    hire: Callable[[str | None], Painter]
    checkpoint_seconds: float = CHECKPOINT_SECONDS

    def carry_out(self, run: Run, watch: Watch) -> Record:
        """Paint a run; whatever goes wrong becomes a record too.

        Raises:
            StoppedError: If `watch` wants an end; there is a checkpoint then.
        """
        record: Record = {
            "key": run.key, "name": run.name, "labels": run.labels, "caption": run.caption,
        }  # fmt: skip
        try:
            return record | self._paint(run, watch)
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - one run must not end the others
            settings = {**run.settings, **_name_weights(run)}
            failure = {"status": "failed", "reason": explain(error), "impasto": __version__}
            return record | failure | {"settings": settings}

    def _paint(self, run: Run, watch: Watch) -> Record:
        photo = load_picture(run.photo)
        styles = [load_picture(style) for style in run.styles]
        config = run.configure(photo.size)
        painter = self.hire(run.weights)
        job = painter.prepare(photo, styles, config)
        kept = self._keep_inputs(job)
        target = self.folder / PICTURES / f"{run.stem}.png"
        session = _Session(job, target, self.checkpoint_seconds, run.snapshots)
        progress = session.run(watch)
        painting = job.collect(progress)
        painting.save(target)
        session.close()
        seconds = session.losses.seconds[-1] if session.losses.seconds else 0.0
        return {
            "status": "done",
            "impasto": __version__,
            "settings": config.to_dict(),
            "resolved": {**_describe(config), **_name_weights(run)},
            **kept,
            "files": {"picture": f"{PICTURES}/{target.name}", "snapshots": session.kept},
            "size": list(painting.picture.size),
            "loss": _short(painting.loss),
            "terms": {name: _short(value) for name, value in painting.terms.items()},
            "losses": vars(session.losses),
            "seconds": seconds,
            "scores": score(painting.picture, job.photo, job.styles, config),
            "baselines": measure_baselines(job.photo, job.styles, config, painting.picture.size),
            "environment": describe_place(painter),
        }

    def _keep_inputs(self, job: Job) -> dict[str, Any]:
        """Copies of photograph and styles for the report, made once for all runs."""
        photo = None if images.is_canvas(job.photo.name) else self._keep_input(job.photo)
        return {"photo": photo, "styles": [self._keep_input(style) for style in job.styles]}

    def _keep_input(self, picture: Picture) -> dict[str, Any]:
        from impasto.api import identify

        identity = identify(picture)
        path = self.folder / INPUTS / f"{picture.name}-{identity['sha256'][:8]}.jpg"
        if not path.exists():
            size = fit_size(picture.size, min(_INPUT_SIDE, max(picture.size)))
            images.save(resize(picture.flat, size), path, quality=90)
        return {**identity, "file": f"{INPUTS}/{path.name}", "size": list(picture.size)}


class _Session:
    """A job being painted: its losses, its checkpoints, its pictures on the way."""

    def __init__(
        self, job: Job, target: Path, interval: float, snapshots: Sequence[int] = ()
    ) -> None:
        self._job, self._target, self._interval = job, target, interval
        self._checkpoint = checkpoint_path(target)
        self._notes = target.with_name(f"{target.name}.losses")
        self._snapshots = set(snapshots)
        self._saved = time.monotonic()
        self.losses = Losses()
        self.kept: list[dict[str, Any]] = []

    def run(self, watch: Watch) -> Progress:
        state = self._restore()
        before = self.losses.seconds[-1] if self.losses.seconds else 0.0
        for progress in self._job.run(state):
            # Where nothing is left to do, the engine repeats its last event.
            if not (state and progress.done and self._is_known(progress)):
                self.losses.add(progress, before)
            self._keep_snapshot(progress)
            if progress.done:
                return progress
            wanted = watch(progress)
            if not wanted or time.monotonic() - self._saved >= self._interval:
                self._save(progress)
            if not wanted:
                raise StoppedError("stopped; the same command goes on from here.")
        return progress

    def close(self) -> None:
        for path in (self._checkpoint, self._notes):
            path.unlink(missing_ok=True)

    def _is_known(self, progress: Progress) -> bool:
        known = self.losses
        return bool(known.step) and (known.scale[-1], known.step[-1]) == (
            progress.scale,
            progress.step,
        )

    def _restore(self) -> PaintState | None:
        """Take up an earlier attempt; one that cannot be read is begun afresh."""
        with contextlib.suppress(OSError, ImpastoError, ValueError, TypeError, KeyError):
            state = load_checkpoint(self._checkpoint, self._job.fingerprint)
            notes = json.loads(self._notes.read_text("utf-8"))
            losses, kept = Losses(**notes["losses"]).cut(state), list(notes["snapshots"])
            self.losses, self.kept = (
                losses,
                [one for one in kept if one["step"] <= len(losses.step)],
            )
            return state
        return None

    def _save(self, progress: Progress) -> None:
        # Losses first: those beyond the checkpoint are cut off, missing ones would be lost.
        notes = {"losses": vars(self.losses), "snapshots": self.kept}
        with replacing(self._notes) as temporary:
            temporary.write_text(json.dumps(notes), "utf-8")
        save_checkpoint(self._checkpoint, progress.state(), self._job.fingerprint)
        self._saved = time.monotonic()

    def _keep_snapshot(self, progress: Progress) -> None:
        step = len(self.losses.step)
        if step not in self._snapshots or any(one["step"] == step for one in self.kept):
            return
        path = self._target.with_name(f"{self._target.stem}-{step:05}.png")
        self._job.collect(progress).save(path)
        self.kept.append(
            {"step": step, "file": f"{PICTURES}/{path.name}", "loss": _short(progress.loss)}
        )


def load_picture(source: str) -> Picture:
    """Read a picture; a few are kept, since many runs share them."""
    path = Path(source)
    known = path.stat().st_mtime_ns if path.is_file() else 0
    return _load_known(source, str(path.absolute()), known)


@functools.lru_cache(maxsize=8)
def _load_known(source: str, place: str, changed: int) -> Picture:
    """Read a picture of a certain place and time."""
    return images.load(source)


def score(
    picture: Picture, photo: Picture, styles: Sequence[Picture], config: PaintConfig
) -> dict[str, float]:
    """Scores of a painting; a canvas is no photograph, and a trimmed border no style."""
    photograph = None if images.is_canvas(photo.name) else photo.flat
    trimmed = [trim_border(style.flat, config.trim_style) for style in styles]
    return measure(picture.flat, photograph, trimmed)


def measure_baselines(
    photo: Picture, styles: Sequence[Picture], config: PaintConfig, size: tuple[int, int]
) -> dict[str, dict[str, float]]:
    """Scores of doing nothing, and of hanging the style itself in place of a painting."""
    if images.is_canvas(photo.name) or not styles:
        return {}
    hung = {
        "the photograph itself": resize(photo.flat, size),
        "the style itself": cover(styles[0].flat, size),
    }
    return {name: score(Picture(pixels), photo, styles, config) for name, pixels in hung.items()}


def describe_place(painter: Painter) -> dict[str, str]:
    """Facts about the machine that decide the time, and the last digits."""
    facts = describe_machine()
    wanted = ("system", "python", "torch", "processor", "threads", "instructions", "GPU")
    return {"device": str(painter.device)} | {name: facts[name] for name in wanted}


def _describe(config: PaintConfig) -> dict[str, Any]:
    """All settings, with those that follow from others, so that runs can be compared."""
    return config.resolve().model_dump(mode="json")


def _name_weights(run: Run) -> dict[str, str]:
    """Name of the weights, without the folder that they lie in."""
    return {} if run.weights is None else {WEIGHTS: Path(run.weights).name}


def _short(value: float) -> float:
    """Six digits are enough for a curve."""
    return float(f"{value:.6g}")
