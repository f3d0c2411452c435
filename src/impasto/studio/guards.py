"""What stands before every request: whose page asks, how much it sends, how slowly.

Pure ASGI. Nothing here knows what a painting is.
"""

import asyncio
import contextlib
import ipaddress
import json
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from impasto.studio.settings import StudioSettings

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
        " connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self)",
}
_HARMLESS = ("GET", "HEAD", "OPTIONS")
#: Most bytes of a request that is no picture.
_JSON_BYTES = 2**20
#: Who sends more slowly than this, in bytes a second, is cut off.
_SLOWEST = 4096
_DRAIN_SECONDS = 1.0


class Guards:
    """Lets through what the studio's own page, or a program of its user, may ask.

    Args:
        app: What is behind.
        settings: Of the studio.
        uploads: Path to which pictures are sent.

    Attributes:
        app: What is behind.
    """

    def __init__(self, app: Any, settings: StudioSettings, uploads: str) -> None:
        self.app = app
        self._settings, self._uploads = settings, uploads
        self._names = _list_names(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] != "http":
            # There are no web sockets; the rest is the server's own start and end.
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        body = _Body(receive, self._limit(scope), self._settings.patience)
        answer = _Answer(send, body)
        refusal = self._refuse(scope)
        if refusal is not None:
            await answer.fail(*refusal)
            return
        with contextlib.suppress(ClientDisconnect):  # nobody is there to be answered
            await self.app(scope, body.receive, answer.send)

    def _refuse(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = {name.decode("latin-1"): value.decode("latin-1")
                   for name, value in scope["headers"]}  # fmt: skip
        host = headers.get("host", "")
        if not self._is_own(host):
            return 421, "wrong_host", "This server does not go by that name; use its own address."
        if scope["method"] in _HARMLESS:
            return self._check_length(scope, headers)
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if (origin is not None and urlsplit(origin).netloc.lower() != host.lower()) or (
            site not in ("same-origin", "none")
        ):
            return 403, "wrong_origin", "Another site's page may not change anything here."
        return self._check_length(scope, headers)

    def _check_length(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str, str] | None:
        length, limit = headers.get("content-length", "0"), self._limit(scope)
        if not length.isdigit():
            return 400, "bad_request", "The length of the request is no number."
        return (413, "too_large", _too_large(limit)) if int(length) > limit else None

    def _limit(self, scope: Scope) -> int:
        return self._settings.max_bytes if scope["path"] == self._uploads else _JSON_BYTES

    def _is_own(self, host: str) -> bool:
        """Whether a Host header names this server: a foreign name may be made to lead here."""
        parts = urlsplit(f"//{host}")
        try:
            name, port = parts.hostname or "", parts.port
        except ValueError:
            return False
        if host.lower() in self._names or name in self._names:
            return True
        if self._settings.is_local:
            own = name == "localhost" or _is_loopback(name)
            return own and (self._settings.port in (0, port) or self._port_is_usual(port))
        return _is_address(name)  # an address cannot be made to lead elsewhere

    def _port_is_usual(self, port: int | None) -> bool:
        return port is None and self._settings.port == 80


class _Body:
    """Hands on a request's body, counts it, and cuts off who sends too slowly."""

    def __init__(self, receive: Receive, limit: int, patience: float) -> None:
        self._receive, self._limit, self._patience = receive, limit, patience
        self._count, self.complete = 0, False
        self._began = time.monotonic()

    async def receive(self) -> Message:
        """The next piece.

        Raises:
            HTTPException: If it is too much, or takes too long.
        """
        if self.complete:
            return await self._receive()
        until = self._began + self._patience + self._count / _SLOWEST
        seconds = min(self._patience, until - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), max(seconds, 0.001))
        except TimeoutError:
            text = "The request came too slowly; send it again."
            raise HTTPException(408, ("too_slow", text)) from None  # type: ignore[arg-type]
        self._count += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        if self._count > self._limit:
            detail: Any = ("too_large", _too_large(self._limit))
            raise HTTPException(413, detail)
        return message

    async def drain(self) -> None:
        """Take what is under way, for a moment: who is cut off in the middle hears nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self.complete:
                    message = await self._receive()
                    self.complete = not message.get("more_body", False)


class _Answer:
    """Adds the headers that every answer has."""

    def __init__(self, send: Send, body: _Body) -> None:
        self._send, self._body, self._status = send, body, 0

    async def send(self, message: Message) -> None:
        """Hand on a piece of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            there = {name.lower() for name, _ in message["headers"]}
            headers = list(message["headers"])
            more = HEADERS | {"cache-control": "no-store"}
            headers += [(name.encode(), value.encode()) for name, value in more.items()
                        if name.encode() not in there]  # fmt: skip
            message["headers"] = headers
        elif self._status >= 400 and not message.get("more_body") and not self._body.complete:
            await self._send(dict(message) | {"more_body": True})
            await self._body.drain()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def fail(self, status: int, code: str, text: str) -> None:
        """Answer with an error, and end the connection: more of a body may be under way."""
        body = json.dumps({"error": {"code": code, "message": text}}).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close"),
                   (b"content-length", str(len(body)).encode())]  # fmt: skip
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _too_large(limit: int) -> str:
    size = f"{limit / 2**20:.0f} MiB" if limit >= 2**20 else f"{limit} bytes"
    return f"That is more than {size}; send something smaller."


def _list_names(settings: StudioSettings) -> frozenset[str]:
    names = {name.lower() for name in settings.names}
    if not settings.is_local:
        names |= {settings.host.lower(), socket.gethostname().lower(), "localhost"}
    return frozenset(names)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return _is_address(name) and ipaddress.ip_address(name).is_loopback
