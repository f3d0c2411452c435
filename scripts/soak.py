"""Many small jobs through the studio, while its processes and the server itself are killed.

    make soak                 a thousand jobs
    scripts/soak.py --jobs 30

Nothing may be lost, and neither memory nor open files may grow. The painters only pretend, so that
the machinery around them is what works hard; `--real` paints for truth at 64 px.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from studio_client import API, QUICK, Visitor  # noqa: E402

#: Growth of the server that is no drift: caches that fill up once.
_MORE_BYTES, _MORE_FILES = 40 * 2**20, 8


class Server:
    """The studio as a process, started again whenever it is killed."""

    def __init__(self, folder: Path, *, real: bool) -> None:
        self._settings = {"data": str(folder), "port": 0, "browser": False, "max_queued": 50,
                          "keep_every": 0.5}  # fmt: skip
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

    def measure(self) -> tuple[int, int]:
        """Bytes of memory, and open files."""
        folder = Path(f"/proc/{self.process.pid}")
        pages = int((folder / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(list((folder / "fd").iterdir()))

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


def _soak(server: Server, count: int) -> int:
    visitor = Visitor(server.address)
    key = visitor.headers["authorization"]
    photo = visitor.send_picture()
    ordered: list[str] = []
    kills = {count // 4: "painter", count // 2: "server", 3 * count // 4: "painter"}
    measures: list[tuple[int, int]] = []
    began = time.monotonic()
    while len(ordered) < count:
        what = kills.pop(len(ordered), None)
        if what == "painter":
            for number in server.find_painters():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
        elif what == "server":
            server.kill()
            server.start()
            visitor = Visitor(server.address)
            visitor.headers["authorization"] = key
            measures.clear()  # another process
        settings = QUICK | {"seed": random.randrange(600)}
        answer = visitor.post(f"{API}/jobs", json={
            "kind": "paint", "photo": photo, "styles": ["gallery:mosaic"], "settings": settings,
        })  # fmt: skip
        if answer.status_code == 429:
            time.sleep(0.2)
            continue
        ordered.append(answer.raise_for_status().json()["id"])
        if len(ordered) % max(1, count // 20) == 0:
            measures.append(server.measure())
    states = _wait_all(visitor, ordered, 60 + count)
    measures.append(server.measure())
    return _report(states, ordered, measures, time.monotonic() - began)


def _wait_all(visitor: Visitor, ordered: list[str], seconds: float) -> dict[str, str]:
    end = time.monotonic() + seconds
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


def _report(
    states: dict[str, str], ordered: list[str], measures: list[tuple[int, int]], seconds: float
) -> int:
    lost = [id for id in ordered if states.get(id) != "done"]
    # The first quarter warms up.
    settled = measures[len(measures) // 4 :]
    grown = settled[-1][0] - settled[0][0], settled[-1][1] - settled[0][1]
    print(f"{len(ordered)} jobs in {seconds:.0f} s, {len(lost)} not done: {lost[:5]}")
    print(f"memory {measures[0][0] / 2**20:.0f} to {measures[-1][0] / 2**20:.0f} MiB,"
          f" drift {grown[0] / 2**20:+.1f} MiB")  # fmt: skip
    print(f"open files {measures[0][1]} to {measures[-1][1]}, drift {grown[1]:+d}")
    bad = bool(lost) or grown[0] > _MORE_BYTES or grown[1] > _MORE_FILES
    print("failed" if bad else "all is well")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
