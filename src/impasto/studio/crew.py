"""Who paints the jobs that wait: a process for each device, hired again when one dies."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

from impasto.studio.events import Hub
from impasto.studio.faults import StudioError
from impasto.studio.live import Live, Pace
from impasto.studio.orders import Counter
from impasto.studio.posts import Post
from impasto.studio.previews import save_preview
from impasto.studio.processes import COMMAND
from impasto.studio.settings import StudioSettings
from impasto.studio.store import ENDED, Store

#: How often a job whose process died is begun again.
_SECOND_CHANCES = 1


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
        self._pace = Pace()
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
        running = self._store.jobs_in("running")
        ahead = sum(self._pace.estimate(job, self.live.get(job["id"])) for job in running)
        places = {}
        for place, job in enumerate(self._store.jobs_in("queued"), 1):
            places[job["id"]] = (place, round(ahead / len(self.posts), 1))
            ahead += self._pace.estimate(job)
        return places

    async def cancel(self, id: str) -> None:
        """Stop a job; what there is of its picture is kept."""
        job = self._store.job(id)
        if job["state"] == "queued":
            # It may have been running before the server was started again.
            self._end(id, "cancelled", result=save_preview(self._store, id))
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
        if live.is_due:
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
            self._pace.learn(job, time.time() - job["started"])
        result = told.get("result")
        if result is None and state == "cancelled":
            result = save_preview(self._store, id)
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
            self._end(id, "cancelled", result=save_preview(self._store, id))
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
