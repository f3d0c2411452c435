"""`impasto fast FILM`: every frame through the network, and how many of them a second."""

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
from impasto.errors import ConfigError, ImpastoError, OutputError
from impasto.files import replacing
from impasto.frames import FramePainter
from impasto.images import Picture
from impasto.movies import CONTAINERS, FilmReader, FilmWriter, container_of
from impasto.pyramid import resize
from impasto.quick import describe_itself, mix_wishes
from impasto.regions import pair_masks
from impasto.showing import Show

if TYPE_CHECKING:
    from impasto.fastpainter import FastJob

_TOLD_SECONDS = 2.0


def paint_film(commission: FastCommission, output: OutputOptions, running: RunningOptions) -> int:
    """Paint a film, and tell about it; returns the exit code."""
    _check(commission, output)
    path = _choose_path(commission, output)
    report = open_report(json_lines=running.json, quiet=running.quiet, stdout_taken=False)
    with Interruption(quiet=running.quiet or running.json) as interruption, report:
        try:
            painter = open_fast_painter(commission.network, running, report)
            with FilmReader(Path(commission.photo)) as film:
                frames = film.frames()
                first = next(frames, None)
                if first is None:
                    raise ConfigError(f"{commission.photo} has no frames.")
                fast = commission.fast
                if "size" not in fast.model_fields_set:
                    fast = fast.model_copy(update={"size": max(first.shape[-2:])})
                name = Path(commission.photo).stem
                job = painter.prepare(Picture(first, name=name), list(commission.styles), fast)
                if job.room.tile is not None:
                    raise ConfigError("Films are not painted in tiles; choose a smaller --size.")
                easel = _FilmEasel(job, film, report, interruption)
                with replacing(path) as temporary:
                    size = _even(job.sizes[0])
                    sound, kind = Path(commission.photo), container_of(path)
                    with FilmWriter(temporary, size, film.rate, sound, kind) as writer:
                        easel.add(first, writer)
                        for frame in frames:
                            if interruption.exit_code:
                                break
                            easel.add(frame, writer)
            easel.close(path)
            if interruption.exit_code:
                raise Interrupted(
                    interruption.exit_code, f"interrupted; {path} ends with frame {easel.count}."
                )
        except ImpastoError as error:
            return report.error(error)
    return 0


class _FilmEasel:
    """One film on its way: the painter of frames, and a clock."""

    def __init__(
        self, job: "FastJob", film: FilmReader, report: Report, interruption: Interruption
    ) -> None:
        assert job.hand is not None
        self.count = 0
        self._job, self._film, self._report = job, film, report
        self._interruption, self._device = interruption, job.painter.device
        self._wishes = job.hand.list_wishes(job, job.photo.pixels)
        wish = mix_wishes(
            self._wishes, pair_masks(len(self._wishes), (), (), job.fast.style_shares)[0].parts
        )
        strength, self._mixed = job.fast.strength, 1.0
        if strength != 1 and job.hand.learnt_to_describe:
            own = describe_itself(job.hand.network, resize(job.photo.pixels, job.sizes[1]))
            wish = torch.lerp(own, wish, strength)
        else:
            self._mixed = strength
        self._painter = FramePainter(job.hand.network, wish)
        self._began = self._told = time.monotonic()
        full = job.sizes[0]
        of = f" of {film.count}" if film.count else ""
        report.note(
            f"{job.photo.name} in the manner of {', '.join(job.names)}: frames{of} of"
            f" {full[1]}x{full[0]} px, {float(film.rate):.4g} a second."
        )

    def add(self, frame: Tensor, writer: FilmWriter) -> None:
        """Paint a frame and write it."""
        full, at_work = self._job.sizes
        content = resize(frame, at_work).to(self._device)
        painted = torch.lerp(content, self._painter.paint(content), self._mixed).clamp_(0, 1)
        show = Show(frame, self._job.shown, self._job.config, None)
        writer.add(show.finish(resize(painted.cpu(), full), self._job.places(full)))
        self.count += 1
        self._interruption.worth_saving = True
        if time.monotonic() - self._told >= _TOLD_SECONDS:
            self._told = time.monotonic()
            of = f" of {self._film.count}" if self._film.count else ""
            self._report.note(f"Frame {self.count}{of}, {self._rate:.1f} frames/s.")

    def close(self, path: Path) -> None:
        """Tell what was done."""
        height, width = _even(self._job.sizes[0])
        seconds = time.monotonic() - self._began
        self._report.note(
            f"Painted {path}: {self.count} frames of {width}x{height} px in {seconds:.1f} s,"
            f" {self._rate:.1f} frames/s."
        )

    @property
    def _rate(self) -> float:
        return self.count / max(time.monotonic() - self._began, 1e-6)


def _check(commission: FastCommission, output: OutputOptions) -> None:
    commission.check(output, folder=False)
    if commission.places.given():
        raise ConfigError("Masks are for photographs, not for films; leave them out.")
    if commission.fast.refine:
        raise ConfigError("--refine is for photographs, not for films; leave it out.")
    if output.resume or output.layers or output.format or output.bits:
        raise ConfigError("--resume, --layers, --format and --bits are not for films.")


def _choose_path(commission: FastCommission, output: OutputOptions) -> Path:
    source = Path(commission.photo)
    suffix = source.suffix.lower() if source.suffix.lower() in CONTAINERS else ".mp4"
    name = default_name(commission.photo, commission.styles, suffix)
    if output.output == "-":
        raise ConfigError("A film cannot go to standard output; name a file with -o.")
    path = Path(name if output.output is None else output.output)
    if path.is_dir():
        path /= name
    container_of(path)
    if path.exists() and path.samefile(source):
        raise OutputError(f"{path} would replace {source}; choose another name.")
    if path.exists() and not output.overwrite:
        raise OutputError(
            f"{path} exists already; replace it with --overwrite, or choose another name."
        )
    return path


def _even(size: tuple[int, int]) -> tuple[int, int]:
    """Codecs count colours in blocks of two by two."""
    return size[0] // 2 * 2, size[1] // 2 * 2
