"""Trainings that take turns in one process: `python -m benchmarks.training_driver ORDER`.

Crops are made up beforehand: decoding photographs is not counted. Each line names the loop that is
to take a step.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import torch
from torch import Tensor

from benchmarks.plain import CONTENT_LAYERS, STYLE_LAYERS, PlainVGG, make_step
from benchmarks.processes import say
from impasto import gallery, images, weights
from impasto.batches import Batch
from impasto.devices import keep_freed_memory
from impasto.encoders.slimming import slim
from impasto.encoders.vgg import PREPROCESSING
from impasto.lessons import load_critic
from impasto.networks import build_network
from impasto.pyramid import cover
from impasto.stylebooks import StyleBook
from impasto.trainconfig import TrainConfig
from impasto.training import train

_SEED = 5
#: Part of the channels that a slim critic has.
_WIDTH = 0.4


def drive(order: dict[str, Any]) -> None:
    """Take a step whenever a line asks for one."""
    keep_freed_memory()
    torch.set_num_threads(order["threads"])
    torch.manual_seed(_SEED)
    size = order["size"]
    style = cover(images.load(gallery.picture_path("mosaic")).pixels, (size, size))
    photos = [torch.rand(order["batch"], 3, size, size) for _ in range(order["batches"])]
    steps = {
        name: (_begin_ours if name.startswith("impasto") else _begin_plain)(
            order, name, style, photos
        )
        for name in order["loops"]
    }
    for line in sys.stdin:
        step = steps[json.loads(line)]
        began, worked = time.perf_counter(), time.process_time()
        step()
        say({"seconds": time.perf_counter() - began, "work": time.process_time() - worked})


def _begin_plain(
    order: dict[str, Any], loop: str, style: Tensor, photos: list[Tensor]
) -> Callable[[], object]:
    state, _, preprocessing = weights.read("vgg19")
    mean, deviation = (torch.tensor(one).view(1, 3, 1, 1) for one in PREPROCESSING[preprocessing])
    step = make_step(
        PlainVGG(state, mean, deviation), style, order["width"], order["blocks"],
        keeps_style=loop == "plain, style kept",
    )  # fmt: skip
    numbers = count()
    return lambda: step(photos[next(numbers) % len(photos)])


def _begin_ours(
    order: dict[str, Any], loop: str, style: Tensor, photos: list[Tensor]
) -> Callable[[], object]:
    critic = whole = load_critic(torch.device("cpu"))
    if loop.endswith("slim critic"):
        critic = whole.duplicate()
        pictures = (images.load(path).pixels for path in map(gallery.picture_path, gallery.STYLES))
        seen = torch.cat([cover(picture, (order["size"],) * 2) for picture in pictures])
        for _ in slim(critic, whole, STYLE_LAYERS + CONTENT_LAYERS, _WIDTH, seen):
            pass
    arguments = {"styles": 1, "width": order["width"], "blocks": order["blocks"]}
    network = build_network("johnson", lambda: critic, arguments)
    book = StyleBook(critic, lambda _: style, 1, lambda *_: torch.ones(1, 1), STYLE_LAYERS)
    batch = order["batch"]
    config = TrainConfig(
        size=order["size"], batch=batch, crops=batch * len(photos),
        content_layers=CONTENT_LAYERS, style_layers=STYLE_LAYERS, steps=10**6,
    )  # fmt: skip
    events = train(network, critic, _feed(photos, batch), book, config)
    return lambda: next(events)


def _feed(photos: list[Tensor], batch: int) -> Iterator[Batch]:
    for number in count():
        numbers = tuple(range(number * batch, (number + 1) * batch))
        yield Batch(photos[number % len(photos)], numbers, {})


if __name__ == "__main__":
    drive(json.loads(sys.argv[1]))
