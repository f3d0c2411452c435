"""One job on its way in a process that paints: previews, checkpoints, and how it ends."""

import contextlib
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.studio.leaving import interrupt

if TYPE_CHECKING:
    from impasto.studio.worker import Worker

_TELL_SECONDS = 0.1
_PREVIEW_SECONDS = 0.25
#: What previews and checkpoints may take of the whole time: a tenth, and a twentieth.
_PREVIEW_SHARE, _KEEP_SHARE = 10, 20


class Easel:
    """One job on its way: previews, checkpoints, and an end by one thread only."""

    def __init__(
        self, worker: "Worker", bench: Any, told: dict[str, Any], keep_every: float
    ) -> None:
        self.job: str = told["job"]
        self._worker, self._bench, self._task = worker, bench, told["paint"]
        self._folder, self._keep_every = Path(told["folder"]), keep_every
        self._preview = int(told["preview"])
        self._ending = threading.Lock()
        self._painting: Any = None
        #: What another thread may look at in the middle of a step.
        self.safe: Any = None
        self._told = self._drawn = 0.0
        self._kept = time.monotonic()
        self._draw_every = _PREVIEW_SECONDS
        self._before = 0
        self._thread = threading.get_ident()
        self._told_end = threading.Event()

    def take_over(self) -> bool:
        """Whether the caller is the one that ends it."""
        return self._ending.acquire(blocking=False)

    def abandon(self) -> None:
        """End it from another thread, which has taken over, in the middle of a step."""
        interrupt(self._thread)
        try:
            self.end("cancelled", self.safe, busy=True)
        except Exception:  # noqa: BLE001 - the server keeps the last preview then
            self._worker.say({"job": self.job, "ended": "cancelled", "busy": True})
        finally:
            self._told_end.set()

    def await_interrupt(self) -> None:
        """Do nothing more in the thread that painted: another one has taken over.

        Raises:
            StoppedError: As soon as that one says so.
        """
        while True:
            time.sleep(0.02)

    def recover(self) -> None:
        """Make the thread that was interrupted fit for another job, once the end was told."""
        import torch

        torch.set_grad_enabled(True)  # whatever it was in the middle of
        self._told_end.wait()
        self._painting = self.safe = None

    def paint(self) -> None:
        """Paint to the end, or until nobody wants it."""
        from impasto.studio.bench import list_scales

        if self._worker.parking:
            return self._finish("parked")
        job = self._painting = self._bench.prepare(self._task)
        scales = list_scales(job)
        state = self._find_state()
        for progress in job.run(state):
            self._before = sum(steps for steps, _ in scales[: progress.scale])
            if self._worker.is_cancelled(self.job):
                return self._finish("cancelled", progress)
            if self._worker.parking and not progress.done:
                self._keep(progress)
                return self._finish("parked")
            self._show(progress, scales)
            if not progress.done and time.monotonic() - self._kept >= self._keep_every:
                self._keep(progress)
        return self._finish("done", progress)

    def end(self, state: str, progress: Any = None, **more: Any) -> None:
        """Write the picture so far, if there is any, and tell; `more` is told beside it."""
        result = None
        if progress is not None:
            painting = self._painting.collect(progress)
            painting.save(self._folder / "result.png")
            height, width = painting.picture.size
            result = {"width": width, "height": height}
        told = {"job": self.job, "ended": state, "result": result}
        self._worker.say(told | more | self._worker.farewell)

    def _finish(self, state: str, progress: Any = None) -> None:
        if self.take_over():
            self.end(state, progress)
        else:
            self.await_interrupt()

    def _find_state(self) -> Any:
        from impasto.checkpoints import CheckpointError, load_checkpoint

        path = self._folder / "checkpoint.resume"
        if not path.exists():
            return None
        try:
            return load_checkpoint(path, self._painting.fingerprint)
        except CheckpointError:
            return None

    def _keep(self, progress: Any) -> None:
        from impasto.checkpoints import save_checkpoint
        from impasto.errors import OutputError

        began = time.monotonic()
        with contextlib.suppress(OutputError):  # a full disk must not end the painting
            path = self._folder / "checkpoint.resume"
            save_checkpoint(path, progress.state(), self._painting.fingerprint)
        self._kept = time.monotonic()
        self._keep_every = max(self._keep_every, _KEEP_SHARE * (self._kept - began))

    def _show(self, progress: Any, scales: list[tuple[int, int]]) -> None:
        from impasto.studio.bench import tell

        now = time.monotonic()
        if progress.done or now - self._drawn >= self._draw_every:
            self._draw(progress)
        elif now - self._told < _TELL_SECONDS:
            return
        self._told = now
        told = tell(progress, scales)
        self._worker.say({
            "job": self.job,
            "progress": told,
            "loss": [self._before + progress.step, told["loss"]],
            "preview": self._preview,
        })  # fmt: skip

    def _draw(self, progress: Any) -> None:
        from impasto.studio.bench import draw_preview
        from impasto.studio.disk import write_whole
        from impasto.studio.faults import DiskError

        began = time.monotonic()
        pixels = progress.picture()
        still = pixels.clone()
        self.safe = replace(progress, picture=lambda: still, palettes=None)
        with contextlib.suppress(DiskError):
            write_whole(self._folder / "preview.jpg", draw_preview(pixels))
            self._preview += 1
        self._drawn = time.monotonic()
        self._draw_every = max(_PREVIEW_SECONDS, _PREVIEW_SHARE * (self._drawn - began))
