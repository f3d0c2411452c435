"""Networks that are kept as they were published: found at hand or fetched, checked, never run.

Like `impasto.weights`, of which these are a kind of their own: one small file each, whose digest
is checked whenever it is used, and which nothing here opens.
"""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Literal

from impasto import weights
from impasto.downloads import Reporter, UrlSource, claimed, download, matches, part_of
from impasto.errors import OutputError, WeightsError
from impasto.files import check_writable, describe_os_error, replacing
from impasto.weights import InventoryItem, WeightsEntry, home

_VERSION = "0.1.1675465747"

ENTRIES: dict[str, WeightsEntry] = {
    "people": WeightsEntry(
        name="people",
        architecture="selfie-segmentation",
        description="MediaPipe's selfie segmentation, which finds people for masks",
        licence="Apache-2.0",
        credit="MediaPipe authors, Google",
        source=UrlSource(
            "https://cdn.jsdelivr.net/npm/@mediapipe/selfie_segmentation"
            f"@{_VERSION}/selfie_segmentation.tflite",
            "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
            249_024,
        ),
        preprocessing="unit",
    )
}


def locate(name: str, *, offline: bool = False, progress: Reporter | None = None) -> Path:
    """Give the verified file of a name; fetches it if it is not here.

    Args:
        name: A key of `ENTRIES`.
        offline: Never use the network; so does IMPASTO_OFFLINE=1.
        progress: Called while downloading.

    Raises:
        WeightsError: If it is unknown, or cannot be had or kept.
    """
    source, path = _source(name), _path(name)
    if matches(path, source):
        return path
    if offline or os.environ.get("IMPASTO_OFFLINE", "").lower() not in {"", "0", "false", "no"}:
        raise WeightsError(
            f"The network {name!r} is not here, and the network must not be used: get"
            f" {source.url} elsewhere and add it with impasto weights add FILE."
        )
    folder = _make_folder()
    with claimed(source, folder):
        if not matches(path, source):
            part = download(source, folder, progress=progress)
            part.replace(path)
    return path


def add(file: Path) -> str:
    """Keep a file that the user has; returns the name it is known by.

    Raises:
        WeightsError: If it cannot be read or is none of `ENTRIES`.
    """
    if not file.is_file():
        raise WeightsError(f"There is no file {file}.")
    known = (name for name in ENTRIES if matches(file, _source(name)))
    name = next(known, None)
    if name is None:
        sources = [one.source for one in (*ENTRIES.values(), *weights.ENTRIES.values())]
        what = ", ".join(
            f"{one.file} ({one.size:,} bytes)" for one in sources if isinstance(one, UrlSource)
        )
        raise WeightsError(f"{file} is none of the networks that can be added: {what}.")
    _make_folder()
    if not matches(_path(name), _source(name)):
        try:
            with replacing(_path(name)) as temporary:
                shutil.copyfile(file, temporary)
        except OSError as error:
            raise WeightsError(f"Cannot keep {file}: {describe_os_error(error)}.") from error
    return name


def verify(name: str) -> Literal["good", "missing", "damaged"]:
    """Check the kept file of a name against its digest."""
    if not _path(name).is_file():
        return "missing"
    return "good" if matches(_path(name), _source(name)) else "damaged"


def remove(name: str) -> bool:
    """Delete what is kept of a name; returns whether there was anything.

    Raises:
        WeightsError: If it cannot be deleted.
    """
    kept = _path(name), part_of(_source(name), _folder())
    found = [path for path in kept if path.is_file()]
    try:
        for path in found:
            path.unlink()
    except OSError as error:
        raise WeightsError(f"Cannot delete {error.filename}: {error.strerror}.") from error
    return bool(found)


def inventory() -> list[InventoryItem]:
    """List all names."""
    items = []
    for name, entry in ENTRIES.items():
        size = 0
        with contextlib.suppress(OSError):
            size = _path(name).stat().st_size
        items.append(InventoryItem(entry, _path(name), size, size > 0))
    return items


def _source(name: str) -> UrlSource:
    source = ENTRIES[name].source
    assert isinstance(source, UrlSource)
    return source


def _folder() -> Path:
    return home() / "weights"


def _path(name: str) -> Path:
    source = _source(name)
    stem, _, suffix = source.file.rpartition(".")
    return _folder() / f"{stem}-{source.sha256[:8]}.{suffix}"


def _make_folder() -> Path:
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_writable(folder / "probe")
    except (OSError, OutputError) as error:
        raise WeightsError(
            f"Cannot write to {folder}: set IMPASTO_HOME to a folder of yours."
        ) from error
    return folder
