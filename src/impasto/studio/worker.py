"""A process that paints for the server: `python -m impasto.studio.worker`.

It is told one JSON object a line on standard input and answers in the same way, with a sign of life
now and then. If the server is gone, it keeps a checkpoint and leaves.
"""

import base64
import contextlib
import gc
import json
import os
import queue
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

_BEAT_SECONDS = 2.0
_TELL_SECONDS = 0.1
_PREVIEW_SECONDS = 0.25
#: What previews and checkpoints may take of the whole time: a tenth, and a twentieth.
_PREVIEW_SHARE, _KEEP_SHARE = 10, 20
#: A step that lasts longer is not waited for when a job is cancelled.
_CANCEL_SECONDS = 0.6
#: For a checkpoint, when the server is gone.
_LEAVING_SECONDS = 5.0


class Worker:
    """Paints one job after the other.

    Args:
        out: Where answers go.
        make_bench: Makes who paints; called as (device, max_pixels).
    """

    def __init__(self, out: IO[str], make_bench: Any) -> None:
        self._out, self._make_bench = out, make_bench
        self._said = threading.Lock()
        self._todo: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._parking = False
        self._easel: _Easel | None = None
        self._cancelled: set[str] = set()

    def listen(self, lines: IO[str]) -> None:
        """Take what the server says, until it is gone."""
        for line in lines:
            told = json.loads(line)
            if "cancel" in told:
                self._cancel(told["cancel"])
            elif "park" in told:
                self._parking = True
            else:
                self._todo.put(told)
        self._parking = True
        self._todo.put(None)
        leave = threading.Timer(_LEAVING_SECONDS, lambda: os._exit(1))
        leave.daemon = True
        leave.start()

    def work(self) -> None:
        """Do what the server says; the first line says how."""
        first = self._todo.get()
        if first is None:
            return
        threading.Thread(target=self._beat, daemon=True).start()
        bench = self._make_bench(first["device"], first["max_pixels"])
        self.say({"ready": bench.warm() if first["warm"] else first["device"]})
        while (told := self._todo.get()) is not None:
            if "sketch" in told:
                self._sketch(bench, told)
            else:
                self._paint(bench, told, first["keep_every"])
            gc.collect()

    def say(self, value: dict[str, Any]) -> None:
        """Tell the server; if it is gone there is nobody to tell."""
        with self._said, contextlib.suppress(BrokenPipeError):
            self._out.write(json.dumps(value) + "\n")
            self._out.flush()

    @property
    def parking(self) -> bool:
        """Whether work is to be kept and put away."""
        return self._parking

    def is_cancelled(self, job: str) -> bool:
        """Whether nobody wants it any more."""
        return job in self._cancelled

    def _cancel(self, job: str) -> None:
        self._cancelled.add(job)
        rescue = threading.Timer(_CANCEL_SECONDS, self._rescue, (job,))
        rescue.daemon = True
        rescue.start()

    def _rescue(self, job: str) -> None:
        """End a job whose step lasts too long, with the picture after the step before."""
        easel = self._easel
        if easel is not None and easel.job == job and easel.take_over():
            easel.end("cancelled", easel.safe, leaving=True)
            os._exit(0)

    def _paint(self, bench: Any, told: dict[str, Any], keep_every: float) -> None:
        easel = self._easel = _Easel(self, bench, told, keep_every)
        try:
            easel.paint()
        except Exception as error:  # noqa: BLE001 - whatever it is, the server must be told
            if easel.take_over():
                self.say({"job": easel.job, "ended": "failed", "error": _explain(error)})
        self._easel = None
        self._cancelled.discard(easel.job)

    def _sketch(self, bench: Any, told: dict[str, Any]) -> None:
        try:
            data = base64.b64encode(bench.sketch(told["sketch"])).decode()
            self.say({"number": told["number"], "jpeg": data})
        except Exception as error:  # noqa: BLE001 - whatever it is, the server must be told
            self.say({"number": told["number"], "error": _explain(error)})

    def _beat(self) -> None:
        while True:
            time.sleep(_BEAT_SECONDS)
            self.say({"beat": time.time()})


class _Easel:
    """One job on its way: previews, checkpoints, and an end by one thread only."""

    def __init__(self, worker: Worker, bench: Any, told: dict[str, Any], keep_every: float) -> None:
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

    def take_over(self) -> bool:
        """Whether the caller is the one that ends it."""
        return self._ending.acquire(blocking=False)

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
        """Write the picture so far, if there is any, and tell."""
        result = None
        if progress is not None:
            painting = self._painting.collect(progress)
            painting.save(self._folder / "result.png")
            height, width = painting.picture.size
            result = {"width": width, "height": height}
        self._worker.say({"job": self.job, "ended": state, "result": result} | more)

    def _finish(self, state: str, progress: Any = None) -> None:
        if self.take_over():
            self.end(state, progress)
        else:
            time.sleep(60)  # another thread ends this process

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


def _explain(error: Exception) -> str:
    """One line for people."""
    from impasto.errors import ImpastoError

    if isinstance(error, ImpastoError):
        return " ".join(str(error).split())
    name = type(error).__name__
    if name in ("MemoryError", "OutOfMemoryError") or "can't allocate memory" in str(error):
        return "Out of memory; choose a smaller size."
    traceback.print_exc()
    return f"Unexpected error ({name}); the server's log says more."


def main(make_bench: Any = None) -> int:
    """Work until standard input ends."""
    # What libraries print must not come between the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(out, make_bench or _make_bench)
    threading.Thread(target=worker.listen, args=(sys.stdin,), daemon=True).start()
    worker.work()
    return 0


def _make_bench(device: str, max_pixels: int) -> Any:
    from impasto.studio.bench import Bench

    # A server that answers is worth more than the last bit of speed.
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)
    return Bench(device, max_pixels)


if __name__ == "__main__":
    sys.exit(main())
