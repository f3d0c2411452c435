"""Programs that stay up and do a piece of work whenever they are asked, so that they take turns.

A busy moment of the machine hits all of them alike then, and ratios hold where seconds do not.
"""

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from benchmarks.processes import ROOT, ProgramError, imitate_cli


class Turn(NamedTuple):
    """What a piece of work took.

    Attributes:
        seconds: By the clock.
        work: Of the processor, all threads together.
    """

    seconds: float
    work: float


class Worker:
    """A program that reads a line of JSON, works, and answers with `seconds` and `work`.

    Args:
        command: What is run, in the environment that the command line gives itself.
        order: Handed over as its last argument, as JSON.
        threads: That it may use.
    """

    def __init__(self, command: Sequence[str], order: Mapping[str, object], threads: int) -> None:
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__
        known = os.environ.get("PYTHONPATH")
        surroundings = imitate_cli() | {
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": os.pathsep.join([str(ROOT), *([known] if known else [])]),
        }
        self._process = subprocess.Popen(
            [*command, json.dumps(order)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._complaints, text=True, env=surroundings,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._complaints):
            if file:
                file.close()

    def ask(self, piece: object) -> dict[str, float]:
        """Have it do a piece of work.

        Raises:
            ProgramError: If it has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(piece) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what it said last is told below
        line = self._process.stdout.readline()
        if not line:
            self._complaints.seek(0)
            said = self._complaints.read().strip().splitlines()
            raise ProgramError(said[-1] if said else "A program ended without a word.")
        answer: dict[str, float] = json.loads(line)
        return answer


class Tally:
    """Turns of several programs, and their ratios to one of them round by round."""

    def __init__(self) -> None:
        self.turns: dict[str, list[Turn]] = {}

    def add(self, name: str, turn: Turn) -> None:
        """Note a turn; each program has one in each round."""
        self.turns.setdefault(name, []).append(turn)

    def seconds(self, name: str) -> float:
        """Median by the clock."""
        return statistics.median(turn.seconds for turn in self.turns[name])

    def work(self, name: str) -> float:
        """Median of the processor's seconds."""
        return statistics.median(turn.work for turn in self.turns[name])

    def ratio(self, name: str, peer: str) -> tuple[float, float, float]:
        """How many times the peer's processor seconds: median, least and largest of the rounds."""
        rounds = zip(self.turns[peer], self.turns[name], strict=True)
        found = [theirs.work / max(ours.work, 1e-9) for theirs, ours in rounds]
        return statistics.median(found), min(found), max(found)


def take_turns(workers: Mapping[str, Worker], piece: object, repeats: int) -> Tally:
    """Have all of them do the same piece of work in turns; a first round is not counted."""
    tally = Tally()
    for round_ in range(repeats + 1):
        for name, worker in workers.items():
            answer = worker.ask(piece)
            if round_:
                tally.add(name, Turn(answer["seconds"], answer["work"]))
    return tally


def open_workers(
    stack: ExitStack,
    commands: Mapping[str, tuple[Sequence[str], Mapping[str, object]]],
    threads: int,
) -> dict[str, Worker]:
    """Start several programs, which end with the stack."""
    return {
        name: stack.enter_context(Worker(command, order, threads))
        for name, (command, order) in commands.items()
    }


def find_python(program: Path) -> Path:
    """The interpreter of the environment that a program lies in."""
    return program.absolute().parent / "python"
