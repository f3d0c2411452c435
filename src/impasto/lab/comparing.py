"""Pictures side by side: what their files say about how they were painted, and their scores."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from impasto import gallery, images
from impasto.config import PaintConfig
from impasto.errors import ImpastoError
from impasto.images import Picture
from impasto.lab.running import score
from impasto.lab.sources import find_style
from impasto.lab.stories import Entry, Story


def compare(
    pictures: Sequence[str], page: Path, *, photo: str | None = None, styles: Sequence[str] = ()
) -> Story:
    """Gather what is known about some pictures.

    Args:
        pictures: Files, usually painted by impasto.
        page: Where the report will lie.
        photo: The photograph; by default it is looked for beside the pictures, by name.
        styles: The styles; by default as well, and in the gallery.

    Raises:
        ImageError: If a picture cannot be read.
    """
    entries, notes = [], []
    for number, path in enumerate(pictures, 1):
        record, missing = _examine(Path(path), photo, styles, page.parent)
        notes += [f"{Path(path).name}: {text}" for text in missing]
        entries.append(Entry(number, Path(path).name, {}, record, Path(path)))
    names = ", ".join(Path(path).stem for path in pictures)
    title = names if len(names) <= 60 else f"{len(pictures)} pictures"
    return Story(f"Side by side: {title}", entries, page.parent, notes=tuple(dict.fromkeys(notes)))


def _examine(
    path: Path, photo: str | None, styles: Sequence[str], folder: Path
) -> tuple[dict[str, Any], list[str]]:
    """The record of a picture, as a run would have it, and what could not be found."""
    picture = images.load(path)
    said = _read_settings(path)
    settings = said.get("settings")
    config = PaintConfig()
    notes = []
    record: dict[str, Any] = {"status": "done", "size": list(picture.size)}
    if settings is None:
        notes.append("says nothing about how it was painted.")
    else:
        try:
            config = PaintConfig(**settings)
            record["settings"] = settings
            record["resolved"] = config.resolve().model_dump(mode="json")
        except (ImpastoError, TypeError) as error:
            notes.append(f"its settings are not understood: {error}")
    looked = _find(photo, [said.get("photo")], path, notes)
    seen = _find_several(styles, said.get("styles") or (), path, notes)
    record["photo"] = _refer(looked[0], folder) if looked else None
    record["styles"] = [_refer(one, folder) for one in seen]
    record["scores"] = _score(picture, looked[0] if looked else None, seen, config)
    return record, notes


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(images.read_settings(path) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _find(given: str | None, names: Iterable[Any], path: Path, notes: list[str]) -> list[Path]:
    if given is not None:
        return [Path(given)]
    return _find_several((), names, path, notes)


def _find_several(
    given: Sequence[str], names: Iterable[Any], path: Path, notes: list[str]
) -> list[Path]:
    """Files of inputs: those given, or those of the recorded names, here or in the gallery."""
    if given:
        return [Path(find_style(one, Path())) for one in given]
    found = []
    for one in names:
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or images.is_canvas(name):
            continue
        if place := _look_for(name, path):
            found.append(place)
        else:
            notes.append(f"{name!r} is not beside it, so that it is not compared with it.")
    return found


def _look_for(name: str, picture: Path) -> Path | None:
    for folder in dict.fromkeys((picture.parent, Path())):
        for path in images.list_pictures(folder):
            if path.stem == name and path != picture:
                return path
    return gallery.picture_path(name) if name in gallery.STYLES else None


def _refer(path: Path, folder: Path) -> dict[str, Any]:
    from impasto.api import identify

    return {**identify(images.load(path)), "file": _relative(path, folder)}


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder)


def _score(
    picture: Picture, photo: Path | None, styles: Sequence[Path], config: PaintConfig
) -> dict[str, float]:
    canvas = images.load(images.name_canvas(picture.size[1], picture.size[0]))
    photograph = canvas if photo is None else images.load(photo)
    return score(picture, photograph, [images.load(one) for one in styles], config)
