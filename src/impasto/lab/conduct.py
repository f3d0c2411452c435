"""An experiment from plan to page: what is open is run, and the page is kept up to date."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from impasto.devices import choose_device, measure_free_memory
from impasto.errors import OutputError
from impasto.lab.crew import Conditions, Listener, run_all
from impasto.lab.experiments import Experiment, Run
from impasto.lab.notebook import Notebook, Record
from impasto.lab.page import write_report
from impasto.lab.planning import Forecast, choose_jobs, forecast

#: Seconds between two versions of the page while runs are being made.
_PAGE_SECONDS = 15.0


@dataclass(frozen=True)
class Outcome:
    """What became of an experiment.

    Attributes:
        page: The report.
        done: Runs made now.
        skipped: Runs that were done already.
        failed: Runs that could not be made.
    """

    page: Path
    done: int
    skipped: int
    failed: int


def plan(experiment: Experiment, folder: Path, device: str) -> list[Forecast]:
    """Look ahead at all runs of an experiment, without doing or writing anything."""
    return forecast(experiment, Notebook(folder), choose_device(device).device)


def conduct(
    experiment: Experiment,
    conditions: Conditions,
    jobs: str,
    listener: Listener,
    stopping: Callable[[], bool],
) -> Outcome:
    """Make the runs of an experiment that are not done yet, and its report.

    Args:
        experiment: What to do.
        conditions: How.
        jobs: Runs at a time: a number, or auto.
        listener: Who is told.
        stopping: Whether the user wants an end.

    Raises:
        StoppedError: If `stopping` said so; the page shows what there is.
        OutputError: If the folder cannot be written, or somebody else works there.
    """
    notebook = Notebook(Path(conditions.folder)).open()
    lock = FileLock(notebook.folder / ".lock")
    try:
        with lock.acquire(timeout=0):
            return _conduct(experiment, conditions, jobs, listener, stopping, notebook)
    except Timeout:
        raise OutputError(
            f"Another impasto works in {notebook.folder}; wait for it, or choose another folder."
        ) from None


def _conduct(
    experiment: Experiment,
    conditions: Conditions,
    jobs: str,
    listener: Listener,
    stopping: Callable[[], bool],
    notebook: Notebook,
) -> Outcome:
    device = choose_device(conditions.device).device
    plans = forecast(experiment, notebook, device)
    open_runs = [one.run for one in plans if one.is_open]
    free = conditions.memory or measure_free_memory(device)
    count = choose_jobs(jobs, plans, free, gpu=device.type != "cpu") if open_runs else 1
    notebook.plan(experiment)
    scribe = _Scribe(listener, notebook)
    try:
        if open_runs:
            seconds = sum(one.seconds for one in plans if one.is_open) / count
            scribe.planned(len(open_runs), count, seconds)
            run_all(open_runs, share_out(conditions, count), count, scribe, stopping)
    finally:
        page = write_report(notebook)
    return Outcome(page, scribe.done, len(plans) - len(open_runs), scribe.failed)


def share_out(conditions: Conditions, jobs: int) -> Conditions:
    """Threads and memory for each of several runs at a time."""
    if jobs == 1:
        return conditions
    import torch

    threads = max(1, (conditions.threads or torch.get_num_threads()) // jobs)
    memory = None if conditions.memory is None else conditions.memory // jobs
    return replace(conditions, threads=threads, memory=memory)


def rebuild(folder: Path) -> Path:
    """Write the page of an experiment anew; returns its path.

    Raises:
        ImageError: If no experiment lies there.
    """
    return write_report(Notebook(folder))


class _Scribe:
    """Passes everything on, counts, and writes the page now and then."""

    def __init__(self, listener: Listener, notebook: Notebook) -> None:
        self._listener, self._notebook = listener, notebook
        self._written = time.monotonic()
        self.done = self.failed = 0

    def planned(self, runs: int, jobs: int, seconds: float) -> None:
        self._listener.planned(runs, jobs, seconds)

    def began(self, run: Run) -> None:
        self._listener.began(run)

    def advanced(self, run: Run, left: float) -> None:
        self._listener.advanced(run, left)

    def ended(self, run: Run, record: Record) -> None:
        if record["status"] == "done":
            self.done += 1
        else:
            self.failed += 1
        self._listener.ended(run, record)
        if time.monotonic() - self._written > _PAGE_SECONDS:
            write_report(self._notebook)
            self._written = time.monotonic()
