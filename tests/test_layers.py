"""Layers come back from a file as they went in, and a stranger's file does no harm."""

import contextlib
import io
import json
import resource
import struct
import tracemalloc
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
import torch
from PIL import Image
from torch import Tensor

from impasto import images
from impasto.errors import (
    ConfigError,
    ImageError,
    ImageTooLargeError,
    ImpastoError,
    OutputError,
    ShapeError,
)
from impasto.images import Picture, layers, openraster, pages
from impasto.images.layers import (
    BLENDS,
    Layer,
    layered_format_of,
    merge_layers,
    read_layers,
    save_layers,
)

Array = npt.NDArray[Any]
SUFFIXES = (".ora", ".tif", ".tiff")
HEIGHT, WIDTH = 11, 14
OTHERS = "Größe <b>&amp; \"zwei\" 'drei' ]]> 神奈川沖浪裏 👩‍🎨"


# --- makers ---------------------------------------------------------------------------------


def picture(
    seed: int, *, bits: int = 8, alpha: bool = False, size: tuple[int, int] = (HEIGHT, WIDTH)
) -> Picture:
    """Random integers of a depth, as a picture."""
    shape = (*size, 4 if alpha else 3)
    dtype = np.uint8 if bits == 8 else np.uint16
    return images.load(np.random.default_rng(seed).integers(0, 2**bits, shape, dtype=dtype))


def mask(bits: int = 8) -> Tensor:
    full = 2**bits - 1
    values = np.random.default_rng(9).integers(0, full + 1, (1, 1, HEIGHT, WIDTH))
    return torch.from_numpy(values / full).float()


def stack(bits: int = 8) -> list[Layer]:
    return [
        Layer("photo", picture(1, bits=bits)),
        Layer(OTHERS, picture(2, bits=bits, alpha=True), opacity=0.35, blend="multiply"),
        Layer("sketch", picture(3, bits=bits), visible=False),
        Layer("mask", mask(bits)),
    ]


def plain(colour: float, alpha: float = 1.0) -> Picture:
    return Picture(pixels=torch.full((1, 3, 2, 3), colour), alpha=torch.full((1, 1, 2, 3), alpha))


def ora_bytes(
    stack_xml: str | bytes | None = None,
    *,
    inside: str = '<layer src="data/a.png"/>',
    method: int = zipfile.ZIP_DEFLATED,
    members: dict[str, bytes] | None = None,
) -> bytes:
    """An OpenRaster file of another program: 6 x 4, with one blue layer."""
    if stack_xml is None:
        stack_xml = f'<image version="0.0.1" w="6" h="4"><stack>{inside}</stack></image>'
    buffer = io.BytesIO()
    blue = png_bytes(Image.new("RGB", (6, 4), (0, 0, 255)))
    contents = {"mimetype": b"image/openraster", "stack.xml": stack_xml, "data/a.png": blue}
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in (contents | (members or {})).items():
            archive.writestr(name, data)
    return buffer.getvalue()


def png_bytes(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def integers(shown: Picture | Tensor, bits: int = 8) -> Array:
    """(H, W, C) integers; C is 4 where there is alpha and 1 for a mask."""
    planes = [shown] if isinstance(shown, Tensor) else [shown.pixels]
    if isinstance(shown, Picture) and shown.alpha is not None:
        planes.append(shown.alpha)
    values = torch.cat(planes, 1)[0].permute(1, 2, 0).double().numpy()
    return np.rint(values * (2**bits - 1)).astype(int)


@contextlib.contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file can grow beyond `limit` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- round trip -----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("bits", [8, 16])
def test_layers_survive_exactly(bits: int, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    given = stack(bits)
    save_layers(given, path, bits=bits)
    found = read_layers(path)
    for layer, expected in zip(found, given, strict=True):
        assert layer.name == expected.name
        assert layer.visible is expected.visible
        assert layer.opacity == expected.opacity
        assert layer.blend == expected.blend
        assert isinstance(layer.picture, Tensor) is isinstance(expected.picture, Tensor)
        np.testing.assert_array_equal(
            integers(layer.picture, bits), integers(expected.picture, bits)
        )
    assert isinstance(found[0].picture, Picture)
    assert found[0].picture.bits == bits
    assert [path] == list(tmp_path.iterdir())
    for source in (path.read_bytes(), io.BytesIO(path.read_bytes()), str(path)):
        assert [layer.name for layer in read_layers(source)] == [layer.name for layer in given]


@pytest.mark.parametrize("suffix", [".ora", ".tif"])
def test_equal_layers_give_equal_bytes(suffix: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_layers(stack(), tmp_path / f"{name}{suffix}", settings="{}", dpi=(300, 300))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", [".ora", ".tif"])
def test_settings_and_resolution_travel_inside(suffix: str, tmp_path: Path) -> None:
    path, text = tmp_path / f"a{suffix}", json.dumps({"style": "Große Welle 神奈川"})
    save_layers(stack(), path, settings=text, dpi=(300, 240))
    found = read_layers(path)
    assert isinstance(found[1].picture, Picture)
    assert found[1].picture.dpi == (300, 240)
    if suffix == ".tif":
        assert images.read_settings(path) == text
        return
    members = members_of(path)
    assert members["impasto.json"].decode() == text
    assert images.read_settings(members["mergedimage.png"]) == text
    assert images.load(members["mergedimage.png"]).dpi == (300, 240)
    with path.open("rb") as file:
        assert openraster.read_settings(file, label="a") == text
    save_layers(stack(), path)
    with path.open("rb") as file:
        assert openraster.read_settings(file, label="a") is None


@pytest.mark.parametrize("suffix", [".ora", ".tif"])
def test_the_resolution_of_a_picture_is_kept(suffix: str, tmp_path: Path) -> None:
    fine = Picture(pixels=torch.rand(1, 3, 4, 5), dpi=(150, 150))
    save_layers([Layer("a", torch.rand(1, 1, 4, 5)), Layer("b", fine)], tmp_path / f"a{suffix}")
    _, layer = read_layers(tmp_path / f"a{suffix}")
    assert isinstance(layer.picture, Picture)
    assert layer.picture.dpi == (150, 150)


@pytest.mark.parametrize("suffix", [".ora", ".tif"])
def test_names_that_no_file_can_hold_are_mended(suffix: str, tmp_path: Path) -> None:
    layer = Layer("a\0b\nc\x1b[2Jd\udcffe\ufffe", picture(1))
    assert layer.name == "a�b�c�[2Jd�e�"
    save_layers([layer], tmp_path / f"a{suffix}")
    assert read_layers(tmp_path / f"a{suffix}")[0].name == layer.name


def test_any_tensor_is_written_and_not_changed(tmp_path: Path) -> None:
    pixels = torch.rand(1, 3, HEIGHT, WIDTH) * 1.5 - 0.2
    planes = torch.rand(1, 1, HEIGHT, WIDTH, dtype=torch.float64)
    before = pixels.clone(), planes.clone()
    given = [Layer("a", Picture(pixels=pixels.requires_grad_())), Layer("m", planes, visible=True)]
    save_layers(given, tmp_path / "a.ora")
    assert torch.equal(pixels, before[0])
    assert torch.equal(planes, before[1])
    first, second = read_layers(tmp_path / "a.ora")
    for layer, expected in ((first, before[0].clamp(0, 1)), (second, planes)):
        shown = layer.picture if isinstance(layer.picture, Tensor) else layer.picture.pixels
        torch.testing.assert_close(shown.double(), expected.double(), atol=0.5001 / 255, rtol=0)


# --- OpenRaster -----------------------------------------------------------------------------


def test_the_archive_is_laid_out_as_specified(tmp_path: Path) -> None:
    path = tmp_path / "a.ora"
    save_layers(stack(), path, settings="{}")
    data = path.read_bytes()
    assert data[30:38] == b"mimetype"
    assert data[38:54] == b"image/openraster"
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        assert archive.testzip() is None
    assert entries[0].filename == "mimetype"
    assert entries[0].compress_type == zipfile.ZIP_STORED
    assert entries[0].extra == b""
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    expected = {"mimetype", "stack.xml", "mergedimage.png", "Thumbnails/thumbnail.png"}
    expected |= {"impasto.json", *(f"data/layer{number}.png" for number in range(4))}
    assert {entry.filename for entry in entries} == expected


def test_the_stack_says_what_the_layers_are(tmp_path: Path) -> None:
    save_layers(stack(), tmp_path / "a.ora", dpi=(299.6, 240))
    data = members_of(tmp_path / "a.ora")["stack.xml"]
    image = ET.fromstring(data)
    assert b"encoding='utf-8'" in data[:60].lower()
    shown = {name: image.get(name) for name in ("w", "h", "xres", "yres", "version")}
    assert shown == {"w": "14", "h": "11", "xres": "300", "yres": "240", "version": "0.0.5"}
    assert [child.tag for child in image] == ["stack"]
    top, sketch, painting, photo = image[0]
    assert (top.get("name"), top.get("visibility")) == ("mask", "hidden")
    assert (sketch.get("name"), sketch.get("visibility")) == ("sketch", "hidden")
    assert painting.get("name") == OTHERS
    assert painting.get("composite-op") == "svg:multiply"
    assert float(painting.get("opacity", "")) == 0.35
    assert dict(photo.items()) == {
        "name": "photo",
        "src": "data/layer0.png",
        "x": "0",
        "y": "0",
        "opacity": "1.000000",
        "visibility": "visible",
        "composite-op": "svg:src-over",
    }


@pytest.mark.parametrize("bits", [8, 16])
def test_the_merged_picture_is_what_the_layers_look_like(bits: int, tmp_path: Path) -> None:
    given = stack(bits)
    save_layers(given, tmp_path / "a.ora", bits=bits)
    merged = images.load(members_of(tmp_path / "a.ora")["mergedimage.png"])
    assert merged.bits == bits
    expected = composite(given)
    assert merged.alpha is None
    difference = np.abs(integers(merged, bits) / (2**bits - 1) - expected[..., :3])
    assert difference.max() <= 0.51 / (2**bits - 1)


@pytest.mark.parametrize(("size", "expected"), [((300, 601), (128, 256)), ((30, 60), (30, 60))])
def test_the_thumbnail(size: tuple[int, int], expected: tuple[int, int], tmp_path: Path) -> None:
    shades = torch.linspace(0, 1, size[1]).expand(1, 3, *size)
    save_layers([Layer("a", Picture(pixels=shades))], tmp_path / "a.ora", bits=16)
    small = images.load(members_of(tmp_path / "a.ora")["Thumbnails/thumbnail.png"])
    assert small.size == expected
    assert small.bits == 8
    ramp = torch.linspace(0, 1, expected[1])
    torch.testing.assert_close(small.pixels[0, 0, 5], ramp, atol=0.01, rtol=0)


# --- merging --------------------------------------------------------------------------------


def composite(given: list[Layer]) -> Array:
    """(H, W, 4), pixel by pixel, from the formulas of W3C Compositing and Blending."""
    mixed: dict[str, Callable[[Array, Array], Array]] = {
        "normal": lambda b, s: s,
        "multiply": lambda b, s: b * s,
        "screen": lambda b, s: 1 - (1 - b) * (1 - s),
        "difference": lambda b, s: np.maximum(b - s, s - b),
    }
    result = np.zeros((*given[0].size, 4))
    for layer in given:
        if not layer.visible:
            continue
        is_mask = isinstance(layer.picture, Tensor)
        pixels = layer.picture if is_mask else layer.picture.pixels  # type: ignore[union-attr]
        alpha = None if is_mask else layer.picture.alpha  # type: ignore[union-attr]
        for y, x in np.ndindex(*layer.size):
            source = pixels[0, :, y, x].double().numpy()  # type: ignore[index]
            weight = layer.opacity * (1.0 if alpha is None else float(alpha[0, 0, y, x]))
            below, under = result[y, x, :3], result[y, x, 3]
            blended = (1 - under) * source + under * mixed[layer.blend](below, source)
            total = weight + under * (1 - weight)
            colour = weight * blended + (1 - weight) * under * below
            result[y, x] = [*(colour / total if total else colour * 0), total]
    return result


@pytest.mark.parametrize("lowest", [picture(5, alpha=True), picture(5)])
@pytest.mark.parametrize("blend", ["normal", "multiply", "screen", "difference"])
def test_merging_follows_the_formula(
    blend: str, lowest: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "_ROWS", 4)  # several strips, the last one shorter
    given = [
        Layer("a", lowest, opacity=0.9),
        Layer("b", picture(6, alpha=True), opacity=0.6, blend=blend),
        Layer("hidden", picture(7), visible=False),
        Layer("c", mask(), opacity=0.2, visible=True),
        Layer("d", picture(8, alpha=True), blend=blend),
    ]
    merged = merge_layers(given)
    expected = composite(given)
    assert merged.alpha is not None
    np.testing.assert_allclose(merged.alpha[0, 0], expected[..., 3], atol=1e-5)
    seen = expected[..., 3:] > 0.01
    difference = np.abs(merged.pixels[0].permute(1, 2, 0).numpy() - expected[..., :3]) * seen
    assert difference.max() < 1e-4


def test_merging_agrees_with_pillow() -> None:
    below, above = picture(5, alpha=True), picture(6, alpha=True)
    merged = merge_layers([Layer("a", below), Layer("b", above)])
    expected = Image.alpha_composite(images.to_pil(below), images.to_pil(above))
    found = integers(merged)
    seen = found[..., 3:] > 8
    assert np.abs((found - np.asarray(expected, dtype=int)) * seen).max() <= 1


@pytest.mark.parametrize(
    ("blend", "dark_below", "bright_below"),
    [
        ("normal", 0.75, 0.25),
        ("multiply", 0.1875, 0.1875),
        ("screen", 0.8125, 0.8125),
        ("overlay", 0.375, 0.625),
        ("hard-light", 0.625, 0.375),
        ("darken", 0.25, 0.25),
        ("lighten", 0.75, 0.75),
        ("difference", 0.5, 0.5),
    ],
)
def test_blends(blend: str, dark_below: float, bright_below: float) -> None:
    for below, above, expected in ((0.25, 0.75, dark_below), (0.75, 0.25, bright_below)):
        merged = merge_layers([Layer("a", plain(below)), Layer("b", plain(above), blend=blend)])
        torch.testing.assert_close(merged.pixels, torch.full((1, 3, 2, 3), expected))
        assert merged.alpha is None


def test_what_is_opaque_or_hidden() -> None:
    top = picture(2)
    merged = merge_layers([Layer("a", picture(1, alpha=True)), Layer("b", top)])
    assert torch.equal(merged.pixels, top.pixels)
    assert merged.alpha is None
    for part in range(1, 50):  # not one of them may leave 0.9999999 behind
        given = [Layer("a", plain(0.3)), Layer("b", plain(0.6), opacity=part / 50)]
        assert merge_layers(given).alpha is None
    glaring = merge_layers([Layer("a", plain(-1.0)), Layer("b", plain(2.0), opacity=0.25)])
    assert torch.equal(glaring.pixels, torch.full((1, 3, 2, 3), 0.25))
    nothing = merge_layers([Layer("a", top, visible=False), Layer("m", mask())])
    assert nothing.alpha is not None
    assert nothing.alpha.max() == 0
    assert nothing.pixels.max() == 0


def test_every_blend_has_a_name_in_the_file() -> None:
    assert list(BLENDS) == list(openraster.OPERATIONS)


# --- TIFF -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [8, 16])
def test_pages_as_others_see_them(bits: int, tmp_path: Path) -> None:
    path, given = tmp_path / "a.tif", stack(bits)
    save_layers(given, path, bits=bits, dpi=(300, 300))
    with tifffile.TiffFile(path) as file:
        assert not file.is_bigtiff
        assert len(file.pages) == len(given)
        for number, (page, layer) in enumerate(zip(file.pages, given, strict=True)):
            assert page.tags.valueof(285) == layer.name
            assert page.tags.valueof(297) == (number, len(given))
            assert page.subfiletype == 2
            assert page.photometric == tifffile.PHOTOMETRIC.RGB
            assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
            assert b"sRGB" in page.tags.valueof(34675).replace(b"\0", b"")
            np.testing.assert_array_equal(
                page.asarray(),
                np.broadcast_to(integers(layer.picture, bits), page.shape),
            )
        assert 65310 not in file.pages[0].tags  # a plain layer needs no tag that few know
    with Image.open(path) as image:
        assert image.n_frames == len(given)  # type: ignore[attr-defined]
        for number, layer in enumerate(given):
            image.seek(number)
            name = image.tag_v2[285]  # type: ignore[attr-defined]
            assert name.encode("latin-1").decode() == layer.name
            assert image.info["dpi"] == (300, 300)
            if bits == 8:
                expected = np.broadcast_to(integers(layer.picture), np.asarray(image).shape)
                np.testing.assert_array_equal(np.asarray(image), expected)
    assert images.load(path).notes == ("only the first of 4 pages is used",)


def test_large_files_are_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = HEIGHT * WIDTH * 7
    for limit, big in ((size, False), (size - 1, True)):
        monkeypatch.setattr(pages, "_CLASSIC_LIMIT", limit)
        save_layers([stack()[0], stack()[1]], tmp_path / "a.tif")
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            assert file.is_bigtiff is big
        assert [layer.name for layer in read_layers(tmp_path / "a.tif")] == ["photo", OTHERS]


def test_pages_of_others(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    grey = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    with tifffile.TiffWriter(path) as writer:
        writer.write(grey, metadata=None, extratags=[(65310, 2, 0, "another's", False)])
        odd = [(285, 3, 1, 7, False)]
        writer.write(np.zeros((5, 6, 3), np.uint8), metadata=None, extratags=odd)
    first, second = read_layers(path)
    assert (first.name, first.visible, second.name) == ("page 1", True, "page 2")
    assert (first.size, second.size) == ((3, 4), (5, 6))
    assert isinstance(first.picture, Picture)
    np.testing.assert_array_equal(integers(first.picture, 16)[..., 1], grey)


def test_a_single_picture_is_one_layer() -> None:
    (layer,) = read_layers(images.encode(picture(1, alpha=True), format="tiff"))
    assert (layer.name, layer.visible) == ("page 1", True)
    assert isinstance(layer.picture, Picture)
    np.testing.assert_array_equal(integers(layer.picture), integers(picture(1, alpha=True)))


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".ora", ".tif"])
def test_what_cannot_be_written_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    odd = Layer("odd", picture(1, size=(HEIGHT, WIDTH + 1)))
    with pytest.raises(ShapeError, match="'odd' is 15 x 11, but 'photo' is 14 x 11"):
        save_layers([*stack(), odd], path)
    for count in (0, openraster.MAX_LAYERS + 1):
        with pytest.raises(ConfigError, match=f"1 to 256 layers, not {count}"):
            save_layers(stack()[:1] * count, path)
    with pytest.raises(ConfigError, match="8 or 16"):
        save_layers(stack(), path, bits=12)
    clear = Picture(pixels=torch.full((1, 3, 2, 2), torch.nan))
    for bad in (clear, torch.full((1, 1, 2, 2), torch.inf)):
        with pytest.raises(OutputError, match="not finite"):
            save_layers([Layer("bad", bad)], path)
    with pytest.raises(OutputError, match="0 x 4"):
        save_layers([Layer("empty", torch.zeros(1, 1, 4, 0))], path)
    with pytest.raises(OutputError, match="Cannot"):
        save_layers(stack(), path, settings="\udcff")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="create it first"):
        save_layers(stack(), tmp_path / "none" / f"a{suffix}")


def test_layers_that_make_no_sense_are_refused() -> None:
    for opacity in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="opacity must be from 0 to 1"):
            Layer("a", picture(1), opacity=opacity)
    with pytest.raises(ConfigError, match="blend must be one of normal, multiply"):
        Layer("a", picture(1), blend="dissolve")
    for wrong in (torch.zeros(1, 3, 4, 4), torch.zeros(4, 4), torch.zeros(2, 1, 4, 4)):
        with pytest.raises(ShapeError, match=r"\(1, 1, H, W\)"):
            Layer("a", wrong)
    with pytest.raises(ShapeError, match="floats"):
        Layer("a", torch.zeros(1, 1, 4, 4, dtype=torch.uint8))


def test_the_suffix_decides(tmp_path: Path) -> None:
    assert layered_format_of("x/y.ORA") == "openraster"
    assert layered_format_of(Path("x/y.Tif")) == "tiff"
    for name in ("a.psd", "a", "a.png", "-"):
        with pytest.raises(ConfigError, match=r"use one of \.ora, \.tif, \.tiff"):
            save_layers(stack(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".ora", ".tif"])
@pytest.mark.parametrize("limit", [0, 1000, 100_000])
def test_a_failed_write_keeps_the_old_file(limit: int, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    save_layers(stack(), path)
    old = path.read_bytes()
    noise = Picture(pixels=torch.rand(1, 3, 150, 150, generator=torch.Generator().manual_seed(0)))
    with full_disk(limit), pytest.raises(OutputError, match=f"Cannot write {path}: the file would"):
        save_layers([Layer(name, noise) for name in "abc"], path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".ora", ".tif"])
def test_a_writer_that_gives_up_is_reported(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (ValueError("odd"), MemoryError("odd"), struct.error("odd")):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
        monkeypatch.setattr(tifffile.TiffWriter, "write", fail)
        with pytest.raises(OutputError, match=f"Cannot write {tmp_path}.*: odd") as caught:
            save_layers(stack(), tmp_path / f"a{suffix}")
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# --- files of others ------------------------------------------------------------------------


def test_layers_of_other_programs_are_laid_where_they_belong() -> None:
    red = png_bytes(Image.new("RGB", (3, 2), (255, 0, 0)))
    inside = (
        '<stack name="group" opacity="1.0" isolation="isolate">'
        '<layer src="data/b.png" x="-1" y="3"/>'
        '<stack><layer src="data/b.png" x="4" y="1" visibility="hidden" opacity="0.5"/></stack>'
        '<layer src="data/b.png" x="50" y="-9"/>'
        '</stack><layer name="ground" src="data/a.png" unknown="1"/><text>words</text>'
    )
    ground, outside, right, left = read_layers(
        ora_bytes(inside=inside, members={"data/b.png": red})
    )
    assert (ground.name, ground.opacity, ground.visible) == ("ground", 1, True)
    assert (right.name, right.opacity, right.visible) == ("data/b.png", 0.5, False)
    expected = {name: np.zeros((4, 6, 4)) for name in ("outside", "right", "left")}
    expected["right"][1:3, 4:6] = expected["left"][3:4, 0:2] = (255, 0, 0, 255)
    for name, layer in (("outside", outside), ("right", right), ("left", left)):
        assert isinstance(layer.picture, Picture)
        np.testing.assert_array_equal(integers(layer.picture), expected[name])
    assert isinstance(ground.picture, Picture)
    np.testing.assert_array_equal(integers(ground.picture), np.broadcast_to([0, 0, 255], (4, 6, 3)))


def test_a_layer_larger_than_the_picture_is_cut() -> None:
    large = np.random.default_rng(3).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    data = ora_bytes(
        inside='<layer src="data/b.png" x="-2" y="-5"/>',
        members={"data/b.png": png_bytes(Image.fromarray(large))},
    )
    (layer,) = read_layers(data)
    assert isinstance(layer.picture, Picture)
    np.testing.assert_array_equal(integers(layer.picture), large[5:9, 2:8])


DTD = '<!DOCTYPE image [<!ENTITY a "aaaaaaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]>'
WHOLE = '<image w="6" h="4"><stack><layer name="&b;" src="data/a.png"/></stack></image>'
HUGE = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 70_000, 70_000, 8, 2, 0, 0, 0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (ora_bytes(DTD + WHOLE), "has a DTD"),
        (ora_bytes(f'<?xml version="1.0" encoding="utf-16"?>{DTD}{WHOLE}'), "has a DTD"),
        (ora_bytes((DTD + WHOLE).encode("utf-16")), "damaged"),
        (ora_bytes((DTD + WHOLE).encode("utf-16-le")), "damaged"),
        (ora_bytes("<image"), "damaged"),
        (ora_bytes("<a>" * 10_000), "damaged"),
        (ora_bytes('<image w="6" h="4"/>'), "0 layers"),
        (ora_bytes(inside=""), "0 layers"),
        (ora_bytes(inside='<layer src="data/a.png"/>' * 257), "257 layers; 1 to 256"),
        (ora_bytes(inside='<layer src="../../etc/passwd"/>'), "'../../etc/passwd' is not in it"),
        (ora_bytes(inside='<layer src="/etc/passwd"/>'), "is not in it"),
        (ora_bytes(inside="<layer/>"), "'' is not in it"),
        (ora_bytes(inside='<layer src="stack.xml"/>'), "'stack.xml' is not a PNG"),
        (ora_bytes(inside='<layer src="data/a.png" opacity="7"/>'), "damaged"),
        (ora_bytes(inside='<layer src="data/a.png" opacity="nan"/>'), "damaged"),
        (ora_bytes(inside='<layer src="data/a.png" x="1e9"/>'), "damaged"),
        (ora_bytes(inside=f'<layer src="data/a.png" x="{10**30}"/>'), "damaged"),
        (ora_bytes(inside='<layer src="data/a.png" composite-op="svg:plus"/>'), "'svg:plus'"),
        (ora_bytes(inside='<stack opacity="0.5"><layer src="data/a.png"/></stack>'), "ungroup"),
        (ora_bytes(inside='<stack x="2"><layer src="data/a.png"/></stack>'), "ungroup"),
        (
            ora_bytes(
                inside='<stack isolation="isolate"><layer src="data/a.png" '
                'composite-op="svg:multiply"/></stack>'
            ),
            "ungroup",
        ),
        (ora_bytes('<image w="0" h="4"><stack><layer src="data/a.png"/></stack></image>'), "empty"),
        (ora_bytes(members={"mimetype": b"application/epub+zip"}), "not an OpenRaster"),
        (ora_bytes(method=zipfile.ZIP_BZIP2), "not compressed as"),
        (ora_bytes(method=zipfile.ZIP_LZMA), "not compressed as"),
        (ora_bytes(members={"data/a.png": HUGE}), "70000 x 70000"),
        (ora_bytes(members={"data/a.png": b"GIF89a" + bytes(90)}), "not a PNG"),
        (ora_bytes()[:-30], "damaged"),
        (ora_bytes()[:200], "damaged"),
        (b"PK\3\4", "damaged"),
        (b"", "neither"),
        (b"\x89PNG\r\n\x1a\n", "neither"),
        (b"II*\0\x08\0\0\0", "cut short"),
        (b"II*\0\x08", "damaged"),
    ],
)
def test_bad_files_are_refused_in_one_line(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        read_layers(data)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("Cannot read the given bytes: ")


def test_files_that_inflate_are_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openraster, "_METADATA", 10_000)
    zeros = bytes(24 * 2**20)
    bombs = {name: ora_bytes(members={name: zeros}) for name in ("mimetype", "stack.xml")}
    small = HUGE.replace(struct.pack(">I", 70_000), struct.pack(">I", 4))
    bombs["data/a.png"] = ora_bytes(members={"data/a.png": small + zeros})
    del zeros
    for name, data in list(bombs.items()):  # and the same with sizes that lie
        entry = data.rindex(b"PK\1\2" if name == "data/a.png" else name.encode())
        entry = data.rindex(b"PK\1\2", 0, entry + 4)
        bombs[f"{name}, lying"] = data[: entry + 24] + struct.pack("<I", 40) + data[entry + 28 :]
    buffer, strip = io.BytesIO(), zlib.compress(bytes(24 * 2**20))
    tifffile.imwrite(buffer, iter([strip]), shape=(4, 4, 3), dtype="u1", compression="zlib")
    bombs["tiff"] = buffer.getvalue()
    for name, data in bombs.items():
        tracemalloc.start()
        try:
            with pytest.raises(ImageError, match=r"longer than it can need|larger than|damaged"):
                read_layers(data)
            assert tracemalloc.get_traced_memory()[1] < 2**23, name
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".ora", ".tif"])
def test_the_limit_counts_all_layers(suffix: str, tmp_path: Path) -> None:
    path, size = tmp_path / f"a{suffix}", HEIGHT * WIDTH
    save_layers(stack(), path)
    assert len(read_layers(path, max_pixels=4 * size)) == 4
    for limit in (4 * size - 1, size, size - 1, 1):
        with pytest.raises(ImageTooLargeError, match=f"{limit:,}"):
            read_layers(path, max_pixels=limit)
    with pytest.raises(ConfigError, match="max_pixels"):
        read_layers(path, max_pixels=0)


def test_too_many_pages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_layers(stack(), tmp_path / "a.tif")
    monkeypatch.setattr(pages, "MAX_LAYERS", 4)
    assert len(read_layers(tmp_path / "a.tif")) == 4
    monkeypatch.setattr(pages, "MAX_LAYERS", 3)
    with pytest.raises(ImageError, match="more than 3 pages"):
        read_layers(tmp_path / "a.tif")


def test_pages_that_go_round_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for _ in range(120):
            writer.write(np.zeros((1, 1), np.uint8), metadata=None)
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[119]
        after = last.offset + 2 + 12 * len(last.tags)
    data = bytearray(path.read_bytes())
    data[after : after + 4] = struct.pack("<I", first)
    path.write_bytes(data)
    with pytest.raises(ImageError, match="more than 256 pages"):
        read_layers(path)


@pytest.mark.parametrize(
    "state",
    [
        "{",
        "[]",
        "{}",
        '{"visible": true, "opacity": 7, "blend": "normal", "mask": false}',
        '{"visible": true, "opacity": 1, "blend": "dissolve", "mask": false}',
    ],
)
def test_a_tag_of_ours_that_makes_no_sense_is_refused(state: str, tmp_path: Path) -> None:
    tag = (65310, 2, 0, f"impasto-layer:{state}", False)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 4, 3), np.uint8), extratags=[tag])
    with pytest.raises(ImageError, match="damaged"):
        read_layers(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".ora", ".tif"])
def test_a_file_that_is_cut_short_is_not_read_in_part(suffix: str, tmp_path: Path) -> None:
    save_layers(stack(), tmp_path / f"a{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    for length in range(8, len(data) - 1, len(data) // 60):
        with pytest.raises(ImageError, match="Cannot read the given bytes"):
            read_layers(data[:length])


def test_any_byte_may_be_wrong(tmp_path: Path) -> None:
    for name in ("a.ora", "a.tif"):
        save_layers(stack()[:2], tmp_path / name, settings="{}")
        data = (tmp_path / name).read_bytes()
        for at in range(0, len(data), max(1, len(data) // 60)):
            damaged = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
            with contextlib.suppress(ImpastoError):
                read_layers(damaged)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        read_layers(tmp_path / "a.ora")
    with pytest.raises(ImageError, match="folder"):
        read_layers(tmp_path)
