"""`impasto fast FILM`: every frame through the network, and how many of them a second."""

import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from impasto.cli.fast import FastCommission, open_fast_painter
from impasto.cli.interruption import Interrupted, Interruption
from impasto.cli.options import OutputOptions, RunningOptions
from impasto.cli.report import Report, open_report
from impasto.cli.targets import default_name
from impasto.errors import ConfigError, ImageError, ImpastoError, OutputError
from impasto.files import replacing
from impasto.frames import FramePainter
from impasto.images import Picture
from impasto.movies import CONTAINERS, FilmReader, FilmWriter, container_of
from impasto.pyramid import resize
from impasto.quick import describe_itself, fades, mix_wishes
from impasto.regions import pair_masks
from impasto.showing import Show

if TYPE_CHECKING:
    from impasto.fastjob import FastJob
    from impasto.fastpainter import FastPainter

_TOLD_SECONDS = 2.0


def paint_film(commission: FastCommission, output: OutputOptions, running: RunningOptions) -> int:
    """Paint a film, and tell about it; returns the exit code."""
    check_frames(commission, output)
    path = choose_path(commission, output)
    report = open_report(json_lines=running.json, quiet=running.quiet, stdout_taken=False)
    with Interruption(quiet=running.quiet or running.json) as interruption, report:
        try:
            painter = open_fast_painter(commission.network, running, report)
            with FilmReader(Path(commission.photo)) as film:
                easel = _paint_frames(commission, painter, film, path, report, interruption)
        except ImpastoError as error:
            return report.error(error)
        height, width = easel.size
        report.note(
            f"Painted {path}: {easel.count} frames of {width}x{height} px in {easel.seconds:.1f} s,"
            f" {easel.rate:.1f} frames/s."
        )
        if interruption.exit_code:
            raise Interrupted(
                interruption.exit_code, f"interrupted; {path} ends with frame {easel.count}."
            )
    return 0


def _paint_frames(
    commission: FastCommission,
    painter: "FastPainter",
    film: FilmReader,
    path: Path,
    report: Report,
    interruption: Interruption,
) -> "FrameEasel":
    """Paint frame after frame, as long as nobody wants an end; what there is then is kept."""
    source, frames = Path(commission.photo), film.frames()
    first = next(frames, None)
    if first is None:
        raise ImageError(f"{source} has no frames.")
    easel = prepare_frames(commission, painter, first, source.stem)
    of = f" of {film.count}" if film.count else ""
    height, width = easel.size
    report.note(
        f"{source.name}: frames{of} of {width}x{height} px, {float(film.rate):.4g} a second."
    )
    told = time.monotonic()
    with (
        replacing(path) as temporary,
        FilmWriter(temporary, easel.size, film.rate, source, container_of(path)) as writer,
    ):
        for frame in itertools.chain([first], frames):
            writer.add(easel.paint(frame))
            interruption.worth_saving = True
            if interruption.exit_code:
                break
            if time.monotonic() - told >= _TOLD_SECONDS:
                told = time.monotonic()
                report.note(f"Frame {easel.count}{of}, {easel.rate:.1f} frames/s.")
    return easel


class FrameEasel:
    """Frames on their way: who paints them, what is done to them then, and a clock.

    Args:
        job: The first frame, as a photograph to be painted.
    """

    def __init__(self, job: "FastJob") -> None:
        assert job.hand is not None
        self.count = 0
        self._job, self._device = job, job.painter.device
        wishes = job.hand.list_wishes(job, job.photo.pixels)
        parts = pair_masks(len(wishes), (), (), job.fast.style_shares)[0].parts
        wish, self._share = mix_wishes(wishes, parts), job.fast.strength
        if fades(job.hand.network) and self._share != 1:
            own = describe_itself(job.hand.network, resize(job.photo.pixels, job.sizes[1]))
            wish, self._share = torch.lerp(own, wish, self._share), 1.0
        self._painter = FramePainter(job.hand.network, wish)
        self._began = time.monotonic()

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the painted film: codecs count colours in blocks of two by two."""
        height, width = self._job.sizes[0]
        return height // 2 * 2, width // 2 * 2

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    @property
    def rate(self) -> float:
        """Frames a second, so far."""
        return self.count / max(self.seconds, 1e-6)

    def paint(self, frame: Tensor) -> Tensor:
        """Paint the next frame, (1, 3, H, W), at the size of the painting."""
        full, at_work = self._job.sizes
        content = resize(frame, at_work).to(self._device)
        painted = torch.lerp(content, self._painter.paint(content), self._share).clamp_(0, 1)
        show = Show(frame, self._job.shown, self._job.config, None)
        self.count += 1
        return show.finish(resize(painted.cpu(), full), self._job.places(full))


def prepare_frames(
    commission: FastCommission, painter: "FastPainter", frame: Tensor, name: str
) -> FrameEasel:
    """Make ready for frames like a first one, at their own size unless another is given.

    Raises:
        ImpastoError: If they cannot be painted so.
    """
    fast = commission.fast
    if "size" not in fast.model_fields_set:
        fast = fast.model_copy(update={"size": max(frame.shape[-2:])})
    job = painter.prepare(Picture(frame, name=name), list(commission.styles), fast)
    if job.room.tile is not None:
        raise ConfigError("Films are not painted in tiles; choose a smaller --size.")
    return FrameEasel(job)


def check_frames(commission: FastCommission, output: OutputOptions) -> None:
    """See before the work that the options suit frames.

    Raises:
        ConfigError: If one does not.
    """
    commission.check(output, folder=False)
    if commission.places.given():
        raise ConfigError("Masks are for photographs, not for films; leave them out.")
    if commission.fast.refine:
        raise ConfigError("--refine is for photographs, not for films; leave it out.")
    if output.resume or output.layers or output.format or output.bits:
        raise ConfigError("--resume, --layers, --format and --bits are not for films.")


def choose_path(commission: FastCommission, output: OutputOptions) -> Path:
    """Decide where a painted film goes.

    Raises:
        ConfigError: If the name is not a film's.
        OutputError: If something would be lost.
    """
    source = Path(commission.photo)
    suffix = source.suffix.lower() if source.suffix.lower() in CONTAINERS else ".mp4"
    name = default_name(commission.photo, commission.styles, suffix)
    if output.output == "-":
        raise ConfigError("A film cannot go to standard output; name a file with -o.")
    path = Path(name if output.output is None else output.output)
    if path.is_dir():
        path /= name
    container_of(path)
    if path.exists() and source.exists() and path.samefile(source):
        raise OutputError(f"{path} would replace {source}; choose another name.")
    if path.exists() and not output.overwrite:
        raise OutputError(
            f"{path} exists already; replace it with --overwrite, or choose another name."
        )
    return path
