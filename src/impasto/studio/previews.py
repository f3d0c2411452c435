"""The picture of a job while it is painted, and what is left of it when it is stopped early."""

import contextlib
from pathlib import Path

from impasto import images
from impasto.studio.pictures import measure
from impasto.studio.store import Store


def find_preview(store: Store, id: str) -> Path | None:
    """The newest picture of a job as a small file, if there is any."""
    folder = store.job_folder(id)
    for name in ("preview.jpg", "result.png"):
        if (folder / name).exists():
            return folder / name
    return None


def save_preview(store: Store, id: str) -> dict[str, int] | None:
    """Make the last preview the result, if nothing else was written in time; returns its size."""
    folder = store.job_folder(id)
    if not (folder / "preview.jpg").exists():
        return None
    with contextlib.suppress(Exception):
        images.save(images.load(folder / "preview.jpg"), folder / "result.png")
        height, width = measure(folder / "result.png")
        return {"width": width, "height": height}
    return None
