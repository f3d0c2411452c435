"""Many small jobs through the studio, while its processes and the server itself are killed.

    make soak                 a thousand jobs
    scripts/soak.py --jobs 30

The painter is killed after a quarter of the jobs and after three, the server after half of them.
Nothing may be lost: each job is done, and its painting can be fetched. Neither the memory of the
server nor that of the painter may grow by more than a twentieth after the first quarter of a
process's life, and no more files may be open. The painters only pretend, so that the machinery
around them is what works hard; `--real` paints for truth at 64 px.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from studio_client import API, QUICK, Visitor  # noqa: E402

#: Growth of memory that is no drift.
_MORE_MEMORY = 0.05
#: Measures of each kind, and how many make one that is free of chance.
_MEASURES, _TOGETHER = 80, 3
#: Fewer measures in the life of a process say nothing.
_FEWEST = 15


class Server:
    """The studio as a process, started again whenever it is killed."""

    def __init__(self, folder: Path, *, real: bool) -> None:
        self._settings = {"data": str(folder), "port": 0, "browser": False, "max_queued": 50,
                          "keep_every": 0.5, "sketches": False}  # fmt: skip
        script = str(TESTS / "studio_standin.py")
        self._command = [sys.executable, script, "serve-real" if real else "serve"]
        self.address = ""
        self.start()

    def start(self) -> None:
        """Start it and wait for its address."""
        words = [*self._command, json.dumps(self._settings)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip().rstrip("/")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def find_painters(self) -> list[int]:
        """Numbers of the processes that paint."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in path.read_text().split()]


def main() -> int:
    """Soak, and say what came of it; 1 if anything was lost or grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), real=options.real)
        try:
            return _soak(server, options.jobs)
        finally:
            server.kill()


class Diary:
    """Memory and open files of each process, in the order of its life."""

    def __init__(self) -> None:
        self._lives: dict[tuple[str, int], list[tuple[int, int]]] = {}

    def note(self, server: Server, *, ready: bool) -> None:
        """Measure the server, and its painter if it is ready to paint."""
        numbers = [("server", server.process.pid)]
        numbers += [("painter", number) for number in server.find_painters() if ready]
        for key in numbers:
            with contextlib.suppress(OSError, IndexError):  # it may just have been killed
                self._lives.setdefault(key, []).append(measure(key[1]))

    def judge(self) -> list[tuple[str, bool]]:
        """A line on each life, and whether it is as it should be."""
        lines = []
        for (name, _), life in self._lives.items():
            if len(life) < _FEWEST:
                continue
            settled = life[len(life) // 4 :]
            first, last = _average(settled[:_TOGETHER]), _average(settled[-_TOGETHER:])
            drift = last[0] / first[0] - 1
            fine = drift <= _MORE_MEMORY and last[1] - first[1] < 1
            lines.append((
                f"{name}: {len(life)} measures, memory {first[0] / 2**20:.0f} to"
                f" {last[0] / 2**20:.0f} MiB ({drift:+.1%}), open files {first[1]:.0f} to"
                f" {last[1]:.0f}", fine,
            ))  # fmt: skip
        return lines


def measure(number: int) -> tuple[int, int]:
    """Bytes of memory of a process, and its open files."""
    folder = Path(f"/proc/{number}")
    pages = int((folder / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(list((folder / "fd").iterdir()))


def _average(measures: list[tuple[int, int]]) -> tuple[float, float]:
    """The medians of memory and of open files."""
    return statistics.median(one[0] for one in measures), min(one[1] for one in measures)


def _soak(server: Server, count: int) -> int:
    visitor = Visitor(server.address)
    key = visitor.headers["authorization"]
    photo = visitor.send_picture()
    ordered: list[str] = []
    kills = {count // 4: "painter", count // 2: "server", 3 * count // 4: "painter"}
    diary, began = Diary(), time.monotonic()
    while len(ordered) < count:
        what = kills.pop(len(ordered), None)
        if what == "painter":
            for number in server.find_painters():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
        elif what == "server":
            server.kill()
            server.start()
            visitor.close()
            visitor = _return(server, key)
        settings = QUICK | {"seed": random.randrange(600)}
        answer = visitor.post(f"{API}/jobs", json={
            "kind": "paint", "photo": photo, "styles": ["gallery:mosaic"], "settings": settings,
        })  # fmt: skip
        if answer.status_code == 429:
            time.sleep(0.2)
            continue
        ordered.append(answer.raise_for_status().json()["id"])
        if len(ordered) % max(1, count // _MEASURES) == 0:
            diary.note(server, ready=visitor.get(f"{API}/health").json()["ready"])
    states = _wait_all(visitor, ordered, 60 + 2 * count, lambda: diary.note(server, ready=True))
    lost = [id for id in ordered if states.get(id) != "done" or not _is_painted(visitor, id)]
    seconds = time.monotonic() - began
    print(f"{count} jobs in {seconds:.0f} s, {len(lost)} lost: {[states.get(id) for id in lost]}")
    lives = diary.judge()
    for line, fine in lives:
        print(line if fine else f"{line}  GROWS")
    fine = not lost and all(fine for _, fine in lives)
    print("all is well" if fine else "failed")
    return int(not fine)


def _return(server: Server, key: str) -> Visitor:
    visitor = Visitor(server.address)
    visitor.headers["authorization"] = key
    return visitor


def _is_painted(visitor: Visitor, job: str) -> bool:
    answer = visitor.get(f"{API}/jobs/{job}/result")
    return answer.status_code == 200 and answer.content.startswith(b"\x89PNG")


def _wait_all(
    visitor: Visitor, ordered: list[str], seconds: float, note: Callable[[], None]
) -> dict[str, str]:
    """Wait for the jobs that are still open; the state of each."""
    end = time.monotonic() + seconds
    while visitor.get(f"{API}/health").json()["queued"] and time.monotonic() < end:
        note()
        time.sleep(1)
    while True:
        states = _list_states(visitor)
        open_jobs = [id for id in ordered if states.get(id) in ("queued", "running")]
        if not open_jobs or time.monotonic() > end:
            return states
        time.sleep(0.5)


def _list_states(visitor: Visitor) -> dict[str, str]:
    states: dict[str, str] = {}
    before = None
    while True:
        query = {"limit": 500} | ({"before": before} if before else {})
        page = visitor.get(f"{API}/jobs", params=query).raise_for_status().json()
        states |= {job["id"]: job["state"] for job in page}
        if len(page) < 500:
            return states
        before = page[-1]["id"]


if __name__ == "__main__":
    sys.exit(main())
