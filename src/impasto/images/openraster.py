"""OpenRaster: layers as PNG files in a zip, and an XML file that says how they lie.

GIMP, Krita, MyPaint and others read it. Followed are the file layout and the layer stack of the
specification (https://www.openraster.org, 0.0.5). What it has no word for is in an attribute with
a namespace of its own, which other programs pass over: that a layer is a mask.

A stranger's file is never unpacked to the disk: members are looked up by name in the archive, and
no more of them is inflated than the header of the PNG in them allows.
"""

import io
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from typing import IO, BinaryIO, NamedTuple

import torch

from impasto.errors import ImageError, ImageTooLargeError
from impasto.images import decoding, formats
from impasto.images.picture import Picture, check_size, picture_from
from impasto.images.reading import load
from impasto.images.writing import encode, to_pil

MAX_LAYERS = 256
OPERATIONS = {
    "normal": "svg:src-over",
    "multiply": "svg:multiply",
    "screen": "svg:screen",
    "overlay": "svg:overlay",
    "hard-light": "svg:hard-light",
    "darken": "svg:darken",
    "lighten": "svg:lighten",
    "difference": "svg:difference",
}
"""How a layer is blended with what is below it -> what the specification calls that."""

_MIMETYPE = b"image/openraster"
_SETTINGS = "impasto.json"
_NAMESPACE = "urn:impasto"
_THUMBNAIL_SIDE = 256
_UNIX = 3
_TEXT_LIMIT = 2**20
_METADATA = 64 * 2**20


class Sheet(NamedTuple):
    """A layer as files hold it: always a picture, here also what was a mask."""

    name: str
    picture: Picture
    visible: bool = True
    opacity: float = 1.0
    blend: str = "normal"
    mask: bool = False


def write(
    file: BinaryIO,
    sheets: Iterable[Sheet],
    merged: Picture,
    *,
    bits: int,
    settings: str | None,
    dpi: tuple[float, float] | None,
) -> None:
    """Write an OpenRaster file; the same input gives the same bytes.

    Args:
        file: Where to.
        sheets: Bottom to top, all of the size of `merged`; taken and written one by one.
        merged: What they look like together.
        bits: 8 or 16.
        settings: Text for `impasto.json` and, as in any PNG of ours, for the merged picture.
        dpi: Dots per inch.

    Raises:
        OutputError: If a picture cannot be encoded.
        OSError: If the file cannot be written.
    """
    layers = []
    with zipfile.ZipFile(file, "w") as archive:
        _add(archive, "mimetype", _MIMETYPE)
        for number, sheet in enumerate(sheets):
            name = f"data/layer{number}.png"
            _add(archive, name, encode(sheet.picture, bits=bits, dpi=dpi))
            layers.append(_attributes(sheet, name))
        _add(archive, "mergedimage.png", encode(merged, bits=bits, settings=settings, dpi=dpi))
        _add(archive, "Thumbnails/thumbnail.png", encode(_thumbnail(merged)))
        if settings is not None:
            _add(archive, _SETTINGS, settings.encode())
        _add(archive, "stack.xml", _stack_xml(layers, merged.size, dpi))


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a member as it is, dated 1980: PNG is deflated already, and the rest is short."""
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = _UNIX, 0o644 << 16  # the same on every system
    archive.writestr(member, data)


def _attributes(sheet: Sheet, source: str) -> dict[str, str]:
    attributes = {
        "name": sheet.name,
        "src": source,
        "x": "0",
        "y": "0",
        "opacity": f"{sheet.opacity:.6f}",
        "visibility": "visible" if sheet.visible else "hidden",
        "composite-op": OPERATIONS[sheet.blend],
    }
    return attributes | ({"impasto:mask": "true"} if sheet.mask else {})


def _thumbnail(picture: Picture) -> Picture:
    image = to_pil(picture)
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    return load(image)


def _stack_xml(
    layers: list[dict[str, str]], size: tuple[int, int], dpi: tuple[float, float] | None
) -> bytes:
    image = ET.Element("image", {"version": "0.0.5", "w": str(size[1]), "h": str(size[0])})
    image.set("xmlns:impasto", _NAMESPACE)
    if dpi is not None:
        for name, value in zip(("xres", "yres"), dpi, strict=True):
            image.set(name, str(max(1, round(value))))  # the specification has whole numbers
    stack = ET.SubElement(image, "stack")
    for attributes in reversed(layers):  # "the first element in a stack is the uppermost"
        ET.SubElement(stack, "layer", attributes)
    ET.indent(image)
    data: bytes = ET.tostring(image, encoding="UTF-8", xml_declaration=True)
    return data


def read(file: BinaryIO, *, label: str, max_pixels: int) -> list[Sheet]:
    """Read the layers of an OpenRaster file, bottom to top, each of the size of the whole.

    Args:
        file: A seekable file.
        label: How messages call it.
        max_pixels: Refuse files whose layers have more pixels together.

    Raises:
        ImageError: If the file is damaged, or holds what has no place in a `Sheet`.
        ImageTooLargeError: If it has more than `max_pixels` pixels.
    """
    with decoding.clear_errors(label, "OpenRaster"), zipfile.ZipFile(file) as archive:
        image = _parse(archive, label)
        layers = _layer_elements(image, label)
        size = _whole(image, "h"), _whole(image, "w")
        check_size(*size, label=label, max_pixels=max_pixels)
        if (total := size[0] * size[1] * len(layers)) > max_pixels:
            raise ImageTooLargeError(
                f"Cannot read {label}: its {len(layers)} layers of {size[1]} x {size[0]} have "
                f"{total:,} pixels, over the limit of {max_pixels:,}; raise it with max_pixels."
            )
        dpi = decoding.clean_dpi((image.get("xres"), image.get("yres")))
        return [
            _sheet(archive, layer, size, label=label, dpi=dpi, max_pixels=max_pixels)
            for layer in reversed(layers)
        ]


def read_settings(file: BinaryIO, *, label: str) -> str | None:
    """The settings that lie in an OpenRaster file of ours, or None.

    Raises:
        ImageError: If the file is damaged.
    """
    with decoding.clear_errors(label, "OpenRaster"), zipfile.ZipFile(file) as archive:
        if _SETTINGS not in archive.namelist():
            return None
        return _take(archive, _SETTINGS, limit=_METADATA, label=label).decode()


def _parse(archive: zipfile.ZipFile, label: str) -> ET.Element:
    """The root of stack.xml. Text, not bytes, is parsed: no encoding can then hide a DTD."""
    if _take(archive, "mimetype", limit=_TEXT_LIMIT, label=label).strip() != _MIMETYPE:
        raise ImageError(f"Cannot read {label}: it is a zip file, but not an OpenRaster picture.")
    text = _take(archive, "stack.xml", limit=_TEXT_LIMIT, label=label).decode("utf-8-sig")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ImageError(f"Cannot read {label}: its stack.xml has a DTD, which no editor writes.")
    return ET.fromstring(text)


def _layer_elements(image: ET.Element, label: str) -> list[ET.Element]:
    """All layers, top to bottom; plain groups are passed over: nothing looks other without them."""
    root = image.find("stack")
    layers = [] if root is None else list(root.iter("layer"))
    if root is None or not 1 <= len(layers) <= MAX_LAYERS:
        raise ImageError(
            f"Cannot read {label}: it has {len(layers)} layers; 1 to {MAX_LAYERS} are possible."
        )
    normal = all(map(_is_normal, layers))
    groups = (group for group in root.iter("stack") if group is not root)
    if not all(_is_plain(group, isolated=not normal) for group in groups):
        raise ImageError(
            f"Cannot read {label}: it has a group of layers with a place, an opacity or a "
            "blending of its own; ungroup the layers or merge the group."
        )
    return layers


def _is_plain(group: ET.Element, *, isolated: bool) -> bool:
    """Whether a group changes nothing; `isolated`: whether isolation would change something."""
    numbers = [float(group.get(name, "0")) for name in ("x", "y")] + [_opacity(group)]
    shown = group.get("visibility", "visible") == "visible"
    alone = isolated and group.get("isolation") == "isolate"
    return numbers == [0, 0, 1] and shown and _is_normal(group) and not alone


def _is_normal(element: ET.Element) -> bool:
    return element.get("composite-op", OPERATIONS["normal"]) == OPERATIONS["normal"]


def _opacity(element: ET.Element) -> float:
    value = float(element.get("opacity", "1"))
    if not 0 <= value <= 1:
        raise ValueError("opacity is out of range")
    return value


def _sheet(
    archive: zipfile.ZipFile,
    layer: ET.Element,
    size: tuple[int, int],
    *,
    label: str,
    dpi: tuple[float, float] | None,
    max_pixels: int,
) -> Sheet:
    source, operation = layer.get("src", ""), layer.get("composite-op", OPERATIONS["normal"])
    blends = [blend for blend, known in OPERATIONS.items() if known == operation]
    if not blends:
        raise ImageError(
            f"Cannot read {label}: a layer is blended by {operation[:40]!r}, which is not "
            f"supported; use one of {', '.join(OPERATIONS)}."
        )
    data = _take_png(archive, source, label=label, max_pixels=max_pixels)
    decoded = decoding.decode_file(io.BytesIO(data), label=label, max_pixels=max_pixels)
    picture = picture_from(
        decoded.samples,
        label=label,
        bits=decoded.bits,
        name="layer",
        dpi=dpi or decoded.dpi,
        notes=decoded.notes,
    )
    return Sheet(
        name=layer.get("name") or source,
        picture=_place(picture, size, top=_whole(layer, "y"), left=_whole(layer, "x")),
        visible=layer.get("visibility", "visible") != "hidden",
        opacity=_opacity(layer),
        blend=blends[0],
        mask=layer.get(f"{{{_NAMESPACE}}}mask") == "true",
    )


def _whole(element: ET.Element, name: str) -> int:
    value = int(element.get(name, "0"))
    if abs(value) >= 2**31:
        raise ValueError(f"{name} is out of range")
    return value


def _place(picture: Picture, size: tuple[int, int], *, top: int, left: int) -> Picture:
    """Lay a smaller, larger or shifted layer on a clear sheet of `size` (H, W)."""
    if picture.size == size and top == left == 0:
        return picture
    to, cut = [], []
    for start, length, whole in zip((top, left), picture.size, size, strict=True):
        first, last = (min(max(edge, 0), whole) for edge in (start, start + length))
        to.append(slice(first, last))
        cut.append(slice(first - start, last - start))
    pixels, alpha = torch.zeros(1, 3, *size), torch.zeros(1, 1, *size)
    if to[0].start < to[0].stop and to[1].start < to[1].stop:
        given = torch.ones(1, 1, *picture.size) if picture.alpha is None else picture.alpha
        pixels[..., to[0], to[1]] = picture.pixels[..., cut[0], cut[1]]
        alpha[..., to[0], to[1]] = given[..., cut[0], cut[1]]
    opaque = bool(alpha.min() >= 1)
    return replace(picture, pixels=pixels, alpha=None if opaque else alpha)


def _take_png(archive: zipfile.ZipFile, name: str, *, label: str, max_pixels: int) -> bytes:
    """A member that is a PNG; its header says how long it may be."""
    with _opened(archive, name, label) as member:
        head = member.read(33)
    if formats.find_kind(head) != "PNG" or head[12:16] != b"IHDR":
        raise ImageError(f"Cannot read {label}: its layer {name[:80]!r} is not a PNG picture.")
    width, height = (int.from_bytes(head[at : at + 4], "big") for at in (16, 20))
    check_size(height, width, label=label, max_pixels=max_pixels)
    raw = height * (1 + 8 * width)  # 16-bit RGBA, and a filter byte a row
    return _take(archive, name, limit=raw + raw // 100 + _METADATA, label=label)


def _take(archive: zipfile.ZipFile, name: str, *, limit: int, label: str) -> bytes:
    with _opened(archive, name, label) as member:
        data = member.read(limit + 1)  # with no limit, a short file could inflate to gigabytes
    if len(data) > limit:
        raise ImageTooLargeError(
            f"Cannot read {label}: {name[:80]!r} in it is longer than it can need to be."
        )
    return data


def _opened(archive: zipfile.ZipFile, name: str, label: str) -> IO[bytes]:
    try:
        member = archive.getinfo(name)
    except KeyError:
        raise ImageError(
            f"Cannot read {label}: {name[:80]!r} is not in it; get a fresh copy."
        ) from None
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ImageError(  # the specification has no others, and zipfile sets those no limit
            f"Cannot read {label}: it is not compressed as an OpenRaster file is."
        )
    return archive.open(member)
