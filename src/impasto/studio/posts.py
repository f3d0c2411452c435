"""Where jobs are painted: a place for each device, and the process that works there."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from impasto.errors import ImpastoError
from impasto.studio.faults import StudioError
from impasto.studio.processes import GoneError, Process
from impasto.studio.settings import StudioSettings

if TYPE_CHECKING:
    from impasto.studio.crew import Crew

_LOG = logging.getLogger("impasto.studio")

#: After it is told to stop; writing a large picture takes seconds.
_CANCEL_SECONDS = 15.0
_LONGEST_PAUSE = 30.0


class Post:
    """A place where a process paints one job after the other.

    Attributes:
        device: Where it paints.
        job: What it paints now.
    """

    def __init__(
        self, crew: "Crew", device: str, settings: StudioSettings, command: Sequence[str]
    ) -> None:
        self.device, self.job = device, ""
        self.is_ready = False
        first = {
            "device": device,
            "max_pixels": settings.most_pixels,
            "keep_every": settings.keep_every,
            "paints": True,
            "networks": [],
        }
        self._crew = crew
        self._new = functools.partial(Process, command, first, settings.silence)
        self._process: Process | None = None
        self._killer: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Number of the process."""
        return None if self._process is None else self._process.pid

    async def serve(self) -> None:
        """Hire a process and give it jobs, until the server ends."""
        pause = 0.0
        while not self._crew.closing:
            process = self._process = self._new()
            try:
                await process.start()
                self.device = str((await process.hear())["ready"])
                self.is_ready, pause = True, 0.0
                while (job := await self._crew.next()) is not None:
                    if not await self._carry_out(job, process):
                        break
            except (GoneError, OSError):
                self.is_ready = False
            except Exception:  # noqa: BLE001 - whatever it is, others must not wait for ever
                _LOG.exception("A post of the studio begins again.")
                self.is_ready = False
                await process.kill()
            if not self._crew.closing and not self.is_ready:
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause + 0.5)

    async def cancel(self) -> None:
        """Stop the job; who does not, is stopped."""
        if self._process is not None:
            await self._process.say({"cancel": self.job})
            self._killer = asyncio.create_task(self._kill_later(self._process, self.job))

    async def park(self) -> None:
        """Keep the job and put it away."""
        if self._process is not None and self._process.pid is not None:
            await self._process.say({"park": True})

    async def leave(self) -> None:
        """Send the process home."""
        if self._process is not None:
            await self._process.dismiss(0.5)

    async def _carry_out(self, job: dict[str, Any], process: Process) -> bool:
        """Have a job painted; whether the process is there for another one."""
        id = self.job = job["id"]
        if process.is_gone:  # while there was nothing to do
            self._crew.put_back(id)
            return False
        try:
            try:
                await process.say(self._crew.make_task(job))
            except ImpastoError as error:
                self._crew.failed(id, str(error))
                return True
            while True:
                told = await process.hear()
                if told.get("job") != id:
                    continue
                if "ended" in told:
                    self._crew.ended(job, told)
                    return "leaving" not in told and await self._unwind(told, process)
                self._crew.advanced(id, told)
        except GoneError as error:
            self._crew.died(job, str(error))
            raise
        except Exception:
            with contextlib.suppress(StudioError):
                self._crew.failed(id, "Unexpected error; the server's log says more.")
            raise
        finally:
            self.job = ""
            if self._killer is not None:
                self._killer.cancel()

    async def _unwind(self, told: dict[str, Any], process: Process) -> bool:
        """Wait for a process that is still in a step of a job which has ended."""
        try:
            while "busy" in told and (await process.hear()).get("free") != told["job"]:
                pass
        except GoneError:  # it was not to be waited for: no other job is to blame
            return False
        return True

    async def _kill_later(self, process: Process, job: str) -> None:
        await asyncio.sleep(_CANCEL_SECONDS)
        if self.job == job:
            await process.kill()
