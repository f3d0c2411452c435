"""`save`, `encode` and `to_pil`: from planes to a file that keeps what the format can keep."""

import io
import os
import struct
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile
import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

from impasto.errors import ConfigError, OutputError, ShapeError
from impasto.files import describe_os_error, replacing
from impasto.images import png16, profiles
from impasto.images import settings as carried
from impasto.images.formats import format_of
from impasto.images.picture import FULL_SCALE, Picture, Samples, quantise

_LONGEST_SIDE = {"jpeg": 65_500, "webp": 16_383, "png": 2**31 - 1, "tiff": 2**31 - 1}
_RELATIVE_COLORIMETRIC = b"\1"


def save(
    picture: Picture | Tensor,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    quality: int = 92,
    bits: int = 8,
    settings: str | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Write a picture: a whole file or none at all, tagged as sRGB.

    Args:
        picture: A `Picture`, or a tensor (3, H, W) or (1, 3, H, W); values are clamped to [0, 1].
        target: A file name, "-" for standard output, or an open binary file.
        format: png, tiff, jpeg or webp; by default what the suffix says, and png for streams.
        quality: 1 to 100, for JPEG (4:4:4 from 90 on) and WebP (lossless at 100).
        bits: 8, or 16 for PNG and TIFF.
        settings: Text, usually JSON, to be found again by `read_settings`.
        dpi: Dots per inch; by default those of the picture.

    Raises:
        ConfigError: If the format, the quality or the depth is not possible.
        OutputError: If the file cannot be written, or the picture does not fit the format.
        ShapeError: If a tensor has the wrong shape.
    """
    path = Path(target) if isinstance(target, str | os.PathLike) and target != "-" else None
    format = format or "png" if path is None else format_of(path, format)
    inside = path is None or carried.fits(settings, format)
    data = encode(
        picture,
        format=format,
        quality=quality,
        bits=bits,
        settings=settings if inside else None,
        dpi=dpi,
    )
    if path is None:
        return _write_stream(data, target)  # type: ignore[arg-type]
    _write_file(data, path)
    if not inside:
        _write_file(str(settings).encode(), carried.sidecar_of(path))
    return None


def encode(
    picture: Picture | Tensor,
    *,
    format: str = "png",
    quality: int = 92,
    bits: int = 8,
    settings: str | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """The bytes of a picture file; the same input gives the same bytes. See `save`.

    Raises:
        ConfigError: If the format, the quality or the depth is not possible.
        OutputError: If the picture does not fit the format, or into memory.
        ShapeError: If a tensor has the wrong shape.
    """
    format = format_of("", format)
    _check_options(format, quality=quality, bits=bits)
    picture = _as_picture(picture)
    _check_content(picture, format, settings)
    try:
        return _encode(
            quantise(picture, bits),
            format=format,
            quality=quality,
            settings=settings,
            dpi=dpi or picture.dpi,
        )
    except (OSError, ValueError, MemoryError, struct.error) as error:
        raise OutputError(
            f"Cannot encode {picture.size[1]} x {picture.size[0]} pixels as {format.upper()}: "
            f"{error}; choose PNG or a smaller size."
        ) from error


def _encode(
    samples: Samples,
    *,
    format: str,
    quality: int,
    settings: str | None,
    dpi: tuple[float, float] | None,
) -> bytes:
    if format == "tiff":
        return _tiff(samples, settings=settings, dpi=dpi)
    if format == "png" and samples.dtype == np.uint16:
        text = None if settings is None else (carried.KEYWORD, settings)
        return png16.encode(samples, text=text, dpi=dpi)
    image, buffer = Image.fromarray(samples), io.BytesIO()
    if format == "png":
        _save_png(image, buffer, settings=settings, dpi=dpi)
    elif format == "jpeg":
        _save_jpeg(image, buffer, quality=quality, settings=settings, dpi=dpi)
    else:
        _save_webp(image, buffer, quality=quality, settings=settings, dpi=dpi)
    return buffer.getvalue()


def to_pil(picture: Picture | Tensor) -> Image.Image:
    """An 8-bit RGB image, or RGBA where the picture has alpha.

    Raises:
        OutputError: If there are values that are not finite.
        ShapeError: If a tensor has the wrong shape.
    """
    picture = _as_picture(picture)
    _check_content(picture, "png", None)
    return Image.fromarray(quantise(picture, 8))


def _as_picture(picture: Picture | Tensor) -> Picture:
    if isinstance(picture, Picture):
        return picture
    pixels = picture[None] if picture.ndim == 3 else picture
    if pixels.ndim != 4 or pixels.shape[:2] != (1, 3):
        raise ShapeError(
            "A picture to write needs the shape (3, H, W) or (1, 3, H, W), "
            f"not {tuple(picture.shape)}."
        )
    if not pixels.is_floating_point():
        raise ShapeError(f"A picture to write needs floats in [0, 1], not {picture.dtype}.")
    return Picture(pixels=pixels)


def _check_options(format: str, *, quality: int, bits: int) -> None:
    if not 1 <= quality <= 100:
        raise ConfigError(f"quality must be from 1 to 100, not {quality}.")
    if bits not in FULL_SCALE:
        raise ConfigError(f"bits must be 8 or 16, not {bits}.")
    if bits == 16 and format not in ("png", "tiff"):
        raise ConfigError(f"{format.upper()} holds 8 bits only; use PNG or TIFF for 16.")


def _check_content(picture: Picture, format: str, settings: str | None) -> None:
    for planes in (picture.pixels, picture.alpha):
        if planes is not None and not bool(torch.isfinite(planes).all()):
            raise OutputError(
                "Cannot write the picture: it has values that are not finite numbers; "
                "the run that made it failed."
            )
    longest = _LONGEST_SIDE[format]
    if not 1 <= min(picture.size) <= max(picture.size) <= longest:
        raise OutputError(
            f"Cannot write a picture of {picture.size[1]} x {picture.size[0]} as "
            f"{format.upper()}: sides go from 1 to {longest}; choose PNG or another size."
        )
    if not carried.fits(settings, format):
        raise OutputError(f"The settings are too long for {format.upper()}; use PNG.")


def _save_png(
    image: Image.Image,
    buffer: io.BytesIO,
    *,
    settings: str | None,
    dpi: tuple[float, float] | None,
) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"sRGB", _RELATIVE_COLORIMETRIC)
    if settings is not None:
        chunks.add_itxt(carried.KEYWORD, settings)
    extra = {"dpi": dpi} if dpi else {}
    image.save(buffer, "PNG", pnginfo=chunks, **extra)


def _save_jpeg(
    image: Image.Image,
    buffer: io.BytesIO,
    *,
    quality: int,
    settings: str | None,
    dpi: tuple[float, float] | None,
) -> None:
    """JPEG has no alpha: transparent parts are shown on white, as on paper."""
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    image.save(
        buffer,
        "JPEG",
        quality=quality,
        subsampling="4:4:4" if quality >= 90 else "4:2:0",
        optimize=False,  # Pillow's buffer for it is too small for noisy pictures
        icc_profile=profiles.srgb_profile(),
        exif=carried.exif_with(settings, None),
        **({"dpi": dpi} if dpi else {}),
    )


def _save_webp(
    image: Image.Image,
    buffer: io.BytesIO,
    *,
    quality: int,
    settings: str | None,
    dpi: tuple[float, float] | None,
) -> None:
    image.save(
        buffer,
        "WEBP",
        quality=quality,
        lossless=quality == 100,
        exact=True,  # keep the colours under full transparency, as PNG and TIFF do
        icc_profile=profiles.srgb_profile(),
        exif=carried.exif_with(settings, dpi),
    )


def _tiff(
    samples: Samples,
    *,
    settings: str | None,
    dpi: tuple[float, float] | None,
) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        samples,
        photometric="rgb",
        extrasamples=["unassalpha"] if samples.shape[2] == 4 else None,
        compression="zlib",
        predictor=True,
        description=None if settings is None else carried.describe(settings).encode(),
        metadata=None,
        software="impasto",
        resolution=dpi,
        resolutionunit="INCH" if dpi else None,
        iccprofile=profiles.srgb_profile(),
    )
    return buffer.getvalue()


def _write_file(data: bytes, path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _write_stream(data: bytes, target: BinaryIO | str) -> None:
    stream, name = (sys.stdout.buffer, "standard output") if target == "-" else (target, "stream")
    try:
        stream.write(data)  # type: ignore[union-attr]
        stream.flush()  # type: ignore[union-attr]
    except OSError as error:
        raise OutputError(f"Cannot write to {name}: {describe_os_error(error)}.") from error
