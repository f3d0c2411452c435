"""The studio as an ASGI application: what is answered at which address."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from impasto.errors import ImpastoError
from impasto.studio import jobroutes, routes
from impasto.studio.crew import Crew
from impasto.studio.events import Hub
from impasto.studio.faults import SessionError, StudioError
from impasto.studio.guards import Guards
from impasto.studio.orders import Counter
from impasto.studio.premises import API, COOKIE, Studio, knows_token, set_cookie
from impasto.studio.processes import COMMAND
from impasto.studio.settings import StudioSettings
from impasto.studio.sketching import SketchDesk
from impasto.studio.store import Store
from impasto.version import __version__

PAGE = Path(__file__).with_name("page")
#: Pictures that are decoded or written at the same time: each takes hundreds of megabytes.
_AT_ONCE = 2
_DRAIN_SECONDS = 7.0
#: A page that asks again: its request carries the cookie that a link from elsewhere must not.
_ONCE_MORE = (
    '<!doctype html><meta charset="utf-8"><title>impasto</title>'
    '<meta http-equiv="refresh" content="0">'
)


def create_app(
    settings: StudioSettings, *, page: Path = PAGE, command: Sequence[str] = COMMAND
) -> Guards:
    """The studio.

    Args:
        settings: How it listens, keeps and refuses.
        page: Folder of the page.
        command: How a process that paints is started.

    Raises:
        ImpastoError: If its folder or a network cannot be read.
    """
    if not settings.is_local and settings.token is None:
        settings = settings.model_copy(update={"token": secrets.token_urlsafe(16)})

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        studio = _open_studio(settings, command)
        app.state.studio = studio
        if studio.desk is not None:
            studio.desk.start()
        studio.crew.start()
        yield
        studio.hub.close()
        await studio.crew.drain(_DRAIN_SECONDS)
        await asyncio.gather(*studio.ahead, return_exceptions=True)
        if studio.desk is not None:
            await studio.desk.close()
        studio.store.close()

    app = FastAPI(
        title="impasto studio", version=__version__, lifespan=lifespan,
        openapi_url=f"{API}/openapi.json", docs_url=None, redoc_url=None,
        separate_input_output_schemas=False,
    )  # fmt: skip
    _add_faults(app)
    _add_page(app, settings, page)
    for router in (routes.router, jobroutes.router):
        app.include_router(router, prefix=API)
    return Guards(app, settings, f"{API}/pictures")


def _open_studio(settings: StudioSettings, command: Sequence[str]) -> Studio:
    store, hub = Store(settings.data, settings.quota), Hub()
    counter = Counter(store, settings)
    desk = None
    if settings.sketches and counter.networks:
        desk = SketchDesk(settings, counter.usual_networks, command)
    crew = Crew(store, hub, counter, settings, command)
    return Studio(settings, store, hub, counter, crew, desk, asyncio.Semaphore(_AT_ONCE))


def _fail(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    # What was sent may be quoted, and be no proper text.
    line = " ".join(message.split()).encode("utf-8", "replace").decode()
    body = {"error": {"code": code, "message": line}}
    return JSONResponse(body, status, headers=headers)


def _add_faults(app: FastAPI) -> None:
    """Every error is one line in the same form; never a traceback."""

    @app.exception_handler(StudioError)
    async def tell_fault(_: Request, error: StudioError) -> JSONResponse:
        headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
        return _fail(error.status, error.code, str(error), headers)

    @app.exception_handler(ImpastoError)
    async def tell_error(_: Request, error: ImpastoError) -> JSONResponse:
        return _fail(422, "invalid", str(error))

    @app.exception_handler(RequestValidationError)
    async def tell_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
        message = str(first["msg"])
        return _fail(422, "invalid", f"{where or 'The request'}: {message[0].lower()}{message[1:]}")

    @app.exception_handler(HTTPException)
    async def tell_http(_: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.detail, tuple):  # from the guards
            code, message = error.detail
            return _fail(error.status_code, code, message, {"connection": "close"})
        codes = {404: "not_found", 405: "not_allowed"}
        code = codes.get(error.status_code, "bad_request")
        return _fail(error.status_code, code, f"{error.detail}.", dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def tell_unexpected(_: Request, error: Exception) -> JSONResponse:
        return _fail(500, "unexpected", f"Unexpected error ({type(error).__name__}); see the log.")


def _add_page(app: FastAPI, settings: StudioSettings, page: Path) -> None:
    @app.get("/", include_in_schema=False)
    async def index(request: Request, token: str | None = None) -> Response:
        studio: Studio = request.app.state.studio
        key = request.cookies.get(COOKIE)
        if key is None and request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return HTMLResponse(_ONCE_MORE)
        response = _read_page(page) if token is None else RedirectResponse("/", 303)
        try:
            studio.store.find_session(key)
        except SessionError:
            if not knows_token(token, settings):
                raise SessionError(
                    "Open the address that the studio has shown, with its token."
                ) from None
            set_cookie(response, studio.store.open_session(), request)
        return response

    if page.is_dir():
        folder = page / "static" if (page / "static").is_dir() else page
        app.mount("/static", _Static(directory=folder), name="static")


def _read_page(page: Path) -> Response:
    file = page / "index.html"
    if not file.is_file():
        return PlainTextResponse(f"There is no page here; the API is at {API}.", 404)
    return HTMLResponse(file.read_bytes())


class _Static(StaticFiles):
    """Files of the page; asked for again each time, which an unchanged one answers with 304."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        """See `StaticFiles`."""
        response = super().file_response(*arguments, **named)
        response.headers["cache-control"] = "no-cache"
        return response
