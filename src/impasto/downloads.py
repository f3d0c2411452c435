"""Fetching one published file: resumed where it broke off, and used only if its digest is right."""

import contextlib
import hashlib
import http.client
import socket
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn, Protocol
from urllib.parse import urlsplit

from filelock import FileLock

from impasto.errors import OutputError, WeightsError
from impasto.files import check_writable, describe_os_error, digest_of

Reporter = Callable[[str, int, int], None]
"""Called with the file's name, the bytes that are here, and the bytes in all."""

_CHUNK = 1 << 18
_TIMEOUT = 30.0  # seconds without a byte
_PAUSES = (1.0, 2.0, 4.0)  # seconds before the second, third and fourth attempt
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # answers that may be better next time
_RANGE_NOT_SATISFIABLE = 416
_PARTIAL = 206

_ADVICE = "or get it elsewhere and name it with --weights FILE"


@dataclass(frozen=True)
class UrlSource:
    """A file on the web.

    Attributes:
        url: Where it is; the last part is the file's name. HTTPS, or HTTP to this computer.
        sha256: Its digest, or the first digits of it that the publisher gives.
        size: Bytes.
    """

    url: str
    sha256: str
    size: int

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class _PassingError(Exception):
    """This attempt failed, the next one may not."""


def matches(path: Path, source: UrlSource) -> bool:
    """Whether `path` is a complete and undamaged copy of `source`."""
    try:
        if path.stat().st_size != source.size:
            return False
        return digest_of(path).startswith(source.sha256)
    except OSError:
        return False


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[Path]:
    """Give `folder`, made if need be, or a passing one where that cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_writable(folder / "probe")
    except (OSError, OutputError):
        with tempfile.TemporaryDirectory(prefix="impasto-") as passing:
            yield Path(passing)
    else:
        yield folder


@contextlib.contextmanager
def claimed(source: UrlSource, folder: Path) -> Iterator[None]:
    """Wait until no other process fetches `source` into `folder`, and keep others waiting."""
    with FileLock(folder / f".{source.file}.lock"):
        yield


def part_of(source: UrlSource, folder: Path) -> Path:
    """Where `download` collects `source`, and leaves what it has if it breaks off."""
    return folder / f"{source.file}.part"


def download(source: UrlSource, folder: Path, *, progress: Reporter | None = None) -> Path:
    """Fetch `source` into `folder`, going on from what an earlier call left there.

    Args:
        source: What to fetch.
        folder: An existing folder; hold `claimed` if other processes may fetch into it.
        progress: Called now and then.

    Returns:
        `part_of(source, folder)`, complete and verified. Delete it when it has been used.

    Raises:
        WeightsError: If it cannot be had, or is not what was published.
    """
    _check_address(source.url)
    part = part_of(source, folder)
    for pause in (*_PAUSES, None):
        try:
            _attempt(source, part, progress)
        except _PassingError as error:
            if pause is None:
                raise _failure(source.url, str(error)) from error
            time.sleep(pause)
        else:
            break
    return part


def _attempt(source: UrlSource, part: Path, progress: Reporter | None) -> None:
    """One request: add what it gives to `part`, then check the whole."""
    digest, kept = _take_stock(part)
    done = kept
    if done < source.size:
        with _request(source, part, done) as response:
            if response.status != _PARTIAL:  # all of it, whether or not a rest was asked for
                digest, kept, done = hashlib.sha256(), 0, 0
            _check_length(response, source, part, done)
            chunks = _chunks(response, source.url)
            done = _receive(chunks, source, part, (digest, done), progress)
    if done < source.size:
        raise _PassingError(f"the connection ended after {done} of {source.size} bytes")
    if digest.hexdigest().startswith(source.sha256):
        return
    part.unlink(missing_ok=True)
    if kept:  # a piece from another day spoiled it; from the start it may be right
        raise _PassingError("the pieces do not belong together")
    raise _failure(source.url, f"what it sends is not the published file (SHA-256 {source.sha256})")


def _take_stock(part: Path) -> tuple[_Digest, int]:
    """Digest and length of what an earlier attempt left."""
    digest, length = hashlib.sha256(), 0
    with _storing(part):
        if part.exists():
            with part.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    length += len(chunk)
    return digest, length


@contextlib.contextmanager
def _request(source: UrlSource, part: Path, done: int) -> Iterator[http.client.HTTPResponse]:
    """Ask for the bytes from `done` on, and say in our own words what goes wrong."""
    headers = {"User-Agent": "impasto", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    request = urllib.request.Request(source.url, headers=headers)
    opener = urllib.request.build_opener(_SafeRedirects)
    try:
        response = opener.open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            _refuse(error.code, error.reason, source, part)
    except (OSError, http.client.HTTPException) as error:
        raise _describe(error, source.url) from error
    with response:
        yield response


def _refuse(status: int, reason: str, source: UrlSource, part: Path) -> NoReturn:
    """Raise what an answer other than success deserves."""
    if status == _RANGE_NOT_SATISFIABLE:
        part.unlink(missing_ok=True)
        raise _PassingError("the file there has changed")
    if status in _PASSING:
        raise _PassingError(f"the server answered {status} {reason}")
    raise _failure(source.url, f"the server answered {status} {reason}")


def _check_length(
    response: http.client.HTTPResponse, source: UrlSource, part: Path, done: int
) -> None:
    """See from the headers whether this can be the right file."""
    if response.status == _PARTIAL:
        wanted = f"bytes {done}-{source.size - 1}/{source.size}"
        if response.headers.get("Content-Range") != wanted:
            part.unlink(missing_ok=True)
            raise _PassingError(f"it does not continue with {wanted}")
        return
    length = response.headers.get("Content-Length")
    if length is not None and length != str(source.size):
        # Typically the login page of a hotel's network, sent in place of everything.
        raise _failure(source.url, f"it sends {length} bytes instead of {source.size}")


def _receive(
    chunks: Iterator[bytes],
    source: UrlSource,
    part: Path,
    stock: tuple[_Digest, int],
    progress: Reporter | None,
) -> int:
    """Append `chunks` to `part`, of which `stock` is the digest and the length so far."""
    digest, done = stock
    with _storing(part):
        file = part.open("ab" if done else "wb")
    with file:
        for chunk in chunks:
            if done + len(chunk) > source.size:
                raise _failure(source.url, f"it sends more than {source.size} bytes")
            with _storing(part):
                file.write(chunk)
                file.flush()
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(source.file, done, source.size)
    return done


def _chunks(response: http.client.HTTPResponse, url: str) -> Iterator[bytes]:
    """The body, piece by piece, whatever is there; network failures in our own words."""
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _describe(error, url) from error
        if not chunk:
            return
        yield chunk


@contextlib.contextmanager
def _storing(part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WeightsError(f"Cannot use {part}: {describe_os_error(error)}.") from error


def _describe(error: Exception, url: str) -> Exception:
    """What a failure of the network means: worth another attempt, or not."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, socket.gaierror):
        return _failure(url, "that server's address cannot be found; is there a connection?")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _failure(url, f"the server's certificate is not trusted ({reason.verify_message})")
    if isinstance(reason, TimeoutError):
        return _PassingError(f"no answer within {_TIMEOUT:g} seconds")
    return _PassingError(" ".join(str(reason).split()) or type(reason).__name__)


def _failure(url: str, what: str) -> WeightsError:
    return WeightsError(f"Cannot download {url}: {what}. Try again later, {_ADVICE}.")


def _check_address(url: str) -> None:
    """Refuse anything but HTTPS, except to this computer."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if parts.scheme != "https" and not local:
        raise WeightsError(f"Refused to download {url}: the address is not https.")


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not out of HTTPS."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """See the base class."""
        try:
            _check_address(newurl)
        except WeightsError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)
