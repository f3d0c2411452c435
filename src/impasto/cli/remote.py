"""`--remote URL`: the studio of another computer paints, this one sends and fetches."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from impasto import gallery
from impasto.cli.interruption import Interrupted
from impasto.cli.options import OutputOptions, PlacementOptions, RunningOptions
from impasto.cli.report import write_line
from impasto.errors import ConfigError, ImpastoError, OutputError
from impasto.files import check_writable, replacing
from impasto.masknames import is_mask_name, parse_mask_name, parse_protection
from impasto.studio.client import RemoteError, RemoteStudio

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff", ".tiff": "tiff"}


def paint_remotely(
    address: str,
    order: dict[str, Any],
    photo: str,
    styles: Sequence[str],
    places: PlacementOptions,
    output: OutputOptions,
    running: RunningOptions,
) -> int:
    """Send pictures and settings, wait, and save the result.

    Args:
        address: Of the studio.
        order: Kind, settings and network.
        photo: A picture.
        styles: Pictures, or names of the gallery.
        places: Masks, and what is left alone.
        output: Where it goes.
        running: How much is told.

    Raises:
        ImpastoError: If it cannot be painted or written.
    """
    _check(photo, places, output)
    target, format = _choose_target(photo, styles, output)
    studio = RemoteStudio(address)
    order = order | {
        "photo": studio.send(Path(photo), "photo"),
        "styles": [_name_style(studio, style) for style in styles],
        "masks": [
            _place_mask(studio, mask) | {"style": number}
            for number, mask in enumerate(places.masks)
        ],
        "protect_found": [str(name) for name in parse_protection(places.protect)],
    }
    job = studio.order(order)
    try:
        last = _watch(studio, job, running)
    except KeyboardInterrupt as error:
        with contextlib.suppress(ImpastoError):
            studio.cancel(job)
        raise Interrupted(130, "interrupted; the studio has stopped painting.") from error
    if last["state"] != "done":
        raise RemoteError(f"The studio says: {last['error'] or 'the job was cancelled there.'}")
    data = studio.fetch(job, format)
    with replacing(target) as temporary:
        temporary.write_bytes(data)
    if not running.quiet:
        size = last["result"]
        write_line(f"Painted {target}: {size['width']}x{size['height']} px, by {address}.")
    return 0


def _check(photo: str, places: PlacementOptions, output: OutputOptions) -> None:
    if photo == "-" or not Path(photo).is_file():
        raise ConfigError(f"--remote paints one picture from a file, not {photo!r}.")
    idle = {name for name in places.given() if name not in ("masks", "protect")}
    idle |= {
        name
        for name in ("resume", "preview", "sheet", "save_every", "layers", "bits")
        if getattr(output, name)
    }
    if idle:
        what = f"--{sorted(idle)[0].replace('_', '-')}"
        raise ConfigError(f"--remote does without {what}; leave it out.")


def _choose_target(photo: str, styles: Sequence[str], output: OutputOptions) -> tuple[Path, str]:
    name = "_".join([Path(photo).stem, *(Path(style).stem for style in styles)])
    target = Path(output.output or f"{name}.{output.format or 'png'}")
    format = _FORMATS.get(target.suffix.lower())
    if format is None:
        raise ConfigError(f"--remote writes {', '.join(_FORMATS)}, not {target.name!r}.")
    if target.exists() and not output.overwrite:
        raise OutputError(f"{target} exists already; replace it with --overwrite.")
    check_writable(target)
    return target, format


def _name_style(studio: RemoteStudio, style: str) -> str:
    if not Path(style).is_file() and style in gallery.STYLES:
        return f"gallery:{style}"
    if not Path(style).is_file() and Path(style).name == style and not Path(style).suffix:
        return f"network:{style}"
    return studio.send(Path(style), "style")


def _place_mask(studio: RemoteStudio, mask: str) -> dict[str, str]:
    """A mask that is sent, or found there."""
    if is_mask_name(mask):
        return {"find": str(parse_mask_name(mask))}
    return {"picture": studio.send(Path(mask), "mask")}


def _watch(studio: RemoteStudio, job: str, running: RunningOptions) -> dict[str, Any]:
    """Wait with a bar, if somebody looks; the job as it ended."""
    if running.quiet or not sys.stderr.isatty():
        (*_, last) = studio.watch(job)
        return last
    from impasto.cli.bar import Bar
    from impasto.cli.report import spell_time

    with Bar() as bar:
        for last in studio.watch(job):
            progress = last["progress"]
            if last["position"]:
                facts = f"waiting, place {last['position']}"
            elif progress is None:
                facts = "getting ready"
            else:
                facts = (
                    f"{progress['width']}x{progress['height']}  step {progress['step']}/"
                    f"{progress['steps']}, {spell_time(progress['seconds_left'])} left"
                )
            bar.show("Painting", round(1000 * progress["done"]) if progress else 0, 1000, facts)
    return last
