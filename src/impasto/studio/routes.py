"""The addresses of the API; see docs/studio.md."""

import asyncio
import contextlib
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from impasto import gallery
from impasto.studio import pictures
from impasto.studio.app import Studio, find_key, knows_token, set_cookie
from impasto.studio.crew import find_preview
from impasto.studio.events import stream
from impasto.studio.faults import (
    BusyError,
    FullError,
    NotReadyError,
    SessionError,
    UnknownError,
)
from impasto.studio.form import make_forms
from impasto.studio.orders import AgainRequest, JobRequest, SketchRequest
from impasto.studio.store import ENDED, disk_faults, list_pictures
from impasto.version import __version__

router = APIRouter()

Id = Annotated[str, Path(max_length=120, pattern=r"^[A-Za-z0-9:_-]+$")]
Role = Literal["photo", "style", "mask"]
Side = Literal[256, 1024]
_CANCEL_SECONDS = 1.0
_DELETE_SECONDS = 20.0
#: Pictures never change under their id.
_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
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


def _faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"description": "An error in one line.", "content": _FAULT}
        for status in (401, 403, 421, 422, *statuses)
    }


def _binary(*types: str) -> dict[int | str, dict[str, Any]]:
    schema = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
    return {200: {"description": "The picture.", "content": dict.fromkeys(types, schema)}}


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


@router.get("/health")
async def tell_health(studio: Here) -> dict[str, Any]:
    """Whether the studio works."""
    return {
        "version": __version__,
        "device": studio.crew.device,
        "workers": len(studio.crew.posts),
        "queued": studio.store.count_jobs("queued"),
        "ready": any(post.is_ready for post in studio.crew.posts),
    }


@router.post("/session", responses=_faults())
async def open_session(request: Request, studio: Here) -> JSONResponse:
    """A session for a program, which then sends it as a bearer's word."""
    kind, _, word = request.headers.get("authorization", "").partition(" ")
    token = word.strip() if kind.lower() == "bearer" else None
    if not knows_token(token, studio.settings):
        raise SessionError("This studio needs its token: Authorization: Bearer TOKEN.")
    key = studio.store.open_session()
    response = JSONResponse({"session": key})
    if "sec-fetch-site" in request.headers:  # a page of ours, which may not hold keys
        set_cookie(response, key, request)
    return response


@router.get("/options", responses=_faults())
async def tell_options(studio: Here, session: Session) -> dict[str, Any]:
    """What can be set, and what is allowed."""
    settings = studio.settings
    networks = [
        {"name": name, "kind": card.network, "holds_styles": bool(card.styles),
         "styles": list(card.styles)}
        for name, card in studio.counter.cards.items()
    ]  # fmt: skip
    limits = {"bytes": settings.max_bytes, "pixels": settings.max_pixels,
              "queued": settings.max_queued, "size": settings.max_size}  # fmt: skip
    forms = make_forms(studio.counter.backbones)
    return {"kinds": forms, "networks": networks, "limits": limits}


@router.get("/styles", responses=_faults())
async def list_styles(studio: Here, session: Session) -> list[dict[str, Any]]:
    """Styles of the gallery, and those that were sent."""
    found = []
    for name, style in gallery.STYLES.items():
        height, width = pictures.gallery_size(name)
        found.append({"id": f"gallery:{name}", "name": name, "title": style.title, "own": False,
                      "width": width, "height": height})  # fmt: skip
    for one in studio.store.pictures(session, "style"):
        found.append({"id": one["id"], "name": one["name"], "title": one["name"], "own": True,
                      "width": one["width"], "height": one["height"]})  # fmt: skip
    return found


@router.get("/styles/{id}/picture", response_class=Response,
            responses=_faults(404) | _binary("image/webp", "image/png"))  # fmt: skip
async def show_style(id: Id, studio: Here, session: Session, size: Side | None = None) -> Response:
    """The picture of a style."""
    path, _ = studio.counter.find_style(session, id)
    if not id.startswith("gallery:"):
        return await show_picture(id, studio, session, size)
    if size is None:
        data = await asyncio.to_thread(path.read_bytes)
    else:
        data = await studio.in_thread(pictures.draw_small, path, size)
    return Response(data, media_type="image/webp", headers=_FOREVER)


@router.post("/pictures", status_code=201, responses=_faults(408, 413, 415, 507), openapi_extra={
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
})  # fmt: skip
async def send_picture(
    request: Request,
    studio: Here,
    session: Session,
    role: Role = "photo",
    name: Annotated[str | None, Query(max_length=300)] = None,
) -> dict[str, Any]:
    """Send a picture: the body is the file."""
    store, file = studio.store, studio.store.incoming()
    try:
        await _write_body(request, file, studio)
        size = await studio.in_thread(
            pictures.take_in, file, max_pixels=studio.settings.max_pixels, role=role
        )
        kept = store.add_picture(session, role, pictures.clean_name(name, role), size, file)
    finally:
        file.unlink(missing_ok=True)
    return _tell_picture(kept)


async def _write_body(request: Request, file: Any, studio: Studio) -> None:
    count = 0
    with disk_faults(), file.open("wb") as opened:
        async for piece in request.stream():
            count += len(piece)
            if count % 2**22 < len(piece):
                studio.store.make_room(count)
            opened.write(piece)


@router.get("/pictures", responses=_faults())
async def list_all(
    studio: Here, session: Session, role: Role | None = None
) -> list[dict[str, Any]]:
    """Pictures that were sent, newest first."""
    return [_tell_picture(one) for one in studio.store.pictures(session, role)]


@router.get("/pictures/{id}", responses=_faults(404))
async def tell_picture(id: Id, studio: Here, session: Session) -> dict[str, Any]:
    """Facts about a picture."""
    return _tell_picture(studio.store.picture(session, id))


@router.get("/pictures/{id}/content", response_class=Response,
            responses=_faults(404, 507) | _binary("image/png", "image/webp"))  # fmt: skip
async def show_picture(
    id: Id, studio: Here, session: Session, size: Side | None = None
) -> Response:
    """A picture, or a small copy of it."""
    studio.store.picture(session, id)
    path = await _find_copy(studio, id, size)
    data = await asyncio.to_thread(path.read_bytes)
    kind = "image/png" if size is None else "image/webp"
    return Response(data, media_type=kind, headers=_FOREVER)


@router.delete("/pictures/{id}", status_code=204, responses=_faults(404, 409))
async def remove_picture(id: Id, studio: Here, session: Session) -> None:
    """Delete a picture."""
    studio.store.picture(session, id)
    if id in studio.store.pictures_in_use():
        raise BusyError("A job that has not ended looks at that picture; cancel it first.")
    studio.store.remove_picture(id)


@router.post("/jobs", status_code=201, responses=_faults(404, 429, 507))
async def order(asked: JobRequest, studio: Here, session: Session) -> dict[str, Any]:
    """Have something painted."""
    return await _order(asked, studio, session)


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


@router.get("/jobs", responses=_faults(404))
async def list_jobs(
    studio: Here,
    session: Session,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[str | None, Query(max_length=120)] = None,
) -> list[dict[str, Any]]:
    """Jobs, newest first."""
    line = studio.crew.line()
    return [studio.show(job, line) for job in studio.store.jobs(session, limit, before)]


@router.get("/jobs/{id}", responses=_faults(404))
async def tell_job(id: Id, studio: Here, session: Session) -> dict[str, Any]:
    """A job as it stands."""
    return _tell_job(studio, session, id)


@router.delete("/jobs/{id}", status_code=204, responses=_faults(404))
async def remove_job(id: Id, studio: Here, session: Session) -> None:
    """Delete a job and its result; it is cancelled first."""
    if studio.store.job(id, session)["state"] not in ENDED:
        await studio.crew.cancel(id)
        with contextlib.suppress(UnknownError):
            await studio.crew.wait_end(id, _DELETE_SECONDS)
    studio.store.remove_job(id)


@router.get("/jobs/{id}/events", response_class=StreamingResponse, responses=_faults(404) | {
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
            responses=_faults(404) | _binary("image/jpeg"))  # fmt: skip
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
            responses=_faults(404) | _binary(*pictures.FORMATS.values()))  # fmt: skip
async def show_result(
    id: Id,
    studio: Here,
    session: Session,
    format: Literal["png", "jpeg", "tiff"] = "png",
    download: bool = False,
) -> Response:
    """The painting, with the settings inside from which `impasto again` repeats it."""
    job = studio.store.job(id, session)
    path = studio.store.job_folder(id) / "result.png"
    if job["result"] is None or not path.exists():
        raise UnknownError("There is no result yet.")
    data = await studio.in_thread(pictures.convert_result, path, format)
    headers = dict(_FOREVER)
    if download:
        name = pictures.name_download(_list_names(studio, session, job), format)
        headers["content-disposition"] = f'attachment; filename="{quote(name)}"'
    return Response(data, media_type=pictures.FORMATS[format], headers=headers)


@router.get("/jobs/{id}/thumbnail", response_class=Response,
            responses=_faults(404, 507) | _binary("image/webp"))  # fmt: skip
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
    return Response(small.read_bytes(), media_type="image/webp", headers=_FOREVER)


@router.post("/jobs/{id}/cancel", responses=_faults(404))
async def cancel_job(id: Id, studio: Here, session: Session) -> dict[str, Any]:
    """Stop a job; the picture so far is its result."""
    studio.store.job(id, session)
    await studio.crew.cancel(id)
    await studio.crew.wait_end(id, _CANCEL_SECONDS)
    return _tell_job(studio, session, id)


@router.post("/jobs/{id}/again", status_code=201, responses=_faults(404, 429, 507))
async def repeat_job(id: Id, asked: AgainRequest, studio: Here, session: Session) -> dict[str, Any]:
    """Paint again what an earlier job painted, with other settings."""
    job = studio.store.job(id, session)
    request = job["request"]
    changed = request | {"kind": job["kind"], "settings": request["settings"] | asked.settings}
    return await _order(JobRequest(**changed), studio, session)


@router.post("/sketches", response_class=Response,
             responses=_faults(404, 409, 429, 503) | _binary("image/jpeg"))  # fmt: skip
async def sketch(asked: SketchRequest, studio: Here, session: Session) -> Response:
    """A fast painting at once; the newest request of a session wins."""
    if studio.desk is None:
        raise NotReadyError("There is no fast network here, so that nothing can be sketched.")
    task = studio.counter.make_sketch(session, asked)
    # Small copies: a sketch is no larger, and they are decoded in a moment.
    task["photo"]["path"] = str(await _find_copy(studio, asked.photo, 1024))
    for style, id in zip(task["styles"], asked.styles, strict=True):
        if "path" in style and ":" not in id:
            style["path"] = str(await _find_copy(studio, id, 1024))
    data = await studio.desk.sketch(session, task)
    return Response(data, media_type="image/jpeg")


async def _find_copy(studio: Studio, id: str, side: int | None) -> Any:
    source = studio.store.picture_path(id)
    if side is None:
        return source
    return await studio.in_thread(
        pictures.shrink, source, studio.store.picture_path(id, side), side
    )


def _tell_job(studio: Studio, session: str, id: str) -> dict[str, Any]:
    job = studio.store.job(id, session)
    line = studio.crew.line() if job["state"] == "queued" else {}
    return studio.show(job, line)


def _tell_picture(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("id", "role", "name", "width", "height", "created")}


def _list_names(studio: Studio, session: str, job: dict[str, Any]) -> list[str]:
    """Names of the photograph and the styles of a job, as far as they are still there."""
    request = job["request"]
    ids = [id for id in (request["photo"], *request["styles"]) if id is not None]
    own = {one["id"]: one["name"] for one in studio.store.pictures(session)}
    gone = set(list_pictures(request)) - set(own)
    return [own.get(id) or id.rpartition(":")[2] for id in ids if id not in gone]
