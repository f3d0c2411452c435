"""A process that answers JSON lines, as the server's event loop sees it."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from impasto.errors import ImpastoError

#: How a process that paints is started.
COMMAND = (sys.executable, "-m", "impasto.studio.worker")
#: Longest line: a sketch.
_LINE = 2**24


class GoneError(ImpastoError):
    """The process has ended, or has been silent for too long."""


class Process:
    """One process and the lines that go to and fro; start it before use.

    Args:
        command: What to run.
        first: What it is told first.
        silence: Seconds without a line after which it is taken for dead.
    """

    def __init__(self, command: Sequence[str], first: dict[str, Any], silence: float) -> None:
        self._command, self._first, self._silence = command, first, silence
        self._process: asyncio.subprocess.Process | None = None
        self._lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._heard = time.monotonic()
        self._pump: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Its number; None before it is started."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start it, and tell it how to work."""
        # Threads that spin while they wait take the processor from the server.
        quiet = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "4000"}
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE,
            env=quiet | dict(os.environ),
            start_new_session=True,  # Ctrl-C reaches it through us
        )
        self._heard = time.monotonic()
        self._pump = asyncio.create_task(self._listen())
        await self.say(self._first)

    async def say(self, value: dict[str, Any]) -> None:
        """Tell it something; if it is gone, `hear` will notice."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._process.stdin.write(json.dumps(value).encode() + b"\n")
            await self._process.stdin.drain()

    async def hear(self) -> dict[str, Any]:
        """What it says next, but for signs of life.

        Raises:
            GoneError: If it has ended or is silent.
        """
        while True:
            rest = self._heard + self._silence - time.monotonic()
            try:
                told = await asyncio.wait_for(self._lines.get(), max(rest, 0.01))
            except TimeoutError:
                if time.monotonic() - self._heard < self._silence:
                    continue
                await self.kill()
                raise GoneError(f"was silent for {self._silence:.0f} seconds") from None
            if told is None:
                raise GoneError(_describe_end(await self._wait()))
            return told

    @property
    def is_gone(self) -> bool:
        """Whether it has ended."""
        return self._pump is not None and self._pump.done()

    async def _listen(self) -> None:
        """Take its lines as they come, also while nobody waits for them."""
        assert self._process is not None
        assert self._process.stdout is not None
        with contextlib.suppress(ConnectionError, ValueError):
            while (line := await self._process.stdout.readline()).endswith(b"\n"):
                self._heard = time.monotonic()
                told = json.loads(line)
                if "beat" not in told:
                    self._lines.put_nowait(told)
        self._lines.put_nowait(None)

    async def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def dismiss(self, seconds: float) -> None:
        """Let it leave by itself, or end it."""
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            await self.kill()

    async def _wait(self) -> int:
        assert self._process is not None
        try:
            return await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            await self.kill()
            return -9


def _describe_end(code: int) -> str:
    how = f"by signal {-code}" if code < 0 else f"with code {code}"
    return f"ended {how}"
