"""The addresses of jobs and sketches; see docs/studio.md."""

import asyncio
import contextlib
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from impasto.studio import pictures
from impasto.studio.events import stream
from impasto.studio.faults import FullError, NotReadyError, UnknownError
from impasto.studio.masking import list_pictures
from impasto.studio.orders import AgainRequest, JobRequest, SketchRequest
from impasto.studio.premises import (
    FOREVER,
    Here,
    Id,
    Session,
    Studio,
    find_copy,
    list_faults,
    list_types,
    locate,
)
from impasto.studio.previews import find_preview
from impasto.studio.store import ENDED

router = APIRouter()

_CANCEL_SECONDS = 1.0
_DELETE_SECONDS = 20.0


@router.post("/jobs", status_code=201, responses=list_faults(404, 429, 507))
async def order(
    asked: JobRequest, studio: Here, session: Session, response: Response
) -> dict[str, Any]:
    """Have something painted."""
    return locate(response, "jobs", await _order(asked, studio, session))


async def _order(asked: JobRequest, studio: Studio, session: str) -> dict[str, Any]:
    waiting = studio.store.count_jobs("queued")
    if waiting >= studio.settings.max_queued:
        wait = max((seconds for _, seconds in studio.crew.line().values()), default=10.0)
        raise FullError(
            f"{waiting} jobs are waiting, which is all that fit; try again later.",
            retry_after=max(1, min(3600, round(wait / max(waiting, 1)))),
        )
    taken = studio.counter.take(session, asked)
    id = studio.store.add_job(session, asked.kind, taken.request, taken.work)
    studio.crew.wake()
    return _tell_job(studio, session, id)


@router.get("/jobs", responses=list_faults(404))
async def list_jobs(
    studio: Here,
    session: Session,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[str | None, Query(max_length=120)] = None,
    state: Literal["queued", "running", "done", "cancelled", "failed"] | None = None,
    losses: bool = True,
) -> list[dict[str, Any]]:
    """Jobs, newest first; without their losses if those are not wanted."""
    line = studio.crew.line()
    found = studio.store.jobs(session, limit, before, state)
    return [studio.show(job, line) | ({} if losses else {"losses": []}) for job in found]


@router.get("/jobs/{id}", responses=list_faults(404))
async def tell_job(id: Id, studio: Here, session: Session) -> dict[str, Any]:
    """A job as it stands."""
    return _tell_job(studio, session, id)


@router.delete("/jobs/{id}", status_code=204, responses=list_faults(404))
async def remove_job(id: Id, studio: Here, session: Session) -> None:
    """Delete a job and its result; it is cancelled first."""
    await end_job(studio, studio.store.job(id, session))
    studio.store.remove_job(id)


async def end_job(studio: Studio, job: dict[str, Any]) -> None:
    """Cancel a job that has not ended, and wait until it has."""
    if job["state"] not in ENDED:
        await studio.crew.cancel(job["id"])
        with contextlib.suppress(UnknownError):
            await studio.crew.wait_end(job["id"], _DELETE_SECONDS)


@router.get("/jobs/{id}/events", response_class=StreamingResponse, responses=list_faults(404) | {
    200: {"description": "Events.", "content": {"text/event-stream": {}}},
})  # fmt: skip
async def watch_job(request: Request, id: Id, studio: Here, session: Session) -> Response:
    """A job as it changes, until it has ended."""
    _tell_job(studio, session, id)
    seen = request.headers.get("last-event-id", "0")
    last = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 16 else 0
    events = stream(studio.hub, id, lambda: _tell_job(studio, session, id), last)
    return StreamingResponse(events, media_type="text/event-stream")


@router.get("/jobs/{id}/preview", response_class=Response,
            responses=list_faults(404) | list_types("image/jpeg"))  # fmt: skip
async def show_preview(
    id: Id, studio: Here, session: Session, v: Annotated[int | None, Query(ge=0)] = None
) -> Response:
    """How far a painting is."""
    studio.store.job(id, session)
    path = studio.store.job_folder(id) / "preview.jpg"
    try:
        data = await asyncio.to_thread(path.read_bytes)
    except FileNotFoundError:
        raise UnknownError("There is no picture of it yet.") from None
    headers = {"cache-control": "no-store"}
    return Response(data, media_type="image/jpeg", headers=headers)


@router.get("/jobs/{id}/result", response_class=Response,
            responses=list_faults(404) | list_types(*pictures.FORMATS.values()))  # fmt: skip
async def show_result(
    id: Id,
    studio: Here,
    session: Session,
    format: Literal["png", "jpeg", "tiff", "webp"] = "png",
    download: bool = False,
    quality: Annotated[int, Query(ge=1, le=100)] = 92,
) -> Response:
    """The painting, with the settings inside from which `impasto again` repeats it."""
    job = studio.store.job(id, session)
    path = studio.store.job_folder(id) / "result.png"
    if job["result"] is None or not path.exists():
        raise UnknownError("There is no result yet.")
    data = await studio.in_thread(pictures.convert_result, path, format, quality)
    headers = dict(FOREVER)
    if download:
        name = pictures.name_download(_list_names(studio, session, job), format)
        headers["content-disposition"] = f'attachment; filename="{quote(name)}"'
    return Response(data, media_type=pictures.FORMATS[format], headers=headers)


@router.get("/jobs/{id}/thumbnail", response_class=Response,
            responses=list_faults(404, 507) | list_types("image/webp"))  # fmt: skip
async def show_thumbnail(id: Id, studio: Here, session: Session) -> Response:
    """A small picture of a job: of its result, or of how far it is."""
    job = studio.store.job(id, session)
    folder, ended = studio.store.job_folder(id), job["state"] in ENDED
    source = folder / "result.png" if ended and job["result"] else find_preview(studio.store, id)
    if source is None:
        raise UnknownError("There is no picture of it yet.")
    if not ended:
        data = await studio.in_thread(pictures.draw_small, source, pictures.SIDES[0])
        return Response(data, media_type="image/webp", headers={"cache-control": "no-store"})
    small = folder / "thumbnail.webp"
    await studio.in_thread(pictures.shrink, source, small, pictures.SIDES[0])
    return Response(small.read_bytes(), media_type="image/webp", headers=FOREVER)


@router.post("/jobs/{id}/cancel", responses=list_faults(404))
async def cancel_job(id: Id, studio: Here, session: Session) -> dict[str, Any]:
    """Stop a job; the picture so far is its result."""
    studio.store.job(id, session)
    await studio.crew.cancel(id)
    await studio.crew.wait_end(id, _CANCEL_SECONDS)
    return _tell_job(studio, session, id)


@router.post("/jobs/{id}/again", status_code=201, responses=list_faults(404, 429, 507))
async def repeat_job(
    id: Id, asked: AgainRequest, studio: Here, session: Session, response: Response
) -> dict[str, Any]:
    """Paint again what an earlier job painted, with other settings."""
    job = studio.store.job(id, session)
    request = job["request"]
    changed = request | {"kind": job["kind"], "settings": request["settings"] | asked.settings}
    return locate(response, "jobs", await _order(JobRequest(**changed), studio, session))


@router.post("/sketches", response_class=Response,
             responses=list_faults(404, 409, 429, 503) | list_types("image/jpeg"))  # fmt: skip
async def sketch(asked: SketchRequest, studio: Here, session: Session) -> Response:
    """A fast painting at once; the newest request of a session wins."""
    if studio.desk is None:
        raise NotReadyError("There is no fast network here, so that nothing can be sketched.")
    task = studio.counter.make_sketch(session, asked)
    # Small copies: a sketch is no larger, and they are decoded in a moment.
    task["photo"]["path"] = str(await find_copy(studio, asked.photo, 1024))
    for style, id in zip(task["styles"], asked.styles, strict=True):
        if "path" in style and ":" not in id:
            style["path"] = str(await find_copy(studio, id, 1024))
    data = await studio.desk.sketch(session, task)
    return Response(data, media_type="image/jpeg")


def _tell_job(studio: Studio, session: str, id: str) -> dict[str, Any]:
    job = studio.store.job(id, session)
    line = studio.crew.line() if job["state"] == "queued" else {}
    return studio.show(job, line)


def _list_names(studio: Studio, session: str, job: dict[str, Any]) -> list[str]:
    """Names of the photograph and the styles of a job, as far as they are still there."""
    request = job["request"]
    ids = [id for id in (request["photo"], *request["styles"]) if id is not None]
    own = {one["id"]: one["name"] for one in studio.store.pictures(session)}
    gone = set(list_pictures(request)) - set(own)
    return [own.get(id) or id.rpartition(":")[2] for id in ids if id not in gone]
