"""Which kinds of file are read and written, and how to tell them apart.

A kind is found by the first bytes of a file, never by its name, and each kind goes to one
decoder chosen here. Nothing else in Pillow is reachable, so no PostScript interpreter and none of
the rarely tested decoders ever sees a stranger's file.
"""

import os
from pathlib import Path

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)

from impasto.errors import ConfigError, ImageError

DECODERS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
}
_SUFFIXES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "WebP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
}

if "avif" in features.modules and features.check("avif"):  # Pillow 11.3 and later
    from PIL import AvifImagePlugin

    DECODERS["AVIF"] = AvifImagePlugin.AvifImageFile

READABLE_SUFFIXES = frozenset(suffix for kind in DECODERS for suffix in _SUFFIXES[kind])
"""Lower case, with the dot. Used to list folders; reading goes by content."""

WRITABLE_FORMATS = {
    "png": (".png",),
    "tiff": (".tif", ".tiff"),
    "jpeg": (".jpg", ".jpeg"),
    "webp": (".webp",),
}
"""Format -> the suffixes that mean it."""

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
)
_FOREIGN = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript file"),
    (b"8BPS", "a Photoshop document"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML or SVG file"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"heif", b"hevc", b"mif1", b"msf1"}


def find_kind(head: bytes) -> str | None:
    """The kind of a file from its first 32 bytes: a key of `DECODERS`, or None."""
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PPM"
    if head[4:8] == b"ftyp" and b"avi" in head[8:32] and "AVIF" in DECODERS:
        return "AVIF"
    return None


def webp_size(head: bytes) -> tuple[int, int] | None:
    """Height and width of a WebP file from its first 32 bytes (RFC 9649, 2.5 to 2.7).

    Pillow makes the decoder, and its canvas, as it opens the file; this is needed before.
    """
    width = height = None
    if len(head) < 30:
        return None
    if head[12:16] == b"VP8X":
        width = int.from_bytes(head[24:27], "little") + 1
        height = int.from_bytes(head[27:30], "little") + 1
    elif head[12:16] == b"VP8L":
        packed = int.from_bytes(head[21:25], "little")
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    elif head[12:16] == b"VP8 ":
        width = int.from_bytes(head[26:28], "little") & 0x3FFF
        height = int.from_bytes(head[28:30], "little") & 0x3FFF
    return None if width is None or height is None else (height, width)


def describe_foreign(head: bytes) -> str:
    """Say what an unreadable file is, as far as its first bytes tell."""
    if not head:
        return "the file is empty"
    advice = f"; give a {', '.join(DECODERS)} picture"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return f"it is a HEIC picture, which cannot be read{advice}"
    for signature, what in _FOREIGN:
        if head.lower().startswith(signature.lower()):
            return f"it is {what}, which cannot be read{advice}"
    return f"it is not a picture of a known kind{advice}"


def format_of(target: str | os.PathLike[str], format: str | None = None) -> str:
    """The format in which `target` will be written. Call it early to fail before the work.

    Args:
        target: Name of the file; its suffix counts if `format` is None.
        format: A key of `WRITABLE_FORMATS`, or one of their suffixes without the dot.

    Raises:
        ConfigError: If the format or the suffix is missing or cannot be written.
    """
    suffix = Path(target).suffix if format is None else f".{format}"
    for known, suffixes in WRITABLE_FORMATS.items():
        if suffix.lower() in (*suffixes, f".{known}"):
            return known
    choices = ", ".join(name for suffixes in WRITABLE_FORMATS.values() for name in suffixes)
    if format is not None:
        raise ConfigError(f"Cannot write format {format!r}; use {', '.join(WRITABLE_FORMATS)}.")
    what = f"suffix {suffix!r}" if suffix else "a name without a suffix"
    raise ConfigError(f"Cannot write {target}: {what}; use one of {choices}.")


def list_pictures(folder: str | os.PathLike[str]) -> list[Path]:
    """The pictures in a folder, by suffix, sorted by name; hidden files and subfolders are not.

    Raises:
        ImageError: If the folder cannot be listed.
    """
    try:
        entries = sorted(Path(folder).iterdir())
    except OSError as error:
        reason = error.strerror or str(error)
        raise ImageError(f"Cannot list {folder}: {reason.lower()}; give a folder.") from error
    return [
        path
        for path in entries
        if path.suffix.lower() in READABLE_SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    ]
