"""From folders of pictures to a trained network: what `impasto train` does, step by step.

`impasto.training` knows tensors only. Here are the files: which pictures are learnt from, the
network that learns, and what an interrupted training goes on from.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from impasto import gallery, images, weights
from impasto.datasets import Crops, stream
from impasto.encoders import Encoder
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError, ImpastoError
from impasto.networks import NETWORKS, build_network
from impasto.pyramid import fit_size, resize, trim_border
from impasto.trained import Card, load_training, save_network, save_training
from impasto.training import StyleBook, TrainConfig, TrainProgress, TrainState, train
from impasto.version import __version__

#: Networks that are told which of their own styles to paint in.
_OF_THEIR_OWN = frozenset(("johnson", "dumoulin"))


@dataclass(frozen=True)
class Lesson:
    """What is to be learnt.

    Attributes:
        network: See `impasto.networks.NETWORKS`.
        photographs: Pictures to paint.
        styles: Pictures to paint like; `johnson` takes one.
        config: Settings.
        arguments: Numbers that the network is built with.
        style_size: Long side in px at which styles are learnt; as large as strokes are to be.
        data: What the pictures are, in words, for the file.
        licence: Of the weights.
    """

    network: str
    photographs: tuple[Path, ...]
    styles: tuple[Path, ...]
    config: TrainConfig
    arguments: Mapping[str, int] = field(default_factory=dict)
    style_size: int = 384
    data: str = ""
    licence: str = "Apache-2.0"

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ConfigError(
                f"Unknown network {self.network!r}; choose from {', '.join(NETWORKS)}."
            )
        if self.network == "johnson" and len(self.styles) != 1:
            raise ConfigError(f"johnson learns one style, not {len(self.styles)}; try dumoulin.")
        if not self.photographs or not self.styles:
            raise ConfigError("Training needs photographs and styles; name folders of both.")

    @property
    def fingerprint(self) -> str:
        """Identifies pictures and settings."""
        facts = [
            self.network, dict(self.arguments), self.style_size,
            self.config.model_dump(mode="json"),
            [path.name for path in self.photographs], [path.name for path in self.styles],
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @property
    def holds_styles(self) -> bool:
        """Whether the network learns these very styles, and not how to paint in any."""
        return self.network in _OF_THEIR_OWN


class School:
    """A lesson under way.

    Args:
        lesson: What is to be learnt.
        device: Where.
        workers: Processes that decode photographs.

    Attributes:
        network: Who learns.
    """

    def __init__(self, lesson: Lesson, device: torch.device, workers: int = 1) -> None:
        self.lesson, self._workers, self._device = lesson, workers, device
        self._critic = load_critic(device)
        torch.manual_seed(lesson.config.seed)
        arguments = dict(lesson.arguments)
        if lesson.holds_styles:
            arguments["styles"] = len(lesson.styles)
        self._arguments = arguments
        self.network = build_network(lesson.network, lambda: self._critic, arguments).to(device)
        self._book = StyleBook(
            self._critic, self._load_style, len(lesson.styles), self._describe,
            lesson.config.style_layers,
        )  # fmt: skip

    def run(
        self, state: TrainState | None = None, deadline: float = math.inf
    ) -> Iterator[TrainProgress]:
        """Train; yields an event after each step. See `impasto.training.train`."""
        lesson = self.lesson
        crops = Crops(lesson.photographs, lesson.config.size, lesson.config.seed)
        first = state.step if state else 0
        batches = stream(crops, lesson.config.batch, first=first, workers=self._workers)
        describe = None if lesson.holds_styles else self._describe_pictures
        yield from train(
            self.network, self._critic, batches, self._book, lesson.config,
            describe=describe, state=state, deadline=deadline,
        )  # fmt: skip

    def load(self, path: Path) -> TrainState:
        """Read what an interrupted training goes on from."""
        return load_training(path, self.lesson.fingerprint)

    def keep(self, path: Path, state: TrainState) -> None:
        """Write what training can go on from."""
        save_training(path, state, self.lesson.fingerprint)

    def save(self, path: Path, state: TrainState) -> Card:
        """Write the network, by its averaged weights, and say what it is."""
        lesson = self.lesson
        card = Card(
            network=lesson.network,
            arguments=self._arguments,
            styles=tuple(path.stem for path in lesson.styles) if lesson.holds_styles else (),
            steps=state.step,
            pictures=state.step * lesson.config.batch,
            data=lesson.data,
            licence=lesson.licence,
            recipe=lesson.config.model_dump(mode="json") | {"style_size": lesson.style_size},
            version=__version__,
        )
        save_network(path, state.average, card)
        return card

    def _load_style(self, number: int) -> Tensor | None:
        try:
            picture = images.load(self.lesson.styles[number]).pixels
        except ImpastoError:
            return None
        picture = trim_border(picture, 0.03)
        size = fit_size((picture.shape[-2], picture.shape[-1]), self.lesson.style_size)
        return resize(picture, size).to(self._device)

    def _describe(self, style: Tensor, number: int) -> Tensor:
        if self.lesson.holds_styles:
            shares = torch.zeros(1, len(self.lesson.styles), device=self._device)
            shares[0, number] = 1
            return shares
        return self._describe_pictures(style)

    def _describe_pictures(self, pictures: Tensor) -> Tensor:
        describe: Callable[[Tensor], Tensor] = self.network.describe  # type: ignore[assignment]
        return describe(pictures)


def load_critic(device: torch.device, precision: torch.dtype = torch.float32) -> Encoder:
    """The network of the losses: VGG-19 with Oxford's weights, as the optimiser uses it."""
    state, architecture, preprocessing = weights.read("vgg19")
    critic = VGG(architecture, state, preprocessing=preprocessing, pooling="max")
    return critic.to(device).with_precision(precision)


def find_pictures(places: Sequence[str], *, gallery_too: bool = False) -> tuple[Path, ...]:
    """All pictures of some folders, and files, in order; names of the gallery if they may be.

    Raises:
        ConfigError: If a place is none, or there is no picture.
    """
    found: list[Path] = []
    for place in places:
        path = Path(place)
        if path.is_dir():
            found += images.list_pictures(path)
        elif path.is_file():
            found.append(path)
        elif gallery_too and place == "gallery":
            found += [gallery.picture_path(name) for name in gallery.STYLES]
        elif gallery_too:
            found.append(gallery.picture_path(place))
        else:
            raise ConfigError(f"There is no folder {place}.")
    if not found:
        raise ConfigError(f"There is no picture in {', '.join(places)}.")
    return tuple(found)


def show_samples(
    network: nn.Module, photographs: Sequence[Tensor], wishes: Sequence[Tensor]
) -> Tensor:
    """A sheet: a row for each photograph, first itself, then in each style; (1, 3, H, W).

    Args:
        network: Who paints.
        photographs: Each (1, 3, s, s).
        wishes: What the network is told.
    """
    rows = []
    with torch.no_grad():
        for photo in photographs:
            painted = [network(photo, wish).clamp(0, 1) for wish in wishes]
            rows.append(torch.cat([photo, *painted], dim=3))
    return torch.cat(rows, dim=2)
