"""`load`: any picture, from anywhere, as float32 sRGB planes."""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from impasto.errors import ImageError, ShapeError
from impasto.images import decoding, formats, sources, tiff
from impasto.images.canvas import is_canvas, make_canvas
from impasto.images.picture import (
    DEFAULT_MAX_PIXELS,
    Picture,
    Samples,
    check_max_pixels,
    check_size,
    picture_from,
)

Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | npt.NDArray[np.generic] | Tensor
"""A path, "-" for standard input, "canvas:512x256" for a blank one, encoded bytes, an open binary
file, a PIL image, an array (H, W) or (H, W, 1 to 4), or a tensor (1 to 4, H, W) or
(1, 1 to 4, H, W)."""


def load(source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Read a picture: upright, in sRGB, with its alpha apart. The source is never changed.

    Arrays and tensors are uint8 (0 to 255), uint16 (0 to 65535), bool, or floats in [0, 1].
    Greyscale becomes three equal channels. Of an animation the first frame is used, of a TIFF
    the first page; `Picture.notes` tells. An open file is read from where it stands.

    Args:
        source: Where the picture is.
        max_pixels: Refuse larger pictures. Files are refused by their header, undecoded.

    Raises:
        ImageError: If there is no such picture, or it is damaged, empty or of an unknown kind.
        ImageTooLargeError: If it has more than `max_pixels` pixels.
        ShapeError: If an array or a tensor has the wrong shape.
        ConfigError: If `max_pixels` is less than 1.
    """
    check_max_pixels(max_pixels)
    if isinstance(source, Tensor):
        return _from_samples(_tensor_samples(source), "tensor", max_pixels)
    if isinstance(source, np.ndarray):
        return _from_samples(_array_samples(source), "array", max_pixels)
    if isinstance(source, Image.Image):
        filename = getattr(source, "filename", "")
        name = Path(filename).stem if isinstance(filename, str) and filename else "image"
        label = "the given image"
        decoded = decoding.decode_image(source, label=label, max_pixels=max_pixels)
        return _from_decoded(decoded, label, name)
    if is_canvas(source):
        return make_canvas(str(source), max_pixels=max_pixels)
    with sources.opened(source, max_pixels=max_pixels) as (file, label, name):
        is_tiff = formats.find_kind(file.read(32)) == "TIFF"
        decode = tiff.decode_tiff if is_tiff else decoding.decode_file
        decoded = decode(file, label=label, max_pixels=max_pixels)
    return _from_decoded(decoded, label, name)


def _from_decoded(decoded: decoding.Decoded, label: str, name: str) -> Picture:
    return picture_from(
        decoded.samples,
        label=label,
        bits=decoded.bits,
        name=name,
        dpi=decoded.dpi,
        notes=decoded.notes,
    )


def _from_samples(samples: Samples, name: str, max_pixels: int) -> Picture:
    label = f"the given {name}"
    check_size(*samples.shape[:2], label=label, max_pixels=max_pixels)
    bits = 8 if samples.dtype in (np.uint8, np.bool_) else 16
    return picture_from(samples, label=label, bits=bits, name=name)


def _array_samples(array: npt.NDArray[np.generic]) -> Samples:
    """(H, W) or (H, W, C) -> (H, W, C)."""
    samples = array[..., None] if array.ndim == 2 else array
    if samples.ndim != 3 or samples.shape[2] not in (1, 2, 3, 4):
        raise ShapeError(
            f"An array needs the shape (H, W) or (H, W, 1 to 4), not {array.shape}; "
            "channels come last in arrays and first in tensors."
        )
    return samples


def _tensor_samples(tensor: Tensor) -> Samples:
    """(C, H, W) or (1, C, H, W) -> (H, W, C)."""
    planes = tensor[0] if tensor.ndim == 4 and len(tensor) == 1 else tensor
    if planes.ndim != 3 or planes.shape[0] not in (1, 2, 3, 4):
        raise ShapeError(
            "A tensor needs the shape (3, H, W) or (1, 3, H, W), with 1 to 4 channels, "
            f"not {tuple(tensor.shape)}."
        )
    if tensor.is_complex():
        raise ImageError("Cannot read the given tensor: it is complex; use floats in [0, 1].")
    planes = planes.detach().cpu()
    planes = planes.float() if planes.dtype == torch.bfloat16 else planes  # numpy has none
    samples: Samples = planes.permute(1, 2, 0).numpy()
    return samples
