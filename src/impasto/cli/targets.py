"""Where a painting goes, and everything about that which can go wrong before the work."""

import contextlib
import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from impasto import images
from impasto.api import Job, Painting
from impasto.checkpoints import checkpoint_path, load_checkpoint
from impasto.cli.options import OutputOptions
from impasto.errors import ConfigError, ImageError, OutputError
from impasto.files import check_writable
from impasto.images.layers import layered_format_of
from impasto.progress import PaintState


@dataclass(frozen=True)
class Target:
    """A file to be, or standard output.

    Attributes:
        path: None stands for standard output.
        format: As `images.save` calls it.
        quality: For JPEG and WebP.
        bits: 8 or 16.
        preview: File that is rewritten while painting.
        sheet: File for the tiles of a pattern side by side.
        save_every: Steps between numbered files.
        layers: File for photograph, painting and masks as layers.
    """

    path: Path | None
    format: str
    quality: int
    bits: int
    preview: Path | None = None
    save_every: int | None = None
    layers: Path | None = None
    sheet: Path | None = None

    @property
    def name(self) -> str:
        """What the user calls it."""
        return "-" if self.path is None else str(self.path)

    @property
    def checkpoint(self) -> Path | None:
        """Where an interrupted painting is kept."""
        return None if self.path is None else checkpoint_path(self.path)

    @property
    def interrupted(self) -> bool:
        """Whether there is something to go on with."""
        return self.checkpoint is not None and self.checkpoint.exists()

    def save(self, painting: Painting, path: Path | None = None) -> None:
        """Write a painting here, or in the same way to another path."""
        painting.save(
            path or self.path or "-", format=self.format, quality=self.quality, bits=self.bits
        )

    def numbered(self, number: int) -> Path:
        """The file of `--save-every` with this number."""
        assert self.path is not None
        return self.path.with_name(f"{self.path.stem}-{number:04}{self.path.suffix}")


def choose_target(options: OutputOptions, photo: str, styles: Iterable[str]) -> Target:
    """Decide where the painting of one photograph goes.

    Raises:
        ConfigError: If options contradict each other or the format is unknown.
        OutputError: If it cannot be written there.
    """
    path = None
    if options.output != "-":
        name = default_name(photo, styles, suffix_of(options.format))
        path = Path(name if options.output is None else options.output)
        if path.is_dir():
            path /= name
    elif options.resume or options.save_every:
        raise ConfigError("--resume and --save-every need a file; name one with -o.")
    return target_for(path, options)


def target_for(path: Path | None, options: OutputOptions) -> Target:
    """Check that a file could be written; see `choose_target`."""
    format = (
        images.format_of("", options.format or "png") if path is None else _format(path, options)
    )
    if options.save_every is not None and options.save_every < 1:
        raise ConfigError(f"--save-every must be at least 1, not {options.save_every}.")
    bits = options.bits or 8
    probe = torch.zeros(1, 3, 1, 1)
    images.encode(probe, format=format, quality=options.quality, bits=bits)
    preview = None if options.preview is None else Path(options.preview)
    sheet = None if options.sheet is None else Path(options.sheet)
    layers = None if options.layers is None else Path(options.layers)
    for written in (path, preview, sheet):
        if written is not None:
            images.format_of(written)
            check_writable(written)
    if layers is not None:
        layered_format_of(layers)
        check_writable(layers)
    return Target(path, format, options.quality, bits, preview, options.save_every, layers, sheet)


def _format(path: Path, options: OutputOptions) -> str:
    format = images.format_of(path)
    if options.format is not None and images.format_of("", options.format) != format:
        raise ConfigError(f"--format {options.format} contradicts the name {path}.")
    return format


def suffix_of(format: str | None) -> str:
    """The usual suffix of a format, with its dot."""
    return images.WRITABLE_FORMATS[images.format_of("", format or "png")][0]


def default_name(photo: str, styles: Iterable[str], suffix: str) -> str:
    """For example `harbour_mosaic.png`."""
    stems = "+".join(_stem(style) for style in styles)
    return f"{_stem(photo)}_{stems}"[:200] + suffix


def check_free(target: Target, options: OutputOptions, inputs: Iterable[str | None]) -> None:
    """Refuse to replace anything that the user did not say could go.

    Args:
        target: Where the painting goes.
        options: What was asked for.
        inputs: Files that are read, which are never replaced.

    Raises:
        OutputError: If something would be lost.
    """
    outputs = (target.path, target.preview, target.sheet, target.layers)
    written = [path for path in outputs if path is not None]
    for source in inputs:
        for path in written:
            if source not in (None, "-") and _is_same(Path(str(source)), path):
                raise OutputError(f"{path} would replace {source}; choose another name.")
    if any(_is_same(*pair) for pair in itertools.combinations(written, 2)):
        raise OutputError("Each output needs a file of its own; choose another name.")
    if options.overwrite:
        return
    if target.preview is not None and target.preview.exists() and not _carries(target.preview):
        raise _exists(target.preview)
    if options.resume:
        return
    if target.interrupted:
        raise OutputError(
            f"{target.path} is an interrupted painting; go on with --resume, or start afresh with"
            " --overwrite."
        )
    numbered = [target.numbered(1)] if target.save_every else []
    for final in (target.path, target.layers, target.sheet, *numbered):
        if final is not None and final.exists():
            raise _exists(final)


def find_state(target: Target, job: Job, *, overwrite: bool) -> PaintState | bool:
    """What `--resume` goes on with.

    Returns:
        A snapshot; True if the painting is finished already, False if it has not begun.

    Raises:
        CheckpointError: If the snapshot is damaged or belongs to another painting.
        OutputError: If another picture is there.
    """
    assert target.path is not None
    assert target.checkpoint is not None
    if target.interrupted:
        return load_checkpoint(target.checkpoint, job.fingerprint)
    if not target.path.exists() or overwrite:
        return False
    if _carries(target.path, job.settings):
        return True
    raise OutputError(
        f"{target.path} exists, and is neither this painting nor interrupted; replace it with"
        " --overwrite, or choose another name."
    )


def mark_interrupted(settings: str) -> str:
    """Settings for an unfinished painting, which `find_state` does not take for a finished one."""
    return json.dumps(json.loads(settings) | {"interrupted": True})


def _carries(path: Path, settings: str | None = None) -> bool:
    """Whether a picture was painted by impasto, and with these settings if they are given."""
    with contextlib.suppress(ImageError, ValueError, TypeError):
        text = images.read_settings(path)
        if text is None or settings is None:
            return text is not None
        return bool(json.loads(text) | {"impasto": ""} == json.loads(settings) | {"impasto": ""})
    return False


def _exists(path: Path) -> OutputError:
    return OutputError(
        f"{path} exists already; replace it with --overwrite, or choose another name."
    )


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one.absolute() == other.absolute()


def _stem(word: str) -> str:
    return "stdin" if word == "-" else Path(word).stem.replace(":", "-") or "picture"
