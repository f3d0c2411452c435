"""What a picture is inside impasto, and the step between integer samples and planes.

0-255 and 0-65535 live on one side of this module, float32 in [0, 1] on the other.
"""

import functools
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from impasto.errors import ConfigError, ImageError, ImageTooLargeError, ShapeError

Samples = npt.NDArray[Any]
"""A decoded picture: (H, W, C), uint8, uint16 or float in [0, 1]; C is 1 (grey) to 4 (RGBA)."""

DEFAULT_MAX_PIXELS = 200_000_000
"""Enough for a 200-megapixel phone; such a picture takes 2.4 GB as float32 (12 bytes a pixel)."""

FULL_SCALE = {8: 255, 16: 65535}
_FLOAT_SLACK = 1e-3


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as the engines want it, and what is needed to write it back faithfully.

    Attributes:
        pixels: Shape (1, 3, H, W), float32 sRGB in [0, 1]. Where `alpha` is zero the colours
            are those that the file holds, often black.
        alpha: Shape (1, 1, H, W), float32 in [0, 1]; None if the picture is opaque everywhere.
        bits: Depth of the source, 8 or 16 (also for float sources).
        dpi: Dots per inch, horizontal and vertical, if the source says.
        name: Stem of the file name, or "stdin", "stream", "bytes", "image", "array", "tensor".
        notes: What the user may want to know, for example that only the first frame was used.

    Raises:
        ShapeError: If `pixels` or `alpha` has the wrong shape.
    """

    pixels: Tensor
    alpha: Tensor | None = None
    bits: int = 8
    dpi: tuple[float, float] | None = None
    name: str = "picture"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.shape[:2] != (1, 3):
            raise ShapeError(
                f"A picture needs pixels of shape (1, 3, H, W), not {tuple(self.pixels.shape)}."
            )
        if self.alpha is not None and self.alpha.shape != (1, 1, *self.size):
            raise ShapeError(
                f"A picture of {self.size} needs alpha of shape (1, 1, H, W), "
                f"not {tuple(self.alpha.shape)}."
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[2], self.pixels.shape[3]

    @property
    def flat(self) -> Tensor:
        """Pixels (1, 3, H, W); a transparent picture is laid on white, as it looks on paper."""
        if self.alpha is None:
            return self.pixels
        return self.pixels * self.alpha + (1 - self.alpha)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of size and samples, by which the picture is recognised."""
        found = hashlib.sha256(f"{self.size}".encode())
        for planes in (self.pixels, self.alpha):
            if planes is not None:
                found.update(planes.numpy().tobytes())
        return found.hexdigest()


def check_max_pixels(max_pixels: int) -> None:
    """Refuse a limit that lets nothing through.

    Raises:
        ConfigError: If `max_pixels` is less than 1.
    """
    if max_pixels < 1:
        raise ConfigError(f"max_pixels must be at least 1, not {max_pixels}.")


def check_size(height: int, width: int, *, label: str, max_pixels: int) -> None:
    """Refuse an empty or an oversized picture; called on the header, before decoding.

    Raises:
        ImageError: If a side is zero.
        ImageTooLargeError: If there are more than `max_pixels` pixels.
    """
    if height < 1 or width < 1:
        raise ImageError(f"Cannot read {label}: it is empty ({width} x {height} pixels).")
    if height * width > max_pixels:
        raise ImageTooLargeError(
            f"Cannot read {label}: {width} x {height} = {height * width:,} pixels, over the "
            f"limit of {max_pixels:,}; make it smaller or raise the limit with --max-pixels."
        )


def picture_from(
    samples: Samples,
    *,
    label: str,
    bits: int,
    name: str,
    dpi: tuple[float, float] | None = None,
    notes: tuple[str, ...] = (),
) -> Picture:
    """Turn decoded samples into a picture that shares no memory with them.

    Args:
        samples: Shape (H, W, C) with C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha.
        label: How error messages call the picture.
        bits: Depth of the source.
        name: Name of the picture.
        dpi: Dots per inch.
        notes: Remarks for the user.

    Raises:
        ImageError: If the samples are of a kind that cannot be read.
    """
    planes = torch.from_numpy(_planes(samples, label))  # (C, H, W)
    count = samples.shape[2] - (samples.shape[2] + 1) % 2  # colour planes: 1 or 3
    pixels, alpha = planes[:count], planes[count:]
    if count == 1:
        pixels = pixels.repeat(3, 1, 1)  # (1, H, W) -> (3, H, W)
    opaque = len(alpha) == 0 or bool(alpha.min() >= 1)
    return Picture(
        pixels=pixels[None],
        alpha=None if opaque else alpha.clone()[None],
        bits=bits,
        dpi=dpi,
        name=name,
        notes=notes,
    )


def _planes(samples: Samples, label: str) -> npt.NDArray[np.float32]:
    """(H, W, C) of any accepted dtype -> (C, H, W) float32 in [0, 1], newly allocated."""
    planes = samples.transpose(2, 0, 1)
    result = np.empty(planes.shape, dtype=np.float32)
    if samples.dtype == np.uint8 or samples.dtype == np.uint16:
        np.divide(planes, np.iinfo(samples.dtype).max, out=result, dtype=np.float32)
    elif samples.dtype == np.bool_:
        result[...] = planes
    elif np.issubdtype(samples.dtype, np.floating):
        _check_unit_range(samples, label)
        np.clip(planes, 0, 1, out=result, casting="same_kind")
    else:
        raise ImageError(
            f"Cannot read {label}: samples of type {samples.dtype} are not supported; "
            "use uint8, uint16, or floats in [0, 1]."
        )
    return result


def _check_unit_range(samples: Samples, label: str) -> None:
    low, high = float(samples.min()), float(samples.max())
    if not np.isfinite((low, high)).all():
        raise ImageError(f"Cannot read {label}: it holds values that are not finite numbers.")
    if low < -_FLOAT_SLACK or high > 1 + _FLOAT_SLACK:
        raise ImageError(
            f"Cannot read {label}: its floats go from {low:g} to {high:g}; scale them to [0, 1]."
        )


def quantise(picture: Picture, bits: int) -> Samples:
    """Round a picture to integers: nearest value, never truncated; out of range is clamped.

    Returns:
        Shape (H, W, 3), or (H, W, 4) where there is alpha; uint8 or uint16.
    """
    planes = [*picture.pixels[0], *([] if picture.alpha is None else picture.alpha[0])]
    dtype = np.uint8 if bits == 8 else np.uint16
    result = np.empty((*picture.size, len(planes)), dtype=dtype)
    for channel, plane in enumerate(planes):  # one at a time: a third of the memory
        scaled = plane.detach().to("cpu", torch.float32).clamp(0, 1) * FULL_SCALE[bits]
        result[..., channel] = scaled.round().numpy()
    return result
