"""`impasto paint FOLDER`: every picture of a folder, one painter, one report."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from impasto import images
from impasto.api import find_style
from impasto.checkpoints import CheckpointError, load_checkpoint
from impasto.cli.easel import Easel
from impasto.cli.family import Album
from impasto.cli.interruption import Interrupted, Interruption
from impasto.cli.options import OutputOptions, RunningOptions
from impasto.cli.paint import Commission
from impasto.cli.report import Report
from impasto.cli.targets import Target, check_free, suffix_of, target_for
from impasto.errors import (
    ConfigError,
    ImageError,
    MemoryBudgetError,
    NumericalError,
    OutputError,
    ShapeError,
)
from impasto.files import describe_os_error
from impasto.images import Picture
from impasto.progress import PaintState

#: What is wrong with one picture; anything else would befall the others too.
_LOCAL = (ImageError, MemoryBudgetError, NumericalError, ShapeError)


def paint_folder(
    commission: Commission,
    output: OutputOptions,
    running: RunningOptions,
    report: Report,
    interruption: Interruption,
) -> int:
    """Paint all pictures of a folder into another.

    Returns:
        0, or 1 if some could not be painted.

    Raises:
        ImpastoError: If none of them could be painted.
        Interrupted: With the current one kept as a checkpoint.
    """
    source = Path(commission.photo)
    if output.layers is not None:
        raise ConfigError("--layers is for one photograph, not for a folder.")
    folder = _check_folder(source, output.output)
    pictures = images.list_pictures(source)
    if not pictures:
        raise ImageError(f"There is no picture in {source}.")
    batch = _Batch(commission, output, running, report, interruption)
    names = name_results(pictures, suffix_of(output.format))
    failures: list[tuple[str, str]] = []
    places = [folder / name for name in names]
    there = [place.exists() and not output.overwrite for place in places]
    clock = _Clock(there.count(False))
    for index, (photo, place) in enumerate(zip(pictures, places, strict=True), 1):
        if there[index - 1]:
            continue
        if interruption.exit_code:
            raise Interrupted(interruption.exit_code, f"interrupted before {photo.name}.")
        report.picture(index, len(pictures), photo.name, clock.seconds_left)
        try:
            batch.paint(photo, place)
        except _LOCAL as error:
            report.failed(photo.name, error)
            failures.append((photo.name, str(error)))
        clock.tick()
    batch.album.close()
    report.summary(there.count(False) - len(failures), there.count(True), failures)
    return 1 if failures else 0


class _Clock:
    """Estimates the time that the rest of a folder takes: as long for each as so far."""

    def __init__(self, count: int) -> None:
        self._count, self._done = count, 0
        self._began = time.monotonic()

    def tick(self) -> None:
        self._done += 1

    @property
    def seconds_left(self) -> float | None:
        """None before the first is done."""
        if not self._done:
            return None
        spent = time.monotonic() - self._began
        return spent / self._done * (self._count - self._done)


class _Batch:
    """What all pictures of a folder share: network, styles and settings."""

    def __init__(
        self,
        commission: Commission,
        output: OutputOptions,
        running: RunningOptions,
        report: Report,
        interruption: Interruption,
    ) -> None:
        self._commission = commission
        self._output = output
        self._report = report
        self._interruption = interruption
        self._painter = commission.hire(running, report)
        self._styles = commission.load_styles(running)
        start = commission.start
        self._start = None if start is None else _load(start, running)
        self._placement = commission.place()
        self.album = Album(commission.family, report)

    def paint(self, photo: Path, path: Path) -> None:
        job = self._painter.prepare(photo, self._styles, self._commission.config, start=self._start,
            placement=self._placement,
        )  # fmt: skip
        job = self.album.join(job)
        _make_folder(path.parent)
        target = target_for(path, replace(self._output, format=None))
        inputs = (str(photo), *self._commission.inputs[1:])
        check_free(target, replace(self._output, resume=True), inputs)
        state = None if self._output.overwrite else self._find_state(target, job.fingerprint)
        easel = Easel(job, target, self._report, self._interruption, keep_unfinished=False)
        self.album.add(job, easel.paint(state))

    def _find_state(self, target: Target, fingerprint: str) -> PaintState | None:
        """Go on with a picture that an earlier run broke off, if it is the same painting."""
        assert target.checkpoint is not None
        if not target.interrupted:
            return None
        try:
            return load_checkpoint(target.checkpoint, fingerprint)
        except CheckpointError as error:
            self._report.note(f"Starting afresh: {error}")
            return None


def name_results(pictures: Sequence[Path], suffix: str) -> list[str]:
    """Names for the results: the stem, or the whole name where two pictures share a stem.

    Args:
        pictures: The photographs.
        suffix: Of the results, with its dot.

    Returns:
        One name each, all different also where upper and lower case are the same.
    """
    stems = Counter(path.stem.casefold() for path in pictures)
    names: list[str] = []
    taken: set[str] = set()
    for path in pictures:
        base = path.stem if stems[path.stem.casefold()] == 1 else path.name
        name, number = f"{base}{suffix}", 2
        while name.casefold() in taken:
            name, number = f"{base}-{number}{suffix}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _check_folder(source: Path, wanted: str | None) -> Path:
    if wanted is None or wanted == "-":
        raise ConfigError(f"{source} is a folder; name a folder for the paintings with -o.")
    folder = Path(wanted)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; name a folder for the paintings of {source}.")
    suffixes = {suffix for known in images.WRITABLE_FORMATS.values() for suffix in known}
    if not folder.exists() and folder.suffix.lower() in suffixes:
        raise ConfigError(f"{source} is a folder and {folder} a picture's name; name a folder.")
    if folder.exists() and folder.samefile(source):
        raise OutputError("The paintings need a folder of their own; name another with -o.")
    return folder


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make {folder}: {describe_os_error(error)}.") from error


def _load(style: str, running: RunningOptions) -> Picture:
    return images.load(find_style(style), max_pixels=running.max_pixels)  # type: ignore[arg-type]
