"""From folders of pictures to a trained network: what `impasto train` does, step by step.

`impasto.training` knows tensors only. Here are the files: which pictures are learnt from, the
network that learns, and what an interrupted training goes on from.
"""

import contextlib
import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from impasto import gallery, images, weights
from impasto.datasets import Crops, load_picture, stream
from impasto.devices import choose_precision, measure_free_memory
from impasto.encoders.slimming import slim
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError, ImpastoError
from impasto.files import digest_of
from impasto.heritage import Heritage
from impasto.inversion import fit_decoder, fit_predictor
from impasto.narrowing import check_pair, narrow_network
from impasto.networks import NETWORKS, build_network, find_eye
from impasto.networks.adain import AdaIN
from impasto.networks.eye import fit_eye
from impasto.networks.micro import MicroNet
from impasto.provenance import find_commit
from impasto.pyramid import cover, fit_size, resize, trim_border
from impasto.samplesheets import show_samples, wearing
from impasto.stylebooks import StyleBook
from impasto.teams import ALONE, Team
from impasto.trainconfig import TrainConfig
from impasto.trained import Card, load_network, load_training, save_network, save_training
from impasto.training import TrainProgress, TrainState, train
from impasto.trainlosses import OBJECTIVES
from impasto.tutors import Tutor
from impasto.version import __version__

#: Networks that are told which of their own styles to paint in.
_OF_THEIR_OWN = frozenset(("johnson", "dumoulin"))
#: Numbers of networks that begin afresh; those that cards of before do not tell are 0.
_FRESH, _FRESH_MICRO = {"smooth": 1}, {"grain": 6}
#: Networks whose weights can be found by least squares to begin with.
_FITTED = ("adain", "micro")
#: Pictures of a folder that are kept for samples, if there are ten times as many.
_HELD_OUT = 3
#: Styles on a sheet of samples.
_SHOWN = 4
#: Bytes for what is known of styles; 2400 of them take 0.8 GiB.
_MOST_ROOM = 4 << 30
#: Part of a style picture's long side that is cut off at each border: frames, margins.
_FRAME = 0.03
#: Pictures by which a slim critic is fitted, and their side.
_SEEN, _SIDE = 96, 128


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
        start: Trained network to go on from.
        teacher: File of a trained network to learn from; see `TrainConfig.teacher_weight`.
        fit: Photographs by which AdaIN's decoder, or a micro that is narrower than `start`, is
            fitted before it learns.

    Raises:
        ConfigError: If the network is unknown, or cannot learn from these pictures.
    """

    network: str
    photographs: tuple[Path, ...]
    styles: tuple[Path, ...]
    config: TrainConfig
    arguments: Mapping[str, int] = field(default_factory=dict)
    style_size: int = 384
    data: str = ""
    licence: str = ""
    start: Heritage | None = None
    teacher: Path | None = None
    fit: int = 0

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ConfigError(
                f"Unknown network {self.network!r}; choose from {', '.join(NETWORKS)}."
            )
        if self.network == "johnson" and len(self.styles) != 1:
            raise ConfigError(f"johnson learns one style, not {len(self.styles)}; try dumoulin.")
        if not self.photographs or not self.styles:
            raise ConfigError("Training needs photographs and styles; name folders of both.")
        if self.holds_styles and any(part.identity for part in self.config.parts):
            raise ConfigError(f"{self.network} knows only its styles; leave out --identity.")
        if self.fit and self.network not in _FITTED:
            raise ConfigError(
                f"Only {' and '.join(_FITTED)} can be fitted; leave out --fit for {self.network}."
            )
        if self.fit and self.network == "micro" and self.start is None:
            raise ConfigError("micro is fitted to a wider one; name that with --start.")
        if self.teacher is None and any(part.teacher_weight for part in self.config.parts):
            raise ConfigError("--teacher-weight needs a teacher; name a network with --teacher.")

    @property
    def fingerprint(self) -> str:
        """Identifies pictures and settings."""
        facts = [
            self.network, dict(self.arguments), self.style_size,
            self.config.to_dict(),
            [path.name for path in self.photographs], [path.name for path in self.styles],
        ]  # fmt: skip
        if self.start is not None:
            facts.append(self.start.identity["sha256"])
        if self.teacher is not None:
            facts.append(digest_of(self.teacher))
        if self.fit:
            facts.append(self.fit)
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @property
    def holds_styles(self) -> bool:
        """Whether the network learns these very styles, and not how to paint in any."""
        return self.network in _OF_THEIR_OWN

    @property
    def held(self) -> tuple[str, ...]:
        """Names of the styles that the network is to hold; empty if it takes any."""
        return tuple(path.stem for path in self.styles) if self.holds_styles else ()

    def divide(self) -> tuple[list[Path], list[Path]]:
        """Photographs to learn from, and those for samples."""
        return hold_out(self.photographs)

    def divide_styles(self) -> tuple[list[Path], list[Path]]:
        """Styles to learn from, and those for samples: its own, or ones it never saw."""
        if self.holds_styles:
            return list(self.styles), _spread(self.styles, _SHOWN)
        return hold_out(self.styles, _SHOWN)


class School:
    """A lesson under way.

    Args:
        lesson: What is to be learnt.
        device: Where.
        workers: Processes that decode photographs.
        team: Processes that train together.
        critic: The network of the losses; VGG-19 with Oxford's weights if left out.

    Attributes:
        network: Who learns.
        broken: Pictures that could not be read so far, with what was wrong.
        beginning: What it begins with, in a line; empty for weights drawn at random.
    """

    def __init__(
        self,
        lesson: Lesson,
        device: torch.device,
        workers: int = 1,
        *,
        team: Team = ALONE,
        critic: VGG | None = None,
    ) -> None:
        self.lesson, self._workers, self._device, self._team = lesson, workers, device, team
        self.broken: dict[str, str] = {}
        self._photographs, self._shown = lesson.divide()
        self._styles, self._shown_styles = lesson.divide_styles()
        fresh = _FRESH | (_FRESH_MICRO if lesson.network == "micro" else {})
        given = lesson.start.arguments if lesson.start else fresh
        self._arguments = given | dict(lesson.arguments)
        if lesson.holds_styles:
            self._arguments["styles"] = len(lesson.styles)
        config = lesson.config
        # What the network itself sees is always exact; only losses may be taken in half precision.
        self._encoder = critic or load_critic(device)
        self.precision = choose_precision(config.precision, device)
        self._critic = self._encoder.with_precision(self.precision)
        self._is_prepared = False
        if config.critic_width < 1:
            self._critic = self._critic.duplicate()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = build_network(lesson.network, lambda: self._encoder, self._arguments)
        # What the network does not go on from.
        self._new: tuple[str, ...] = tuple(network.state_dict())
        self.beginning = self._begin(network)
        self.network = network.to(device)
        self._learns_to_describe = bool(getattr(network, "learns_to_describe", False))
        # The network looks at styles through the critic, if that is exact.
        looks_at = getattr(network, "looks_at", ()) if self._critic is self._encoder else ()
        self._book = StyleBook(
            self._critic, self._load_style, len(self._styles), self._describe, list_layers(config),
            learner=self._describe_pictures if self._learns_to_describe else None,
            looks_at=looks_at,
            describe_seen=getattr(network, "describe_seen", None) if looks_at else None,
            room=_find_room(device),
        )  # fmt: skip
        self._tutor = None if lesson.teacher is None else self._hire(lesson.teacher)

    @property
    def fingerprint(self) -> str:
        """Identifies pictures, settings and the number of processes."""
        return f"{self.lesson.fingerprint}-{self._team.ranks}"

    def prepare(self, *, afresh: bool = True) -> Iterator[str]:
        """What comes before the first step: a slim critic, an eye, a fitted decoder.

        Yields what was done.

        Args:
            afresh: Whether the network begins, and does not go on from a state.
        """
        self._is_prepared = True
        lesson, config = self.lesson, self.lesson.config
        if config.critic_width < 1:
            pictures = self._cut(_SEEN // 2, self._photographs, self._styles)
            layers = [layer for part in config.parts for layer in part.content_layers]
            for name, channels, missed in slim(
                self._critic, self._encoder, layers + list_layers(config), config.critic_width,
                pictures, config.seed,
            ):  # fmt: skip
                yield f"The critic's {name} has {channels} channels; {missed:.1%} unexplained."
        eye = find_eye(self.network)
        if afresh and eye is not None and self._is_new("eye."):
            pictures = self._cut(_SEEN // 2, self._photographs, self._styles)
            *_, last = fit_eye(eye, self._encoder, pictures, config.seed)
            yield f"The eye has {eye.width} channels at full size; {last.missed:.1%} unexplained."
        if afresh and lesson.fit and isinstance(self.network, AdaIN):
            yield from self._fit(self.network)
        if afresh and lesson.fit and isinstance(self.network, MicroNet):
            yield from self._narrow(self.network)

    def _is_new(self, part: str) -> bool:
        return any(name.startswith(part) for name in self._new)

    def _fit(self, network: AdaIN) -> Iterator[str]:
        """Fit what an AdaIN does not go on from."""
        config, count = self.lesson.config, self.lesson.fit
        if self._is_new("decoder."):
            pictures = self._cut(count, self._photographs, size=config.size)
            fitted = fit_decoder(network, self._encoder, pictures, config.seed)
            for place, missed in enumerate(fitted, 1):
                yield f"Convolution {place} of the decoder is fitted; {missed:.0%} unexplained."
        if self._is_new("predictor."):
            yield f"Looks at {2 * count} crops for what the decoder is to be told of a style."
            pictures = self._cut(count, self._photographs, self._styles, size=config.size)
            missed = fit_predictor(network, self._encoder, pictures)
            yield f"What the decoder is told of a style is fitted; {missed:.0%} unexplained."

    def _narrow(self, network: MicroNet) -> Iterator[str]:
        """Fit a network to the wider one that it goes on from."""
        lesson, config = self.lesson, self.lesson.config
        assert lesson.start is not None
        wide, _ = load_network(lesson.start.path, lambda: self._encoder, self._device)
        assert isinstance(wide, MicroNet)
        check_pair(network, wide)
        photographs = self._cut(lesson.fit, self._photographs, size=config.size)
        styles = (self._load_style(number) for number in _pick(len(self._styles), lesson.fit))
        with torch.no_grad():
            codes = [wide.describe(style) for style in styles if style is not None]
        if not codes:
            raise ConfigError("None of the styles can be read; name other --styles.")
        wishes = torch.cat([codes[number % len(codes)] for number in range(lesson.fit)])
        for layer in narrow_network(network, wide, photographs, wishes, config.seed):
            yield f"{layer.layer} has {layer.channels} channels; {layer.missed:.1%} unexplained."

    def _cut(self, count: int, *places: Sequence[Path], size: int = _SIDE) -> Tensor:
        """Crops of pictures, some from each place."""
        found: list[Tensor] = []
        for paths in places:
            crops = Crops(paths, size, self.lesson.config.seed + 1)
            found += [crops[number][0] for number in range(count)]
        return torch.stack(found).to(self._device)

    def run(
        self,
        state: TrainState | None = None,
        deadline: float = math.inf,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[TrainProgress]:
        """Train; yields an event after each step. See `impasto.training.train`."""
        lesson, team = self.lesson, self._team
        config = lesson.config
        if not self._is_prepared:
            for _ in self.prepare(afresh=state is None):
                pass
        crops = Crops(self._photographs, config.size, config.seed, config.crops)
        batches = stream(
            crops, lesson.config.batch, first=state.step if state else 0, workers=self._workers,
            rank=team.rank, ranks=team.ranks,
        )  # fmt: skip
        describe = None if lesson.holds_styles else self._describe_pictures
        with contextlib.closing(batches):
            for progress in train(
                self.network, self._critic, batches, self._book, lesson.config,
                describe=describe, state=state, deadline=deadline, team=team,
                room=_find_room(self._device), tutor=self._tutor, stop=stop,
            ):  # fmt: skip
                self.broken |= progress.batch.broken
                yield progress

    def load(self, path: Path) -> TrainState:
        """Read what an interrupted training goes on from."""
        return load_training(path, self.fingerprint)

    def keep(self, path: Path, state: TrainState) -> None:
        """Write what training can go on from."""
        save_training(path, state, self.fingerprint)

    def save(self, path: Path, state: TrainState) -> Card:
        """Write the network, by its averaged weights, and say what it is."""
        lesson = self.lesson
        card = Card(
            network=lesson.network,
            arguments=self._arguments,
            styles=lesson.held,
            steps=state.step,
            pictures=state.step * lesson.config.batch * self._team.ranks,
            data=lesson.data,
            licence=lesson.licence,
            recipe=lesson.config.to_dict() | {"style_size": lesson.style_size},
            version=__version__,
            commit=find_commit(),
            started_from=lesson.start.identity if lesson.start else {},
        )
        save_network(path, state.average, card)
        return card

    def sample(self, state: TrainState) -> Tensor:
        """Photographs in some styles, as the averaged network paints them, (1, 3, H, W).

        None of them was learnt from if there are enough; but a network that holds styles is shown
        in those. The first row has the styles.
        """
        side = max(self.lesson.config.size, 128)
        found = [self._read(path) for path in self._shown]
        photos = [cover(photo, (side, side)) for photo in found if photo is not None]
        styles = [(path, self._read(path)) for path in self._shown_styles]
        with torch.no_grad(), wearing(self.network, state.average):
            known = [(picture, self._tell(path, picture)) for path, picture in styles
                     if picture is not None]  # fmt: skip
            if not photos or not known:
                return torch.zeros(1, 3, side, side)
            sheet = show_samples(self.network, photos, [wish for _, wish in known])
        corner = torch.ones_like(photos[0])
        top = [corner, *(cover(picture, (side, side)) for picture, _ in known)]
        return torch.cat([torch.cat(top, dim=3), sheet], dim=2)

    def _begin(self, network: nn.Module) -> str:
        """Give a fresh network what it goes on from; returns a line about that."""
        if self.lesson.start is None:
            return ""
        bequest = self.lesson.start.hand_down(network.state_dict(), self.lesson.held)
        network.load_state_dict(bequest.state)
        self._new = bequest.new
        return self.lesson.start.describe(bequest)

    def _hire(self, path: Path) -> Tutor:
        """The network to learn from.

        Raises:
            ConfigError: If it paints in styles of its own only.
        """
        network, card = load_network(path, lambda: self._encoder, self._device)
        if card.styles:
            raise ConfigError(f"{path.name} knows only its styles; a teacher takes any.")
        return Tutor(
            network, functools.partial(self._tell_tutor, network), _find_room(self._device)
        )

    def _tell_tutor(self, network: nn.Module, number: int) -> Tensor:
        picture = self._load_style(number)
        assert picture is not None
        with torch.no_grad():
            told: Tensor = network.describe(picture)  # type: ignore[operator]
        return told

    def _tell(self, path: Path, picture: Tensor) -> Tensor:
        if self.lesson.holds_styles:
            return self._share(self._styles.index(path))
        side = self.lesson.config.size
        size = fit_size((picture.shape[-2], picture.shape[-1]), self.lesson.style_size)
        ready = cover(picture, (side, side)) if self._learns_to_describe else resize(picture, size)
        return self._describe_pictures(ready)

    def _read(self, path: Path) -> Tensor | None:
        try:
            return load_picture(path).to(self._device)
        except ImpastoError as error:
            self.broken[str(path)] = str(error)
            return None

    def _load_style(self, number: int) -> Tensor | None:
        path = self._styles[number]
        # The only one is not passed over: what is wrong with it is what the user wants to know.
        alone = len(self._styles) == 1
        picture = load_picture(path).to(self._device) if alone else self._read(path)
        if picture is None:
            return None
        picture = trim_border(picture, _FRAME)
        size = fit_size((picture.shape[-2], picture.shape[-1]), self.lesson.style_size)
        return resize(picture, size)

    def _describe(self, style: Tensor, number: int) -> Tensor:
        if self.lesson.holds_styles:
            return self._share(number)
        if self._learns_to_describe:
            return cover(style, (self.lesson.config.size,) * 2)
        return self._describe_pictures(style)

    def _share(self, number: int) -> Tensor:
        shares = torch.zeros(1, len(self._styles), device=self._device)
        shares[0, number] = 1
        return shares

    def _describe_pictures(self, pictures: Tensor) -> Tensor:
        describe: Callable[[Tensor], Tensor] = self.network.describe  # type: ignore[assignment]
        return describe(pictures)


def list_layers(config: TrainConfig) -> list[str]:
    """Where styles are looked at, in any stage."""
    layers: set[str] = set()
    for part in config.parts:
        layers |= set(part.style_layers)
        if OBJECTIVES[part.objective].mixes:
            layers |= set(part.content_layers)
    return sorted(layers)


def _find_room(device: torch.device) -> int:
    """Bytes that what is known of styles may take: a quarter of what is free."""
    free = measure_free_memory(device)
    return _MOST_ROOM if free is None else min(_MOST_ROOM, free // 4)


def load_critic(device: torch.device) -> VGG:
    """The network of the losses: VGG-19 with Oxford's weights, as the optimiser uses it."""
    state, architecture, preprocessing = weights.read("vgg19")
    return VGG(architecture, state, preprocessing=preprocessing, pooling="max").to(device)


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
        elif gallery_too and place in gallery.STYLES:
            found.append(gallery.picture_path(place))
        else:
            more = (
                ", no picture, and no style of the gallery" if gallery_too else ", and no picture"
            )
            raise ConfigError(f"There is no folder {place}{more}.")
    if not found:
        raise ConfigError(f"There is no picture in {', '.join(places)}.")
    return tuple(found)


def hold_out(paths: Sequence[Path], count: int = _HELD_OUT) -> tuple[list[Path], list[Path]]:
    """Pictures to learn from, and a few evenly spaced ones to show; of few pictures the same."""
    shown = _spread(paths, count)
    if len(paths) < 10 * count:
        return list(paths), shown
    return [path for path in paths if path not in set(shown)], shown


def _spread(paths: Sequence[Path], count: int) -> list[Path]:
    return [paths[number] for number in _pick(len(paths), count)]


def _pick(total: int, count: int) -> list[int]:
    """Some of `total` numbers, evenly spaced."""
    count = min(count, total)
    return [(2 * place + 1) * total // (2 * count) for place in range(count)]
