"""The studio as a server: one lock, one port, and an end within ten seconds."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import filelock
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from impasto.errors import ConfigError
from impasto.studio.app import create_app
from impasto.studio.disk import disk_faults
from impasto.studio.premises import Studio
from impasto.studio.processes import COMMAND
from impasto.studio.settings import StudioSettings

#: For answers that are under way when the server ends.
_GRACE_SECONDS = 2
_HEADER_SECONDS = 10.0
_END_SECONDS = 9.5
_MOST_CONNECTIONS = 500


class _Protocol(H11Protocol):
    """Cuts off who connects and says nothing."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(_HEADER_SECONDS, self._leave_silent)

    def _leave_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    """Begins to put work away as soon as it is told to end."""

    def __init__(self, config: uvicorn.Config, find_studio: Callable[[], Studio | None]) -> None:
        super().__init__(config)
        self._find_studio = find_studio
        self.stopped_by = 0

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals without raising them again: an end that was asked for is no failure."""
        loop = asyncio.get_running_loop()
        names = [signal.SIGINT, signal.SIGTERM]
        for number in names:
            loop.add_signal_handler(number, self._stop, number)
        try:
            yield
        finally:
            for number in names:
                loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        self.force_exit = self.should_exit and number == signal.SIGINT
        self.should_exit, self.stopped_by = True, number
        # Who cannot put work away in time leaves without: a start after kill -9 goes on as well.
        watch = threading.Timer(_END_SECONDS, os._exit, (0,))
        watch.daemon = True
        watch.start()
        if (studio := self._find_studio()) is not None:
            studio.hub.close()  # those who watch would hold it up


def serve(
    settings: StudioSettings,
    on_ready: Callable[[str], None],
    *,
    command: Sequence[str] = COMMAND,
) -> int:
    """Serve the studio until SIGINT or SIGTERM.

    Args:
        settings: How.
        on_ready: Called with the address of the page as soon as it can be opened.
        command: How a process that paints is started.

    Returns:
        The signal that ended it.

    Raises:
        ConfigError: If the address cannot be used, or another studio uses the folder.
    """
    if not settings.is_local and settings.token is None:
        settings = settings.model_copy(update={"token": secrets.token_urlsafe(16)})
    with disk_faults():
        settings.data.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(settings.data / "studio.lock")
    try:
        held = lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ConfigError(
            f"Another studio keeps its work in {settings.data}; end it, or give another --data."
        ) from None
    with held, _listen(settings) as listener:
        return _serve_at(listener, settings, on_ready, command)


def _serve_at(
    listener: socket.socket,
    settings: StudioSettings,
    on_ready: Callable[[str], None],
    command: Sequence[str],
) -> int:
    port = listener.getsockname()[1]
    app = create_app(settings.model_copy(update={"port": port}), command=command)
    config = uvicorn.Config(
        app, http=_Protocol, ws="none", lifespan="on", log_config=None,
        log_level=logging.WARNING, access_log=False, server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS, limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=30, h11_max_incomplete_event_size=2**16,
    )  # fmt: skip
    server = _Server(config, lambda: getattr(app.app.state, "studio", None))
    asyncio.run(_run(server, listener, lambda: on_ready(describe_address(settings, port))))
    return server.stopped_by


def describe_address(settings: StudioSettings, port: int) -> str:
    """Where the page is, with the token if one is needed."""
    host = settings.host
    if host in ("0.0.0.0", "::"):
        host = settings.names[0] if settings.names else socket.gethostname()
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}/" + (f"?token={settings.token}" if settings.token else "")


async def _run(server: Any, listener: socket.socket, on_started: Callable[[], None]) -> None:
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.02)
    if server.started:
        on_started()
    await serving


def _listen(settings: StudioSettings) -> socket.socket:
    listener = None
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(256)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise ConfigError(
            f"Cannot listen at {settings.host}:{settings.port}: {error.strerror or error}; choose"
            " another --port, or 0 for one that is free."
        ) from error
    return listener
