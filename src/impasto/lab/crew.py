"""Runs one after the other in this process, or several at a time in processes of their own.

A process that dies, for want of memory perhaps, costs the run that it was at and no other.
"""

import contextlib
import functools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from impasto.errors import ImpastoError
from impasto.lab.experiments import Run
from impasto.lab.notebook import Notebook, Record
from impasto.lab.running import CHECKPOINT_SECONDS, Bench, StoppedError
from impasto.version import __version__


@dataclass(frozen=True)
class Conditions:
    """How runs are made, which changes nothing about their results.

    Attributes:
        folder: Of the experiment.
        device: As `Painter` takes it.
        threads: Processor threads for each run; None leaves them as they are.
        memory: Bytes that each run may take; None: what is free.
        offline: Never download anything.
        checkpoint_seconds: Time between checkpoints.
    """

    folder: str
    device: str = "auto"
    threads: int | None = None
    memory: int | None = None
    offline: bool = False
    checkpoint_seconds: float = CHECKPOINT_SECONDS

    def make_bench(self) -> Bench:
        """Painters under these conditions, in this process."""
        import torch

        from impasto.api import Painter
        from impasto.devices import keep_freed_memory

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        keep_freed_memory()

        @functools.cache
        def hire(weights: str | None) -> Painter:
            # "random" is a name, everything else a file.
            file: Any = weights if weights in (None, "random") else Path(str(weights))
            return Painter(
                device=self.device, weights_file=file, offline=self.offline, memory=self.memory
            )

        return Bench(Path(self.folder), hire, self.checkpoint_seconds)


class Listener(Protocol):
    """Who is told how the work goes; called from several threads, but never at once."""

    def planned(self, runs: int, jobs: int, seconds: float) -> None:
        """So many runs are to be done, so many at a time, in about so many seconds."""

    def began(self, run: Run) -> None:
        """A run begins."""

    def advanced(self, run: Run, left: float) -> None:
        """A run goes on; about `left` seconds remain of it."""

    def ended(self, run: Run, record: Record) -> None:
        """A run is done, or failed."""


def run_all(
    runs: Sequence[Run],
    conditions: Conditions,
    jobs: int,
    listener: Listener,
    stopping: Callable[[], bool],
) -> None:
    """Make all runs, and write down what comes out.

    Args:
        runs: What to do.
        conditions: How.
        jobs: Runs at a time; with one, no other process is needed.
        listener: Who is told.
        stopping: Whether the user wants an end; runs are then broken off with a checkpoint.

    Raises:
        StoppedError: If `stopping` said so.
    """
    desk = _Desk(Notebook(Path(conditions.folder)), listener, stopping)
    if jobs == 1:
        _run_here(runs, conditions, desk)
    else:
        _run_elsewhere(runs, conditions, jobs, desk)


@dataclass
class _Desk:
    """Where results arrive, one at a time."""

    notebook: Notebook
    listener: Listener
    stopping: Callable[[], bool]

    def __post_init__(self) -> None:
        self.lock = threading.Lock()

    def began(self, run: Run) -> None:
        with self.lock:
            self.listener.began(run)

    def advanced(self, run: Run, left: float) -> None:
        with self.lock:
            self.listener.advanced(run, left)

    def ended(self, run: Run, record: Record) -> None:
        with self.lock:
            self.notebook.add(record)
            self.listener.ended(run, record)


def _run_here(runs: Sequence[Run], conditions: Conditions, desk: _Desk) -> None:
    bench = conditions.make_bench()
    for run in runs:
        if desk.stopping():
            raise StoppedError("stopped; the same command goes on from here.")
        desk.began(run)

        def watch(progress: Any, run: Run = run) -> bool:
            desk.advanced(run, progress.seconds_left)
            return not desk.stopping()

        desk.ended(run, bench.carry_out(run, watch))


def _run_elsewhere(runs: Sequence[Run], conditions: Conditions, jobs: int, desk: _Desk) -> None:
    waiting: queue.SimpleQueue[Run] = queue.SimpleQueue()
    for run in runs:
        waiting.put(run)
    hands = [_Hand(conditions, waiting, desk) for _ in range(jobs)]
    for hand in hands:
        hand.start()
    stopped = False
    for hand in hands:
        while hand.is_alive():
            hand.join(0.2)
            if desk.stopping() and not stopped:
                stopped = True
                for other in hands:
                    other.stop()
    if error := next((hand.error for hand in hands if hand.error), None):
        raise error
    if stopped:
        raise StoppedError("stopped; the same command goes on from here.")


class _Hand(threading.Thread):
    """Gives runs to one worker process after the other, and hears what came out."""

    def __init__(
        self, conditions: Conditions, waiting: "queue.SimpleQueue[Run]", desk: _Desk
    ) -> None:
        super().__init__(daemon=True)
        self._conditions, self._waiting, self._desk = conditions, waiting, desk
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        self.error: ImpastoError | None = None

    def stop(self) -> None:
        self._stopped = True
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def run(self) -> None:
        try:
            while not self._stopped:
                try:
                    run = self._waiting.get_nowait()
                except queue.Empty:
                    break
                self._give(run)
        except ImpastoError as error:  # what cannot be written ends the whole
            self.error = error
        finally:
            self._dismiss()

    def _give(self, run: Run) -> None:
        self._desk.began(run)
        process = self._hire()
        if self._stopped:
            return
        record: Record | None = None
        try:
            self._say(process, run.to_dict())
            record = self._listen(process, run)
        except OSError:
            pass
        if record is None and not self._stopped:
            self._dismiss()
            record = _describe_death(run, process)
        if record is not None:
            self._desk.ended(run, record)

    def _listen(self, process: "subprocess.Popen[str]", run: Run) -> Record | None:
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            if "record" in told:
                record: Record = told["record"]
                return record
            if "stopped" in told:
                self._stopped = True
                return None
            self._desk.advanced(run, told["left"])
        return None

    def _hire(self) -> "subprocess.Popen[str]":
        if self._process is None or self._process.poll() is not None:
            threads = str(self._conditions.threads or 1)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "impasto.lab.worker"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": threads},
                start_new_session=True,  # Ctrl-C reaches it through us
            )  # fmt: skip
            self._say(self._process, asdict(self._conditions))
        return self._process

    def _say(self, process: "subprocess.Popen[str]", value: dict[str, Any]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(value) + "\n")
        process.stdin.flush()

    def _dismiss(self) -> None:
        if self._process is None:
            return
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._process.wait()
        self._process = None


def _describe_death(run: Run, process: "subprocess.Popen[str]") -> Record:
    code = process.wait()
    how = f"by signal {-code}" if code < 0 else f"with code {code}"
    advice = "; perhaps memory ran out: try --jobs 1 or a smaller size" if code == -9 else ""
    return {
        "key": run.key, "name": run.name, "labels": run.labels, "caption": run.caption,
        "status": "failed", "reason": f"Its process ended {how}{advice}.",
        "settings": run.settings, "impasto": __version__,
    }  # fmt: skip
