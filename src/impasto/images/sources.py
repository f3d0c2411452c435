"""From whatever names a picture file to one open, seekable binary file."""

import contextlib
import errno
import io
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from impasto.errors import ImageError, ImageTooLargeError

_BYTES_PER_PIXEL = 8
_METADATA = 64 * 2**20
_ADVICE = {
    errno.ENOENT: "there is no such file; check the name",
    errno.ENOTDIR: "a part of that path is a file, not a folder; check the name",
    errno.EACCES: "no permission to read it; check who owns it",
    errno.EPERM: "no permission to read it; check who owns it",
    errno.EISDIR: "it is a folder; give the name of a picture",
    errno.ENAMETOOLONG: "the name is too long",
}


@contextlib.contextmanager
def opened(
    source: str | os.PathLike[str] | bytes | BinaryIO, *, max_pixels: int
) -> Iterator[tuple[BinaryIO, str, str]]:
    """Open a source for reading.

    Yields:
        A seekable file, how messages call it (as the user gave it), and its short name.

    Raises:
        ImageError: If it cannot be opened.
        ImageTooLargeError: If a stream is longer than any picture within the limit.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source), "the given bytes", "bytes"
    elif isinstance(source, str) and source == "-":
        label = "standard input"
        yield _buffered(_stdin(), label, max_pixels), label, "stdin"
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        label = str(source) if str(source).isprintable() else repr(str(source))
        with _open_path(path, label) as file:
            seekable = file if file.seekable() else _buffered(file, label, max_pixels)
            yield seekable, label, path.stem
    elif hasattr(source, "read"):
        name = getattr(source, "name", None)
        stem = Path(name).stem if isinstance(name, str) else "stream"
        yield _buffered(source, "the given stream", max_pixels), "the given stream", stem
    else:
        raise ImageError(
            f"Cannot read a {type(source).__name__} as a picture; give a path, bytes, an open "
            "binary file, a PIL image, an array or a tensor."
        )


def _open_path(path: Path, label: str) -> BinaryIO:
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        return path.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = _ADVICE.get(getattr(error, "errno", 0), str(error))
        raise ImageError(f"Cannot read {label}: {reason}.") from error


def _stdin() -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        raise ImageError("Cannot read standard input: pipe a picture into it.")
    return sys.stdin.buffer


def _buffered(stream: BinaryIO, label: str, max_pixels: int) -> io.BytesIO:
    """Take a stream into memory, up to what an uncompressed picture at the limit needs."""
    limit = max_pixels * _BYTES_PER_PIXEL + _METADATA
    try:
        data = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        raise ImageError(f"Cannot read {label}: {error}.") from error
    if not isinstance(data, bytes):
        raise ImageError(f"Cannot read {label}: it gives text; open it in binary mode.")
    if len(data) > limit:
        raise ImageTooLargeError(
            f"Cannot read {label}: more than {limit:,} bytes, too many for the limit of "
            f"{max_pixels:,} pixels; make it smaller or raise the limit with --max-pixels."
        )
    return io.BytesIO(data)
