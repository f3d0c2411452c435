"""The addresses of sessions, options, styles and pictures; see docs/studio.md."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from impasto import gallery
from impasto.studio import pictures
from impasto.studio.disk import disk_faults
from impasto.studio.faults import BusyError, InvalidError, NotReadyError, SessionError
from impasto.studio.form import make_forms
from impasto.studio.jobroutes import end_job
from impasto.studio.masking import FindRequest, check_name, list_names
from impasto.studio.premises import (
    COOKIE,
    FOREVER,
    Here,
    Id,
    Role,
    Session,
    Side,
    Studio,
    find_copy,
    knows_token,
    list_faults,
    list_types,
    locate,
    set_cookie,
)
from impasto.version import __version__

router = APIRouter()

_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


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


@router.post("/session", responses=list_faults())
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


@router.delete("/session", status_code=204, responses=list_faults())
async def close_session(studio: Here, session: Session, response: Response) -> None:
    """Delete a session with all its pictures and jobs; those that run are cancelled."""
    for job in studio.store.jobs(session, -1):  # those that wait first, being the newest
        await end_job(studio, job)
    studio.store.close_session(session)
    response.delete_cookie(COOKIE)


@router.get("/options", responses=list_faults())
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
    return {"kinds": forms, "networks": networks, "limits": limits, "masks": list_names()}


@router.get("/styles", responses=list_faults())
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
            responses=list_faults(404) | list_types("image/webp", "image/png"))  # fmt: skip
async def show_style(id: Id, studio: Here, session: Session, size: Side | None = None) -> Response:
    """The picture of a style."""
    path, _ = studio.counter.find_style(session, id)
    if not id.startswith("gallery:"):
        return await show_picture(id, studio, session, size)
    if size is None:
        data = await asyncio.to_thread(path.read_bytes)
    else:
        data = await studio.in_thread(pictures.draw_small, path, size)
    return Response(data, media_type="image/webp", headers=FOREVER)


@router.post(
    "/pictures",
    status_code=201,
    responses=list_faults(408, 413, 415, 507),
    openapi_extra={"requestBody": {"required": True, "content": _BYTES}},
)
async def send_picture(
    request: Request,
    response: Response,
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
    if role != "mask":
        studio.make_ahead(find_copy(studio, kept["id"], pictures.SIDES[-1]))
    return locate(response, "pictures", _tell_picture(kept))


async def _write_body(request: Request, file: Any, studio: Studio) -> None:
    count = 0
    with disk_faults(), file.open("wb") as opened:
        async for piece in request.stream():
            count += len(piece)
            if count % 2**22 < len(piece):
                studio.store.make_room(count)
            opened.write(piece)


@router.get("/pictures", responses=list_faults())
async def list_all(
    studio: Here, session: Session, role: Role | None = None
) -> list[dict[str, Any]]:
    """Pictures that were sent, newest first."""
    return [_tell_picture(one) for one in studio.store.pictures(session, role)]


@router.get("/pictures/{id}", responses=list_faults(404))
async def tell_picture(id: Id, studio: Here, session: Session) -> dict[str, Any]:
    """Facts about a picture."""
    return _tell_picture(studio.store.picture(session, id))


@router.get("/pictures/{id}/content", response_class=Response,
            responses=list_faults(404, 507) | list_types("image/png", "image/webp"))  # fmt: skip
async def show_picture(
    id: Id, studio: Here, session: Session, size: Side | None = None
) -> Response:
    """A picture, or a small copy of it."""
    studio.store.picture(session, id)
    path = await find_copy(studio, id, size)
    data = await asyncio.to_thread(path.read_bytes)
    kind = "image/png" if size is None else "image/webp"
    return Response(data, media_type=kind, headers=FOREVER)


@router.post("/pictures/{id}/masks", status_code=201, responses=list_faults(404, 429, 503, 507))
async def search_picture(
    id: Id, asked: FindRequest, studio: Here, session: Session, response: Response
) -> dict[str, Any]:
    """Find people, faces, the sky or colours in a picture: a new picture, a mask of its size."""
    if studio.desk is None:
        raise NotReadyError("This studio keeps no process for that; order by the name instead.")
    photo, name = studio.store.picture(session, id), check_name(asked.find)
    if name == "rest":
        raise InvalidError("'rest' is what the masks of a painting leave; find another one.")
    file = studio.store.incoming()
    task = {"photo": {"path": str(studio.store.picture_path(id)), "name": photo["name"]},
            "find": f"auto:{name}", "target": str(file)}  # fmt: skip
    try:
        size = await studio.desk.find_mask(task)
        mask = studio.store.add_picture(session, "mask", name, size, file)
        return locate(response, "pictures", _tell_picture(mask))
    finally:
        file.unlink(missing_ok=True)


@router.delete("/pictures/{id}", status_code=204, responses=list_faults(404, 409))
async def remove_picture(id: Id, studio: Here, session: Session) -> None:
    """Delete a picture."""
    studio.store.picture(session, id)
    if id in studio.store.pictures_in_use():
        raise BusyError("A job that has not ended looks at that picture; cancel it first.")
    studio.store.remove_picture(id)


def _tell_picture(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("id", "role", "name", "width", "height", "created")}
