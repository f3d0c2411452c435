"""The pictures that are raced on: already at size, so that no tool's own resizing matters."""

from pathlib import Path

import skimage.data
from PIL import Image

from impasto import gallery


def prepare_pair(folder: Path, photo: Path | None, style: Path | None, size: int) -> list[Path]:
    """Write photo.png and style.png with a long side of `size` px; return their paths.

    Without a photo or a style, scikit-image's coffee cup and the gallery's night are taken.
    """
    first = Image.open(photo) if photo else Image.fromarray(skimage.data.coffee())
    second = Image.open(style or gallery.picture_path("swirling-night"))
    paths = []
    for name, image in (("photo", first), ("style", second)):
        factor = size / max(image.size)
        scaled = image.convert("RGB").resize(
            (round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS
        )
        paths.append(folder / f"{name}.png")
        scaled.save(paths[-1])
    return paths
