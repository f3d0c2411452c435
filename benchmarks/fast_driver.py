"""One of our fast networks as a program that takes turns: `python -m benchmarks.fast_driver ORDER`.

In PyTorch, or in ONNX Runtime if the order names a file of that kind. Pictures come as Pillow has
them and leave so: reading and writing files is not counted, laying out samples is.
"""

import functools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from PIL import Image

from benchmarks.processes import say

#: Photograph, file of the style, a held style, whether it is looked at anew -> painting.
Paint = Callable[[Image.Image, str, str | None, bool], Image.Image]


@functools.cache
def read(path: str) -> Image.Image:
    """A picture, decoded once."""
    with Image.open(path) as picture:
        picture.load()
        return picture.copy()


def drive(order: dict[str, Any]) -> None:
    """Paint whenever a line asks for it."""
    make = _prepare_onnx if str(order["network"]).endswith(".onnx") else _prepare_torch
    paint = make(order)
    for line in sys.stdin:
        piece = json.loads(line)
        photo = read(piece["photo"])
        began, worked = time.perf_counter(), time.process_time()
        painted = paint(photo, piece["style"], piece.get("own"), piece["new"])
        took = {"seconds": time.perf_counter() - began, "work": time.process_time() - worked}
        # Before the answer, after which it may be ended.
        if piece.get("keep"):
            painted.save(piece["keep"], compress_level=1)
        say(took)


def _prepare_torch(order: dict[str, Any]) -> Paint:
    import torch

    from impasto.devices import keep_freed_memory
    from impasto.fastconfig import FastConfig
    from impasto.fastpainter import FastPainter

    keep_freed_memory()
    torch.set_num_threads(order["threads"])
    painter = FastPainter(order["network"], device="cpu")

    held = painter.card.styles

    def paint(photo: Image.Image, style: str, own: str | None, new: bool) -> Image.Image:
        if new:
            painter._codes.clear()
        # A network that holds styles is asked for one of its own.
        shown = (own or held[0]) if painter.holds_styles else style
        job = painter.prepare(photo, [shown], FastConfig(size=max(photo.size)))
        (*_, last) = job.run()
        return job.collect(last).to_pil()

    return paint


def _prepare_onnx(order: dict[str, Any]) -> Paint:
    from impasto.onnxpaint import OnnxPainter

    painter = OnnxPainter(order["network"], threads=order["threads"])
    first = next(iter(painter.styles), None)

    def paint(photo: Image.Image, style: str, own: str | None, new: bool) -> Image.Image:
        shown = read(style) if new or first is None else own or first
        return painter.paint(photo, shown)

    return paint


if __name__ == "__main__":
    drive(json.loads(sys.argv[1]))
