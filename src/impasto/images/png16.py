"""PNG with 16 bits a sample, which Pillow cannot write (ISO/IEC 15948)."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_COLOUR_TYPE = {3: 2, 4: 6}
_INCHES_PER_METRE = 1 / 0.0254
_ROWS = 64


def encode(
    samples: npt.NDArray[np.generic],
    *,
    text: tuple[str, str] | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Encode 16-bit colour as PNG, tagged as sRGB.

    Args:
        samples: Shape (H, W, 3) or (H, W, 4), uint16.
        text: Keyword and text of an iTXt chunk.
        dpi: Dots per inch.
    """
    height, width, channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPE[channels], 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), _chunk(b"sRGB", b"\1")]
    if dpi is not None:
        per_metre = (round(value * _INCHES_PER_METRE) for value in dpi)
        parts.append(_chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if text is not None:
        keyword, content = (part.encode() for part in text)
        parts.append(_chunk(b"iTXt", keyword + b"\0\0\0\0\0" + content))
    parts.extend(_chunk(b"IDAT", data) for data in _compressed(samples))
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _compressed(samples: npt.NDArray[np.generic]) -> Iterator[bytes]:
    deflate = zlib.compressobj(6)
    above = np.zeros((1, samples.shape[1] * samples.shape[2] * 2), dtype=np.uint8)
    for top in range(0, len(samples), _ROWS):
        strip = samples[top : top + _ROWS].astype(">u2")
        rows = strip.view(np.uint8).reshape(len(strip), -1)  # (rows, W * C * 2)
        yield deflate.compress(_filtered(rows, above, step=samples.shape[2] * 2))
        above = rows[-1:]
    yield deflate.flush()


def _filtered(rows: npt.NDArray[np.uint8], above: npt.NDArray[np.uint8], *, step: int) -> bytes:
    """Each row minus its Paeth prediction (filter 4), with the filter byte in front.

    Args:
        rows: Bytes of the rows.
        above: The row before them.
        step: Bytes of a pixel.
    """
    up = np.concatenate([above, rows[:-1]])
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], corner[:, step:] = rows[:, :-step], up[:, :-step]
    a, b, c = (plane.astype(np.int16) for plane in (left, up, corner))
    near_a, near_b, near_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    nearest_b = np.where(near_b <= near_c, up, corner)
    predicted = np.where((near_a <= near_b) & (near_a <= near_c), left, nearest_b)
    kinds = np.full((len(rows), 1), 4, dtype=np.uint8)
    return np.concatenate([kinds, rows - predicted], axis=1).tobytes()
