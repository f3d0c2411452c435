"""Start-up of the command line, against a bare interpreter, and memory of whole runs."""

import statistics
import subprocess
import sys
import time
from pathlib import Path


def measure_startup(repeats: int) -> list[dict[str, object]]:
    """Seconds of `impasto --help` and of an interpreter that does nothing."""
    rows: list[dict[str, object]] = []
    commands = {
        "bare interpreter": [sys.executable, "-c", "pass"],
        "impasto --help": [sys.executable, "-m", "impasto", "--help"],
        "import torch": [sys.executable, "-c", "import torch"],
    }
    for name, command in commands.items():
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            seconds.append(time.perf_counter() - began)
        rows.append({"what": name, "seconds": statistics.median(seconds)})
    bare = float(str(rows[0]["seconds"]))
    for row in rows:
        row["bare interpreters"] = float(str(row["seconds"])) / bare
    return rows


def measure_memory(
    photo: Path, style: Path, folder: Path, sizes: tuple[int, ...]
) -> list[dict[str, object]]:
    """Peak resident memory of whole runs at growing sizes (draft preset), in GiB."""
    rows: list[dict[str, object]] = []
    for size in sizes:
        command = [
            sys.executable, "-m", "impasto", "paint", str(photo), str(style),
            "-o", str(folder / f"memory-{size}.png"), "--size", str(size),
            "--preset", "draft", "--steps", "2", "--scales", "1", "--overwrite", "--quiet",
        ]  # fmt: skip
        probe = (
            "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
            "sys.stdout.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))"
        )
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", probe, *command], capture_output=True, text=True, check=True
        )
        peak = int(done.stdout.split()[-1]) * (1 if sys.platform == "darwin" else 1024)
        rows.append(
            {"size": size, "peak GiB": peak / 2**30, "seconds": time.perf_counter() - began}
        )
    return rows
