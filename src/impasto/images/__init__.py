"""The picture edge: files, bytes, PIL images and arrays in; float32 sRGB planes out, and back.

Everywhere else in impasto an image is float32 sRGB, (B, 3, H, W), in [0, 1]. Integers, colour
profiles, EXIF orientation, transparency and file formats are known in this package only.
"""

from impasto.images.canvas import is_canvas, name_canvas
from impasto.images.formats import (
    READABLE_SUFFIXES,
    WRITABLE_FORMATS,
    format_of,
    list_pictures,
)
from impasto.images.picture import DEFAULT_MAX_PIXELS, Picture
from impasto.images.reading import Source, load
from impasto.images.settings import read_settings
from impasto.images.writing import encode, save, to_pil

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "READABLE_SUFFIXES",
    "WRITABLE_FORMATS",
    "Picture",
    "Source",
    "encode",
    "format_of",
    "is_canvas",
    "list_pictures",
    "load",
    "name_canvas",
    "read_settings",
    "save",
    "to_pil",
]
