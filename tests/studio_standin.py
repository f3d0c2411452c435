"""A studio whose painters only pretend, for speed: the server, or a process that paints.

Settings say what happens: `steps` how many there are, `decay_steps` how many milliseconds each
takes, `seed` whether the process dies (666 always, 667 unless it goes on from a checkpoint).
"""

import dataclasses
import json
import os
import signal
import sys
import time
from pathlib import Path

COMMAND = (sys.executable, __file__, "work")
DIES, DIES_ONCE = 666, 667


def make_bench(device, max_pixels):
    from impasto.api import Job, Painter
    from impasto.config import PaintConfig
    from impasto.masks import MaskFinder
    from impasto.progress import PaintState, Progress
    from impasto.pyramid import plan_painting, resize
    from impasto.studio.bench import Bench

    class Pretence(Job):
        """Makes the photograph lighter, step by step."""

        def run(self, state=None):
            steps, size = self.config.steps[0], plan_painting(self.config, self.photo.size)[-1].size
            began = time.perf_counter()
            for step in range(state.step + 1 if state else 1, steps + 1):
                time.sleep(self.config.decay_steps / 1000)
                if (
                    step == 3
                    and self.config.seed in (DIES, DIES_ONCE)
                    and (state is None or self.config.seed == DIES)
                ):
                    os.kill(os.getpid(), signal.SIGKILL)
                image = resize(self.photo.flat, size) * (1 - step / steps) + step / steps
                yield Progress(
                    scale=0,
                    scales=1,
                    size=size,
                    step=step,
                    steps=steps,
                    loss=1 / step,
                    terms={},
                    seconds=time.perf_counter() - began,
                    seconds_left=0.5,
                    note="",
                    done=step == steps,
                    picture=lambda image=image: image,
                    state=lambda image=image, step=step: PaintState(0, step, image),
                )

    class StandIn(Bench):
        def open(self, paints):
            return "pretence"

        def warm(self, paints, networks):
            return iter(())

        def prepare(self, task):
            photo = self._load(**task["photo"])
            styles = tuple(self._load(**style) for style in task["styles"])
            settings = {"steps": (3,), "scales": 1, "optimizer": "adam"} | task["settings"]
            config = PaintConfig(**settings)
            placement = self._place(task)
            job = Pretence(photo, styles, config, None, Painter(device="cpu", offline=True))
            finder = MaskFinder(photo.flat, photo.name, offline=True)
            return dataclasses.replace(
                job, placement=placement and placement.load(lambda x: x, finder)
            )

    return StandIn("cpu", max_pixels)


def serve(settings, command):
    from impasto.studio.serving import serve
    from impasto.studio.settings import StudioSettings

    chosen = json.loads(settings)
    chosen = {name: Path(value) if name == "data" else value for name, value in chosen.items()}

    def tell(address):
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()

    serve(StudioSettings(**chosen), tell, command=command)


if __name__ == "__main__":
    if sys.argv[1] == "work":
        from impasto.studio.worker import main

        sys.exit(main(make_bench))
    from impasto.studio.processes import COMMAND as REAL

    serve(sys.argv[2], REAL if sys.argv[1] == "serve-real" else COMMAND)
