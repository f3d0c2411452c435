"""Sketches, and masks that are found: answers at once, from a process of their own."""

import asyncio
import base64
import contextlib
import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from impasto.studio.faults import BusyError, FullError, InvalidError, NotReadyError
from impasto.studio.processes import COMMAND, GoneError, Process
from impasto.studio.settings import StudioSettings

#: Most requests that wait, of all sessions; of each only the newest one does.
_MOST_WAITING = 32
#: How often a sketch is begun whose process dies.
_CHANCES = 2


class SketchDesk:
    """Takes one request after the other; of each session the newest one wins.

    Args:
        settings: Of the studio.
        networks: Files of those that will be asked for, the first one first.
        command: How the process is started.
    """

    def __init__(
        self, settings: StudioSettings, networks: Sequence[Path], command: Sequence[str] = COMMAND
    ) -> None:
        first = {
            "device": settings.devices[0], "max_pixels": settings.most_pixels,
            "keep_every": settings.keep_every, "paints": False,
            "networks": [str(path) for path in networks],
        }  # fmt: skip
        self._new = functools.partial(Process, command, first, settings.silence)
        self._process: Process | None = None
        self._first: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._waiting: dict[str, asyncio.Event] = {}
        self._numbers = itertools.count(1)

    def start(self) -> None:
        """Have the process there before anybody asks for a sketch."""
        self._first = asyncio.create_task(self._prepare())

    @property
    def pid(self) -> int | None:
        """Number of the process."""
        return None if self._process is None else self._process.pid

    async def sketch(self, session: str, task: dict[str, Any]) -> bytes:
        """A sketch as JPEG.

        Raises:
            BusyError: If a newer request of the session came while this one waited.
            FullError: If too many wait.
            InvalidError: If it cannot be painted.
            NotReadyError: If its process died, twice.
        """
        told = await self._take_turn(session, {"sketch": task})
        return base64.b64decode(told["jpeg"])

    async def find_mask(self, task: dict[str, Any]) -> tuple[int, int]:
        """Have a mask found in a photograph; its (H, W).

        Args:
            task: The photo, what to find, and the target, a file.

        Raises:
            FullError: If too many wait.
            InvalidError: If it is not there, or cannot be looked for.
            NotReadyError: If its process died, twice.
        """
        told = await self._take_turn(f"mask {task['target']}", {"mask": task})
        return told["size"][0], told["size"][1]

    async def _take_turn(self, who: str, task: dict[str, Any]) -> dict[str, Any]:
        await self._wait_turn(who)
        try:
            return await self._ask(task)
        finally:
            self._turn.release()

    async def close(self) -> None:
        """Send the process home."""
        if self._first is not None:
            self._first.cancel()
            await asyncio.gather(self._first, return_exceptions=True)
        if self._process is not None:
            await self._process.kill()

    async def _wait_turn(self, who: str) -> None:
        if (older := self._waiting.get(who)) is not None:
            older.set()
        elif len(self._waiting) >= _MOST_WAITING:
            raise FullError("Too many sketches are waiting; try again in a moment.", retry_after=2)
        newer = self._waiting[who] = asyncio.Event()
        turn = asyncio.ensure_future(self._turn.acquire())
        pushed = asyncio.ensure_future(newer.wait())
        try:
            await asyncio.wait({turn, pushed}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._give_up(turn)
            raise
        finally:
            pushed.cancel()
            if self._waiting.get(who) is newer:
                del self._waiting[who]
        if newer.is_set():
            await self._give_up(turn)
            raise BusyError("A newer sketch was asked for.")

    async def _give_up(self, turn: "asyncio.Future[Any]") -> None:
        if not turn.cancel() and turn.done() and not turn.cancelled():
            self._turn.release()

    async def _ask(self, task: dict[str, Any]) -> dict[str, Any]:
        for chance in range(_CHANCES):
            try:
                told = await self._tell(await self._hire(), task)
                break
            except (GoneError, OSError) as error:
                self._process = None
                if chance == _CHANCES - 1:
                    raise NotReadyError(
                        f"The process for sketches {error}; try again.", retry_after=1
                    ) from error
        if "error" in told:
            raise InvalidError(told["error"])
        return told

    async def _tell(self, process: Process, task: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        await process.say(task | {"number": number})
        while (told := await process.hear()).get("number") != number:
            pass
        return told

    async def _prepare(self) -> None:
        async with self._turn:
            with contextlib.suppress(GoneError, OSError):  # who asks for a sketch is told
                await self._hire()

    async def _hire(self) -> Process:
        if self._process is None or self._process.is_gone:
            process = self._new()
            try:
                await process.start()
                await process.hear()
            except BaseException:
                await process.kill()
                raise
            self._process = process
        return self._process
