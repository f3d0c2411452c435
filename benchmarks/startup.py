"""Start-up of the command line, in multiples of an interpreter that does nothing."""

import statistics
import subprocess
import sys
import time

from benchmarks.bench import Bench
from benchmarks.report import Row

_COMMANDS: dict[str, tuple[str, ...]] = {
    "bare interpreter": ("-c", "pass"),
    "impasto --help": ("-m", "impasto", "--help"),
    "impasto paint --help": ("-m", "impasto", "paint", "--help"),
    "import torch": ("-c", "import torch"),
}


#: Rounds are short, and the shortest times are the noisiest.
_LEAST_REPEATS = 5


def measure_startup(bench: Bench, least: int = _LEAST_REPEATS) -> list[Row]:
    """Median seconds of each command, in turns so that a busy moment hits all of them."""
    repeats = max(bench.repeats, least)
    seconds: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    bench.watch.expect(repeats)
    for round_ in range(repeats):
        bench.watch.begin(f"round {round_ + 1} of {repeats}")
        for name, arguments in _COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    bare = medians["bare interpreter"]
    return [
        {"what": name, "seconds": median, "bare interpreters": median / bare}
        for name, median in medians.items()
    ]
