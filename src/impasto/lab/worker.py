"""A process that makes runs for another one: `python -m impasto.lab.worker`.

It is told one JSON object a line on standard input, first how to work and then what to run, and
answers in the same way. It ends when there is nothing more to read.
"""

import json
import os
import signal
import sys
import time
from typing import IO, Any

_TELL_SECONDS = 0.5


class _Worker:
    """What a worker keeps between runs."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._stopping = False
        self._told = 0.0

    def stop(self, *_: object) -> None:
        self._stopping = True

    def work(self, lines: IO[str]) -> None:
        from impasto.lab.crew import Conditions
        from impasto.lab.experiments import Run
        from impasto.lab.running import StoppedError

        bench = Conditions(**json.loads(lines.readline())).make_bench()
        for line in lines:
            try:
                record = bench.carry_out(Run.from_dict(json.loads(line)), self._watch)
            except StoppedError:
                self._tell({"stopped": True})
                return
            self._tell({"record": record})

    def _watch(self, progress: Any) -> bool:
        if time.monotonic() - self._told >= _TELL_SECONDS:
            self._told = time.monotonic()
            self._tell({"step": progress.step, "left": progress.seconds_left})
        return not self._stopping

    def _tell(self, value: dict[str, Any]) -> None:
        self._out.write(json.dumps(value) + "\n")
        self._out.flush()


def main() -> int:
    """Work until standard input ends."""
    # What libraries print must not come between the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = _Worker(out)
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), worker.stop)
    worker.work(sys.stdin)
    return 0


if __name__ == "__main__":
    sys.exit(main())
