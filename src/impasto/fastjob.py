"""One fast painting to be done: what a network makes of a photograph, and what comes after."""

import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from impasto.api import Job, check_areas, identify
from impasto.errors import ConfigError
from impasto.fastconfig import FastConfig
from impasto.finishing import check_libraries, parse_finish
from impasto.painting import paint as run_engine
from impasto.progress import PaintState, Progress
from impasto.pyramid import Size, fit_size, plan_painting, resize
from impasto.quick import Room, check_parts, paint_quickly
from impasto.recoloring import check_modes
from impasto.regions import Guidance, ScaledGuidance, pair_masks
from impasto.showing import Show

if TYPE_CHECKING:
    from impasto.fastpainter import FastPainter


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
        show = Show(self.photo.flat, self.shown, self.config, None)
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
        photograph = self.photo.flat
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
            self.photo.flat.to(device),
            [style.flat.to(device) for style in self.styles],
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
        shown = [style.flat for style in self.styles]
        return shown or [self.photo.flat] * len(self.names)

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


def find_sizes(config: FastConfig, photograph: Size) -> tuple[Size, Size]:
    """(H, W) of the painting of a photograph, and that at which the network works."""
    full = plan_painting(config.for_paint(), photograph)[-1].size
    if config.network_size is None:
        return full, full
    return full, fit_size(full, config.network_size)


def check_job(job: FastJob) -> None:
    """See that settings, pictures and network fit together.

    Raises:
        ConfigError: If settings contradict each other.
        ImageError: If a picture has no area worth painting.
    """
    check_areas(job.photo, job.styles, *job.sizes)
    shares = job.fast.style_shares
    if shares is not None and len(shares) != len(job.names):
        raise ConfigError(f"{len(shares)} style shares for {len(job.names)} styles.")
    check_modes(job.config.color_modes, job.guidance)
    check_parts(job.guidance)
    check_libraries(parse_finish(job.fast.finish))
