"""Pictures inside a page, as data."""

import base64
import io
from pathlib import Path

from PIL import Image

_JPEG_QUALITY = 86
#: Pictures this small are kept exactly, pixel by pixel.
_EXACT_SIDE = 96


def embed(path: Path, side: int) -> dict[str, object]:
    """A picture as a data URI.

    Args:
        path: The file.
        side: Long side in px to which it is shrunk, if it is larger.

    Returns:
        `src`, `width` and `height`.

    Raises:
        OSError: If it cannot be read.
    """
    with Image.open(path) as file:
        picture = file.convert("RGB")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    exact = max(picture.size) <= _EXACT_SIDE
    if exact:
        picture.save(stream, "PNG", optimize=True)
    else:
        picture.save(stream, "JPEG", quality=_JPEG_QUALITY, optimize=True, progressive=True)
    kind = "png" if exact else "jpeg"
    data = base64.b64encode(stream.getvalue()).decode()
    width, height = picture.size
    return {"src": f"data:image/{kind};base64,{data}", "width": width, "height": height}
