"""Who paints the jobs that wait: a process for each device, hired again when one dies."""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto.errors import ImpastoError
from impasto.studio.events import Hub
from impasto.studio.faults import StudioError
from impasto.studio.orders import Counter
from impasto.studio.pictures import measure
from impasto.studio.processes import COMMAND, GoneError, Process
from impasto.studio.settings import StudioSettings
from impasto.studio.store import ENDED, Store

_LOG = logging.getLogger("impasto.studio")

#: How often a job whose process died is begun again.
_SECOND_CHANCES = 1
_WRITE_SECONDS = 2.0
_MOST_LOSSES = 400
#: After it is told to stop; writing a large picture takes seconds.
_CANCEL_SECONDS = 15.0
_LONGEST_PAUSE = 30.0
#: Seconds for one unit of work before any job of its kind was timed; see `Order.work`.
_PACE = {"paint": 130.0, "fast": 130.0, "texture": 130.0}


@dataclass
class Live:
    """What is known of a running job before it is written down."""

    progress: dict[str, Any] | None
    losses: list[list[float]]
    preview: int
    cancelled: bool = False
    written: float = field(default_factory=time.monotonic)

    def add(self, told: dict[str, Any]) -> None:
        """Note what its process told."""
        self.progress, self.preview = told["progress"], told["preview"]
        self.losses.append(told["loss"])
        if len(self.losses) > _MOST_LOSSES:
            del self.losses[1:-1:2]

    def columns(self) -> dict[str, Any]:
        """What is written down."""
        return {"progress": self.progress, "losses": self.losses, "preview": self.preview}


class Crew:
    """Takes jobs out of the queue and has them painted.

    Args:
        store: What there is to do.
        hub: Who is told.
        counter: Knows the files of a job.
        settings: Of the studio.
        command: How a process is started.
    """

    def __init__(
        self,
        store: Store,
        hub: Hub,
        counter: Counter,
        settings: StudioSettings,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._store, self._hub, self._counter = store, hub, counter
        self.live: dict[str, Live] = {}
        self._pace = dict(_PACE)
        self._wake = asyncio.Event()
        self._closing = False
        self.posts = [
            Post(self, device, settings, command) for device in dict.fromkeys(settings.devices)
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin with what waits; jobs that a killed server left behind among it."""
        self.loop = asyncio.get_running_loop()
        self._store.requeue()
        self._tasks = [asyncio.create_task(post.serve()) for post in self.posts]

    @property
    def device(self) -> str:
        """Where it paints, in a few words."""
        return ", ".join(post.device for post in self.posts)

    def wake(self) -> None:
        """There is something new to do."""
        self._wake.set()
        self._hub.all_changed()

    async def next(self) -> dict[str, Any] | None:
        """Wait for a job; None when the server ends."""
        while not self._closing:
            self._wake.clear()
            if (job := self._store.claim()) is not None:
                self.live[job["id"]] = Live(job["progress"], job["losses"], job["preview"])
                self._hub.all_changed()
                return job
            await self._wake.wait()
        return None

    def line(self) -> dict[str, tuple[int, float]]:
        """Place from 1, and seconds to wait, of all jobs in the queue."""
        ahead = sum(self._left(job) for job in self._store.jobs_in("running"))
        places = {}
        for place, job in enumerate(self._store.jobs_in("queued"), 1):
            places[job["id"]] = (place, round(ahead / len(self.posts), 1))
            ahead += self._pace[job["kind"]] * job["work"]
        return places

    async def cancel(self, id: str) -> None:
        """Stop a job; what there is of its picture is kept."""
        job = self._store.job(id)
        if job["state"] == "queued":
            # It may have been running before the server was started again.
            self._end(id, "cancelled", result=self._save_preview(id))
        elif job["state"] == "running" and (live := self.live.get(id)) is not None:
            live.cancelled = True
            for post in self.posts:
                if post.job == id:
                    await post.cancel()

    async def wait_end(self, id: str, seconds: float) -> None:
        """Wait until a job has ended, or so long."""
        with self._hub.watching(id) as event, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._store.job(id)["state"] not in ENDED:
                    event.clear()
                    await event.wait()

    async def drain(self, seconds: float) -> None:
        """End within so many seconds: running jobs keep a checkpoint and wait again."""
        self._closing = True
        self._wake.set()
        for post in self.posts:
            await post.park()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *(post.leave() for post in self.posts),
                             return_exceptions=True)  # fmt: skip
        for live, id in [(live, id) for id, live in self.live.items()]:
            self._store.change_job(id, **live.columns())
        self._store.requeue()

    # What posts report.

    @property
    def closing(self) -> bool:
        """Whether no job is to be begun any more."""
        return self._closing

    def make_task(self, job: dict[str, Any]) -> dict[str, Any]:
        """What a process is told to paint."""
        return {
            "paint": self._counter.make_task(job["session"], job["request"]),
            "job": job["id"],
            "folder": str(self._store.job_folder(job["id"])),
            "preview": job["preview"],
        }

    def advanced(self, id: str, told: dict[str, Any]) -> None:
        """A step was done."""
        live = self.live[id]
        live.add(told)
        if time.monotonic() - live.written > _WRITE_SECONDS:
            live.written = time.monotonic()
            self._store.change_job(id, **live.columns())
        self._hub.changed(id)

    def ended(self, job: dict[str, Any], told: dict[str, Any]) -> None:
        """A process is through with a job."""
        id, state, live = job["id"], told["ended"], self.live.get(job["id"])
        if state == "parked":
            self.put_back(id)
            return
        if state == "failed" and live is not None and live.cancelled:
            state = "cancelled"
        if state == "done":
            seconds = time.time() - job["started"]
            pace = seconds / max(job["work"], 1e-4)
            self._pace[job["kind"]] = 0.7 * self._pace[job["kind"]] + 0.3 * pace
        result = told.get("result")
        if result is None and state == "cancelled":
            result = self._save_preview(id)
        self._end(id, state, result=result, error=told.get("error"))

    def put_back(self, id: str) -> None:
        """Let a job wait again, at its old place."""
        live = self.live.pop(id, None)
        columns = {} if live is None else live.columns()
        self._store.change_job(id, state="queued", **columns)
        self.wake()

    def died(self, job: dict[str, Any], how: str) -> None:
        """The process of a job is gone: once it is begun again from its checkpoint."""
        id, live = job["id"], self.live.get(job["id"])
        if live is not None and live.cancelled:
            self._end(id, "cancelled", result=self._save_preview(id))
        elif self._closing:
            self.put_back(id)
        elif job["attempts"] < _SECOND_CHANCES:
            self._store.change_job(id, attempts=job["attempts"] + 1)
            self.put_back(id)
        else:
            advice = "perhaps memory ran out: choose a smaller size"
            self._end(id, "failed", error=f"The process that painted it {how}, twice; {advice}.")

    def failed(self, id: str, message: str) -> None:
        """A job could not be begun."""
        self._end(id, "failed", error=message)

    def _end(self, id: str, state: str, **changes: Any) -> None:
        live = self.live.pop(id, None)
        columns = {} if live is None else live.columns()
        self._store.end_job(id, state, **(columns | changes))
        with contextlib.suppress(StudioError):
            self._store.make_room(0)
        self.wake()

    def _save_preview(self, id: str) -> dict[str, int] | None:
        """Make the last preview the result, if nothing else was written in time."""
        from impasto import images

        folder = self._store.job_folder(id)
        if not (folder / "preview.jpg").exists():
            return None
        with contextlib.suppress(Exception):
            images.save(images.load(folder / "preview.jpg"), folder / "result.png")
            height, width = measure(folder / "result.png")
            return {"width": width, "height": height}
        return None

    def _left(self, job: dict[str, Any]) -> float:
        """Seconds that a running job still takes."""
        live = self.live.get(job["id"])
        if live is not None and live.progress and live.progress["seconds_left"]:
            return float(live.progress["seconds_left"])
        return self._pace[job["kind"]] * float(job["work"])


class Post:
    """A place where a process paints one job after the other.

    Attributes:
        device: Where it paints.
        job: What it paints now.
    """

    def __init__(
        self, crew: Crew, device: str, settings: StudioSettings, command: Sequence[str]
    ) -> None:
        self.device, self.job = device, ""
        self.is_ready = False
        first = {
            "device": device,
            "max_pixels": settings.most_pixels,
            "keep_every": settings.keep_every,
            "warm": True,
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
                    return "leaving" not in told
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

    async def _kill_later(self, process: Process, job: str) -> None:
        await asyncio.sleep(_CANCEL_SECONDS)
        if self.job == job:
            await process.kill()


def find_preview(store: Store, id: str) -> Path | None:
    """The newest picture of a job as a small file, if there is any."""
    folder = store.job_folder(id)
    for name in ("preview.jpg", "result.png"):
        if (folder / name).exists():
            return folder / name
    return None
