"""The front door of painting in one pass: pictures in, a painting out, in a moment.

    result = impasto.fast("photo.jpg", "starry_night.jpg", network="micro")

A `FastPainter` keeps the network, and what it says of each style, for many pictures.
"""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from impasto import gallery
from impasto.api import Painter, Painting, Placement, find_style, identify
from impasto.colormodes import COLOR_MODES
from impasto.config import PaintConfig
from impasto.devices import measure_free_memory
from impasto.errors import ConfigError
from impasto.fastconfig import FastConfig
from impasto.fastjob import FastJob, check_job
from impasto.files import digest_of
from impasto.images import DEFAULT_MAX_PIXELS, Picture, Source
from impasto.masks import MaskFinder
from impasto.networks import FastNetwork
from impasto.pyramid import Size, fit_size, resize, trim_border
from impasto.quick import Room, describes, find_room
from impasto.shelf import find_network, name_network
from impasto.trained import Card, load_network

#: Colour modes that change the style picture before it is looked at.
_BEFORE = ("photo", "linear", "luminance")
#: What a network says of styles is kept for this many of them.
_KEPT = 256


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
            loaded.flat, loaded.name, offline=self.painter.offline,
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
        check_job(job)
        room = self._find_room(job.sizes)
        frugality = None
        if config.refine:
            frugality = self.painter.choose_frugality(job.config, loaded)
        return replace(job, room=room, frugality=frugality)

    def list_wishes(self, job: FastJob, photograph: Tensor) -> list[Tensor]:
        """What the network is to be told of each style, each (1, K)."""
        if self.holds_styles:
            shares = torch.eye(len(self._held), device=self.painter.device)
            return [shares[[self._find_own(name)]] for name in job.names]
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
        shares = torch.split(torch.eye(len(self._held)), 1)
        return dict(zip(self._held, shares, strict=True))

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
        side = config.style_size or self.card.style_side
        key = (identify(style)["sha256"], side, config.trim_style)
        recolored = mode in _BEFORE and photograph is not None
        if not recolored and key in self._codes:
            return self._codes[key]
        picture = trim_border(style.flat, config.trim_style)
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
        return names, tuple(self._load_style(gallery.picture_path(name)) for name in names)

    def _find_own(self, name: str) -> int:
        if name not in self._held:
            raise ConfigError(self._list_styles(f"{self._called} has no style {name!r}"))
        return self._held.index(name)

    def _list_styles(self, problem: str) -> str:
        if not self.holds_styles:
            return f"{problem}; name a picture, or a style from impasto styles."
        return f"{problem}; it paints in {', '.join(self._held)}."

    @property
    def _held(self) -> tuple[str, ...]:
        """Names of the styles that the network holds."""
        return self.card.styles or (self.path.stem,)

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
        network: Name of a network that comes with impasto, or a file; left out: `gallery` for
            names of its styles, else the usual one.
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
    painter = FastPainter(
        find_network(None if network is None else os.fspath(network), several), device=device
    )
    job = painter.prepare(photo, several, FastConfig(**settings), placement=placement)
    (*_, last) = job.run()
    return job.collect(last)
