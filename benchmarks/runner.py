"""Paint once, and say what the picture was worth after each step: `python -m benchmarks.runner`.

A child of the race, with the environment that the command line gives itself.
"""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.evaluation import wait_for
from benchmarks.judge import Judge
from benchmarks.processes import say
from impasto import images
from impasto.api import Painter
from impasto.config import PaintConfig
from impasto.devices import keep_freed_memory
from impasto.pyramid import plan_painting


class Snapshot(NamedTuple):
    """The picture after a step at full size.

    Attributes:
        steps: Steps done at that scale.
        seconds: From process start until it could have been written.
        pixels: What a PNG would hold: shape (H, W, 3), 0 to 255.
    """

    steps: int
    seconds: float
    pixels: npt.NDArray[np.uint8]


def paint(
    photo: str, style: str, output: str, settings: dict[str, object], device: str, began: float
) -> tuple[list[Snapshot], float]:
    """Paint as the command line does.

    Args:
        photo: File of the photograph.
        style: File of the style picture.
        output: PNG to write at the end.
        settings: Of `PaintConfig`.
        device: `auto`, `cpu`, `cuda` or `mps`.
        began: When the process was started, as `time.time()` tells it.

    Returns:
        Snapshots of the last scale, and the seconds of writing the PNG. Taking snapshots costs
        no time on their clock.
    """
    keep_freed_memory()
    config = PaintConfig(**settings)
    job = Painter(device=device).prepare(photo, [style], config)
    plan = plan_painting(config, job.photo.size)
    work = sum(scale.steps * scale.size[0] * scale.size[1] for scale in plan)
    done, lost = 0, 0.0
    snapshots: list[Snapshot] = []
    for progress in job.run():
        wait_for(job.painter.device)
        now = time.time()
        done += progress.size[0] * progress.size[1]
        say({"progress": [min(done, work), work]})
        if progress.scale + 1 == progress.scales:
            pixels = np.asarray(images.to_pil(progress.picture().cpu()))
            snapshots.append(Snapshot(progress.step, now - began - lost, pixels))
        lost += time.time() - now
    now = time.time()
    job.collect(progress).save(Path(output))
    return snapshots, time.time() - now


def run(order: dict[str, object]) -> None:
    """Paint, then score unless `order["score"]` is false; says a row for each snapshot."""
    scored = bool(order.pop("score"))
    snapshots, writing = paint(**order)  # type: ignore[arg-type]
    judge = Judge(Path(str(order["photo"])), Path(str(order["style"]))) if scored else None
    for snapshot in snapshots:
        pixels = torch.from_numpy(snapshot.pixels.copy()).permute(2, 0, 1)[None] / 255
        say(
            {
                "steps": snapshot.steps,
                "seconds": snapshot.seconds + writing,
                "loss": judge.score(pixels) if judge else None,
                "sha256": hashlib.sha256(snapshot.pixels.tobytes()).hexdigest(),
            }
        )


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
