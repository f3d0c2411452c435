"""Which result of a folder belongs to which photograph and style: by names, or by a list."""

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from impasto import images
from impasto.errors import ConfigError, ImageError
from impasto.files import describe_os_error

_KEYS = ("result", "photo", "style")


class PairedFiles(NamedTuple):
    """A result with what it was painted from.

    Attributes:
        result: File of the result.
        photo: File of the photograph.
        style: File of the style.
    """

    result: Path
    photo: Path
    style: Path


def list_folder(folder: Path) -> list[Path]:
    """The pictures of a folder.

    Raises:
        ImageError: If it is none, or holds none.
    """
    if not folder.is_dir():
        raise ImageError(f"{folder} is no folder; name one.")
    pictures = images.list_pictures(folder)
    if not pictures:
        raise ImageError(f"There is no picture in {folder}.")
    return pictures


def pair_by_name(
    results: Sequence[Path], photos: Sequence[Path], styles: Sequence[Path]
) -> list[PairedFiles]:
    """Pair by file names: `street.png` or `street_mosaic.png` belong to `street.jpg`.

    What follows the photograph's name must hold the style's, unless there is a single style. The
    longest name that fits wins.

    Raises:
        ConfigError: If a result belongs to none.
    """
    paired = []
    for result in results:
        photo = _find_longest(result.stem, photos, start=True)
        if photo is None:
            raise ConfigError(
                f"{result.name} begins with the name of no photograph; rename it, or give"
                " --pairs FILE."
            )
        rest = result.stem[len(photo.stem) :]
        style = styles[0] if len(styles) == 1 else _find_longest(rest, styles, start=False)
        if style is None:
            raise ConfigError(
                f"{result.name} names none of the {len(styles)} styles after its photograph"
                f" {photo.stem}; rename it, or give --pairs FILE."
            )
        paired.append(PairedFiles(result, photo, style))
    return paired


def read_pairs(
    file: Path, results: Path, photos: Path | None = None, styles: Path | None = None
) -> list[PairedFiles]:
    """Read a list of pairs: CSV with the columns result, photo, style, or JSON objects of these.

    Args:
        file: The list.
        results: Folder of results that are named without one.
        photos: That of photographs; by default the list's.
        styles: That of styles; by default the list's. What is no file there may be the name of a
            gallery style.

    Raises:
        ConfigError: If it is no such list.
    """
    folders = (results, photos or file.parent, styles or file.parent)
    paired = []
    for number, row in enumerate(_read_rows(file), 1):
        words = [row.get(key) if isinstance(row, dict) else None for key in _KEYS]
        if not all(isinstance(word, str) and word.strip() for word in words):
            raise ConfigError(f"Pair {number} of {file} needs {', '.join(_KEYS)}.")
        places = [folder / str(word).strip() for folder, word in zip(folders, words, strict=True)]
        if not places[2].exists():
            places[2] = Path(str(words[2]).strip())
        paired.append(PairedFiles(*places))
    if not paired:
        raise ConfigError(f"{file} lists no pairs; it needs the columns {','.join(_KEYS)}.")
    return paired


def _find_longest(text: str, files: Sequence[Path], *, start: bool) -> Path | None:
    text = text.casefold()
    fitting = [
        file
        for file in files
        if (text.startswith if start else text.__contains__)(file.stem.casefold())
    ]
    return max(fitting, key=lambda file: len(file.stem), default=None)


def _read_rows(file: str | os.PathLike[str]) -> list[object]:
    path = Path(file)
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix.lower() == ".json":
            rows = json.loads(text)
            if not isinstance(rows, list):
                raise ConfigError(f"{path} holds no list of pairs.")
            return rows
        return list(csv.DictReader(text.splitlines(), skipinitialspace=True))
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {describe_os_error(error)}.") from error
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is no list of pairs: {error}.") from error
