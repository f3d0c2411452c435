"""The front door of painting in one pass: pictures in, a painting out, in a moment.

    result = impasto.fast("photo.jpg", "starry_night.jpg", network="micro")

A `FastPainter` keeps the network, and what it says of each style, for many pictures.
"""

import functools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from impasto import gallery
from impasto.api import Job, Painter, Painting, Placement, find_style, flatten, identify
from impasto.colormodes import COLOR_MODES
from impasto.config import PaintConfig
from impasto.devices import measure_free_memory
from impasto.errors import ConfigError, ImageError
from impasto.fastconfig import FastConfig
from impasto.finishing import check_libraries, parse_finish
from impasto.images import DEFAULT_MAX_PIXELS, Picture, Source
from impasto.masks import MaskFinder
from impasto.networks import FastNetwork
from impasto.painting import paint as run_engine
from impasto.progress import PaintState, Progress
from impasto.pyramid import SMALLEST_SIDE, Size, fit_size, plan_painting, resize, trim_border
from impasto.quick import Room, check_parts, describes, find_room, paint_quickly
from impasto.recoloring import check_modes
from impasto.regions import Guidance, ScaledGuidance, pair_masks
from impasto.shelf import digest_of, find_network, name_network
from impasto.showing import Show
from impasto.trained import Card, load_network

#: Long side in px at which styles are looked at if a network does not say how it was trained.
_STYLE_SIDE = 384
#: Colour modes that change the style picture before it is looked at.
_BEFORE = ("photo", "linear", "luminance")
#: What a network says of styles is kept for this many of them.
_KEPT = 256


@dataclass(frozen=True)
class FastJob(Job):
    """One fast painting to be done; see `Job`, whose `config` here is for what comes after.

    Attributes:
        fast: The settings.
        hand: Who paints it.
        names: The styles, as they were named; `styles` has pictures of those that have one.
        room: Tiles, and the memory that it takes.
    """

    fast: FastConfig = field(default_factory=FastConfig)
    hand: "FastPainter | None" = None
    names: tuple[str, ...] = ()
    room: Room = field(default_factory=lambda: Room(None, 0))

    def run(self, state: PaintState | None = None) -> Iterator[Progress]:
        """Paint; one event, or one after each step of refining."""
        began = time.perf_counter()
        if state is None:
            picture = self.paint()
        if self.fast.refine:
            yield from self._refine(None if state else picture, state)
            return
        show = Show(flatten(self.photo), self.shown, self.config, None)
        size = (picture.shape[-2], picture.shape[-1])
        places = self.places(size)
        finished = functools.cache(lambda: show.finish(picture, places))
        finished()  # its time is a part of painting
        yield Progress(
            scale=0, scales=1, size=size, step=1, steps=1, loss=0.0, terms={},
            seconds=time.perf_counter() - began, seconds_left=0.0, note="", done=True,
            picture=finished, state=lambda: PaintState(0, 1, picture),
        )  # fmt: skip

    def places(self, size: Size) -> ScaledGuidance:
        """Masks at the size of the painting."""
        return self.guidance.scale(size, torch.device("cpu"))

    def paint(self) -> Tensor:
        """What the network makes of the photograph, at full size and before any finish."""
        assert self.hand is not None
        full, at_work = self.sizes
        photograph = flatten(self.photo)
        content = resize(photograph, at_work)
        picture = paint_quickly(
            self.hand.network, content, self.hand.list_wishes(self, photograph),
            strength=self.fast.strength, guidance=self.guidance, tile=self.room.tile,
        )  # fmt: skip
        return resize(picture, full)

    @property
    def sizes(self) -> tuple[Size, Size]:
        """(H, W) of the painting, and that at which the network works."""
        return find_sizes(self.fast, self.photo.size)

    def _refine(self, start: Tensor | None, state: PaintState | None) -> Iterator[Progress]:
        device = self.painter.device
        yield from run_engine(
            flatten(self.photo).to(device),
            [flatten(style).to(device) for style in self.styles],
            self.painter.load_encoder(self.config),
            self.config,
            start=start,
            state=state,
            frugality=self.frugality,
            guidance=self.guidance,
        )

    @property
    def shown(self) -> list[Tensor]:
        """The style pictures; several --colors want one for each mask."""
        shown = [flatten(style) for style in self.styles]
        return shown or [flatten(self.photo)] * len(self.names)

    @property
    def guidance(self) -> Guidance:
        """Where which style is painted."""
        shares = self.fast.style_shares
        if self.placement is None:
            return Guidance(pair_masks(len(self.names), (), (), shares))
        return self.placement.guide(len(self.names), shares)

    def _describe(self) -> dict[str, Any]:
        assert self.hand is not None
        described = super()._describe()
        described["settings"] = self.fast.to_dict()
        described["network"] = self.hand.identity
        described["styles"] = [identify(style) for style in self.styles]
        if self.hand.holds_styles:
            described["own_styles"] = list(self.names)
            described["styles"] = []
        return described


class FastPainter:
    """Keeps a network, and what it says of styles, for any number of paintings.

    Args:
        network: Name of one that comes with impasto, or a file; see `impasto.shelf`.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        offline: Never download anything.
        memory: Bytes that a painting may take; by default what is free.
        max_pixels: Largest picture that is decoded.
        on_download: Called as (name, bytes done, bytes in all) while weights are fetched.

    Attributes:
        card: What the network says of itself.
        painter: Who refines.
        holds_styles: Whether it paints in styles of its own only, and not in any.

    Raises:
        WeightsError: If there is no such network, or its file is damaged.
    """

    def __init__(
        self,
        network: str | os.PathLike[str] | None = None,
        *,
        device: str = "auto",
        offline: bool = False,
        memory: int | None = None,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        on_download: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self.path = find_network(None if network is None else os.fspath(network))
        self.painter = Painter(
            device=device, offline=offline, memory=memory, max_pixels=max_pixels,
            on_download=on_download,
        )  # fmt: skip
        self._memory = memory
        self.network: nn.Module
        self.card: Card
        self.network, self.card = load_network(self.path, self._find_encoder, self.painter.device)
        self.holds_styles = not describes(self.network)
        self._codes: dict[tuple[Any, ...], Tensor] = {}
        self._pictures: dict[tuple[Any, ...], Picture] = {}

    @functools.cached_property
    def identity(self) -> dict[str, str]:
        """Name and digest of the network's file."""
        return {"name": name_network(self.path), "sha256": digest_of(self.path)}

    def prepare(
        self,
        photo: Source | Picture,
        styles: Sequence[Source | Picture],
        config: FastConfig | None = None,
        *,
        placement: Placement | None = None,
    ) -> FastJob:
        """Load and check everything that a painting needs, before any work is done.

        Args:
            photo: The photograph: path, bytes, open file, PIL image, array or tensor.
            styles: Style pictures or names from the gallery; for a network that holds styles,
                their names.
            config: Settings; the defaults if left out.
            placement: Masks and a map of strength.

        Raises:
            ConfigError: If the settings do not fit the network or the pictures.
            ImageError: If a picture cannot be read or has no area worth painting.
            MemoryBudgetError: If it would not fit.
        """
        config = config or FastConfig()
        names, pictures = self._choose_styles(styles, config)
        loaded = self.painter.load(photo)
        finder = MaskFinder(
            flatten(loaded), loaded.name, offline=self.painter.offline,
            progress=self.painter.on_download,
        )  # fmt: skip
        job = FastJob(
            loaded,
            pictures,
            config.for_paint(),
            None,
            self.painter,
            placement=None if placement is None else placement.load(self.painter.load, finder),
            fast=config,
            hand=self,
            names=names,
        )
        _check(job)
        room = self._find_room(job.sizes)
        frugality = None
        if config.refine:
            frugality = self.painter.choose_frugality(job.config, loaded)
        return replace(job, room=room, frugality=frugality)

    def list_wishes(self, job: FastJob, photograph: Tensor) -> list[Tensor]:
        """What the network is to be told of each style, each (1, K)."""
        if self.holds_styles:
            held = torch.eye(max(1, len(self.card.styles)), device=self.painter.device)
            return [held[[self._find_own(name)]] for name in job.names]
        modes = job.config.color_modes
        modes = modes * len(job.styles) if len(modes) == 1 else modes
        return [
            self.describe_style(style, job.fast, mode, photograph)
            for style, mode in zip(job.styles, modes, strict=True)
        ]

    def list_codes(self, styles: Sequence[Source | Picture]) -> dict[str, Tensor]:
        """What the network is told of some styles, each (1, K), by their names.

        Raises:
            ConfigError: If styles are given to a network that holds its own.
        """
        if not self.holds_styles:
            pictures = [self._load_style(style) for style in styles]
            return {one.name: self.describe_style(one, FastConfig()).cpu() for one in pictures}
        if styles:
            raise ConfigError(f"{self._called} brings its own styles; leave --style out.")
        held = self.card.styles or (name_network(self.path),)
        return dict(zip(held, torch.split(torch.eye(len(held)), 1), strict=True))

    def describe_style(
        self,
        style: Picture,
        config: FastConfig,
        mode: str = "style",
        photograph: Tensor | None = None,
    ) -> Tensor:
        """What the network says of a style picture, (1, K); looked at once.

        Args:
            style: The picture.
            config: Says how large it is looked at, and without how much of its border.
            mode: Whose colours, see `impasto.colormodes`.
            photograph: Whose colours it gets, if the mode says so.
        """
        side = config.style_size or int(self.card.recipe.get("style_size", _STYLE_SIDE))
        key = (identify(style)["sha256"], side, config.trim_style)
        recolored = mode in _BEFORE and photograph is not None
        if not recolored and key in self._codes:
            return self._codes[key]
        picture = trim_border(flatten(style), config.trim_style)
        size = (picture.shape[-2], picture.shape[-1])
        picture = resize(picture, fit_size(size, side))
        if recolored and photograph is not None:
            picture = COLOR_MODES[mode].before(picture, photograph)
        with torch.no_grad():
            code: Tensor = self.network.describe(picture.to(self.painter.device))  # type: ignore[operator]
        if not recolored:
            if len(self._codes) >= _KEPT:
                self._codes.clear()
            self._codes[key] = code
        return code

    def _choose_styles(
        self, styles: Sequence[Source | Picture], config: FastConfig
    ) -> tuple[tuple[str, ...], tuple[Picture, ...]]:
        """Names of the styles, and their pictures as far as they have one."""
        if not styles:
            raise ConfigError(self._list_styles("No style is given"))
        if not self.holds_styles:
            pictures = tuple(self._load_style(style) for style in styles)
            return tuple(picture.name for picture in pictures), pictures
        names = tuple(str(one.name if isinstance(one, Picture) else one) for one in styles)
        for name in names:
            self._find_own(name)
        if not config.refine:
            return names, ()
        missing = [name for name in names if name not in gallery.STYLES]
        if missing:
            raise ConfigError(
                f"--refine needs a picture of the style, and {missing[0]} is known to this network"
                " alone; leave --refine out, or take a network for any style."
            )
        return names, tuple(self._load_style(name) for name in names)

    def _find_own(self, name: str) -> int:
        held = self.card.styles or (name_network(self.path),)
        if name not in held:
            raise ConfigError(self._list_styles(f"{self._called} has no style {name!r}"))
        return held.index(name)

    def _list_styles(self, problem: str) -> str:
        if not self.holds_styles:
            return f"{problem}; name a picture, or a style from impasto styles."
        held = ", ".join(self.card.styles or (name_network(self.path),))
        return f"{problem}; it paints in {held}."

    @property
    def _called(self) -> str:
        return f"The network {name_network(self.path)}"

    def _load_style(self, style: Source | Picture) -> Picture:
        """Load a style picture; one from a file is kept until the file changes."""
        found = find_style(style)
        if not isinstance(found, str | os.PathLike) or found == "-":
            return self.painter.load(found)
        path = Path(found)
        try:
            facts = path.stat()
        except (OSError, ValueError):
            return self.painter.load(found)
        key = (str(path), facts.st_mtime_ns, facts.st_size)
        if key not in self._pictures:
            self._pictures[key] = self.painter.load(found)
        return self._pictures[key]

    def _find_room(self, sizes: tuple[Size, Size]) -> Room:
        budget = self._memory or measure_free_memory(self.painter.device)
        width = self.card.arguments.get("width")
        reach = cast(FastNetwork, self.network).reach
        return find_room(self.card.network, width, reach, sizes[1], budget)

    def _find_encoder(self) -> Any:
        """VGG-19 as it was when the network was trained, in float32."""
        return self.painter.load_encoder(PaintConfig(precision="float32"))


def find_sizes(config: FastConfig, photograph: Size) -> tuple[Size, Size]:
    """(H, W) of the painting of a photograph, and that at which the network works."""
    full = plan_painting(config.for_paint(), photograph)[-1].size
    if config.network_size is None:
        return full, full
    return full, fit_size(full, config.network_size)


def fast(
    photo: Source | Picture,
    styles: Source | Picture | Sequence[Source | Picture],
    *,
    network: str | os.PathLike[str] | None = None,
    placement: Placement | None = None,
    device: str = "auto",
    **settings: Any,
) -> Painting:
    """Paint a photograph in one pass of a trained network.

    Args:
        photo: The photograph: path, bytes, open file, PIL image, array or tensor.
        styles: One style or several: pictures, names from the gallery, or names of the styles
            that the network holds.
        network: Name of a network that comes with impasto, or a file.
        placement: Masks and a map of strength.
        device: `auto`, `cpu`, `cuda` or `mps`.
        **settings: Any field of `FastConfig`, such as `size=2048` or `strength=0.7`.

    Returns:
        The painting; `save` it or turn it `to_pil`.

    Raises:
        ImpastoError: One of its kinds, see `impasto.errors`.
    """
    several: Sequence[Source | Picture] = (
        styles if isinstance(styles, list | tuple) else [styles]  # type: ignore[list-item]
    )
    painter = FastPainter(network, device=device)
    job = painter.prepare(photo, several, FastConfig(**settings), placement=placement)
    (*_, last) = job.run()
    return job.collect(last)


def _check(job: FastJob) -> None:
    full, at_work = job.sizes
    if min(*full, *at_work, *job.photo.size) < SMALLEST_SIDE:
        height, width = job.photo.size
        raise ImageError(
            f"{job.photo.name} is {width}x{height} px and would be painted at"
            f" {at_work[1]}x{at_work[0]}; each side of both must be at least {SMALLEST_SIDE} px."
        )
    for style in job.styles:
        if min(style.size) < SMALLEST_SIDE:
            raise ImageError(
                f"The style {style.name} is only {style.size[1]}x{style.size[0]} px; each side"
                f" must be at least {SMALLEST_SIDE} px."
            )
    shares = job.fast.style_shares
    if shares is not None and len(shares) != len(job.names):
        raise ConfigError(f"{len(shares)} style shares for {len(job.names)} styles.")
    check_modes(job.config.color_modes, job.guidance)
    check_parts(job.guidance)
    check_libraries(parse_finish(job.fast.finish))
