"""What all routes of the studio share: who asks, what there is, how faults are described."""

import asyncio
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Request
from fastapi.responses import Response
from pydantic import BeforeValidator

from impasto.studio import pictures
from impasto.studio.crew import Crew
from impasto.studio.events import Hub
from impasto.studio.orders import Counter
from impasto.studio.settings import StudioSettings
from impasto.studio.sketching import SketchDesk
from impasto.studio.store import Store

API = "/api/v1"
COOKIE = "impasto_session"
_YEAR = 31_536_000


@dataclass
class Studio:
    """Everything that routes need.

    Attributes:
        settings: Of the studio.
        store: What is kept.
        hub: Wakes watchers.
        counter: Takes orders.
        crew: Paints.
        desk: Sketches; None if it is not wanted.
        hands: How many pictures are worked on at once.
        ahead: What is being made before anybody asks for it.
    """

    settings: StudioSettings
    store: Store
    hub: Hub
    counter: Counter
    crew: Crew
    desk: SketchDesk | None
    hands: asyncio.Semaphore
    ahead: set[asyncio.Task[Any]] = field(default_factory=set)

    def show(self, job: dict[str, Any], line: dict[str, tuple[int, float]]) -> dict[str, Any]:
        """A job as the API tells it."""
        live = self.crew.live.get(job["id"])
        known = job if live is None else job | live.columns()
        place, wait = line.get(job["id"], (None, 0.0))
        names = ("id", "kind", "state", "created", "started", "finished", "result", "error")
        request = job["request"]
        asked = ("photo", "styles", "settings", "masks", "protect", "network")
        return {
            **{name: job[name] for name in names},
            "position": place,
            "wait_seconds": wait,
            **{name: request[name] for name in asked},
            "protect_found": request.get("protect_found", []),
            **{name: known[name] for name in ("progress", "losses", "preview")},
        }

    def make_ahead(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something that will be asked for; what fails is told to who asks."""
        task = asyncio.create_task(work)
        self.ahead.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self.ahead.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that nobody complains

    async def in_thread(self, work: Any, *arguments: Any, **named: Any) -> Any:
        """Do something that takes long beside the event loop, with few others."""
        async with self.hands:
            return await asyncio.to_thread(work, *arguments, **named)


def find_key(request: Request) -> str | None:
    """What a request says about who asks: a bearer's word, or the cookie."""
    kind, _, word = request.headers.get("authorization", "").partition(" ")
    return word.strip() if kind.lower() == "bearer" else request.cookies.get(COOKIE)


def knows_token(given: str | None, settings: StudioSettings) -> bool:
    """Whether somebody may have a session; on this computer everybody may."""
    if settings.token is None:
        return True
    return secrets.compare_digest((given or "").encode(), settings.token.encode())


def set_cookie(response: Response, key: str, request: Request) -> None:
    """Give a browser its session."""
    response.set_cookie(
        COOKIE, key, max_age=_YEAR, path="/", httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip


Id = Annotated[str, Path(max_length=120, pattern=r"^[A-Za-z0-9:_-]+$")]
Role = Literal["photo", "style", "mask"]
Side = Annotated[Literal[256, 1024], BeforeValidator(int)]
#: Pictures never change under their id.
FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
_FAULT = {
    "application/json": {
        "schema": {
            "type": "object",
            "properties": {
                "error": {
                    "type": "object",
                    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
                    "required": ["code", "message"],
                }
            },
            "required": ["error"],
        }
    }
}


def list_faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Errors of a route, for its description."""
    return {
        status: {"description": "An error in one line.", "content": _FAULT}
        for status in (401, 403, 421, 422, *statuses)
    }


def list_types(*types: str) -> dict[int | str, dict[str, Any]]:
    """What a route that gives a picture answers with, for its description."""
    schema = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
    return {200: {"description": "The picture.", "content": dict.fromkeys(types, schema)}}


def locate(response: Response, kind: str, made: dict[str, Any]) -> dict[str, Any]:
    """Say in the headers where something new is found; gives it back."""
    response.headers["location"] = f"{API}/{kind}/{made['id']}"
    return made


def find_studio(request: Request) -> Studio:
    """The studio of this server."""
    studio: Studio = request.app.state.studio
    return studio


def find_session(request: Request) -> str:
    """Whose request it is.

    Raises:
        SessionError: If nobody knows.
    """
    return find_studio(request).store.find_session(find_key(request))


Here = Annotated[Studio, Depends(find_studio)]
Session = Annotated[str, Depends(find_session)]


async def find_copy(studio: Studio, id: str, side: int | None) -> FilePath:
    """The file of a picture, or of a small copy, which is made once."""
    source = studio.store.picture_path(id)
    if side is None:
        return source
    small = studio.store.picture_path(id, side)
    await studio.in_thread(pictures.shrink, source, small, side)
    return small
