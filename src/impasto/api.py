"""The library's front door: pictures in, a painting out.

    result = impasto.paint("photo.jpg", "starry_night.jpg", size=768)
    result.save("out.png")

A `Painter` keeps the network in memory for many pictures; a `Job` is one painting to be done,
whose `run` gives `Progress` events for those who want to watch.
"""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from impasto import gallery, images, weights
from impasto.config import PaintConfig, parse_blend
from impasto.devices import Choice, choose_device, choose_precision, measure_free_memory
from impasto.encoders import Encoder
from impasto.encoders.architectures import build_encoder
from impasto.errors import ConfigError, ImageError, MemoryBudgetError
from impasto.families import Family, Strokes
from impasto.files import digest_of
from impasto.finishing import check_libraries, parse_finish
from impasto.images import Picture, Source
from impasto.images.layers import Layer
from impasto.masknames import MaskName, parse_mask_name
from impasto.masks import MaskFinder
from impasto.masks.found import (
    Finder,
    FoundMask,
    find_masks,
    find_protection,
    read_mask,
    spare,
)
from impasto.memory import Frugality, choose_frugality, estimate_memory, suggest_size
from impasto.metrics import Scores, color_distance, measure_likeness
from impasto.objective import check_layers
from impasto.painting import paint as run_engine
from impasto.palettes import Palette, blend_palettes, measure_palette
from impasto.patterns import make_seamless, soften_border
from impasto.progress import PaintState, Progress
from impasto.pyramid import (
    SMALLEST_SIDE,
    Size,
    choose_dpi,
    plan_painting,
    resize,
    resize_mask,
    trim_border,
)
from impasto.recoloring import check_modes
from impasto.regions import Guidance, pair_labels, pair_masks
from impasto.smoothing import Smoothed
from impasto.version import __version__


@dataclass(frozen=True)
class Painting:
    """A finished (or interrupted) painting.

    Attributes:
        picture: Pixels, with the photograph's alpha, resolution and depth.
        settings: JSON text from which it can be painted again; travels inside the saved file.
        loss: The last value of the objective.
        terms: Its weighted parts.
        seconds: Time that painting took.
        palettes: Its colours before and after they were drawn toward a family's, if it has one.
        scores: How photorealistic it is, if that was asked for.
    """

    picture: Picture
    settings: str
    loss: float
    terms: dict[str, float]
    seconds: float
    palettes: tuple[Palette, Palette] | None = None
    scores: Scores | None = None

    def save(
        self,
        target: str | os.PathLike[str] | Any,
        *,
        format: str | None = None,
        quality: int = 92,
        bits: int | None = None,
    ) -> None:
        """Write the painting with its settings inside; see `impasto.images.save`.

        Args:
            target: File name, "-" for standard output, or an open binary file.
            format: png, tiff, jpeg or webp; by default from the suffix.
            quality: 1 to 100, for JPEG and WebP.
            bits: 8 or 16; by default 8.

        Raises:
            OutputError: If the file cannot be written.
        """
        images.save(
            self.picture, target, format=format, quality=quality, bits=bits or 8,
            settings=self.settings,
        )  # fmt: skip

    def to_pil(self) -> Image.Image:
        """The painting as an 8-bit PIL image."""
        return images.to_pil(self.picture)


@dataclass(frozen=True)
class Placement:
    """Pictures that say where what is painted.

    A mask counts by its alpha channel if it has one, else by its brightness: white is all.

    Attributes:
        masks: Where each style goes, one per style; what none covers stays the photograph. Names
            such as "people" or "sky" are found in the photograph, see `impasto.masknames`.
        style_masks: Which part of each style is looked at, one per style.
        labels: The photograph's regions in flat colours, in place of masks.
        style_labels: The styles' regions in the same colours, one per style.
        strength_map: How far to leave the photograph at each place; black leaves it untouched.
        protect: What to find and leave alone, such as "faces" or "people:0.3", which leaves
            0.3 of the strength; multiplied with the map.
    """

    masks: Sequence[Source | Picture] = ()
    style_masks: Sequence[Source | Picture] = ()
    labels: Source | Picture | None = None
    style_labels: Sequence[Source | Picture] = ()
    strength_map: Source | Picture | None = None
    protect: str | Sequence[str | FoundMask] = ()

    def load(self, load: Callable[[Source | Picture], Picture], finder: Finder) -> "Placement":
        """The same with all pictures loaded, and what is named found in the photograph."""
        return Placement(
            find_masks(self.masks, load, finder),
            tuple(map(load, self.style_masks)),
            None if self.labels is None else load(self.labels),
            tuple(map(load, self.style_labels)),
            None if self.strength_map is None else load(self.strength_map),
            find_protection(self.protect, finder) if self.protect else (),  # type: ignore[arg-type]
        )

    @property
    def strength(self) -> Tensor | None:
        """How far to leave the photograph at each place, (1, 1, H, W); None: everywhere alike."""
        given = None if self.strength_map is None else _read_mask(self.strength_map)
        return spare(tuple(one for one in self.protect if isinstance(one, FoundMask)), given)

    @property
    def pictures(self) -> list[Picture]:
        """All pictures, once they are loaded."""
        given = [*self.masks, *self.style_masks, self.labels, *self.style_labels]
        given += [self.strength_map, *self.protect]
        return [one for one in given if isinstance(one, Picture)]

    def guide(self, count: int, shares: Sequence[float] | None) -> Guidance:
        """What the engine needs of it, for `count` styles; the pictures must be loaded.

        Raises:
            ConfigError: If pictures and styles do not fit together.
        """
        strength = self.strength
        if self.labels is None:
            if self.style_labels:
                raise ConfigError("Style labels need labels of the photograph; give both.")
            masks, style_masks = map(_read_mask, self.masks), map(_read_mask, self.style_masks)
            regions = pair_masks(count, tuple(masks), tuple(style_masks), shares)
            return Guidance(regions, strength)
        if self.masks or self.style_masks:
            raise ConfigError("Labels take the place of masks; give one or the other.")
        if len(self.style_labels) != count:
            raise ConfigError(
                f"{len(self.style_labels)} style labels for {count} styles; give one for each."
            )
        styles = [_read_labels(one) for one in self.style_labels]
        return Guidance(pair_labels(_read_labels(self.labels), styles), strength)

    def describe(self) -> dict[str, Any]:
        """Names and digests of the pictures, by what they are for; of those found, no digests."""
        found: dict[str, Any] = {}
        for kind, pictures in vars(self).items():
            if isinstance(pictures, Picture):
                found[kind] = identify(pictures)
            elif pictures:
                found[kind] = [
                    one.describe() if isinstance(one, FoundMask) else identify(one)
                    for one in pictures
                ]
        return found


@dataclass(frozen=True)
class Job:
    """One painting to be done: pictures loaded, settings checked, memory estimated.

    Attributes:
        photo: The photograph.
        styles: The style pictures.
        config: The settings.
        start: Picture to start from, if any.
        painter: Who paints it.
        frugality: How memory is saved; None if it need not be.
        placement: Masks, loaded; None without any.
        palette: Of the family that it belongs to.
    """

    photo: Picture
    styles: tuple[Picture, ...]
    config: PaintConfig
    start: Picture | None
    painter: "Painter"
    frugality: Frugality | None = None
    placement: Placement | None = None
    palette: Palette | None = None

    @property
    def side(self) -> int:
        """Long side of the painting in px."""
        return max(plan_painting(self.config, self.photo.size)[-1].size)

    def join(self, family: Family) -> "Job":
        """The same painting as one of a family: with its palette, and its size of strokes.

        Raises:
            ConfigError: If the family has other styles.
            ImageError: If strokes of the family's size do not suit it.
        """
        family.check_styles([identify(style) for style in self.styles])
        config = family.scale_strokes(self.config, self.side, self.photo.name)
        return replace(self, config=config, palette=family.palette)

    def found_family(
        self, name: str, *, strokes: Strokes = "share", palette: Palette | None = None
    ) -> Family:
        """A new family of paintings like this one.

        Args:
            name: Of its file.
            strokes: How the size of strokes is measured; see `Family`.
            palette: What colours are drawn toward; by default the styles', by their shares.
        """
        styles = tuple(identify(style) for style in self.styles)
        if palette is None:
            trim, shares = self.config.trim_style, self.config.style_shares
            seen = [measure_palette(trim_border(x.flat, trim)) for x in self.styles]
            palette = blend_palettes(seen, self._weigh_colors(shares or (1.0,) * len(seen)))
        # As later runs will read it, so that the first painting is no exception.
        palette = Palette.from_dict(palette.to_dict())
        return Family(name, styles, self.config.to_dict(), strokes, self.side, palette)

    def _weigh_colors(self, shares: Sequence[float]) -> Sequence[float]:
        """What each style says about colours: brushwork says nothing if shapes say something."""
        scales = self.config.list_style_scales(len(self.styles))
        spoken = [
            0.0 if scale == "fine" else share for scale, share in zip(scales, shares, strict=True)
        ]
        return spoken if sum(spoken) > 0 else shares

    @property
    def fingerprint(self) -> str:
        """Identifies pictures and settings: equal jobs give equal paintings."""
        text = json.dumps(self._describe(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def settings(self) -> str:
        """JSON from which the painting can be repeated; no paths, only the files' own names."""
        return json.dumps({"impasto": __version__, **self._describe()})

    def run(self, state: PaintState | None = None) -> Iterator[Progress]:
        """Paint; yields an event after each step. See `impasto.painting.paint`."""
        device = self.painter.device
        yield from run_engine(
            self.photo.flat.to(device),
            [style.flat.to(device) for style in self.styles],
            self.painter.load_encoder(self.config),
            self.config,
            start=None if self.start is None else self.start.flat,
            state=state,
            frugality=self.frugality,
            guidance=self.guidance,
            palette=self.palette,
        )

    @property
    def dpi(self) -> float | None:
        """Dots per inch that the settings ask for; None if they do not."""
        size = plan_painting(self.config, self.photo.size)[-1].size
        return choose_dpi(self.config, self.photo.size, size)

    @property
    def guidance(self) -> Guidance | None:
        """Where which style is painted; None without masks."""
        if self.placement is None:
            return None
        return self.placement.guide(len(self.styles), self.config.style_shares)

    def collect(self, progress: Progress) -> Painting:
        """Make a painting of any event of `run`, at full size even if it comes from early on."""
        size = plan_painting(self.config, self.photo.size)[-1].size
        pixels = resize(progress.picture().cpu(), size, self.config.seamless)
        alpha = self.photo.alpha
        if alpha is not None:
            alpha = soften_border(resize_mask(alpha, size), self.config.seamless)
        dpi = (self.dpi, self.dpi) if self.dpi else self.photo.dpi
        picture = replace(self.photo, pixels=pixels, alpha=alpha, dpi=dpi)
        palettes = progress.palettes() if progress.palettes else None
        scores = self._score(pixels) if progress.done else None
        return Painting(
            picture,
            self.settings,
            progress.loss,
            progress.terms,
            progress.seconds,
            palettes,
            scores,
        )

    def make_layers(self, painting: Painting) -> list[Layer]:
        """Photograph, painting and masks, bottom to top, for `impasto.images.layers`."""
        size, kind = painting.picture.size, self.config.seamless

        def fit(picture: Picture) -> Picture:
            alpha = None if picture.alpha is None else resize_mask(picture.alpha, size)
            return replace(picture, pixels=resize(picture.pixels, size), alpha=alpha)

        pixels = make_seamless(resize(self.photo.pixels, size), kind)
        layers = [
            Layer(self.photo.name, replace(painting.picture, pixels=pixels)),
            Layer(f"{self.photo.name}, painted", painting.picture),
        ]
        placement = self.placement or Placement()
        named = [(f"mask {n}", mask) for n, mask in enumerate(placement.masks, 1)]
        masks = [(name, _read_mask(mask)) for name, mask in named]
        masks += [] if placement.strength is None else [("strength", placement.strength)]
        layers += [
            Layer(name, soften_border(resize_mask(mask, size), kind)) for name, mask in masks
        ]
        if isinstance(placement.labels, Picture):
            layers.append(Layer("labels", fit(placement.labels), visible=False))
        return layers

    def _score(self, pixels: Tensor) -> Scores | None:
        """How photorealistic a result is; None unless that was asked for."""
        if self.config.photoreal == "none":
            return None
        photograph = resize(self.photo.flat, (pixels.shape[-2], pixels.shape[-1]))
        styles = [trim_border(one.flat, self.config.trim_style) for one in self.styles]
        guidance = self.guidance or Guidance(
            pair_masks(len(styles), (), (), self.config.style_shares)
        )
        distances = [color_distance(one, styles, guidance.regions) for one in (pixels, photograph)]
        return Scores(*measure_likeness(pixels, photograph), *distances)

    def _describe(self) -> dict[str, Any]:
        described: dict[str, Any] = {
            "settings": self.config.to_dict(),
            "photo": identify(self.photo),
            "styles": [identify(style) for style in self.styles],
        }
        if self.start is not None:
            described["start"] = identify(self.start)
        if self.placement is not None:
            described["placement"] = self.placement.describe()
        if self.palette is not None:
            described["palette"] = self.palette.to_dict()
        if self.painter.untrained:
            described["weights"] = weights.RANDOM
        elif self.painter.custom_weights:
            described["weights"] = self.painter.custom_weights.name
            described["weights_sha256"] = self.painter.custom_digest
        return described


class Painter:
    """Keeps device and network for any number of paintings.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        weights_file: Weights of one's own in place of the published ones; "random" for those of a
            network that was never trained.
        offline: Never download anything.
        memory: Bytes that a painting may take; by default what is free. Larger pictures are
            evaluated in tiles, with the same result up to rounding.
        max_pixels: Largest picture that is decoded.
        on_download: Called as (name, bytes done, bytes in all) while weights are fetched.

    Raises:
        ConfigError: If the device cannot be used.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        weights_file: Path | str | None = None,
        offline: bool = False,
        memory: int | None = None,
        max_pixels: int = images.DEFAULT_MAX_PIXELS,
        on_download: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self.choice: Choice = choose_device(device)
        self.untrained = weights_file == weights.RANDOM
        given = None if self.untrained else weights_file
        self.custom_weights = None if given is None else Path(given)
        self.offline = offline
        self._memory = memory
        self._max_pixels = max_pixels
        self.on_download = on_download
        self._encoders: dict[tuple[object, ...], Encoder] = {}

    @property
    def device(self) -> torch.device:
        """Where it paints."""
        return self.choice.device

    @functools.cached_property
    def custom_digest(self) -> str:
        """Digest of the user's own weights: another file of that name is another painting."""
        if self.custom_weights is None:
            return ""
        return digest_of(self.custom_weights)

    def prepare(
        self,
        photo: Source | Picture,
        styles: Sequence[Source | Picture],
        config: PaintConfig | None = None,
        *,
        start: Source | Picture | None = None,
        placement: Placement | None = None,
        check_memory: bool = True,
    ) -> Job:
        """Load and check everything that a painting needs, before any work is done.

        Args:
            photo: The photograph: path, bytes, open file, PIL image, array or tensor.
            styles: Style pictures, or names from the gallery such as "mosaic"; none are needed
                with a style weight of 0.
            config: Settings; the defaults if left out.
            start: Picture to start from, for `init="file"`.
            placement: Masks, labels and a map of strength.
            check_memory: Choose tiles that fit the memory, and refuse what fits in none.

        Raises:
            ConfigError: If the settings do not fit the network or the pictures.
            ImageError: If a picture cannot be read or has no area worth painting.
            MemoryBudgetError: If it would not fit, with advice.
        """
        config = config or PaintConfig()
        loaded = self.load(photo)
        finder = MaskFinder(
            loaded.flat, loaded.name, offline=self.offline, progress=self.on_download
        )
        job = Job(
            loaded,
            tuple(self.load(find_style(style)) for style in styles),
            config,
            None if start is None else self.load(start),
            self,
            placement=None if placement is None else placement.load(self.load, finder),
        )
        _check_job(job)
        check_layers(self.load_encoder(config), config.resolve())
        frugality = self.choose_frugality(config, loaded) if check_memory else None
        return replace(job, frugality=frugality)

    def load_encoder(self, config: PaintConfig) -> Encoder:
        """The network that the settings ask for, loaded once.

        Raises:
            WeightsError: If its weights cannot be had, or are of another network.
        """
        precision = choose_precision(config.precision, self.device)
        key = (
            config.backbone, config.pooling, config.padding, config.pooling_gain, config.smooths,
            precision,
        )  # fmt: skip
        if key not in self._encoders:
            state, architecture, preprocessing = weights.read_for(
                config.backbone,
                weights.RANDOM if self.untrained else self.custom_weights,
                offline=self.offline,
                progress=self.on_download,
            )
            encoder = build_encoder(architecture, state, preprocessing, config)
            ready = encoder.with_precision(precision).to(self.device)
            self._encoders[key] = Smoothed(ready) if config.smooths else ready
        return self._encoders[key]

    def load(self, source: Source | Picture) -> Picture:
        """Load a picture, unless it is one already."""
        if isinstance(source, Picture):
            return source
        return images.load(source, max_pixels=self._max_pixels)

    def choose_frugality(self, config: PaintConfig, photo: Picture) -> Frugality | None:
        """Choose tiles that fit the memory; None if it needs none.

        Raises:
            MemoryBudgetError: If it fits in none, with advice.
        """
        precision = choose_precision(config.precision, self.device)
        free = measure_free_memory(self.device)
        budget = self._memory or free
        if budget is None:
            return None
        frugality = choose_frugality(config, photo.size, precision, budget)
        needed = estimate_memory(config, photo.size, precision, frugality)
        if needed <= budget:
            return frugality
        fitting = suggest_size(config, photo.size, precision, budget)
        advice = f"choose --size {fitting} or less" if fitting else "close other programs"
        there = "are allowed" if self._memory else "are free"
        raise MemoryBudgetError(
            f"This painting needs about {needed / 2**30:.1f} GiB of memory even in tiles, and"
            f" {budget / 2**30:.1f} GiB {there}; {advice}."
        )


def paint(
    photo: Source | Picture,
    styles: Source | Picture | Sequence[Source | Picture],
    *,
    start: Source | Picture | None = None,
    placement: Placement | None = None,
    device: str = "auto",
    weights_file: Path | str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    **settings: Any,
) -> Painting:
    """Paint a photograph in the manner of one or several pictures.

    Args:
        photo: The photograph: path, bytes, open file, PIL image, array or tensor.
        styles: One style picture or several, or names from the gallery such as "mosaic".
        start: Picture to start from, for `init="file"`.
        placement: Masks, labels and a map of strength.
        device: `auto`, `cpu`, `cuda` or `mps`.
        weights_file: Weights of one's own in place of the published ones; "random" for those of a
            network that was never trained.
        on_progress: Called after each step.
        **settings: Any field of `PaintConfig`, such as `size=768` or `preset="fine"`.

    Returns:
        The painting; `save` it or turn it `to_pil`.

    Raises:
        ImpastoError: One of its kinds, see `impasto.errors`.
    """
    several: Sequence[Source | Picture] = (
        styles if isinstance(styles, list | tuple) else [styles]  # type: ignore[list-item]
    )
    painter = Painter(device=device, weights_file=weights_file)
    job = painter.prepare(photo, several, PaintConfig(**settings), start=start, placement=placement)
    for progress in job.run():
        if on_progress:
            on_progress(progress)
    return job.collect(progress)


def find_mask(
    photo: Source | Picture,
    name: str | MaskName,
    *,
    offline: bool = False,
    on_download: Callable[[str, int, int], None] | None = None,
) -> Picture:
    """Find people, faces, sky or colours in a photograph, to look at or to retouch.

    Args:
        photo: The photograph.
        name: Such as "people", "not-sky" or "cluster:1/3", see `impasto.masknames`.
        offline: Never download anything.
        on_download: Called as (name, bytes done, bytes in all) while a network is fetched.

    Returns:
        A grey picture of the photograph's size: white is all of it.

    Raises:
        ConfigError: If the name is unknown or a library is missing.
        ImageError: If there is no such thing in the photograph, or it cannot be read.
        WeightsError: If a network that is needed cannot be had.
    """
    picture = photo if isinstance(photo, Picture) else images.load(photo)
    asked = parse_mask_name(name) if isinstance(name, str) else name
    finder = MaskFinder(picture.flat, picture.name, offline=offline, progress=on_download)
    mask = resize(finder.find(asked), picture.size)
    return Picture(mask.expand(-1, 3, -1, -1), name=str(asked))


def find_style(style: Source | Picture) -> Source | Picture:
    """Turn the name of a gallery style into its picture's path; a file of that name wins."""
    if not isinstance(style, str) or style == "-" or images.is_canvas(style):
        return style
    if Path(style).exists():
        return style
    bare = not Path(style).suffix and len(Path(style).parts) == 1
    # A name that is misspelt is answered with the names there are.
    return gallery.picture_path(style) if bare or style in gallery.STYLES else style


def check_areas(photo: Picture, styles: Sequence[Picture], *sizes: Size) -> None:
    """See that pictures, and what is made of them, have an area worth painting.

    Args:
        photo: The photograph.
        styles: Style pictures.
        sizes: At which it is to be painted, the last one at the least.

    Raises:
        ImageError: If a side is too short.
    """
    last = sizes[-1]
    if min(*photo.size, *(side for size in sizes for side in size)) < SMALLEST_SIDE:
        height, width = photo.size
        raise ImageError(
            f"{photo.name} is {width}x{height} px and would be painted at"
            f" {last[1]}x{last[0]}; each side of both must be at least {SMALLEST_SIDE} px."
        )
    for style in styles:
        if min(style.size) < SMALLEST_SIDE:
            raise ImageError(
                f"The style {style.name} is only {style.size[1]}x{style.size[0]} px; each side"
                f" must be at least {SMALLEST_SIDE} px."
            )


def _check_job(job: Job) -> None:
    check_areas(job.photo, job.styles, plan_painting(job.config, job.photo.size)[-1].size)
    if not job.styles and job.config.needs_style:
        raise ConfigError("No style is given; name at least one style picture.")
    if "file" in parse_blend(job.config.init) and job.start is None:
        raise ConfigError("The start 'file' needs a picture; give one, with --init-file.")
    check_modes(job.config.color_modes, job.guidance)  # raises what is wrong with masks too
    check_libraries(parse_finish(job.config.finish))
    job.config.list_stroke_sizes(len(job.styles))
    job.config.list_style_scales(len(job.styles))
    shares = job.config.style_shares
    if shares is not None and len(shares) != len(job.styles):
        raise ConfigError(f"{len(shares)} style shares for {len(job.styles)} styles.")


def _read_mask(picture: Source | Picture) -> Tensor:
    assert isinstance(picture, Picture)
    return read_mask(picture)


def _read_labels(picture: Source | Picture) -> Tensor:
    assert isinstance(picture, Picture)
    return picture.flat


def identify(picture: Picture) -> dict[str, str]:
    """Name of a picture, and the digest of its pixels by which it is recognised."""
    return {"name": picture.name, "sha256": picture.digest}
