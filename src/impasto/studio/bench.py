"""What a process of the studio paints with.

Painters are kept. Nothing is ever downloaded here, and no file opened but those the server names.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from impasto import gallery, images
from impasto.api import Job, Painter, Placement, find_mask
from impasto.config import PaintConfig
from impasto.devices import keep_freed_memory
from impasto.fastconfig import FastConfig
from impasto.fastpainter import FastPainter
from impasto.images import Picture
from impasto.masks.found import read_mask
from impasto.progress import Progress
from impasto.pyramid import fit_size, plan_painting, resize
from impasto.studio.disk import write_whole

#: Long side of previews in px.
_PREVIEW_SIDE = 1024
_PREVIEW_QUALITY = 85
#: Of small ones, which a page shows several times as large.
_SMALL_QUALITY, _SMALL_SIDE = 95, 384
#: Fast networks, and small pictures for sketches, that are kept in memory.
_KEPT_NETWORKS, _KEPT_PICTURES = 3, 12
#: Sides in px of what is painted to warm up: of the first size of paintings, and of sketches.
_WARM_SIDE, _WARM_SKETCH = 128, 256


class Bench:
    """Paints what the server asks for.

    Args:
        device: auto, cpu, cuda:0 or mps.
        max_pixels: Largest picture that is decoded.
    """

    def __init__(self, device: str, max_pixels: int) -> None:
        keep_freed_memory()
        self._device, self._max_pixels = device, max_pixels
        self.open_network = functools.lru_cache(_KEPT_NETWORKS)(self._open_network)
        self._load_kept = functools.lru_cache(_KEPT_PICTURES)(self._load)

    @functools.cached_property
    def painter(self) -> Painter:
        """Who paints without a fast network."""
        return Painter(device=self._device, offline=True, max_pixels=self._max_pixels)

    def open(self, paints: bool) -> str:
        """Load what nothing can be done without; returns the device in a word.

        Args:
            paints: Whether it paints step by step, and does not only sketch.
        """
        if paints:
            self.painter.load_encoder(PaintConfig())
        return str(self.painter.device)

    def warm(self, paints: bool, networks: Sequence[str]) -> Iterator[None]:
        """Do in small what will be asked for: a first time takes twice as long as a second.

        Args:
            paints: Whether it paints step by step.
            networks: Files of fast networks that will be asked for, the first one first.

        Yields:
            After each piece, so that it can be left when there is something to do.
        """
        picture = images.load(gallery.picture_path(next(iter(gallery.STYLES))))
        if paints:
            config = PaintConfig(size=_WARM_SIDE, scales=1, steps=(1,))
            (last,) = self.painter.prepare(picture, [picture], config).run()
            draw_preview(last.picture())
            yield
        for path in networks[:_KEPT_NETWORKS]:
            painter = self.open_network(path)
            yield
            style = painter.card.styles[0] if painter.holds_styles else picture
            (last,) = painter.prepare(picture, [style], FastConfig(size=_WARM_SKETCH)).run()
            draw_preview(last.picture())
            yield

    def prepare(self, task: dict[str, Any]) -> Job:
        """A job from what the server says.

        Raises:
            ImpastoError: If it cannot be painted.
        """
        placement = self._place(task)
        if task["network"] is not None:
            painter = self.open_network(task["network"])
            photo = self._load(**task["photo"])
            styles = [self._load_style(style) for style in task["styles"]]
            return painter.prepare(
                photo, styles, FastConfig(**task["settings"]), placement=placement
            )
        if task["canvas"] is not None:
            height, width = task["canvas"]
            photo = images.load(images.name_canvas(width, height))
        else:
            photo = self._load(**task["photo"])
        pictures = [self._load(**style) for style in task["styles"]]
        config = PaintConfig(**task["settings"])
        return self.painter.prepare(photo, pictures, config, placement=placement)

    def sketch(self, task: dict[str, Any]) -> bytes:
        """A fast painting as JPEG; its pictures are small and kept.

        Raises:
            ImpastoError: If it cannot be painted.
        """
        painter = self.open_network(task["network"])
        photo = self._load_kept(**task["photo"])
        styles = [
            self._load_kept(**style) if "path" in style else style["name"]
            for style in task["styles"]
        ]
        job = painter.prepare(photo, styles, FastConfig(**task["settings"]))
        (*_, last) = job.run()
        return images.encode(
            job.collect(last).picture, format="jpeg", quality=_PREVIEW_QUALITY, settings=None
        )

    def find_mask(self, photo: dict[str, str], find: str, target: str) -> tuple[int, int]:
        """Write a mask that is found in a photograph as PNG; returns its (H, W).

        Raises:
            ImpastoError: If it is not there, or cannot be looked for.
        """
        mask = find_mask(self._load(**photo), find, offline=True)
        data = images.encode(mask, format="png", settings=None)
        write_whole(Path(target), data)
        return mask.size

    def _open_network(self, path: str) -> FastPainter:
        return FastPainter(path, device=self._device, offline=True, max_pixels=self._max_pixels)

    def _place(self, task: dict[str, Any]) -> Placement | None:
        """Masks; what is protected keeps none of the strength."""
        masks = tuple(
            mask["find"] if "find" in mask else self._load(**mask) for mask in task["masks"]
        )
        strength = None
        if task["protect"] is not None:
            mask = 1 - read_mask(self._load(**task["protect"]))
            strength = Picture(mask.expand(-1, 3, -1, -1).contiguous(), name="protect")
        protect = tuple(task["protect_found"])
        if not masks and strength is None and not protect:
            return None
        return Placement(masks=masks, strength_map=strength, protect=protect)

    def _load_style(self, style: dict[str, str]) -> Picture | str:
        return self._load(**style) if "path" in style else style["name"]

    def _load(self, path: str, name: str) -> Picture:
        return replace(images.load(Path(path), max_pixels=self._max_pixels), name=name)


def list_scales(job: Job) -> list[tuple[int, int]]:
    """Steps and pixels of each scale of a job."""
    plan = plan_painting(job.config, job.photo.size)
    return [(scale.steps, scale.size[0] * scale.size[1]) for scale in plan]


def tell(progress: Progress, scales: list[tuple[int, int]]) -> dict[str, Any]:
    """Progress as the page shows it.

    Args:
        progress: What happened.
        scales: Steps and pixels of each scale.
    """
    whole = sum(steps * pixels for steps, pixels in scales)
    done = sum(steps * pixels for steps, pixels in scales[: progress.scale])
    done += progress.step * progress.size[0] * progress.size[1]
    return {
        "done": 1.0 if progress.done else min(0.999, done / max(whole, 1)),
        "step": progress.step,
        "steps": progress.steps,
        "width": progress.size[1],
        "height": progress.size[0],
        "scale": progress.scale,
        "scales": progress.scales,
        "loss": progress.loss if math.isfinite(progress.loss) else None,
        "seconds_left": progress.seconds_left,
    }


def draw_preview(pixels: Any) -> bytes:
    """A picture (1, 3, H, W) as a small JPEG."""
    size = (pixels.shape[-2], pixels.shape[-1])
    if max(size) > _PREVIEW_SIDE:
        pixels = resize(pixels, fit_size(size, _PREVIEW_SIDE))
    quality = _SMALL_QUALITY if max(size) <= _SMALL_SIDE else _PREVIEW_QUALITY
    return images.encode(pixels, format="jpeg", quality=quality)
