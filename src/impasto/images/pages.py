"""Layered TIFF: a page for each layer, bottom to top.

That is the order in which GIMP writes layers (plug-ins/file-tiff/file-tiff-export.c: "write last
layer as first page"), and GIMP and Krita lay each page above the one before as they read
(file-tiff-load.c; kis_tiff_converter.cc). GIMP takes the name from PageName, in UTF-8, and passes
over pages of another colour type than the first; so masks are RGB too. No editor looks for
visibility, opacity or blending in a TIFF: they are in a private tag, for ourselves. Photoshop opens
the first page alone.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import tifffile

from impasto.errors import ImageError, ImageTooLargeError
from impasto.images import decoding, profiles, tiff
from impasto.images import settings as carried
from impasto.images.openraster import MAX_LAYERS, OPERATIONS, Sheet
from impasto.images.picture import Picture, check_size, picture_from, quantise

_CLASSIC_LIMIT = 2**32 - 2**25
_PAGE_NAME, _PAGE_NUMBER = 285, 297
_STATE = 65310  # TIFF 6.0, section 8: from 65000 on, tags are for private use
_ASCII, _SHORT, _PART_OF_MANY = 2, 3, 2
_PREFIX = "impasto-layer:"
_SOFTWARE = "impasto"

_Tag = tuple[int, int, int, Any, bool]


def write(
    file: BinaryIO,
    sheets: Sequence[Sheet],
    *,
    bits: int,
    settings: str | None,
    dpi: tuple[float, float] | None,
) -> None:
    """Write one page a layer, one by one; BigTIFF where the pixels alone could pass 4 GB.

    Args:
        file: Where to.
        sheets: Bottom to top, all of one size.
        bits: 8 or 16.
        settings: Text, to be found again by `read_settings`.
        dpi: Dots per inch.

    Raises:
        ValueError: If tifffile cannot write it.
        OSError: If the file cannot be written.
    """
    planes = sum(3 if sheet.picture.alpha is None else 4 for sheet in sheets)
    height, width = sheets[0].picture.size
    big = planes * height * width * bits // 8 > _CLASSIC_LIMIT
    with tifffile.TiffWriter(file, bigtiff=big, ome=False) as writer:
        for number, sheet in enumerate(sheets):
            samples = quantise(sheet.picture, bits)
            told = settings if number == 0 else None
            writer.write(
                samples,
                photometric="rgb",
                extrasamples=["unassalpha"] if samples.shape[2] == 4 else None,
                compression="zlib",
                predictor=True,
                description=None if told is None else carried.describe(told).encode(),
                metadata=None,
                software=_SOFTWARE,
                resolution=dpi,
                resolutionunit="INCH" if dpi else None,
                iccprofile=profiles.srgb_profile(),
                subfiletype=_PART_OF_MANY,
                extratags=_tags(sheet, number, len(sheets)),
            )


def _tags(sheet: Sheet, number: int, total: int) -> list[_Tag]:
    tags: list[_Tag] = [
        (_PAGE_NAME, _ASCII, 0, sheet.name.encode(), False),
        (_PAGE_NUMBER, _SHORT, 2, (number, total), False),
    ]
    state = {name: getattr(sheet, name) for name in ("visible", "opacity", "blend", "mask")}
    if any(value != Sheet._field_defaults[name] for name, value in state.items()):
        tags.append((_STATE, _ASCII, 0, (_PREFIX + json.dumps(state)).encode(), False))
    return tags


def read(file: BinaryIO, *, label: str, max_pixels: int) -> list[Sheet]:
    """Read the pages of a TIFF, bottom to top.

    Args:
        file: A seekable file.
        label: How messages call it.
        max_pixels: Refuse files whose pages have more pixels together.

    Raises:
        ImageError: If the file is damaged or of a variant that cannot be read.
        ImageTooLargeError: If it has more than `max_pixels` pixels.
    """
    sheets: list[Sheet] = []
    left, promised = max_pixels, 1
    with decoding.clear_errors(label, "TIFF"), tifffile.TiffFile(file) as pages:
        for page in _pages(pages, label):
            check_size(page.imagelength, page.imagewidth, label=label, max_pixels=max_pixels)
            left -= page.imagelength * page.imagewidth
            if left < 0:
                raise ImageTooLargeError(
                    f"Cannot read {label}: its pages have more than {max_pixels:,} pixels "
                    "together; raise the limit with max_pixels."
                )
            name, state = (page.tags.valueof(tag) for tag in (_PAGE_NAME, _STATE))
            name = name if isinstance(name, str) else f"page {len(sheets) + 1}"
            sheets.append(Sheet(name, _decode(file, page, label), **_state(state)))
            if page.software == _SOFTWARE:
                promised = page.tags.valueof(_PAGE_NUMBER, (0, 1))[1]
        if len(sheets) < promised:  # tifffile ends quietly where a chain of pages is broken
            raise ImageError(
                f"Cannot read {label}: it is cut short, with {len(sheets)} of {promised} layers."
            )
    return sheets


def _pages(file: tifffile.TiffFile, label: str) -> Iterator[Any]:
    """The pages, one by one: to ask for their number would follow any chain to its end."""
    for number in range(MAX_LAYERS + 1):
        try:
            page = file.pages[number]
        except IndexError:
            return
        if number == MAX_LAYERS:
            raise ImageError(f"Cannot read {label}: it has more than {MAX_LAYERS} pages.")
        yield page


def _decode(file: BinaryIO, page: Any, label: str) -> Picture:
    tiff._check_tiff_variant(page, label)
    tiff._check_inflated_size(file, page, label)
    samples, note = tiff._page_samples(page), None
    if samples.dtype.kind == "u":
        samples, note = profiles.samples_to_srgb(samples, page.tags.valueof(34675))
    in_inches = 282 in page.tags and page.tags.valueof(296, 2) in (2, 3)
    return picture_from(
        decoding.upright(samples, page.tags.valueof(274, 1)),
        label=label,
        bits=8 if samples.dtype == "u1" else 16,
        name="layer",
        dpi=decoding.clean_dpi(page.get_resolution("INCH")) if in_inches else None,
        notes=(note,) if note else (),
    )


def _state(text: object) -> dict[str, Any]:
    """What our tag says of a page; nothing if it is not ours, a ValueError if it makes no sense."""
    if not isinstance(text, str) or not text.startswith(_PREFIX):
        return {}
    found = json.loads(text.removeprefix(_PREFIX))
    opacity, blend = float(found["opacity"]), str(found["blend"])
    if not 0 <= opacity <= 1 or blend not in OPERATIONS:
        raise ValueError("a layer cannot be so")
    flags = {name: bool(found[name]) for name in ("visible", "mask")}
    return {"opacity": opacity, "blend": blend, **flags}
