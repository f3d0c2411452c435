"""Server-sent events: a job as it changes, for whoever watches."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from impasto.studio.faults import UnknownError
from impasto.studio.store import ENDED

#: Between two events that tell of progress: five a second. The first preview is not held up.
_PACE_SECONDS = 0.2
_COMMENT_SECONDS = 10.0


class Hub:
    """Wakes those who watch jobs; for the thread of the event loop only.

    Attributes:
        closing: Whether the server is about to end: watchers leave.
    """

    def __init__(self) -> None:
        self.closing = False
        self._watchers: dict[str, set[asyncio.Event]] = {}

    @contextlib.contextmanager
    def watching(self, job: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the job changes."""
        event = asyncio.Event()
        self._watchers.setdefault(job, set()).add(event)
        try:
            yield event
        finally:
            self._watchers[job].discard(event)
            if not self._watchers[job]:
                del self._watchers[job]

    def changed(self, job: str) -> None:
        """Wake those who watch a job."""
        for event in self._watchers.get(job, ()):
            event.set()

    def all_changed(self) -> None:
        """Wake everybody: places in the queue have changed, or the server ends."""
        for job in list(self._watchers):
            self.changed(job)

    def close(self) -> None:
        """Send everybody home."""
        self.closing = True
        self.all_changed()


async def stream(
    hub: Hub, job: str, show: Callable[[], dict[str, Any]], last: int
) -> AsyncIterator[str]:
    """The events of a job until it has ended.

    Args:
        hub: Who wakes us.
        job: Its id.
        show: Gives the job as it is now.
        last: Number of the last event that was seen; ours count on from there.

    Yields:
        Text of `text/event-stream`.
    """
    number = last
    before: dict[str, Any] = {}
    sent = 0.0
    with hub.watching(job) as event:
        while not hub.closing:
            event.clear()
            try:
                now = show()
            except UnknownError:
                return
            name, data = _compare(before, now)
            rest = sent + _PACE_SECONDS - time.monotonic()
            if name == "progress" and rest > 0 and before["preview"]:
                await asyncio.sleep(rest)
                continue
            if name:
                number, sent = number + 1, time.monotonic()
                yield f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
            before = now
            if now["state"] in ENDED:
                return
            try:
                await asyncio.wait_for(event.wait(), _COMMENT_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"


def _compare(before: dict[str, Any], now: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The kind of event that tells what is new, and its data."""
    facts = ("state", "position", "result", "error")
    if any(name not in before or before[name] != now[name] for name in facts):
        return "job", now
    if before["progress"] != now["progress"] or before["preview"] != now["preview"]:
        losses = now["losses"]
        return "progress", {
            "progress": now["progress"],
            "loss": losses[-1] if losses else None,
            "preview": now["preview"],
        }
    return "", {}
