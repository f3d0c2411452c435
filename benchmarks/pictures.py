"""The pictures that are measured on: already at size, so that no tool's own resizing matters."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import skimage.data
from PIL import Image, ImageOps

from impasto import gallery


class Pair(NamedTuple):
    """Files of a photograph and of a style picture."""

    photo: Path
    style: Path


def prepare_pair(folder: Path, photo: Path | None, style: Path | None, size: int) -> Pair:
    """Write photo.png and style.png with a long side of `size` px.

    Without a photo or a style, scikit-image's coffee cup and the gallery's night are taken.
    """
    pair = Pair(folder / "photo.png", folder / "style.png")
    with Image.open(photo) if photo else _take_coffee() as image:
        scale(image, size).save(pair.photo)
    with Image.open(style or gallery.picture_path("swirling-night")) as image:
        scale(image, size).save(pair.style)
    return pair


def enlarge(pair: Pair, size: int) -> Pair:
    """Write the photograph anew with a long side of `size` px, as a camera would have it.

    The style picture stays as it is: people paint large in the manner of what they have found.
    """
    photo = pair.photo.with_name(f"photo-{size}.png")
    with Image.open(pair.photo) as image:
        scale(image, size).save(photo, compress_level=1)
    return Pair(photo, pair.style)


def scale(image: Image.Image, size: int) -> Image.Image:
    """Resample to a long side of `size` px, upright and in RGB."""
    upright = ImageOps.exif_transpose(image).convert("RGB")
    factor = size / max(upright.size)
    width, height = (round(side * factor) for side in upright.size)
    return upright.resize((width, height), Image.Resampling.LANCZOS)


def _take_coffee() -> Image.Image:
    return Image.fromarray(skimage.data.coffee())  # type: ignore[no-untyped-call]


def measure_size(path: Path) -> tuple[int, int]:
    """(H, W) of a picture file in px."""
    with Image.open(path) as image:
        return image.height, image.width


def digest(path: Path) -> str:
    """SHA-256 of a picture's size and pixels; the bytes of a PNG differ between compressors."""
    with Image.open(path) as image:
        pixels = image.convert("RGB")
        text = f"{pixels.width}x{pixels.height}".encode()
        return hashlib.sha256(text + pixels.tobytes()).hexdigest()
