"""A program's side of the studio's API, for `--remote`; needs the standard library only."""

import contextlib
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from impasto.errors import ConfigError, ImageError, ImpastoError

_SECONDS = 60.0
_POLL_SECONDS = 0.5
_ENDED = ("done", "cancelled", "failed")


class RemoteError(ImpastoError):
    """A studio cannot be reached, or says no."""


class RemoteStudio:
    """A studio somewhere, with a session of its own.

    Args:
        address: Such as http://127.0.0.1:7860; a token comes behind it as ?token=...

    Raises:
        ConfigError: If that is no address.
        RemoteError: If the studio cannot be reached or wants a token.
    """

    def __init__(self, address: str) -> None:
        parts = urllib.parse.urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigError(
                f"--remote: {address!r} is no address; write it as http://127.0.0.1:7860."
            )
        self._base = f"{parts.scheme}://{parts.netloc}/api/v1"
        token = urllib.parse.parse_qs(parts.query).get("token", [""])[0]
        # No proxy: what is asked for is usually this computer.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._key = token
        self._key = self._ask("POST", "/session")["session"]

    def send(self, path: Path, role: str) -> str:
        """Send a picture; returns its id.

        Raises:
            ImageError: If it cannot be read.
            RemoteError: If the studio does not take it.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ImageError(f"Cannot read {path}: {error.strerror}; check the name.") from error
        query = urllib.parse.urlencode({"role": role, "name": path.name})
        return str(self._ask("POST", f"/pictures?{query}", data)["id"])

    def order(self, order: dict[str, Any]) -> str:
        """Have something painted; returns the job's id. A full queue is waited for."""
        while True:
            try:
                return str(self._ask("POST", "/jobs", json.dumps(order).encode())["id"])
            except _LaterError as error:
                time.sleep(error.seconds)

    def watch(self, job: str) -> Iterator[dict[str, Any]]:
        """The job as it stands, until it has ended."""
        while True:
            found = self._ask("GET", f"/jobs/{job}")
            yield found
            if found["state"] in _ENDED:
                return
            time.sleep(_POLL_SECONDS)

    def fetch(self, job: str, format: str) -> bytes:
        """The result of a job."""
        return self._send("GET", f"/jobs/{job}/result?format={format}", None)

    def cancel(self, job: str) -> None:
        """Stop a job."""
        self._ask("POST", f"/jobs/{job}/cancel")

    def _ask(self, method: str, path: str, data: bytes | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._send(method, path, data))
        return answer

    def _send(self, method: str, path: str, data: bytes | None) -> bytes:
        request = urllib.request.Request(self._base + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        if self._key:
            request.add_header("Authorization", f"Bearer {self._key}")
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            with error:
                raise _read_fault(error) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise RemoteError(
                f"Cannot reach the studio at {self._base}: {reason}; start it with impasto studio."
            ) from error


class _LaterError(RemoteError):
    """The queue is full."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


def _read_fault(error: urllib.error.HTTPError) -> RemoteError:
    text = f"it answers {error.code}"
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(error.read())["error"]["message"])
    message = f"The studio says: {' '.join(text.split())}"
    if error.code == 429:
        wait = error.headers.get("Retry-After", "5")
        return _LaterError(message, float(wait) if wait.isdigit() else 5.0)
    return RemoteError(message)
