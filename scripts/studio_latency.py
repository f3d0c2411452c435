"""From an order to the first picture: seconds that somebody waits for the studio.

    make studio-latency
    scripts/studio_latency.py --paintings 5 --sketches 12 --pause 10

Starts a real studio, sends scikit-image's astronaut, and orders: sketches in styles of the gallery,
and paintings with the settings that the page begins with, which are cancelled once they were seen.
The first ones are ordered at once after the start, or so many seconds later (`--pause`), as long as
somebody takes to choose a photograph. Beside the seconds stand those of the processor (Linux), for
a machine has other work as well.
"""

import argparse
import contextlib
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from PIL import Image  # noqa: E402
from skimage import data  # noqa: E402

from impasto.gallery import STYLES  # noqa: E402
from studio_client import API, Visitor  # noqa: E402

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Timed:
    """Seconds on the clock, and of the processor, that one thing took."""

    def __init__(self, pid: int) -> None:
        self._pid, self._work, self._began = pid, measure_work(pid), time.perf_counter()
        self.seconds = self.work = 0.0

    def stop(self) -> "Timed":
        """It is there."""
        self.seconds = time.perf_counter() - self._began
        self.work = measure_work(self._pid) - self._work
        return self


def measure_work(pid: int) -> float:
    """Processor seconds of a process and of all that it started; 0 where that cannot be told."""
    total = 0
    with contextlib.suppress(OSError, ValueError):
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        total = int(words[11]) + int(words[12])
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text().split()
            total += sum(round(measure_work(int(child)) * _TICKS) for child in children)
    return total / _TICKS


@contextlib.contextmanager
def started(folder: Path) -> Iterator[tuple[str, int, Timed]]:
    """A studio of its own: its address, its number, and what its start took."""
    words = ["studio", "--port", "0", "--no-browser", "--data", str(folder)]
    began = time.perf_counter()
    server = subprocess.Popen([sys.executable, "-m", "impasto", *words], stderr=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, text=True)  # fmt: skip
    try:
        assert server.stderr is not None
        found = None
        while found is None:
            line = server.stderr.readline()
            assert line, "the studio did not start"
            found = re.search(r"http://\S+", line)
        start = Timed(server.pid)
        start.seconds, start.work = time.perf_counter() - began, measure_work(server.pid)
        yield found[0].rstrip("/"), server.pid, start
    finally:
        server.terminate()
        server.wait(20)


def time_sketch(visitor: Visitor, pid: int, photo: str, style: str, size: int) -> Timed:
    """One sketch."""
    timed = Timed(pid)
    order = {"photo": photo, "styles": [f"gallery:{style}"], "size": size}
    visitor.post(f"{API}/sketches", json=order).raise_for_status()
    return timed.stop()


def time_painting(visitor: Visitor, pid: int, photo: str, style: str) -> Timed:
    """One painting until its first preview has been fetched; cancelled then."""
    timed = Timed(pid)
    order = {"kind": "paint", "photo": photo, "styles": [f"gallery:{style}"]}
    job = visitor.post(f"{API}/jobs", json=order).raise_for_status().json()["id"]
    with visitor.stream("GET", f"{API}/jobs/{job}/events") as events:
        for line in events.iter_lines():
            if line.startswith("data: ") and json.loads(line[6:])["preview"]:
                break
    visitor.get(f"{API}/jobs/{job}/preview").raise_for_status()
    timed.stop()
    visitor.post(f"{API}/jobs/{job}/cancel").raise_for_status()
    visitor.wait(job)
    return timed


def measure(options: argparse.Namespace, pause: float, *, several: bool) -> None:
    """Time a start, the first sketch and painting after a pause, and then several of them."""
    styles = list(STYLES)
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "JPEG", quality=92)
    with tempfile.TemporaryDirectory() as folder, started(Path(folder)) as (address, pid, start):
        print(f"started, and the page can be opened: {_spell([start])}")
        with Visitor(address) as visitor:
            photo = visitor.send_picture(buffer.getvalue(), name="astronaut.jpg")
            time.sleep(pause)
            after = f"{pause:.0f} s after the start" if pause else "at once after the start"
            first = time_sketch(visitor, pid, photo, styles[0], options.size)
            print(f"first sketch, {after}: {_spell([first])}")
            seen = time_painting(visitor, pid, photo, styles[0])
            print(f"first preview of a painting, {after}: {_spell([seen])}")
            if not several:
                return
            time.sleep(5)
            # A style that nobody has asked for, each time.
            names = [styles[i % len(styles)] for i in range(1, options.sketches + 1)]
            times = [time_sketch(visitor, pid, photo, one, options.size) for one in names]
            print(f"sketches: {_spell(times)}")
            names = [styles[-1 - i % len(styles)] for i in range(options.paintings)]
            times = []
            for one in names:
                times.append(time_painting(visitor, pid, photo, one))
                time.sleep(1)  # nobody orders again at once
            print(f"first previews of paintings: {_spell(times)}")


def _spell(times: list[Timed]) -> str:
    seconds, work = [one.seconds for one in times], [one.work for one in times]
    spread = "" if len(times) == 1 else f", from {min(seconds):.2f} to {max(seconds):.2f}"
    median = "" if len(times) == 1 else f"median of {len(times)} "
    return (f"{median}{statistics.median(seconds):.2f} s{spread}"
            f"; of the processor {statistics.median(work):.2f} s")  # fmt: skip


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paintings", type=int, default=5)
    parser.add_argument("--sketches", type=int, default=12)
    parser.add_argument("--size", type=int, default=256, help="Side of sketches in px.")
    parser.add_argument("--pause", type=float, default=10.0)
    options = parser.parse_args()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    print(f"{os.cpu_count()} processors, load before the start {load}")
    measure(options, 0, several=False)
    measure(options, options.pause, several=True)


if __name__ == "__main__":
    main()
