"""TIFF: Pillow where it can, tifffile for what is beyond it.

Pillow decodes every compression through libtiff, but not floats, 16-bit planes or 16-bit grey
with alpha, and its size limit cannot be lifted for one file. tifffile reads those, as long as they
are not compressed or are deflated; more would need a heavy library.
"""

import contextlib
import logging
import zlib
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image, ImageFile

from impasto.errors import ImageError
from impasto.images import decoding, formats, profiles
from impasto.images.picture import Samples, check_size

# Remarks of tifffile on damaged tags must not reach a terminal of which nobody set up the logging.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_DEFLATE = (8, 32946)
_MOST_PAGES = 100
_ADVICE = "save it again as 8- or 16-bit RGB without compression"


def decode_tiff(file: BinaryIO, *, label: str, max_pixels: int) -> decoding.Decoded:
    """Decode the first page of a TIFF file.

    Raises:
        ImageError: If the file is damaged, empty or of a variant that cannot be read.
        ImageTooLargeError: If it has more than `max_pixels` pixels.
    """
    with decoding.clear_errors(label, "TIFF"):
        return _decode(file, label=label, max_pixels=max_pixels)


def _decode(file: BinaryIO, *, label: str, max_pixels: int) -> decoding.Decoded:
    image = _tiff_header(file)
    if image is not None:
        check_size(image.height, image.width, label=label, max_pixels=max_pixels)
    if image is None or _needs_tifffile(image):
        return _decode_with_tifffile(file, label=label, max_pixels=max_pixels)
    with decoding.without_warnings():  # Pillow checks the size again when it loads a TIFF
        return _correct_tiff(image, decoding.decode_opened(file, image, label))


def _tiff_header(file: BinaryIO) -> ImageFile.ImageFile | None:
    """The header as Pillow sees it; None if the variant is beyond Pillow."""
    file.seek(0)
    with contextlib.suppress(SyntaxError), decoding.without_warnings():
        return formats.DECODERS["TIFF"](file)
    return None


def _needs_tifffile(image: ImageFile.ImageFile) -> bool:
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    deep = tags.get(258, (8,))[0] > 8
    pillow_limit = Image.MAX_IMAGE_PIXELS
    too_large = pillow_limit is not None and image.height * image.width > 2 * pillow_limit
    return too_large or (
        deep and (tags.get(284) == 2 or decoding.rawmode_of(image).startswith("RGBa"))
    )


def _correct_tiff(image: ImageFile.ImageFile, decoded: decoding.Decoded) -> decoding.Decoded:
    """What Pillow leaves undone for grey TIFFs: 12-bit range, and "white is zero" at 16 bits."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    samples = decoded.samples
    if samples.dtype != np.uint16 or samples.shape[2] != 1:
        return decoded
    if tags.get(258) == (12,):
        samples = np.rint(samples * (65535 / 4095)).astype(np.uint16)
    if tags.get(262) == 0:
        samples = 65535 - samples
    return replace(decoded, samples=samples)


def _decode_with_tifffile(file: BinaryIO, *, label: str, max_pixels: int) -> decoding.Decoded:
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page: Any = tiff.pages[0]
        check_size(page.imagelength, page.imagewidth, label=label, max_pixels=max_pixels)
        _check_tiff_variant(page, label)
        _check_inflated_size(file, page, label)
        samples = _page_samples(page)
        orientation = page.tags.valueof(274, 1)
        in_inches = 282 in page.tags and page.tags.valueof(296, 2) in (2, 3)
        dpi = page.get_resolution("INCH") if in_inches else None
        profile = page.tags.valueof(34675)
        pages = _count_pages(tiff)
    notes = [f"only the first of {pages} pages is used"] if pages != "1" else []
    if samples.dtype.kind == "u":
        samples, note = profiles.samples_to_srgb(samples, profile)
        notes += [note] if note else []
    return decoding.Decoded(
        samples=decoding.upright(samples, orientation),
        bits=8 if samples.dtype == np.uint8 else 16,
        dpi=decoding.clean_dpi(dpi, swap=orientation in (5, 6, 7, 8)),
        notes=tuple(notes),
    )


def _count_pages(tiff: tifffile.TiffFile) -> str:
    """The number of pages; not more than a hundred are counted, for they may lead in a circle."""
    for number in range(1, _MOST_PAGES):
        try:
            tiff.pages[number]
        except IndexError:
            return str(number)
    return f"{_MOST_PAGES} or more"


def _page_samples(page: Any) -> Samples:
    """The samples of a tifffile page as (H, W, C), black at zero, alpha not multiplied in."""
    samples: Samples = page.asarray()
    samples = samples[..., None] if samples.ndim == 2 else samples
    samples = np.moveaxis(samples, 0, -1) if page.planarconfig == 2 else samples
    if samples.shape != (page.imagelength, page.imagewidth, page.samplesperpixel):
        raise ValueError(f"the header contradicts itself: {samples.shape}")
    if page.photometric == 0:
        samples = (1 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max) - samples
    if page.extrasamples and page.extrasamples[0] == 1:
        samples = _unassociate(samples)
    return samples


def _check_tiff_variant(page: Any, label: str) -> None:
    """Refuse, in words, what would need a further library or has no meaning as a picture."""
    problem = None
    if page.compression not in (1, *_DEFLATE) or page.predictor not in (1, 2):
        problem = f"{_name(page.compression)} compression with {page.dtype} samples"
    elif page.photometric not in (0, 1, 2) or page.samplesperpixel > 4 or page.imagedepth != 1:
        problem = f"{page.samplesperpixel} {_name(page.photometric)} samples a pixel"
    elif page.dtype is None or page.dtype not in ("u1", "u2", "f2", "f4", "f8"):
        problem = f"samples of type {page.dtype}"
    if problem:
        raise ImageError(f"Cannot read {label}: TIFF with {problem} is not supported; {_ADVICE}.")


def _name(value: Any) -> str:
    """The name of a tag's value; the number itself where tifffile does not know it."""
    return str(getattr(value, "name", value))


def _check_inflated_size(file: BinaryIO, page: Any, label: str) -> None:
    """Refuse strips that inflate to more than they should; tifffile inflates without a limit."""
    if page.compression not in _DEFLATE:
        return
    expected = int(np.prod(page.chunks)) * page.dtype.itemsize
    for offset, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        inflated = zlib.decompressobj().decompress(file.read(length), expected + 1)
        if len(inflated) > expected:
            raise ImageError(f"Cannot read {label}: its data is larger than its header says.")


def _unassociate(samples: Samples) -> Samples:
    """Divide colours by alpha where a TIFF stores them multiplied."""
    full = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
    result = samples.astype(np.float32)
    alpha = result[..., -1:] / full
    divided = result[..., :-1] / np.maximum(alpha, 1e-6)
    result[..., :-1] = np.clip(divided, 0, full)
    if samples.dtype.kind == "f":
        return result
    return np.rint(result).astype(samples.dtype)
