"""The settings that a picture carries, so that it can be painted again from itself.

Where they lie: PNG, an iTXt chunk with the keyword "impasto"; TIFF, ImageDescription; JPEG and
WebP, EXIF UserComment. TIFF and EXIF fields are shared with cameras and editors, so the text has a
prefix there. Settings that do not fit (EXIF holds 64 kB) go to a file beside the picture.
"""

import os
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile

from impasto.errors import ImageError
from impasto.images import decoding, sources
from impasto.images.picture import DEFAULT_MAX_PIXELS

KEYWORD = "impasto"
_PREFIX = f"{KEYWORD}:"
_EXIF_IFD, _USER_COMMENT, _DESCRIPTION = 0x8769, 0x9286, 270
_CHARSET = b"UNICODE\0"
_EXIF_LIMIT = 65_000


def describe(settings: str) -> str:
    """The text of a TIFF ImageDescription that holds `settings`."""
    return _PREFIX + settings


def fits(settings: str | None, format: str) -> bool:
    """Whether a file of this format can hold these settings; an EXIF block ends at 64 kB."""
    in_exif = settings is not None and format in ("jpeg", "webp")
    return not in_exif or len(_comment(str(settings))) <= _EXIF_LIMIT


def exif_with(settings: str | None, dpi: tuple[float, float] | None) -> Image.Exif:
    """An EXIF block with the settings and the resolution."""
    exif = Image.Exif()
    if dpi is not None:
        exif[0x011A], exif[0x011B], exif[0x0128] = dpi[0], dpi[1], 2  # 2 = per inch
    if settings is not None:
        exif[_EXIF_IFD] = {_USER_COMMENT: _comment(settings)}
    return exif


def _comment(settings: str) -> bytes:
    return _CHARSET + describe(settings).encode("utf-16-le")


def sidecar_of(path: Path) -> Path:
    """Where the settings of `path` lie if the picture itself cannot hold them."""
    return path.with_suffix(".json")


def read_settings(source: str | os.PathLike[str] | bytes | BinaryIO) -> str | None:
    """The settings that were saved with a picture.

    Args:
        source: A picture file, its bytes, an open binary file, or "-" for standard input.

    Returns:
        The text given to `save`; failing that the text of `<name>.json` beside the file; failing
        that None.

    Raises:
        ImageError: If the picture cannot be read.
    """
    with sources.opened(source, max_pixels=DEFAULT_MAX_PIXELS) as (file, label, _):
        found = _embedded(decoding.open_header(file, label), label)
    if found is not None or isinstance(source, bytes) or not isinstance(source, str | os.PathLike):
        return found
    return _beside(Path(source))


def _embedded(image: ImageFile.ImageFile, label: str) -> str | None:
    with decoding.clear_errors(label, image.format or "picture"):
        if image.format == "PNG":
            text = image.info.get(KEYWORD)
            return str(text) if text is not None else None
        if image.format == "TIFF":
            tags = image.tag_v2  # type: ignore[attr-defined]
            return _without_prefix(tags.get(_DESCRIPTION, "").encode("latin-1").decode())
        comment = image.getexif().get_ifd(_EXIF_IFD).get(_USER_COMMENT, b"")
        if isinstance(comment, bytes) and comment.startswith(_CHARSET):
            return _without_prefix(comment[len(_CHARSET) :].decode("utf-16-le"))
    return None


def _without_prefix(text: str) -> str | None:
    return text.removeprefix(_PREFIX) if text.startswith(_PREFIX) else None


def _beside(path: Path) -> str | None:
    sidecar = sidecar_of(path)
    try:
        return sidecar.read_text("utf-8") if sidecar.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"Cannot read the settings in {sidecar}: {error}.") from error
