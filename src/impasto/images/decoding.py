"""From an open picture file to samples: the header first, the pixels only if they are few enough.

Pillow has no mode for 16-bit colour and keeps the high bytes only. Its decoders can still be
asked for the other byte order, and what they then keep is the low bytes: two passes give all 16
bits of a PNG or TIFF, at the speed and with the checks of the C decoders.
"""

import contextlib
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

from impasto.errors import ImageError, ImageTooLargeError, ImpastoError, MemoryBudgetError
from impasto.images import formats, profiles
from impasto.images.picture import Samples, check_size

_ORIENTATION = 0x0112
_WARNINGS = threading.RLock()


@dataclass(frozen=True)
class Decoded:
    """Samples (H, W, C) in sRGB, upright, with what the file says about them."""

    samples: Samples
    bits: int = 8
    dpi: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


@contextlib.contextmanager
def clear_errors(label: str, kind: str) -> Iterator[None]:
    """Turn whatever a decoder raises on a damaged file into one line that names the file."""
    try:
        yield
    except ImpastoError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(
            f"Cannot read {label}: the {kind} decoder refuses pictures of this size; make it "
            "smaller or save it as PNG."
        ) from error
    except MemoryError as error:
        raise MemoryBudgetError(
            f"Cannot read {label}: there is not enough memory to decode it; make it smaller."
        ) from error
    except Exception as error:  # damaged files make decoders raise almost anything
        raise ImageError(
            f"Cannot read {label}: the {kind} data is damaged, cut short or of a variant that is "
            "not supported; get a fresh copy, or save it again as PNG."
        ) from error


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Keep Pillow's warnings about size and odd metadata from the user.

    Warning filters belong to the process, so only short steps are wrapped; the lock keeps two
    threads of ours from restoring each other's filters.
    """
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_header(file: BinaryIO, label: str) -> ImageFile.ImageFile:
    """Open a picture with the decoder for its first bytes, without decoding any pixel.

    `PIL.Image.open` is not used: it would try every decoder it knows, and its own size limit is
    a setting of the whole process.

    Raises:
        ImageError: If the file is damaged or of no known kind.
    """
    file.seek(0)
    head = file.read(32)
    kind = formats.find_kind(head)
    if kind is None:
        raise ImageError(f"Cannot read {label}: {formats.describe_foreign(head)}.")
    file.seek(0)
    with clear_errors(label, kind), without_warnings():
        return formats.DECODERS[kind](file)


def decode_file(file: BinaryIO, *, label: str, max_pixels: int) -> Decoded:
    """Decode the first frame of a picture file of any kind but TIFF.

    Raises:
        ImageError: If the file is damaged, empty or of no known kind.
        ImageTooLargeError: If it has more than `max_pixels` pixels.
    """
    file.seek(0)
    head = file.read(32)
    if formats.find_kind(head) == "WebP" and (size := formats.webp_size(head)):
        check_size(*size, label=label, max_pixels=max_pixels)
    image = open_header(file, label)
    check_size(image.height, image.width, label=label, max_pixels=max_pixels)
    with clear_errors(label, image.format or "picture"):
        return decode_opened(file, image, label)


def decode_image(image: Image.Image, *, label: str, max_pixels: int) -> Decoded:
    """Decode the current frame of a Pillow image; the image stays as it is.

    Raises:
        ImageError: If its file is damaged, or its mode has no meaning as a picture.
        ImageTooLargeError: If it has more than `max_pixels` pixels.
    """
    check_size(image.height, image.width, label=label, max_pixels=max_pixels)
    with clear_errors(label, image.format or "picture"):
        return _finish(image, _deep_samples(image, label))


def decode_opened(file: BinaryIO, image: ImageFile.ImageFile, label: str) -> Decoded:
    """Decode what `open_header` opened; the caller has checked its size."""
    notes = _frame_notes(image)
    rawmode = rawmode_of(image)
    if ";16" in rawmode and image.mode in ("RGB", "RGBA"):
        samples: Samples | None = _decode_twice(file, image, rawmode)
    else:
        image.load()
        samples = _deep_samples(image, label)
    decoded = _finish(image, samples)
    return replace(decoded, notes=(*notes, *decoded.notes))


def _frame_notes(image: ImageFile.ImageFile) -> tuple[str, ...]:
    if not getattr(image, "is_animated", False):
        return ()
    frames = getattr(image, "n_frames", 0)
    what = "pages" if image.format == "TIFF" else "frames"
    return (f"only the first of {frames} {what} is used",)


def rawmode_of(image: ImageFile.ImageFile) -> str:
    """How samples lie in the file, in Pillow's words, such as "RGB;16B"; "" if not known."""
    if not image.tile:
        return ""
    args = image.tile[0][3]
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _decode_twice(file: BinaryIO, image: ImageFile.ImageFile, rawmode: str) -> Samples:
    """All 16 bits of an RGB, RGBA or grey + alpha file, shape (H, W, C); `image` is loaded."""
    decoder = type(image)
    file.seek(0)
    with without_warnings():
        second = decoder(file)
    if rawmode == "LA;16B":  # PNG grey + alpha is 4 bytes a pixel: take them as they are
        _load(image, "RGBA")
        return np.ascontiguousarray(np.asarray(image)).view(">u2").astype(np.uint16)
    swapped = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
    _load(image, rawmode)
    result = np.asarray(image).astype(np.uint16)
    np.left_shift(result, 8, out=result)
    _load(second, rawmode[:-1] + swapped[rawmode[-1]])
    np.bitwise_or(result, np.asarray(second), out=result)
    return result


def _load(image: ImageFile.ImageFile, rawmode: str) -> None:
    tiles: list[Any] = []
    for codec, extents, offset, args in image.tile:
        args = (rawmode, *args[1:]) if isinstance(args, tuple) else rawmode
        tile = (codec, extents, offset, args)  # a plain tuple before Pillow 11
        tiles.append(type(image.tile[0])(*tile) if hasattr(image.tile[0], "codec_name") else tile)
    image.tile = tiles
    image.load()


def _deep_samples(image: Image.Image, label: str) -> Samples | None:
    """Samples of Pillow's modes with more than 8 bits, (H, W, 1); None for all other modes."""
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)[..., None]
    if image.mode == "I":
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(
                f"Cannot read {label}: its integers go from {values.min()} to {values.max()}, "
                "not 0 to 65535; save it as 8 or 16 bit."
            )
        return values.astype(np.uint16)[..., None]
    if image.mode == "F":
        return np.asarray(image)[..., None]
    return None


def _finish(image: Image.Image, deep: Samples | None) -> Decoded:
    """Transparency, colours and orientation, at the depth that the file has."""
    profile = image.info.get("icc_profile")
    samples: Samples
    if deep is None:
        samples, note = _shallow_samples(image, profile)
    elif deep.dtype == np.uint16:
        key = image.info.get("transparency")
        samples, note = profiles.samples_to_srgb(_key_to_alpha(deep, key), profile)
    else:
        samples, note = deep, None
    with without_warnings():
        orientation = image.getexif().get(_ORIENTATION, 1)
    return Decoded(
        samples=upright(samples, orientation),
        bits=8 if deep is None else 16,
        dpi=_dpi(image, orientation),
        notes=(note,) if note else (),
    )


def _shallow_samples(image: Image.Image, profile: bytes | None) -> tuple[Samples, str | None]:
    """8-bit RGB or RGBA samples in sRGB."""
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    image, note = profiles.image_to_srgb(image, profile)
    if alpha is not None:
        image.putalpha(alpha)
    return np.asarray(image), note


def _key_to_alpha(samples: Samples, key: object) -> Samples:
    """Make the one 16-bit colour that a PNG declares transparent so, (H, W, C) -> (H, W, C+1)."""
    deep = samples.astype(np.uint16, copy=False)
    colour = np.atleast_1d(np.asarray(key)) if isinstance(key, int | tuple) else np.empty(0)
    if len(colour) != samples.shape[2]:
        return deep
    opaque = (deep != colour).any(axis=2, keepdims=True)
    return np.concatenate([deep, opaque.astype(np.uint16) * 65535], axis=2)


def upright(samples: Samples, orientation: object) -> Samples:
    """Undo the EXIF orientation (1 to 8, Exif 2.32, 4.6.4) of (H, W, C) samples; a view."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _dpi(image: Image.Image, orientation: object) -> tuple[float, float] | None:
    found = image.info.get("dpi")
    if found is None and image.format == "WEBP":  # no field of its own, but an EXIF block
        exif = image.getexif()
        scale = {2: 1.0, 3: 2.54}.get(exif.get(0x0128, 2), 0.0)
        found = [float(exif.get(tag, 0)) * scale for tag in (0x011A, 0x011B)]
    return clean_dpi(found, swap=orientation in (5, 6, 7, 8))


def clean_dpi(found: Any, *, swap: bool = False) -> tuple[float, float] | None:
    """Two plausible numbers, or None: files hold 0, 1 and 0/0 for "not known"."""
    try:
        x, y = (round(float(value), 2) for value in found)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if not (1 < x < 100_000 and 1 < y < 100_000):
        return None
    return (y, x) if swap else (x, y)
