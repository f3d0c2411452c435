"""Writing files so that none is ever seen half-written, and what is said when the disk is full."""

import contextlib
import errno
import secrets
from collections.abc import Iterator
from pathlib import Path

from impasto.studio.faults import DiskError

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def disk_faults() -> Iterator[None]:
    """Turn a full disk into a `DiskError`.

    Raises:
        DiskError: In place of an error of the system.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise full_disk() from error
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is seen whole or not at all; a crash of the system may lose it.

    Raises:
        DiskError: If the disk is full.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}")
    with disk_faults():
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def full_disk() -> DiskError:
    """What is raised then."""
    return DiskError("The disk is full; free some space, then try again.")
