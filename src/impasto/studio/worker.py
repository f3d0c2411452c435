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
from typing import IO, Any

from impasto.studio.easel import Easel
from impasto.studio.leaving import StoppedError, watch_parent

_BEAT_SECONDS = 2.0
#: A step that lasts longer is not waited for when a job is cancelled.
_CANCEL_SECONDS = 0.6
#: Until a step that is not waited for must have noticed.
_UNWIND_SECONDS = 6.0
#: For a checkpoint, when the server is gone.
_LEAVING_SECONDS = 2.0


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
        self._parking = self._leaving = False
        self._easel: Easel | None = None
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
        self.leave(alone=True)

    def leave(self, alone: bool) -> None:
        """Put work away and go; without a server, `alone`, it is not waited for long."""
        self._parking = self._leaving = True
        self._todo.put(None)
        if alone and self._easel is None:
            os._exit(0)
        if alone:
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
        self.say({"ready": bench.open(first["paints"])})
        self._warm(bench, first)
        while (told := self._todo.get()) is not None:
            if "number" in told:
                self._answer(bench, told)
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

    @property
    def farewell(self) -> dict[str, bool]:
        """What is told beside the end of a job by who takes no other one."""
        return {"leaving": True} if self._leaving else {}

    def is_cancelled(self, job: str) -> bool:
        """Whether nobody wants it any more."""
        return job in self._cancelled

    def _warm(self, bench: Any, first: dict[str, Any]) -> None:
        """Do in small what will be asked for, until something is."""
        try:
            for _ in bench.warm(first["paints"], first["networks"]):
                if not self._todo.empty():
                    return
        except Exception as error:  # noqa: BLE001 - who asks for the same is told what is wrong
            sys.stderr.write(f"The studio could not warm up: {_explain(error)}\n")

    def _cancel(self, job: str) -> None:
        self._cancelled.add(job)
        rescue = threading.Timer(_CANCEL_SECONDS, self._rescue, (job,))
        rescue.daemon = True
        rescue.start()

    def _rescue(self, job: str) -> None:
        """End a job whose step lasts too long, with the picture after the step before."""
        easel = self._easel
        if easel is None or easel.job != job or not easel.take_over():
            return
        easel.abandon()
        time.sleep(_UNWIND_SECONDS)
        if self._easel is easel:
            os._exit(0)

    def _paint(self, bench: Any, told: dict[str, Any], keep_every: float) -> None:
        easel = self._easel = Easel(self, bench, told, keep_every)
        try:
            try:
                easel.paint()
            except Exception as error:  # noqa: BLE001 - whatever it is, the server must be told
                if easel.take_over():
                    error_line = _explain(error)
                    self.say({"job": easel.job, "ended": "failed", "error": error_line})
                else:
                    easel.await_interrupt()
        except StoppedError:
            easel.recover()
            self.say({"free": easel.job})
        self._easel = None
        self._cancelled.discard(easel.job)

    def _answer(self, bench: Any, told: dict[str, Any]) -> None:
        """Sketch, or find a mask, which is written into a file."""
        try:
            found: dict[str, Any] = {}
            if "sketch" in told:
                found["jpeg"] = base64.b64encode(bench.sketch(told["sketch"])).decode()
            else:
                found["size"] = bench.find_mask(**told["mask"])
            self.say({"number": told["number"]} | found)
        except Exception as error:  # noqa: BLE001 - whatever it is, the server must be told
            self.say({"number": told["number"], "error": _explain(error)})

    def _beat(self) -> None:
        while True:
            time.sleep(_BEAT_SECONDS)
            self.say({"beat": time.time()})


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
    watch_parent(worker.leave)
    threading.Thread(target=worker.listen, args=(sys.stdin,), daemon=True).start()
    worker.work()
    return 0


def _make_bench(device: str, max_pixels: int) -> Any:
    # A server that answers is worth more than the last bit of speed.
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)
    from impasto.studio.bench import Bench

    return Bench(device, max_pixels)


if __name__ == "__main__":
    sys.exit(main())
