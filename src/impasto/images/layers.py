"""Layered pictures for image editors: photo, painting and masks in one file.

OpenRaster (.ora) keeps everything: names, visibility, opacity, blending. GIMP, Krita and MyPaint
read it. A TIFF with a page for each layer keeps pixels and names for GIMP and Krita, and the rest
for `read_layers` alone; there editors show every layer, also those that are hidden here.
"""

import os
import struct
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from impasto.errors import ConfigError, ImageError, ImpastoError, OutputError, ShapeError
from impasto.files import replacing
from impasto.images import formats, openraster, pages, sources, writing
from impasto.images.openraster import MAX_LAYERS, Sheet
from impasto.images.picture import DEFAULT_MAX_PIXELS, Picture, check_max_pixels

LAYERED_FORMATS = {"openraster": (".ora",), "tiff": (".tif", ".tiff")}
"""Format -> the suffixes that mean it."""

_ROWS = 256


def _hard_light(backdrop: Tensor, source: Tensor) -> Tensor:
    twice = 2 * source
    return torch.where(source <= 0.5, backdrop * twice, _screen(backdrop, twice - 1))


def _screen(backdrop: Tensor, source: Tensor) -> Tensor:
    return backdrop + source - backdrop * source


BLENDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "normal": lambda backdrop, source: source,
    "multiply": torch.mul,
    "screen": _screen,
    "overlay": lambda backdrop, source: _hard_light(source, backdrop),
    "hard-light": _hard_light,
    "darken": torch.minimum,
    "lighten": torch.maximum,
    "difference": lambda backdrop, source: (backdrop - source).abs(),
}
"""Colours of a layer over a backdrop (W3C Compositing and Blending Level 1, 10.1)."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of a picture.

    Attributes:
        name: What editors show. Characters that no file can hold, such as control characters,
            are replaced by U+FFFD.
        picture: A picture, or a mask: a tensor (1, 1, H, W) in [0, 1], shown as opaque grey.
        visible: Whether it is seen; by default pictures are and masks are not.
        opacity: 0 to 1.
        blend: A key of `BLENDS`.

    Raises:
        ConfigError: If the opacity or the blending is not possible.
        ShapeError: If a mask has the wrong shape.
    """

    name: str
    picture: Picture | Tensor
    visible: bool | None = None
    opacity: float = 1.0
    blend: str = "normal"

    def __post_init__(self) -> None:
        if not 0 <= self.opacity <= 1:
            raise ConfigError(f"opacity must be from 0 to 1, not {self.opacity}.")
        if self.blend not in BLENDS:
            raise ConfigError(f"blend must be one of {', '.join(BLENDS)}, not {self.blend!r}.")
        if isinstance(self.picture, Tensor):
            _check_mask(self.picture)
        if self.visible is None:
            object.__setattr__(self, "visible", isinstance(self.picture, Picture))
        object.__setattr__(self, "name", _clean(self.name))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._sheet().picture.size

    def _sheet(self) -> Sheet:
        mask, picture = isinstance(self.picture, Tensor), self.picture
        if isinstance(picture, Tensor):
            picture = Picture(pixels=picture.expand(-1, 3, -1, -1))
        return Sheet(
            name=self.name,
            picture=picture,
            visible=bool(self.visible),
            opacity=float(self.opacity),
            blend=self.blend,
            mask=mask,
        )


def _check_mask(mask: Tensor) -> None:
    if mask.ndim != 4 or mask.shape[:2] != (1, 1) or not mask.is_floating_point():
        raise ShapeError(
            "A mask layer needs floats of shape (1, 1, H, W), "
            f"not {mask.dtype} of {tuple(mask.shape)}."
        )


def _clean(name: str) -> str:
    """The name without what XML 1.0 (2.2) or a TIFF cannot hold."""
    return "".join(
        "\ufffd" if unicodedata.category(c) in ("Cc", "Cs") or c in "\ufffe\uffff" else c
        for c in name
    )


def merge_layers(layers: Sequence[Layer]) -> Picture:
    """What the layers look like together: W3C Compositing and Blending Level 1, 9.1 and 10.

    With source s, backdrop b, blending B and a_s the alpha of the source times its opacity,
    a_o = a_s + a_b (1 - a_s) and
    a_o C_o = (1 - a_s) a_b C_b + a_s ((1 - a_b) C_s + a_b B(C_b, C_s)).

    Args:
        layers: Bottom to top. Hidden ones are left out.

    Returns:
        Where nothing is seen it is transparent black. Without alpha if it is opaque everywhere.

    Raises:
        ConfigError: If there are no layers, or too many for a file.
        ShapeError: If they are not all of one size.
    """
    height, width = _check_layers(layers)
    sheets = [layer._sheet() for layer in layers if layer.visible]
    pixels, alpha = torch.zeros(1, 3, height, width), torch.zeros(1, 1, height, width)
    for top in range(0, height, _ROWS):  # in strips, so that nothing else is of full size
        rows = slice(top, top + _ROWS)
        for sheet in sheets:
            _lay_over(pixels[..., rows, :], alpha[..., rows, :], sheet, rows)
        pixels[..., rows, :] /= alpha[..., rows, :].clamp(min=1e-6)
    return Picture(pixels=pixels, alpha=None if bool((alpha >= 1).all()) else alpha)


def _lay_over(colours: Tensor, alpha: Tensor, sheet: Sheet, rows: slice) -> None:
    """Composite rows of a layer in place onto colours that are multiplied by their alpha."""
    source = _strip(sheet.picture.pixels, rows)
    given = sheet.picture.alpha
    weight = sheet.opacity * (torch.ones_like(alpha) if given is None else _strip(given, rows))
    blended = BLENDS[sheet.blend](colours / alpha.clamp(min=1e-6), source)
    mixed = source + alpha * (blended - source)  # (1, 3, rows, W)
    colours.mul_(1 - weight).add_(weight * mixed)
    alpha.add_(weight * (1 - alpha))


def _strip(planes: Tensor, rows: slice) -> Tensor:
    return planes[..., rows, :].detach().to("cpu", torch.float32).clamp(0, 1)


def _check_layers(layers: Sequence[Layer]) -> tuple[int, int]:
    if not 1 <= len(layers) <= MAX_LAYERS:
        raise ConfigError(f"A layered picture has 1 to {MAX_LAYERS} layers, not {len(layers)}.")
    first = layers[0]
    for layer in layers:
        if layer.size != first.size:
            raise ShapeError(
                f"Layer {layer.name!r} is {layer.size[1]} x {layer.size[0]}, but {first.name!r} "
                f"is {first.size[1]} x {first.size[0]}; all layers need one size."
            )
    return first.size


def layered_format_of(target: str | os.PathLike[str]) -> str:
    """The layered format that a file name means. Call it early to fail before the work.

    Raises:
        ConfigError: If the suffix is missing or means none.
    """
    suffix = Path(target).suffix
    for known, suffixes in LAYERED_FORMATS.items():
        if suffix.lower() in suffixes:
            return known
    choices = ", ".join(name for suffixes in LAYERED_FORMATS.values() for name in suffixes)
    what = f"suffix {suffix!r}" if suffix else "a name without a suffix"
    raise ConfigError(f"Cannot write layers to {target}: {what}; use one of {choices}.")


def save_layers(
    layers: Sequence[Layer],
    target: str | os.PathLike[str],
    *,
    bits: int = 8,
    settings: str | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Write layers into one file: a whole file or none at all, tagged as sRGB.

    Args:
        layers: Bottom to top, all of one size.
        target: A file name; the suffix decides: .ora, .tif or .tiff.
        bits: 8 or 16.
        settings: Text, usually JSON, that the file carries.
        dpi: Dots per inch; by default those of the lowest picture that has any.

    Raises:
        ConfigError: If the suffix, the depth or the number of layers is not possible.
        OutputError: If the file cannot be written, or a layer has values that are not finite.
        ShapeError: If the layers are not all of one size.
    """
    path, format = Path(target), layered_format_of(target)
    _check_layers(layers)
    writing._check_options("tiff", quality=100, bits=bits)
    sheets = [layer._sheet() for layer in layers]
    for sheet in sheets:
        writing._check_content(sheet.picture, "tiff" if format == "tiff" else "png", settings)
    known = (sheet.picture.dpi for sheet in sheets)
    dpi = dpi or next((found for found in known if found is not None), None)
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            if format == "tiff":
                pages.write(file, sheets, bits=bits, settings=settings, dpi=dpi)
            else:
                merged = merge_layers(layers)
                openraster.write(file, sheets, merged, bits=bits, settings=settings, dpi=dpi)
    except ImpastoError:
        raise
    except (ValueError, MemoryError, struct.error) as error:
        raise OutputError(f"Cannot write {path}: {error}.") from error


def read_layers(
    source: str | os.PathLike[str] | bytes | BinaryIO, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> list[Layer]:
    """Read the layers of an OpenRaster file, or the pages of a TIFF as layers.

    Args:
        source: A file name, its bytes, an open binary file, or "-" for standard input.
        max_pixels: Refuse files whose layers have more pixels together; found in the headers.

    Returns:
        Bottom to top. Masks that `save_layers` wrote are tensors again.

    Raises:
        ImageError: If the file is damaged, of another kind, or holds what a `Layer` cannot.
        ImageTooLargeError: If it has more than `max_pixels` pixels.
        ConfigError: If `max_pixels` is less than 1.
    """
    check_max_pixels(max_pixels)
    with sources.opened(source, max_pixels=max_pixels) as (file, label, _):
        head = file.read(32)
        file.seek(0)
        if formats.find_kind(head) == "TIFF":
            sheets = pages.read(file, label=label, max_pixels=max_pixels)
        elif head.startswith(b"PK\3\4"):
            sheets = openraster.read(file, label=label, max_pixels=max_pixels)
        else:
            raise ImageError(f"Cannot read {label}: it is neither an OpenRaster nor a TIFF file.")
    return [_layer(sheet) for sheet in sheets]


def _layer(sheet: Sheet) -> Layer:
    grey = sheet.mask and sheet.picture.alpha is None
    picture = sheet.picture.pixels[:, :1].clone() if grey else sheet.picture
    return Layer(sheet.name, picture, sheet.visible, sheet.opacity, sheet.blend)
