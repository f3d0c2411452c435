"""Run pastiche's own command line, and keep its picture on the way.

`python -m benchmarks.peer_driver ORDER`. pastiche's `main` runs as it is; only the function that
writes a picture is replaced by one that keeps a copy. Writing takes pastiche about a second, which
its plain command line spends once: so all copies are written at the end, and the time of one
writing is added to each. Nothing else is imported before pastiche has begun.
"""

import importlib
import json
import math
import statistics
import sys
import time
from pathlib import Path
from typing import Any


def drive(
    arguments: list[str], steps: list[int], folder: Path, began: float
) -> list[dict[str, Any]]:
    """Run pastiche and write `STEPS.png` for each of `steps` into `folder`.

    Args:
        arguments: Of pastiche's command line, without `--num-steps` and workspace.
        steps: After how many steps to keep the picture, in increasing order.
        folder: Where the pictures go.
        began: When the process was started, as `time.time()` tells it.

    Returns:
        One row: seconds to each of `steps`, seconds of a step, and seconds of writing.
    """
    # Imported here, as `python -m pastiche` does first of all; it has no types.
    peer: Any = importlib.import_module("pastiche.pastiche")
    write = peer.save_image
    kept: dict[int, tuple[float, Any]] = {}
    lost = 0.0

    def keep(image: Any, path: str) -> None:
        nonlocal lost
        now = time.time()
        step = int(Path(path).stem) if Path(path).parent == folder else steps[-1]
        if step in steps and step not in kept:
            kept[step] = (now - began - lost, image.detach().clone())
            _say({"progress": [step, steps[-1]]})
        lost += time.time() - now

    peer.save_image = keep
    every = math.gcd(*steps)
    peer.main(
        ["pastiche", *arguments, "--num-steps", str(steps[-1]),
         "--workspace", str(folder), "--workspace-step", str(every)]
    )  # fmt: skip
    writing = []
    for step, (_, image) in kept.items():
        start = time.perf_counter()
        write(image, str(folder / f"{step}.png"))
        writing.append(time.perf_counter() - start)
    reached = {step: seconds for step, (seconds, _) in kept.items()}
    first, last = min(reached), max(reached)
    return [
        {
            "seconds": reached,
            "seconds_per_step": (reached[last] - reached[first]) / max(1, last - first),
            "seconds_to_write": statistics.median(writing),
        }
    ]


def _say(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    for line in drive(order["arguments"], order["steps"], Path(order["folder"]), order["began"]):
        _say(line)
