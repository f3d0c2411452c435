"""Colour profiles: from whatever a file was made in to sRGB.

8-bit pictures go through Little CMS (Pillow's ImageCms). That takes and gives 8 bits, so 16-bit
pictures with a matrix profile (Adobe RGB, Display P3, ProPhoto, grey gamma: nearly all of
them) are converted here, in float32. Both are relative colorimetric; Little CMS adds black point
compensation, as photo editors do by default.

A profile that is broken or does not fit the picture is ignored with a note: most viewers do the
same, and the colours are then those of sRGB, which is nearly always what was meant.
"""

import functools
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from impasto.images.picture import Samples

BROKEN = "broken or unsuitable colour profile ignored"
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
_FIXED_DATE = struct.pack(">6H", 2024, 1, 1, 0, 0, 0)
Floats = npt.NDArray[np.floating[Any]]
_Curve = Callable[[Floats], Floats]


@functools.cache
def srgb_profile() -> bytes:
    """A small sRGB profile (588 bytes); its date is fixed so that equal runs write equal files."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data[:24] + _FIXED_DATE + data[36:]


def image_to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str | None]:
    """Convert an 8-bit L, RGB, CMYK or LAB image to RGB.

    Returns:
        The RGB image, and a note for the user if something was done or ignored.
    """
    if image.mode == "CMYK" and not profile:
        return image.convert("RGB"), "CMYK without a colour profile: colours are approximate"
    if not profile and image.mode != "LAB":
        return image.convert("RGB"), None
    try:
        return _convert(image, profile)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image.convert("RGB"), BROKEN


def _convert(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str | None]:
    stored = io.BytesIO(profile) if profile else ImageCms.createProfile("LAB")
    source = ImageCms.ImageCmsProfile(stored)
    mode = _SPACES.get(str(source.profile.xcolor_space).strip())
    if mode == "RGB" and image.mode == "L":
        image = image.convert("RGB")
    if mode != image.mode:
        return image.convert("RGB"), BROKEN
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if _changes_nothing(transform, mode):
        return image.convert("RGB"), None
    converted = ImageCms.applyTransform(image, transform)
    return converted or image, _describe(source)


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether this is sRGB under whatever name: 8-bit colours move by two steps at most."""
    if mode not in ("RGB", "L"):
        return False
    probe = Image.fromarray(_probe()).convert(mode)
    moved = ImageCms.applyTransform(probe, transform)
    if moved is None:
        return True
    before = np.asarray(probe.convert("RGB"), dtype=np.int16)
    return int(np.abs(np.asarray(moved, dtype=np.int16) - before).max()) <= 2


@functools.cache
def _probe() -> npt.NDArray[np.uint8]:
    """A 9 x 9 x 9 grid of colours and a grey ramp as an image of one row."""
    steps = np.linspace(0, 255, 9).round()
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    ramp = np.repeat(np.arange(256.0)[None, :, None], 3, axis=2)
    return np.concatenate([grid, ramp], axis=1).astype(np.uint8)


def _describe(source: ImageCms.ImageCmsProfile) -> str:
    name = ImageCms.getProfileDescription(source).strip()
    name = "".join(c for c in name if c.isprintable())[:60]  # it may come from a stranger
    return f"colours converted from the profile {name or 'without a name'} to sRGB"


def samples_to_srgb(samples: Samples, profile: bytes | None) -> tuple[Samples, str | None]:
    """Convert integer samples to sRGB at the depth they have.

    Args:
        samples: Shape (H, W, C), C = 1 to 4, uint8 or uint16; alpha is kept as it is.
        profile: The ICC profile found in the file.

    Returns:
        Samples of the same dtype, as grey or RGB with or without alpha, and a note or None.
    """
    if not profile:
        return samples, None
    if samples.dtype == np.uint8:
        return _convert_shallow(samples, profile)
    try:
        return _convert_deep(samples, profile)
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError, struct.error):
        return samples, BROKEN


def _convert_shallow(samples: Samples, profile: bytes) -> tuple[Samples, str | None]:
    colours = 3 if samples.shape[2] >= 3 else 1
    flat = samples[..., :colours] if colours == 3 else samples[..., 0]
    image, note = image_to_srgb(Image.fromarray(np.ascontiguousarray(flat)), profile)
    return np.concatenate([np.asarray(image), samples[..., colours:]], axis=2), note


def _convert_deep(samples: Samples, profile: bytes) -> tuple[Samples, str | None]:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = _SPACES.get(str(source.profile.xcolor_space).strip())
    if mode == "RGB" and samples.shape[2] < 3:
        samples = np.concatenate([samples[..., :1]] * 3 + [samples[..., 1:]], axis=2)
    colours = 3 if samples.shape[2] >= 3 else 1
    if mode != ("RGB" if colours == 3 else "L"):
        return samples, BROKEN
    convert = _matrix_conversion(profile, colours)
    if convert is None:  # a table profile: Little CMS, at 8 bits
        shallow = np.rint(samples / 257).astype(np.uint8)
        shallow, note = _convert_shallow(shallow, profile)
        return (samples, None) if note is None else (shallow.astype(np.uint16) * 257, note)
    if np.abs(convert(_ramp(colours)) - _ramp(colours)).max() <= 2 / 255:
        return samples, None
    return _apply_by_rows(samples, colours, convert), _describe(source)


def _ramp(colours: int) -> Floats:
    return np.asarray(_probe()[..., :colours] / 255, dtype=np.float32)


def _apply_by_rows(samples: Samples, colours: int, convert: _Curve) -> Samples:
    result = samples.copy()
    for top in range(0, len(samples), 64):  # in strips: float32 takes twice the memory
        strip = samples[top : top + 64, :, :colours].astype(np.float32) / 65535
        result[top : top + 64, :, :colours] = np.rint(convert(strip) * 65535)
    return result


def _matrix_conversion(profile: bytes, colours: int) -> _Curve | None:
    """The function (..., C) -> (..., C) in [0, 1] of a matrix profile; None for a table profile.

    ICC.1:2022, annex F: linear = curve(device), XYZ = matrix @ linear, then the sRGB curve.
    """
    tags = _tags(profile)
    if b"A2B0" in tags:
        return None
    if colours == 1:
        curve = _curve(tags[b"kTRC"])
        return lambda values: _encode(curve(values))
    curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    matrix = np.linalg.inv(_colorants(_tags(srgb_profile()))) @ _colorants(tags)  # (3, 3)

    def convert(values: Floats) -> Floats:
        linear = np.stack([curves[i](values[..., i]) for i in range(3)], axis=-1)
        return _encode(linear @ matrix.T)

    return convert


def _encode(linear: Floats) -> Floats:
    """The sRGB transfer curve (IEC 61966-2-1), out of gamut clipped."""
    linear = np.clip(linear, 0, 1)
    curved = 1.055 * linear ** np.float32(1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curved).astype(np.float32)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 100)))
    return {name: profile[start : start + length] for name, start, length in entries}


def _colorants(tags: dict[bytes, bytes]) -> Floats:
    """The matrix from linear RGB to XYZ (D50): one column a primary, shape (3, 3)."""
    rows = [struct.unpack_from(">3i", tags[name], 8) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    return np.array(rows, dtype=np.float32).T / 65536


def _curve(tag: bytes) -> _Curve:
    """A `curv` or `para` tag as a function [0, 1] -> [0, 1]."""
    if tag[:4] == b"para":
        return _parametric(tag)
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return lambda values: values
    if count == 1:
        gamma = np.float32(struct.unpack_from(">H", tag, 12)[0] / 256)
        return lambda values: values**gamma
    table = np.frombuffer(tag, dtype=">u2", count=count, offset=12) / 65535
    positions = np.linspace(0, 1, count)
    return lambda values: np.interp(values, positions, table).astype(np.float32)


def _parametric(tag: bytes) -> _Curve:
    """ICC.1:2022, 10.18: Y = (aX + b)^g + e from X = d on, cX + f below."""
    (kind,) = struct.unpack_from(">H", tag, 8)
    names = ("g", "gab", "gabe", "gabcd", "gabcdef")[kind]
    numbers = struct.unpack_from(f">{len(names)}i", tag, 12)
    p = {name: value / 65536 for name, value in zip(names, numbers, strict=True)}
    g, a, b = p["g"], p.get("a", 1.0), p.get("b", 0.0)
    c, e, f = p.get("c", 0.0), p.get("e", 0.0), p.get("f", 0.0)
    if kind == 2:  # this kind adds its constant on both sides of the break
        f = e
    start = p.get("d", -b / a if kind else 0.0)

    def curve(values: Floats) -> Floats:
        power = np.maximum(a * values + b, 0) ** g + e
        result: Floats = np.where(values >= start, power, c * values + f).astype(np.float32)
        return result

    return curve
