"""Writing files so that nothing half-written is ever seen and nothing old is lost."""

import contextlib
import errno
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from impasto.errors import OutputError

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another folder",
    errno.EACCES: "no permission to write there; choose another folder",
    errno.EPERM: "no permission to write there; choose another folder",
    errno.EROFS: "that file system is read-only; choose another folder",
    errno.ENOENT: "that folder does not exist; create it first",
    errno.ENOTDIR: "a part of that path is a file, not a folder",
    errno.EISDIR: "that is a folder; give the name of a file",
    errno.ENAMETOOLONG: "that name is too long",
    errno.EFBIG: "the file would be larger than this system or account allows",
    errno.EPIPE: "the program that reads it has ended",
    errno.EEXIST: "that is a device or a pipe, not a file; use - for standard output",
}


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_os_error(error: OSError) -> str:
    """Say in a few words what an operating system error means and what to do about it."""
    return _ADVICE.get(error.errno or 0, error.strerror or str(error))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` if the block ends well.

    The data is on the disk before the rename, so that a crash leaves either the old file or
    the new one. On failure the temporary file is removed and an old file stays as it was.

    The permissions of an old file are kept; one that is marked read-only is not replaced. A
    symbolic link stays, and the file that it points to is replaced.

    Args:
        path: The file to write or replace. Its folder must exist.

    Yields:
        The path of an empty temporary file in the same folder, with the same suffix.

    Raises:
        OutputError: If the file cannot be written or renamed.
    """
    temporary: Path | None = None
    try:
        target = _replaceable(path)
        temporary = _new_file_beside(target)
        # Libraries may put a file of their own, with another mode, in the place of ours.
        mode = (target if target.exists() else temporary).stat().st_mode & 0o777
        yield temporary
        _flush(temporary)
        temporary.chmod(mode)
        temporary.replace(target)
        temporary = None
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {describe_os_error(error)}.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Fail now rather than after an hour of work if `path` cannot be written.

    Raises:
        OutputError: If the folder is missing or not writable, or `path` is a folder, a device
            or marked read-only.
    """
    try:
        target = _replaceable(path)
        with tempfile.NamedTemporaryFile(prefix=".impasto-", dir=target.parent) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {describe_os_error(error)}.") from error


def _replaceable(path: Path) -> Path:
    """Where `path` leads after symbolic links; an OSError if that must not be replaced."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "the name contains a null character")
    target = Path(os.path.realpath(path))  # Path.resolve raises RuntimeError on a loop
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder")
    if target.exists():
        if not target.is_file():  # renaming over /dev/null would remove the device
            raise FileExistsError(errno.EEXIST, "is not a regular file")
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "is read-only")
    return target


def _new_file_beside(target: Path) -> Path:
    """Create an empty hidden file; the system applies the umask, as for any new file."""
    path = target.with_name(f".{target.stem[:40]}-{secrets.token_hex(6)}{target.suffix}")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return path


def _flush(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
