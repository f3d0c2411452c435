"""What an experiment will take, told before it starts, and what of it is done already."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from impasto.checkpoints import checkpoint_path
from impasto.config import PaintConfig
from impasto.devices import choose_precision
from impasto.errors import ImpastoError
from impasto.lab.experiments import Experiment, Run, explain
from impasto.lab.notebook import Notebook, Record
from impasto.lab.running import load_picture
from impasto.memory import estimate_memory
from impasto.pyramid import Scale, plan_painting

#: Seconds for a million pixels and one step of VGG-19, on one core with AVX2 and on a GPU. What was
#: measured in the same folder counts more.
_CORE_RATE, _GPU_RATE = 20.0, 0.3
#: Part of the free memory that runs side by side may take.
_SHARE = 0.8


@dataclass(frozen=True)
class Forecast:
    """What is known about a run before it starts.

    Attributes:
        run: The run.
        state: new, done, begun (there is a checkpoint), failed (it will be tried again), or
            impossible (its settings make no sense).
        reason: Why it failed or is impossible.
        size: (H, W) of the painting; None if that cannot be told.
        steps: In all.
        memory: Estimated peak in bytes.
        seconds: About how long it takes, alone on this machine.
    """

    run: Run
    state: str
    reason: str = ""
    size: tuple[int, int] | None = None
    steps: int = 0
    memory: int = 0
    seconds: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether there is something to do."""
        return self.state != "done"


def forecast(experiment: Experiment, notebook: Notebook, device: torch.device) -> list[Forecast]:
    """Look ahead at all runs."""
    records = notebook.read()
    usual = _CORE_RATE / torch.get_num_threads() if device.type == "cpu" else _GPU_RATE
    rate = measure_rate(list(records.values())) or usual
    return [
        _look_ahead(run, records.get(run.key), notebook, device, rate) for run in experiment.runs
    ]


def is_done(record: Mapping[str, object] | None, notebook: Notebook) -> bool:
    """Whether a run need not be repeated: it went well and its picture is there."""
    if record is None or record.get("status") != "done":
        return False
    files = record.get("files")
    picture = files.get("picture") if isinstance(files, dict) else None
    return isinstance(picture, str) and (notebook.folder / picture).is_file()


def measure_rate(records: Sequence[Record]) -> float | None:
    """Seconds for a million pixels and one step, as measured; None if nothing was."""
    rates = []
    for record in records:
        size, steps = record.get("size"), len(record.get("losses", {}).get("step", ()))
        if size and steps and record.get("seconds"):
            scales = record["losses"]["scale"]
            full = steps if not scales or not scales[-1] else scales.count(scales[-1])
            rates.append(record["seconds"] / (full * size[0] * size[1] / 1e6))
    return median(rates) if rates else None


def choose_jobs(wanted: str, plans: Sequence[Forecast], free: int | None, *, gpu: bool) -> int:
    """How many runs to make at a time: `auto` or a number, and no more than memory allows.

    Raises:
        ConfigError: If `wanted` is neither.
    """
    from impasto.errors import ConfigError

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if wanted == "auto":
        most = 1 if gpu else (cores or 1)
    elif wanted.isdigit() and int(wanted) > 0:
        most = int(wanted)
    else:
        raise ConfigError(f"--jobs is a number from 1 on, or auto, not {wanted!r}.")
    largest = max((plan.memory for plan in plans if plan.is_open), default=0)
    if free is not None and largest:
        most = min(most, max(1, int(free * _SHARE / largest)))
    return max(1, min(most, sum(plan.is_open for plan in plans)))


def _look_ahead(
    run: Run, record: Record | None, notebook: Notebook, device: torch.device, rate: float
) -> Forecast:
    if is_done(record, notebook):
        return Forecast(run, "done", size=tuple((record or {})["size"]))
    try:
        photo = load_picture(run.photo)
        config = run.configure(photo.size)
        config.resolve()
        plan = plan_painting(config, photo.size)
        precision = choose_precision(config.precision, device)
        memory = estimate_memory(config, photo.size, precision)
    except ImpastoError as error:
        return Forecast(run, "impossible", explain(error))
    state, reason = "new", ""
    if checkpoint_path(notebook.pictures / f"{run.stem}.png").exists():
        state = "begun"
    elif record is not None and record.get("status") == "failed":
        state, reason = "failed", str(record.get("reason", ""))
    steps = sum(scale.steps for scale in plan)
    return Forecast(
        run, state, reason, plan[-1].size, steps, memory, _estimate_seconds(config, plan, rate)
    )


def _estimate_seconds(config: PaintConfig, plan: Sequence[Scale], rate: float) -> float:
    if not config.is_painted:
        return 2.0
    work = sum(
        (scale.steps - 0.55 * scale.detail_steps) * scale.size[0] * scale.size[1] for scale in plan
    )
    return rate * work / 1e6
