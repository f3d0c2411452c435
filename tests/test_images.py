"""Pictures come in upright, in sRGB, at full depth, and go out as they came in."""

import contextlib
import io
import json
import os
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms, ImageFile, PngImagePlugin

from impasto import images
from impasto.errors import (
    ConfigError,
    ImageError,
    ImageTooLargeError,
    MemoryBudgetError,
    OutputError,
    ShapeError,
)
from impasto.images import Picture

Array = npt.NDArray[Any]
FORMATS = ("png", "tiff", "jpeg", "webp")


# --- makers ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photo() -> Array:
    """A real photograph, 96 x 128."""
    return np.ascontiguousarray(skimage.data.astronaut()[40:136, 160:288])


@pytest.fixture(scope="module")
def deep() -> Array:
    """16-bit colour whose low bytes matter, 9 x 7 x 4."""
    return np.random.default_rng(7).integers(0, 65536, (9, 7, 4), dtype=np.uint16)


def file_bytes(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff_bytes(array: Array, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, metadata=None, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bytes(array: Array, *extra: bytes, size: tuple[int, int] | None = None) -> bytes:
    """A PNG written by hand, unfiltered, so that the reader is not tested against our writer."""
    height, width, channels = array.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    rows = b"".join(b"\0" + row.tobytes() for row in big_endian)
    shown = size or (width, height)
    header = struct.pack(">IIBBBBB", *shown, array.dtype.itemsize * 8, colour, 0, 0, 0)
    body = (chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(rows)))
    return b"".join([b"\x89PNG\r\n\x1a\n", *body, chunk(b"IEND", b"")])


def integers(picture: Picture, bits: int = 8) -> Array:
    """(H, W, C) integers of a picture, C = 4 where there is alpha."""
    planes = [picture.pixels] + ([] if picture.alpha is None else [picture.alpha])
    full = 2**bits - 1
    return np.rint(torch.cat(planes, 1)[0].permute(1, 2, 0).double().numpy() * full).astype(int)


def matrix_profile(gamma: float, order: tuple[bytes, ...] = (b"r", b"g", b"b")) -> bytes:
    """The sRGB profile with another gamma and, if wished, exchanged primaries."""
    original = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    start = {
        original[at : at + 4]: struct.unpack_from(">I", original, at + 4)[0]
        for at in range(132, 132 + 12 * struct.unpack_from(">I", original, 128)[0], 12)
    }
    changed = bytearray(original)
    for new, old in zip((b"r", b"g", b"b"), order, strict=True):
        source, at = start[old + b"XYZ"], start[new + b"XYZ"]
        changed[at : at + 20] = original[source : source + 20]
    curve = struct.pack(">4sIHHi", b"para", 0, 0, 0, round(gamma * 65536))
    changed[start[b"rTRC"] : start[b"rTRC"] + len(curve)] = curve
    return bytes(changed)


def table_profile(space: bytes, inputs: int) -> bytes:
    """A profile with a 2-point table: its first channel alone goes from white to black."""
    steps = np.indices((2,) * inputs)[0].ravel()
    table = b"".join(bytes([0 if step else 255, 128, 128]) for step in steps)
    identity = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    ramp = bytes(range(256))
    lut = struct.pack(">4sIBBBB", b"mft1", 0, inputs, 3, 2, 0) + identity
    lut += ramp * inputs + table + ramp * 3
    lut += bytes(-len(lut) % 4)
    description = struct.pack(">4sII", b"desc", 0, 5) + b"Test\0" + bytes(78)
    description += bytes(-len(description) % 4)
    white = struct.pack(">4sI3i", b"XYZ ", 0, 63190, 65536, 54061)
    tags = {b"desc": description, b"wtpt": white, b"A2B0": lut}
    at, entries = 132 + 12 * len(tags), struct.pack(">I", len(tags))
    for name, data in tags.items():
        entries += name + struct.pack(">II", at, len(data))
        at += len(data)
    head = struct.pack(">I4sI4s4s4s", at, b"lcms", 0x02400000, b"prtr", space, b"Lab ")
    head += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + entries + b"".join(tags.values())


# --- sources --------------------------------------------------------------------------------


def test_every_kind_of_source_gives_the_same_picture(
    tmp_path: Path, photo: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "my photo.png"
    Image.fromarray(photo).save(path)
    tensor = torch.from_numpy(photo).permute(2, 0, 1)
    sources: dict[str, images.Source] = {
        "my photo": path,
        "bytes": path.read_bytes(),
        "stream": io.BytesIO(path.read_bytes()),
        "image": Image.fromarray(photo),
        "array": photo,
        "tensor": tensor,
    }
    pictures = {name: images.load(source) for name, source in sources.items()}
    pictures["my photo "] = images.load(str(path))
    pictures["tensor "] = images.load(tensor[None].float() / 255)
    with path.open("rb") as file:
        pictures["my photo  "] = images.load(file)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
        pictures["stdin"] = images.load("-")
    for name, picture in pictures.items():
        assert picture.name == name.strip()
        assert picture.pixels.dtype == torch.float32
        assert picture.pixels.is_contiguous()
        assert picture.size == (96, 128)
        assert picture.alpha is None
        assert picture.notes == ()
        np.testing.assert_array_equal(integers(picture), photo)


def test_a_pipe_is_read(tmp_path: Path, photo: Array) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"
    data = file_bytes(Image.fromarray(photo), "PNG")
    process = subprocess.Popen([sys.executable, "-c", writer, str(path)], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.close()
    np.testing.assert_array_equal(integers(images.load(path)), photo)
    assert process.wait(10) == 0


@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64", "bool"])
def test_arrays_of_all_depths_and_channels(channels: int, dtype: str) -> None:
    full = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    values = np.random.default_rng(1).random((5, 6, max(channels, 1)))
    array = (values > 0.5 if dtype == "bool" else values * full).astype(dtype)
    picture = images.load(array if channels else array[..., 0])
    assert picture.bits == (8 if dtype in ("uint8", "bool") else 16)
    expected = array.astype(np.float64) / full
    colours = expected[..., :3] if channels >= 3 else expected[..., :1].repeat(3, axis=2)
    np.testing.assert_allclose(picture.pixels[0].permute(1, 2, 0), colours, atol=1e-7)
    if channels in (2, 4):
        assert picture.alpha is not None
        np.testing.assert_allclose(picture.alpha[0, 0], expected[..., -1], atol=1e-7)
    else:
        assert picture.alpha is None


def test_odd_memory_is_read_and_never_changed(photo: Array) -> None:
    frozen = photo[::-1, ::2].copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(integers(images.load(frozen)), frozen)
    np.testing.assert_array_equal(integers(images.load(photo[::-1, ::-2])), photo[::-1, ::-2])
    tensor = torch.rand(3, 8, 9, dtype=torch.float32, requires_grad=True)
    before = tensor.detach().clone()
    picture = images.load(tensor)
    picture.pixels.zero_()
    assert torch.equal(tensor.detach(), before)
    assert not picture.pixels.requires_grad
    rounded = images.load(before.bfloat16())
    torch.testing.assert_close(rounded.pixels[0], before, atol=4e-3, rtol=0)
    array = np.ones((4, 4, 3), dtype=np.float32)
    images.load(array).pixels.zero_()
    assert array.min() == 1


def test_a_pil_image_is_not_changed(photo: Array) -> None:
    data = file_bytes(Image.fromarray(photo), "JPEG", exif=exif_bytes(6))
    image = Image.open(io.BytesIO(data))
    assert images.load(image).size == (128, 96)
    assert image.size == (128, 96)
    assert image.getexif()[0x0112] == 6


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((2, 2, 5), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 2, 2, 3), np.uint8),
        torch.zeros(2, 3, 4, 4),
        torch.zeros(4, 4),
        torch.zeros(5, 4, 4),
        torch.zeros(1, 1, 3, 4, 4),
    ],
)
def test_wrong_shapes_are_refused(source: images.Source) -> None:
    with pytest.raises(ShapeError, match="needs the shape"):
        images.load(source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.full((2, 2), 200.0), "go from 200 to 200; scale"),
        (np.full((2, 2), -1.0), "scale them"),
        (np.full((2, 2), np.nan), "not finite"),
        (np.full((2, 2), np.inf), "not finite"),
        (np.zeros((2, 2), np.int64), "int64"),
        (torch.zeros(3, 2, 2, dtype=torch.complex64), "complex"),
        (np.zeros((0, 5, 3), np.uint8), "empty"),
        (torch.zeros(3, 5, 0), "empty"),
        (Image.new("RGB", (0, 4)), "empty"),
        (Image.fromarray(np.full((2, 2), 70000, np.int32)), "70000"),
        (b"", "file is empty"),
        (io.StringIO("text"), "binary mode"),
        (12, "a int as a picture"),
    ],
)
def test_unsuitable_values_are_refused(source: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        images.load(source)
    assert "\n" not in str(caught.value)


def test_picture_checks_its_shapes() -> None:
    with pytest.raises(ShapeError, match="pixels"):
        Picture(pixels=torch.zeros(3, 4, 4))
    with pytest.raises(ShapeError, match="alpha"):
        Picture(pixels=torch.zeros(1, 3, 4, 4), alpha=torch.zeros(1, 1, 4, 5))


# --- modes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG"])
def test_grey_and_colour_files(kind: str, photo: Array) -> None:
    lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
    for image in (Image.fromarray(photo), Image.fromarray(photo).convert("L")):
        shown = image.quantize(64) if kind == "GIF" else image
        picture = images.load(file_bytes(shown, kind, **lossless.get(kind, {})))
        difference = np.abs(integers(picture) - np.asarray(shown.convert("RGB"), dtype=int))
        assert difference.max() <= (6 if kind == "JPEG" else 0)
        assert picture.alpha is None
        assert picture.bits == 8


@pytest.mark.skipif(".avif" not in images.READABLE_SUFFIXES, reason="Pillow without AVIF")
def test_avif(photo: Array) -> None:
    picture = images.load(file_bytes(Image.fromarray(photo), "AVIF", quality=100))
    assert np.abs(integers(picture) - photo.astype(int)).mean() <= 3


def test_one_bit(photo: Array) -> None:
    image = Image.fromarray(photo).convert("1")
    for kind in ("PNG", "TIFF", "BMP", "PPM"):
        values = integers(images.load(file_bytes(image, kind)))
        np.testing.assert_array_equal(values[..., 0], np.asarray(image) * 255)


def test_transparency_of_every_kind() -> None:
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[..., :3], rgba[..., 3] = (10, 200, 30), [[0, 128, 255], [255, 255, 0]]
    image = Image.fromarray(rgba)
    for data in (
        file_bytes(image, "PNG"),
        file_bytes(image, "TIFF"),
        file_bytes(image, "WEBP", lossless=True, exact=True),
    ):
        np.testing.assert_array_equal(integers(images.load(data)), rgba)
    grey = integers(images.load(file_bytes(image.convert("LA"), "PNG")))
    np.testing.assert_array_equal(grey[..., 3], rgba[..., 3])

    palette = Image.fromarray(np.array([[0, 1], [1, 2]], np.uint8), mode=None).convert("P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    for transparency, alphas in ((1, [255, 0, 255]), (bytes([9, 80, 255]), [9, 80, 255])):
        picture = images.load(file_bytes(palette, "PNG", transparency=transparency))
        assert picture.alpha is not None
        values = integers(picture)
        assert [values[0, 0, 3], values[0, 1, 3], values[1, 1, 3]] == alphas
        assert values[0, 1].tolist()[:3] == [0, 255, 0]
    gif = images.load(file_bytes(palette, "GIF", transparency=2))
    assert integers(gif)[1, 1, 3] == 0


def test_a_transparent_colour_key(deep: Array) -> None:
    small = (deep[..., :3] >> 8).astype(np.uint8)
    for array in (small, small[..., :1], deep[..., :3], deep[..., :1]):
        key = struct.pack(f">{array.shape[2]}H", *array[2, 3].tolist())
        picture = images.load(png_bytes(array, chunk(b"tRNS", key)))
        assert picture.alpha is not None
        assert picture.alpha[0, 0, 2, 3] == 0
        assert picture.alpha.mean() > 0.9


def test_alpha_that_is_opaque_everywhere_is_dropped(photo: Array) -> None:
    image = Image.fromarray(photo).convert("RGBA")
    assert images.load(image).alpha is None


def test_cmyk_without_profile_and_inverted_by_adobe() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for kind, options in (("JPEG", {"quality": 100}), ("TIFF", {})):
        data = file_bytes(image, kind, **options)
        assert kind == "TIFF" or b"Adobe" in data  # Pillow writes the inverted kind
        picture = images.load(data)
        assert np.abs(integers(picture) - [255, 0, 0]).max() <= 2
        assert picture.notes == ("CMYK without a colour profile: colours are approximate",)


def test_cmyk_goes_through_its_profile() -> None:
    image = Image.new("CMYK", (16, 16), (128, 0, 0, 0))
    picture = images.load(file_bytes(image, "TIFF", icc_profile=table_profile(b"CMYK", 4)))
    assert np.abs(integers(picture) - 118).max() <= 3  # L* = 50, not cyan
    assert "Test" in picture.notes[0]


def test_lab_tiff() -> None:
    image = Image.new("LAB", (4, 4), (128, 128, 128))
    values = integers(images.load(file_bytes(image, "TIFF")))
    assert np.abs(values - 119).max() <= 3


# --- depth ----------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_is_read_in_full(channels: int, deep: Array) -> None:
    array = deep[..., -channels:]
    picture = images.load(png_bytes(array))
    expected = array if channels >= 3 else np.concatenate([array[..., :1]] * 3, axis=2)
    expected = np.concatenate([expected, array[..., 1:]], axis=2) if channels == 2 else expected
    np.testing.assert_array_equal(integers(picture, 16), expected)
    assert picture.bits == 16


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_tiff_is_read_in_full(
    channels: int, planar: str, compression: str | None, byteorder: str, deep: Array
) -> None:
    array = deep[..., -channels:]
    stored = np.moveaxis(array, -1, 0) if planar == "separate" else array
    data = tiff_bytes(
        stored if channels > 1 else array[..., 0],
        photometric="rgb" if channels >= 3 else "minisblack",
        planarconfig=planar if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression=compression,
        byteorder=byteorder,
    )
    picture = images.load(data)
    values = integers(picture, 16)
    np.testing.assert_array_equal(values[..., -1], array[..., -1])
    np.testing.assert_array_equal(values[..., 0], array[..., 0])
    assert picture.bits == 16


@pytest.mark.parametrize("predictor", [1, 2])
def test_lzw_tiff_of_16_bits(predictor: int, tmp_path: Path, deep: Array) -> None:
    """Made by libtiff itself: 8-bit RGB of thrice the width has the strips of 16-bit grey."""
    path = tmp_path / "lzw.tif"
    grey = Image.fromarray(np.ascontiguousarray(deep[..., 0]))
    grey.save(path, compression="tiff_lzw", tiffinfo={317: predictor})
    picture = images.load(path)
    np.testing.assert_array_equal(integers(picture, 16)[..., 1], deep[..., 0])
    assert picture.bits == 16


def test_lzw_tiff_of_16_bit_colour(deep: Array) -> None:
    data = lzw_tiff(deep[..., :3])
    np.testing.assert_array_equal(integers(images.load(data), 16), deep[..., :3])


def lzw_tiff(array: Array) -> bytes:
    """16-bit RGB TIFF whose only strip is LZW made of clear codes and literals, 9 bits each."""
    codes = [code for byte in array.astype("<u2").tobytes() for code in (256, byte)] + [257]
    bits = "".join(f"{code:09b}" for code in codes)
    strip = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    plain = bytearray(tiff_bytes(array, photometric="rgb", byteorder="<"))
    (ifd,) = struct.unpack_from("<I", plain, 4)
    for at in range(ifd + 2, ifd + 2 + 12 * struct.unpack_from("<H", plain, ifd)[0], 12):
        (tag,) = struct.unpack_from("<H", plain, at)
        new = {259: 5, 273: len(plain), 279: len(strip)}.get(tag)
        if new is not None:
            struct.pack_into("<HII", plain, at + 2, 4, 1, new)
    return bytes(plain) + strip


def test_tiff_where_white_is_zero() -> None:
    array = np.array([[0, 65535, 1000]], np.uint16)
    for data, bits in (
        (tiff_bytes(array, photometric="miniswhite"), 16),
        (tiff_bytes(array, photometric="miniswhite", compression="zlib"), 16),
        (tiff_bytes((array >> 8).astype(np.uint8), photometric="miniswhite"), 8),
    ):
        values = integers(images.load(data), bits)[0, :, 0]
        full = 2**bits - 1
        assert values.tolist() == [full, 0, full - (1000 >> (16 - bits))]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_with_premultiplied_alpha(dtype: str) -> None:
    full = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    array = np.empty((2, 2, 4), dtype)
    array[...] = np.array([0.25, 0.125, 0.5, 0.5]) * full
    picture = images.load(tiff_bytes(array, photometric="rgb", extrasamples=["assocalpha"]))
    assert picture.alpha is not None
    expected = torch.tensor([0.5, 0.25, 1.0])
    torch.testing.assert_close(picture.pixels[0, :, 0, 0], expected, atol=0.01, rtol=0)


def test_float_tiff_is_read_and_must_be_in_range(photo: Array) -> None:
    array = (photo / 255).astype(np.float32)
    picture = images.load(tiff_bytes(array, photometric="rgb", compression="zlib"))
    np.testing.assert_array_equal(integers(picture), photo)
    for bad in (array * 100, array * np.nan):
        with pytest.raises(ImageError, match=r"scale them|not finite"):
            images.load(tiff_bytes(bad, photometric="rgb"))
    grey = images.load(tiff_bytes(array[..., 0], photometric="minisblack"))
    np.testing.assert_array_equal(integers(grey)[..., 2], photo[..., 0])


def test_tiff_variants_beyond_reach_are_named(deep: Array) -> None:
    signed = tiff_bytes(deep[..., :3].astype(np.int32), photometric="rgb")
    with pytest.raises(ImageError, match=r"int32.*save it again"):
        images.load(signed)
    array = np.zeros((4, 4, 5), np.uint16)
    five = tiff_bytes(array, photometric="minisblack", planarconfig="contig")
    with pytest.raises(ImageError, match=r"5 MINISBLACK samples.*save it again"):
        images.load(five)


# --- colour profiles ------------------------------------------------------------------------


def test_a_wide_profile_is_converted(photo: Array) -> None:
    profile = matrix_profile(1.8)
    picture = images.load(file_bytes(Image.fromarray(photo), "PNG", icc_profile=profile))
    linear = (photo / 255.0) ** 1.8
    low, high = linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055
    expected = np.where(linear <= 0.0031308, low, high) * 255
    assert np.abs(integers(picture) - expected).max() <= 2
    assert np.abs(integers(picture) - photo.astype(int)).max() > 10
    assert picture.notes == ("colours converted from the profile sRGB built-in to sRGB",)


def test_16_bits_survive_a_profile(photo: Array) -> None:
    profile = matrix_profile(2.2, order=(b"g", b"r", b"b"))
    array = (photo.astype(np.uint16) * 257) ^ 0x55
    alpha = np.full((*photo.shape[:2], 1), 30000, np.uint16)
    stored = np.concatenate([array, alpha], axis=2)
    data = png_bytes(stored, chunk(b"iCCP", b"x\0\0" + zlib.compress(profile)))
    picture = images.load(data)
    shallow = images.load(file_bytes(Image.fromarray(photo), "PNG", icc_profile=profile))
    assert picture.notes == shallow.notes != ()
    assert (integers(picture, 16)[..., 3] == 30000).all()
    assert np.abs(integers(picture)[..., :3] - integers(shallow)).max() <= 2
    assert np.unique(integers(picture, 16)[..., :3] % 257).size > 100  # not 8 bits blown up
    exchanged = integers(picture)[..., [1, 0, 2]]
    assert np.abs(exchanged - photo.astype(int)).mean() < 4


@pytest.mark.parametrize("bits", [8, 16])
def test_a_table_profile_is_converted(bits: int) -> None:
    array = np.full((4, 4, 3), 32768 if bits == 16 else 128, f"uint{bits}")
    profile = table_profile(b"RGB ", 3)
    data = png_bytes(array, chunk(b"iCCP", b"x\0\0" + zlib.compress(profile)))
    picture = images.load(data)
    assert np.abs(integers(picture) - 118).max() <= 3
    assert "Test" in picture.notes[0]


@pytest.mark.parametrize("bits", [8, 16])
def test_srgb_under_any_name_changes_nothing(bits: int, photo: Array) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    array = photo if bits == 8 else photo.astype(np.uint16) * 257
    for stored in (array, array[..., :1]):
        data = png_bytes(stored, chunk(b"iCCP", b"x\0\0" + zlib.compress(profile)))
        picture = images.load(data)
        assert picture.notes == ()
        np.testing.assert_array_equal(integers(picture)[..., :1], photo[..., :1])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "profile", [b"rubbish", b"\0" * 600, matrix_profile(2.2)[:200], table_profile(b"CMYK", 4)]
)
def test_a_broken_profile_is_ignored_and_noted(bits: int, profile: bytes, photo: Array) -> None:
    array = photo if bits == 8 else photo.astype(np.uint16) * 257
    data = png_bytes(array, chunk(b"iCCP", b"x\0\0" + zlib.compress(profile)))
    picture = images.load(data)
    np.testing.assert_array_equal(integers(picture), photo)
    assert picture.notes == ("broken or unsuitable colour profile ignored",)


def test_profile_names_cannot_reach_the_terminal(photo: Array) -> None:
    profile = table_profile(b"RGB ", 3).replace(b"Test\0", b"\x1b[2J\0")
    picture = images.load(file_bytes(Image.fromarray(photo), "PNG", icc_profile=profile))
    assert picture.notes
    assert picture.notes[0].isprintable()


# --- orientation, frames, resolution --------------------------------------------------------


def exif_bytes(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "deep PNG", "float TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation: int, kind: str) -> None:
    upright = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2) * 40
    turns: dict[int, Callable[[Array], Array]] = {  # what a camera stored, seen from upright
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a.swapaxes(0, 1), 2),
        8: lambda a: np.rot90(a, -1),
    }
    stored = np.ascontiguousarray(turns[orientation](upright))
    exif = exif_bytes(orientation)
    if kind == "deep PNG":
        data = png_bytes(stored.astype(np.uint16) * 257, chunk(b"eXIf", exif[6:]))
    elif kind == "float TIFF":
        tag = (274, 3, 1, orientation, True)
        data = tiff_bytes((stored / 255).astype("f4"), photometric="rgb", extratags=[tag])
    else:
        options = {"lossless": True} if kind == "WEBP" else {}
        data = file_bytes(Image.fromarray(stored), kind, exif=exif, **options)
    np.testing.assert_array_equal(integers(images.load(data)), upright)


def test_resolution_turns_with_the_picture(photo: Array) -> None:
    data = file_bytes(Image.fromarray(photo), "JPEG", dpi=(300, 150), exif=exif_bytes(6))
    assert images.load(data).dpi == (150, 300)


def test_implausible_resolution_is_unknown(photo: Array) -> None:
    for dpi in ((0, 0), (1, 1)):
        assert images.load(file_bytes(Image.fromarray(photo), "JPEG", dpi=dpi)).dpi is None
    assert images.load(file_bytes(Image.fromarray(photo), "TIFF")).dpi is None


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_used(kind: str) -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "lime", "blue")]
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:]}
    if kind == "WEBP":
        options["lossless"] = True
    picture = images.load(file_bytes(frames[0], kind, **options))
    assert (integers(picture) == [255, 0, 0]).all()
    what = "pages" if kind == "TIFF" else "frames"
    assert picture.notes == (f"only the first of 3 {what} is used",)


def test_real_files_of_scikit_image() -> None:
    folder = Path(skimage.data.__file__).parent
    for name, size, alpha in (
        ("rocket.jpg", (427, 640), False),
        ("chelsea.png", (300, 451), False),
        ("color.png", (370, 371), False),
        ("horse.png", (328, 400), True),
        ("multipage_rgb.tif", (10, 10), False),
        ("no_time_for_that_tiny.gif", (25, 14), False),
    ):
        picture = images.load(folder / name)
        assert picture.size == size
        assert (picture.alpha is not None) == alpha
        assert picture.name == name.split(".", maxsplit=1)[0]


# --- limits ---------------------------------------------------------------------------------


def huge_headers() -> dict[str, bytes]:
    """Files of 20000 x 20000 pixels (GIF and WebP: less) that hold next to nothing."""
    small = Image.new("RGB", (16, 16))
    jpeg = bytearray(file_bytes(small, "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    struct.pack_into(">HH", jpeg, at + 5, 20000, 20000)
    bmp = bytearray(file_bytes(small, "BMP"))
    struct.pack_into("<ii", bmp, 18, 20000, 20000)
    gif = bytearray(file_bytes(small.quantize(4), "GIF"))
    struct.pack_into("<HH", gif, 6, 20000, 20000)
    webp = bytearray(file_bytes(small, "WEBP", lossless=True, exif=exif_bytes(1)))
    at = webp.index(b"VP8X")
    webp[at + 12 : at + 18] = struct.pack("<I", 15999)[:3] * 2
    tiffs = {}
    for name, dtype in (("tiff", "u1"), ("deep tiff", "u2"), ("float tiff", "f4")):
        tiff = bytearray(tiff_bytes(np.zeros((16, 16, 3), dtype), photometric="rgb"))
        (ifd,) = struct.unpack_from("<I", tiff, 4)
        for entry in range(2):  # ImageWidth and ImageLength come first
            struct.pack_into("<I", tiff, ifd + 2 + 12 * entry + 8, 20000)
        tiffs[name] = bytes(tiff)
    array = np.zeros((16, 16, 3), np.uint8)
    return {
        "png": png_bytes(array, size=(20000, 20000)),
        "deep png": png_bytes(array.astype(np.uint16), size=(20000, 20000)),
        "jpeg": bytes(jpeg),
        "bmp": bytes(bmp),
        "gif": bytes(gif),
        "webp": bytes(webp),
        "ppm": b"P6 20000 20000 255\n" + bytes(99),
        **tiffs,
    }


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": exif_bytes(1)}])
def test_the_size_of_webp_is_found_before_its_decoder_is_made(
    options: dict[str, Any], photo: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = file_bytes(Image.fromarray(photo), "WEBP", **options)
    assert images.load(data, max_pixels=96 * 128).size == (96, 128)
    monkeypatch.setitem(images.formats.DECODERS, "WebP", None)
    with pytest.raises(ImageTooLargeError, match="128 x 96 = "):
        images.load(data, max_pixels=96 * 128 - 1)


@pytest.mark.parametrize("kind", list(huge_headers()))
def test_a_huge_header_is_refused_without_decoding(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a picture was decoded")

    data = huge_headers()[kind]
    (tmp_path / "huge").write_bytes(data)
    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    monkeypatch.setattr(Image.core, "new", fail)
    tracemalloc.start()
    try:
        for source in (data, io.BytesIO(data), tmp_path / "huge"):
            with pytest.raises(ImageTooLargeError) as caught:
                images.load(source)
            assert "pixels" in str(caught.value) or "size" in str(caught.value)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


def test_the_message_names_sizes_limit_and_option(tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    path.write_bytes(huge_headers()["png"])
    with pytest.raises(ImageTooLargeError) as caught:
        images.load(path)
    assert str(caught.value) == (
        f"Cannot read {path}: 20000 x 20000 = 400,000,000 pixels, over the limit of "
        "200,000,000; make it smaller or raise the limit with --max-pixels."
    )


def test_the_limit_holds_for_every_source_and_is_inclusive(photo: Array) -> None:
    image = Image.fromarray(photo)
    files = [file_bytes(image, kind) for kind in ("PNG", "TIFF", "JPEG")]
    sources: list[images.Source] = [photo, image, torch.rand(3, 96, 128), *files]
    for source in sources:
        assert images.load(source, max_pixels=96 * 128).size == (96, 128)
        with pytest.raises(ImageTooLargeError, match="--max-pixels"):
            images.load(source, max_pixels=96 * 128 - 1)
    with pytest.raises(ConfigError, match="at least 1"):
        images.load(photo, max_pixels=0)


def test_pillows_own_limit_does_not_count(photo: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.fromarray(photo)
    files = {kind: file_bytes(image, kind) for kind in ("PNG", "BMP", "TIFF", "PPM", "JPEG")}
    files["deep"] = images.encode(images.load(photo), format="tiff", bits=16)
    files["WEBP"] = file_bytes(image, "WEBP")
    for limit in (96 * 128 - 1, 96 * 128 // 3):  # Pillow warns over one, raises over the double
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        for kind, data in files.items():
            if kind != "WEBP" or limit > 96 * 128 // 2:
                assert images.load(data).size == (96, 128)
                continue
            with contextlib.suppress(ImageTooLargeError):  # the one that Pillow 13 insists on
                images.load(data)
        assert limit == Image.MAX_IMAGE_PIXELS


def test_nothing_of_the_process_is_changed(photo: Array) -> None:
    def state() -> tuple[object, ...]:
        limits = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
        return (*limits, tuple(warnings.filters))

    before = state()
    for format in FORMATS:
        images.load(images.encode(images.load(photo), format=format))
    with pytest.raises(ImageError):
        images.load(b"rubbish")
    assert state() == before


def test_an_endless_stream_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            assert size > 0
            return bytes(size)

    with pytest.raises(ImageTooLargeError, match="bytes"):
        images.load(Endless(), max_pixels=1)  # type: ignore[arg-type]


def test_metadata_bombs_are_refused(photo: Array) -> None:
    bomb = zlib.compress(bytes(80_000_000))
    for extra in (chunk(b"zTXt", b"k\0\0" + bomb), chunk(b"iTXt", b"k\0\1\0\0\0" + bomb)):
        with pytest.raises(ImageError, match="damaged"):
            images.load(png_bytes(photo, extra))


def test_a_strip_that_inflates_too_far_is_refused(photo: Array) -> None:
    small = (photo[:16, :16] / 255).astype(np.float32)
    data = bytearray(tiff_bytes(small, photometric="rgb", compression="zlib"))
    strip = zlib.compress(bytes(50_000_000))
    (ifd,) = struct.unpack_from("<I", data, 4)
    for at in range(ifd + 2, ifd + 2 + 12 * struct.unpack_from("<H", data, ifd)[0], 12):
        (tag,) = struct.unpack_from("<H", data, at)
        if tag in (273, 279):
            value = len(data) if tag == 273 else len(strip)
            struct.pack_into("<HII", data, at + 2, 4, 1, value)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match="larger than its header"):
            images.load(bytes(data) + strip)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


# --- damage ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.png", None, "no such file"),
        (".", None, "is a folder"),
        ("empty.png", b"", "file is empty"),
        ("text.png", b"hello, I am a text", "not a picture of a known kind; give a PNG"),
        ("page.jpg", b"<!DOCTYPE html><html>", "a web page"),
        ("drawing.png", b"<svg xmlns='x'>", "an SVG drawing"),
        ("paper.jpg", b"%PDF-1.7", "a PDF document"),
        ("script.eps", b"%!PS-Adobe-3.0 EPSF-3.0", "a PostScript file"),
        ("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"),
        ("zeros.png", bytes(4000), "not a picture of a known kind"),
        ("head.png", b"\x89PNG\r\n\x1a\n", "damaged"),
        ("head.jpg", b"\xff\xd8\xff\xe0", "damaged"),
        ("head.gif", b"GIF89a", "damaged"),
        ("head.tif", b"II*\0\x08\0\0\0", "damaged"),
        ("head.webp", b"RIFF\x10\0\0\0WEBPVP8 ", "damaged"),
        ("x/y.png", None, "no such file"),
        ("n" * 300, None, "too long"),
    ],
)
def test_bad_files_give_one_line_that_names_them(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        images.load(path)
    message = str(caught.value)
    assert message.startswith(f"Cannot read {path}: ")
    assert words in message
    assert message.endswith(".")
    assert "\n" not in message


def test_strange_names(tmp_path: Path) -> None:
    for name in ("nul\0l.png", "new\nline.png"):
        with pytest.raises(ImageError) as caught:
            images.load(str(tmp_path / name))
        assert str(caught.value).isprintable()


def test_no_permission_and_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.png").touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match="no permission to read"):
        images.load(tmp_path / "a.png")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ImageError, match="pipe a picture into it"):
        images.load("-")


def samples_of_all_kinds() -> dict[str, bytes]:
    photo = np.ascontiguousarray(skimage.data.astronaut()[100:132, 200:240])
    image = Image.fromarray(photo)
    files = {kind: file_bytes(image, kind) for kind in ("PNG", "JPEG", "BMP", "PPM", "WEBP")}
    files["GIF"] = file_bytes(image.quantize(32), "GIF", save_all=True, append_images=[image])
    files["deep PNG"] = png_bytes(photo.astype(np.uint16) * 200)
    files["profile"] = file_bytes(image, "PNG", icc_profile=matrix_profile(2.2))
    files["exif"] = file_bytes(image, "JPEG", exif=exif_bytes(5), dpi=(72, 72))
    files["TIFF"] = tiff_bytes(photo, photometric="rgb", compression="zlib")
    files["deep TIFF"] = tiff_bytes(photo.astype(np.uint16) * 200, photometric="rgb")
    files["float TIFF"] = tiff_bytes(photo.astype(np.float32) / 255, photometric="rgb")
    return files


ALL_KINDS = samples_of_all_kinds()


@pytest.mark.parametrize("kind", list(ALL_KINDS))
def test_truncated_files_are_refused(kind: str) -> None:
    whole = ALL_KINDS[kind]
    assert images.load(whole).size in ((32, 40), (40, 32))
    for part in (0.3, 0.6, 0.9):
        if kind == "GIF" and part > 0.5:
            continue  # the first of its frames is whole
        with pytest.raises(ImageError, match=r"damaged|larger than"):
            images.load(whole[: int(len(whole) * part)])


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_damaged_files_never_raise_anything_else(data: st.DataObject) -> None:
    content = bytearray(ALL_KINDS[data.draw(st.sampled_from(list(ALL_KINDS)))])
    places = st.one_of(st.integers(0, 200), st.integers(0, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 3))):
        content[min(data.draw(places), len(content) - 1)] = data.draw(st.integers(0, 255))
    message = ""
    try:
        picture = images.load(bytes(content), max_pixels=100_000)
        assert 0 <= picture.pixels.min() <= picture.pixels.max() <= 1
    except (ImageError, MemoryBudgetError) as error:
        message = str(error)
    assert "\n" not in message


# --- writing --------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    array=hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 9)] * 2, st.sampled_from([3, 4]))),
    format=st.sampled_from(["png", "tiff", "webp"]),
)
def test_8_bits_survive_exactly(array: Array, format: str) -> None:
    picture = images.load(images.encode(images.load(array), format=format, quality=100))
    opaque = array.shape[2] == 3 or bool((array[..., 3] == 255).all())
    np.testing.assert_array_equal(integers(picture), array[..., :3] if opaque else array)
    assert picture.bits == 8


@settings(max_examples=60, deadline=None)
@given(
    array=hnp.arrays(np.uint16, st.tuples(*[st.integers(1, 9)] * 2, st.sampled_from([3, 4]))),
    format=st.sampled_from(["png", "tiff"]),
)
def test_16_bits_survive_exactly(array: Array, format: str) -> None:
    data = images.encode(images.load(array), format=format, bits=16)
    picture = images.load(data)
    opaque = array.shape[2] == 3 or bool((array[..., 3] == 65535).all())
    np.testing.assert_array_equal(integers(picture, 16), array[..., :3] if opaque else array)
    assert picture.bits == 16


def test_a_large_16_bit_png_of_several_strips(photo: Array) -> None:
    array = (photo.astype(np.uint16) * 257) ^ 0x0F0F
    array = np.concatenate([array, array[::-1]])
    data = images.encode(images.load(array), bits=16)
    np.testing.assert_array_equal(integers(images.load(data), 16), array)
    assert len(data) < array.nbytes * 0.9  # the filter does its work
    assert Image.open(io.BytesIO(data)).info["srgb"] == 1


@pytest.mark.parametrize("bits", [8, 16])
def test_values_are_rounded_and_clamped(bits: int) -> None:
    full = 2**bits - 1
    values = torch.tensor([-1.0, 0.0, 0.49 / full, 0.51 / full, 1.6 / full, 1.0, 7.0])
    picture = images.load(images.encode(values.expand(3, 1, -1), bits=bits))
    assert integers(picture, bits)[0, :, 0].tolist() == [0, 0, 0, 1, 2, full, full]


def test_any_tensor_is_written_and_not_changed(photo: Array) -> None:
    tensor = torch.from_numpy(photo).permute(2, 0, 1) / 255
    expected = images.encode(tensor)
    assert not tensor.is_contiguous()
    before = tensor.clone()
    assert images.encode(tensor[None].requires_grad_()) == expected
    assert images.encode(tensor.double()) == expected
    assert torch.equal(tensor, before)
    halved = images.load(images.encode(tensor.bfloat16()))
    assert np.abs(integers(halved) - photo.astype(int)).max() <= 1
    if torch.cuda.is_available():
        assert images.encode(tensor.cuda()) == expected


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(bad: float, tmp_path: Path) -> None:
    tensor = torch.full((3, 4, 4), 0.5)
    tensor[1, 2, 3] = bad
    for write in (images.encode, images.to_pil, lambda t: images.save(t, tmp_path / "a.png")):
        with pytest.raises(OutputError, match="not finite"):
            write(tensor)
    assert list(tmp_path.iterdir()) == []


def test_wrong_tensors_are_refused() -> None:
    for shape in ((4, 4), (1, 4, 4), (2, 3, 4, 4), (4, 4, 3)):
        with pytest.raises(ShapeError, match="shape"):
            images.encode(torch.zeros(shape))
    with pytest.raises(ShapeError, match="floats"):
        images.encode(torch.zeros(3, 4, 4, dtype=torch.uint8))
    with pytest.raises(OutputError, match="0 x 4"):
        images.encode(torch.zeros(3, 4, 0))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".jpg", ".jpeg", ".JPG", ".webp"])
def test_settings_resolution_and_colour_space_are_kept(
    suffix: str, tmp_path: Path, photo: Array
) -> None:
    path = tmp_path / f"result{suffix}"
    text = json.dumps({"style": "Große Welle 神奈川", "size": 768}, ensure_ascii=False)
    images.save(images.load(photo), path, settings=text, dpi=(300, 240))
    assert images.read_settings(path) == text
    assert images.read_settings(path.read_bytes()) == text
    picture = images.load(path)
    assert picture.dpi == (300, 240)
    assert picture.name == "result"
    assert picture.notes == ()
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
        assert image.info.get("srgb") == 1 or (profile and b"sRGB" in profile.replace(b"\0", b""))
    images.save(picture, path)
    assert images.load(path).dpi == (300, 240)
    assert images.read_settings(path) is None
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("format", ["png", "tiff"])
def test_settings_and_resolution_at_both_depths(format: str, bits: int, photo: Array) -> None:
    data = images.encode(
        images.load(photo), format=format, bits=bits, settings='{"a": "é"}', dpi=(300, 300)
    )
    assert images.read_settings(data) == '{"a": "é"}'
    assert images.load(data).dpi == (300, 300)


def test_settings_of_others_are_not_ours(tmp_path: Path, photo: Array) -> None:
    exif = Image.Exif()
    exif[270] = "OLYMPUS DIGITAL CAMERA"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0a comment"
    image = Image.fromarray(photo)
    for kind in ("JPEG", "TIFF", "WEBP", "PNG"):
        assert images.read_settings(file_bytes(image, kind, exif=exif)) is None


def test_the_sidecar_is_read_if_the_picture_has_nothing(tmp_path: Path, photo: Array) -> None:
    path = tmp_path / "a.png"
    images.save(images.load(photo), path)
    assert images.read_settings(path) is None
    (tmp_path / "a.json").write_text('{"beside": 1}')
    assert images.read_settings(str(path)) == '{"beside": 1}'
    images.save(images.load(photo), path, settings='{"inside": 1}')
    assert images.read_settings(path) == '{"inside": 1}'
    with pytest.raises(ImageError, match="no such file"):
        images.read_settings(tmp_path / "none.png")


def test_long_settings_go_beside_a_jpeg_and_into_a_png(tmp_path: Path, photo: Array) -> None:
    text = json.dumps(["x" * 70_000])
    for name in ("a.jpg", "b.webp", "c.png", "d.tif"):
        images.save(images.load(photo), tmp_path / name, settings=text)
        assert images.read_settings(tmp_path / name) == text
    assert {path.name for path in tmp_path.glob("*.json")} == {"a.json", "b.json"}
    with pytest.raises(OutputError, match="too long for JPEG"):
        images.encode(images.load(photo), format="jpeg", settings=text)


@pytest.mark.parametrize("quality", [1, 89, 92, 94, 100])
def test_noise_of_any_quality_is_encoded(quality: int) -> None:
    noise = torch.rand(3, 300, 300, generator=torch.Generator().manual_seed(0))
    for format in ("jpeg", "webp"):
        data = images.encode(noise, format=format, quality=quality)
        assert images.load(data).size == (300, 300)


@pytest.mark.parametrize("format", ["png", "tiff", "webp"])
def test_colours_under_transparency_are_kept(format: str) -> None:
    rgba = np.full((16, 16, 4), (10, 200, 30, 0), np.uint8)
    rgba[8:, :, 3] = 255
    data = images.encode(images.load(rgba), format=format, quality=100)
    np.testing.assert_array_equal(integers(images.load(data)), rgba)


@pytest.mark.parametrize("error", [OSError("x"), MemoryError(), struct.error("x")])
def test_an_encoder_that_gives_up_is_reported(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OutputError, match="Cannot encode 5 x 4 pixels as JPEG"):
        images.encode(torch.zeros(3, 4, 5), format="jpeg")


@pytest.mark.slow
def test_equal_pictures_give_equal_bytes_in_another_process() -> None:
    program = (
        "import hashlib, numpy as np; from impasto import images\n"
        "p = images.load(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))\n"
        "d = [images.encode(p, format=f, settings='{}') for f in images.WRITABLE_FORMATS]\n"
        "digest = hashlib.sha256(b''.join(d)).hexdigest()\n"
    )
    here: dict[str, Any] = {}
    exec(program, here)
    command = [sys.executable, "-c", program + "print(digest)"]
    there = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert there.strip() == here["digest"]


def test_jpeg_sampling_quality_and_white_ground(photo: Array) -> None:
    picture = images.load(photo)
    for quality, sampling in ((89, 2), (90, 0)):
        data = images.encode(picture, format="jpg", quality=quality)
        image = Image.open(io.BytesIO(data))
        assert image.layer[0][1] == (sampling or 1)  # type: ignore[attr-defined]
    sizes = [len(images.encode(picture, format="jpeg", quality=q)) for q in (20, 60, 95)]
    assert sizes == sorted(sizes)
    clear = Picture(pixels=torch.zeros(1, 3, 16, 16), alpha=torch.full((1, 1, 16, 16), 0.25))
    values = integers(images.load(images.encode(clear, format="jpeg", quality=95)))
    assert np.abs(values - 191).max() <= 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quality": 0}, "quality"),
        ({"quality": 101}, "quality"),
        ({"bits": 12}, "8 or 16"),
        ({"format": "jpeg", "bits": 16}, "JPEG holds 8 bits"),
        ({"format": "webp", "bits": 16}, "WEBP holds 8 bits"),
        ({"format": "gif"}, "png, tiff, jpeg, webp"),
        ({"format": ""}, "png, tiff, jpeg, webp"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        images.encode(torch.zeros(3, 4, 4), **options)


def test_unknown_suffixes_are_refused_with_a_list(tmp_path: Path) -> None:
    for name in ("a.gif", "a", "a.", ".png", "a.png.bak"):
        with pytest.raises(ConfigError, match=r"\.png, \.tif, \.tiff, \.jpg, \.jpeg, \.webp"):
            images.save(torch.zeros(3, 4, 4), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    images.save(torch.zeros(3, 4, 4), tmp_path / "a.bak", format="PNG")
    assert images.load(tmp_path / "a.bak").size == (4, 4)
    assert images.format_of("x/y.TIF") == "tiff"


def test_pictures_too_long_for_a_format() -> None:
    long = torch.zeros(3, 1, 16_384)
    with pytest.raises(OutputError, match=r"16384 x 1 as WEBP.*16383"):
        images.encode(long, format="webp")
    assert images.load(images.encode(long, format="jpeg")).size == (1, 16_384)


def test_streams_and_standard_output(
    photo: Array, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    picture = images.load(photo)
    buffer = io.BytesIO()
    images.save(picture, buffer, format="webp")
    assert buffer.getvalue() == images.encode(picture, format="webp")
    images.save(picture, "-")
    assert capsysbinary.readouterr().out == images.encode(picture)
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OutputError, match="is full"):  # noqa: PTH123
        images.save(picture, full)


def test_a_failed_write_keeps_the_old_picture(tmp_path: Path, photo: Array) -> None:
    path = tmp_path / "a.png"
    images.save(images.load(photo), path)
    old = path.read_bytes()
    code = (
        "import resource, signal, sys, torch; from impasto import images\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "images.save(torch.rand(3, 64, 64), sys.argv[1])\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"OutputError: Cannot write {path}: " in done.stderr
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OutputError, match="create it first"):
        images.save(images.load(photo), tmp_path / "none" / "a.png")


def test_to_pil(photo: Array) -> None:
    picture = images.load(photo)
    image = images.to_pil(picture)
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), photo)
    assert images.to_pil(picture.pixels[0]).size == (128, 96)
    alpha = torch.full((1, 1, 96, 128), 0.5)
    assert images.to_pil(Picture(pixels=picture.pixels, alpha=alpha)).getpixel((0, 0))[3] == 128  # type: ignore[index]


def test_text_chunks_of_png_are_readable_by_others(photo: Array) -> None:
    for bits in (8, 16):
        data = images.encode(images.load(photo), settings='{"a": 1}', bits=bits)
        image = Image.open(io.BytesIO(data))
        assert isinstance(image, PngImagePlugin.PngImageFile)
        assert image.text["impasto"] == '{"a": 1}'


# --- folders --------------------------------------------------------------------------------


def test_list_pictures(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "c.webp", ".hidden.png", "notes.txt", "d.tiff", "e"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "inner.png").touch()
    names = [path.name for path in images.list_pictures(tmp_path)]
    assert names == ["a.jpg", "b.PNG", "c.webp", "d.tiff"]
    for bad in ("none", "a.jpg"):
        with pytest.raises(ImageError, match="Cannot list"):
            images.list_pictures(tmp_path / bad)


def test_pages_that_lead_in_a_circle_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "circle.tif"
    page = np.zeros((4, 4, 3), np.float64)
    with tifffile.TiffWriter(path) as writer:
        for _ in range(130):
            writer.write(page, photometric="rgb", contiguous=False)
    with tifffile.TiffFile(path) as tiff:
        offsets = [one.offset for one in tiff.pages]
        last = tiff.pages[-1]
        place = last.offset + 2 + 12 * struct.unpack("<H", path.read_bytes()[last.offset :][:2])[0]
    data = bytearray(path.read_bytes())
    data[place : place + 4] = struct.pack("<I", offsets[0])
    path.write_bytes(data)
    loaded = images.load(path)
    assert "100 or more" in loaded.notes[0]
