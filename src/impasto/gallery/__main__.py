"""Repaint the gallery: ``python -m impasto.gallery --out DIR [--size N] [NAME ...]``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw

from impasto.errors import ConfigError
from impasto.gallery import STYLES, generate

_MOUNT = "#f4f1ea"
_QUALITY = 60  # all pictures together stay below 1.5 MB, and brush hairs survive


def save_picture(image: Image.Image, path: Path) -> None:
    """Write a picture as WebP, its colour edges kept sharp."""
    image.save(path, "WEBP", quality=_QUALITY, method=6, use_sharp_yuv=True)


def make_contact_sheet(
    pictures: dict[str, Image.Image], rows: int = 3, width: int = 1360
) -> Image.Image:
    """All pictures in justified rows, in their order, with their names below."""
    gap, label = 8, 20
    total = sum(picture.width / picture.height for picture in pictures.values())
    lines: list[list[str]] = [[] for _ in range(rows)]
    passed = 0.0
    for name, picture in pictures.items():
        share = picture.width / picture.height
        lines[int((passed + share / 2) / total * rows)].append(name)
        passed += share
    strips = [
        _fill_row({n: pictures[n] for n in line}, width, gap, label) for line in lines if line
    ]
    height = sum(strip.height + gap for strip in strips) + gap
    sheet = Image.new("RGB", (width + 2 * gap, height), _MOUNT)
    top = gap
    for strip in strips:
        sheet.paste(strip, (gap, top))
        top += strip.height + gap
    return sheet


def _fill_row(pictures: dict[str, Image.Image], width: int, gap: int, label: int) -> Image.Image:
    """Pictures side by side, of the one height at which they fill `width`."""
    total = sum(picture.width / picture.height for picture in pictures.values())
    height = min((width - gap * (len(pictures) - 1)) / total, 320)
    strip = Image.new("RGB", (width, round(height) + label), _MOUNT)
    draw = ImageDraw.Draw(strip)
    left = 0.0
    for name, picture in pictures.items():
        wide = height * picture.width / picture.height
        size = (max(round(wide), 1), max(round(height), 1))
        strip.paste(picture.resize(size, Image.Resampling.LANCZOS), (round(left), 0))
        draw.text((left + 2, height + 3), name, fill="#333333", font_size=14)
        left += wide + gap
    return strip


def _parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m impasto.gallery", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="styles; all, if none is given")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--size", type=int, default=768, help="long side in pixels")
    parser.add_argument("--seed", type=int, help="another hand than the shipped one")
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet of the folder")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Paint what was asked for; returns the exit status."""
    options = _parse_arguments(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or STYLES:
        begun = time.perf_counter()
        try:
            pixels = generate(name, options.size, options.seed)
        except ConfigError as error:
            sys.stderr.write(f"{error}\n")
            return error.exit_code
        path = options.out / f"{name}.webp"
        save_picture(Image.fromarray(pixels), path)
        seconds = time.perf_counter() - begun
        sys.stdout.write(f"{path}  {path.stat().st_size / 1000:.0f} kB  {seconds:.0f} s\n")
    if options.sheet:
        found = {name: options.out / f"{name}.webp" for name in STYLES}
        pictures = {n: Image.open(p).convert("RGB") for n, p in found.items() if p.exists()}
        make_contact_sheet(pictures).save(options.sheet, quality=77, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
