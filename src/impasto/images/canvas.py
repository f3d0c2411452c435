"""A blank canvas in place of a photograph, such as `canvas:512x256`: for textures and patterns."""

import re

import torch

from impasto.errors import ImageError
from impasto.images.picture import Picture, check_size

_PREFIX = "canvas:"
_GREY = 0.5


def is_canvas(source: object) -> bool:
    """Whether a source names a blank canvas rather than a file."""
    return isinstance(source, str) and source.startswith(_PREFIX)


def name_canvas(width: int, height: int) -> str:
    """The source that stands for a canvas of this size in px."""
    return f"{_PREFIX}{width}x{height}"


def make_canvas(source: str, *, max_pixels: int) -> Picture:
    """A grey picture of the size that its name says.

    Raises:
        ImageError: If the name says no size, or one that is empty.
        ImageTooLargeError: If it has more than `max_pixels` pixels.
    """
    found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", source.removeprefix(_PREFIX))
    if not found:
        raise ImageError(f"{source!r} is no canvas; write its width and height: canvas:512x256.")
    width, height = int(found[1]), int(found[2])
    check_size(height, width, label=source, max_pixels=max_pixels)
    return Picture(torch.full((1, 3, height, width), _GREY), name=source)
