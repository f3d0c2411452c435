"""What becomes of a picture that is sent: looked at, turned upright, and written anew.

Only pixels survive: EXIF, GPS, names and comments of the file that was sent are gone.
"""

import io
import secrets
from pathlib import Path

from PIL import Image

from impasto import gallery, images
from impasto.errors import ImageError, ImageTooLargeError, ImpastoError
from impasto.images import Picture
from impasto.studio.disk import disk_faults, write_whole
from impasto.studio.faults import InvalidError, KindError, TooLargeError

#: Sides of small copies, in px.
SIDES = (256, 1024)
#: Formats in which a result is given, and their media types.
FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "tiff": "image/tiff",
           "webp": "image/webp"}  # fmt: skip
_SMALLEST = 16
_QUALITY = 92


def take_in(file: Path, *, max_pixels: int, role: str) -> tuple[int, int]:
    """Read a picture that was sent, and write it in place of itself as a plain PNG.

    Args:
        file: What was sent, of any kind.
        max_pixels: Refuse larger pictures, by their header.
        role: photo, style or mask.

    Returns:
        (H, W), upright.

    Raises:
        KindError: If it is no picture that can be read.
        TooLargeError: If it has too many pixels.
        InvalidError: If it is too small.
        DiskError: If it cannot be written.
    """
    try:
        with file.open("rb") as opened:
            picture = images.load(opened, max_pixels=max_pixels)
    except ImageTooLargeError as error:
        raise TooLargeError(
            f"The picture has more than {max_pixels:,} pixels; make it smaller and send it again."
        ) from error
    except ImageError as error:
        raise KindError(_of_sent(error)) from error
    height, width = picture.size
    if min(height, width) < _SMALLEST:
        raise InvalidError(
            f"The picture is {width}x{height} px; each side must be at least {_SMALLEST} px."
        )
    # The least compression: a photograph of a telephone is written in one second, not in five.
    buffer = io.BytesIO()
    images.to_pil(picture).save(buffer, "PNG", compress_level=1)
    write_whole(file, buffer.getvalue())
    return height, width


def shrink(source: Path, target: Path, side: int) -> Path:
    """A small copy of a picture as WebP; made once.

    Raises:
        DiskError: If there is no room for it.
    """
    if not target.exists():
        write_whole(target, draw_small(source, side))
    return target


def draw_small(source: Path, side: int) -> bytes:
    """A small copy of a picture of ours, as WebP."""
    with Image.open(source) as image:
        image.draft("RGB", (side, side))
        small = image.convert("RGBA" if "A" in image.getbands() else "RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=85, method=2)
    return buffer.getvalue()


def convert_result(path: Path, format: str, quality: int = _QUALITY) -> bytes:
    """A result in another format, with its settings inside.

    Args:
        path: Of the result.
        format: A key of `FORMATS`.
        quality: 1 to 100, for JPEG and WebP.

    Raises:
        ImpastoError: If it does not fit the format.
    """
    if format == "png":
        return path.read_bytes()
    settings = images.read_settings(path)
    return images.encode(images.load(path), format=format, quality=quality, settings=settings)


def measure(path: Path) -> tuple[int, int]:
    """(H, W) of a picture of ours, by its header."""
    with Image.open(path) as image:
        return image.height, image.width


def gallery_size(name: str) -> tuple[int, int]:
    """(H, W) of a gallery style."""
    return measure(gallery.picture_path(name))


def load_named(path: Path, name: str, max_pixels: int = images.DEFAULT_MAX_PIXELS) -> Picture:
    """A picture of ours under its owner's name for it."""
    from dataclasses import replace

    return replace(images.load(path, max_pixels=max_pixels), name=name)


def clean_name(name: str | None, usual: str) -> str:
    """A name as it may be shown and written into files: no paths, no control characters."""
    stem = Path((name or "").replace("\\", "/").rpartition("/")[2]).stem
    plain = "".join(letter for letter in stem if letter.isprintable()).strip(" .")
    return plain[:80] or usual


def name_download(names: list[str], format: str) -> str:
    """Name of the file of a result, in letters that every system knows."""
    words = [
        "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
        for name in names
    ]
    stem = "_".join(word.strip("-") for word in words if word.strip("-"))[:100]
    return f"{stem or 'painting'}.{'jpg' if format == 'jpeg' else format}"


def save_incoming(folder: Path, data: bytes) -> Path:
    """Write bytes under a name of our own."""
    path = folder / secrets.token_hex(16)
    with disk_faults():
        path.write_bytes(data)
    return path


def _of_sent(error: ImpastoError) -> str:
    """What is wrong with it; who sent it knows no name of ours."""
    reason = str(error).partition(": ")[2] or str(error)
    return f"That is no picture that can be read: {reason}"
