"""`impasto webcam`: what a camera sees, painted as it happens."""

import contextlib
import time
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from impasto.cli.fast import FastCommission, commission_fast, open_fast_painter
from impasto.cli.interruption import Interruption
from impasto.cli.options import (
    NO_FAST_SETTINGS,
    NO_OUTPUT,
    NO_RUNNING,
    FastSettings,
    NetworkFile,
    Output,
    Running,
    RunningOptions,
    refuse_options,
)
from impasto.cli.report import Report, open_report
from impasto.errors import ConfigError, ImageError, ImpastoError
from impasto.fastconfig import FastConfig

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


_TOLD_SECONDS = 2.0


def command(
    *styles: Annotated[
        str, Parameter(name="STYLE", help="As for impasto fast.", allow_leading_hyphen=True)
    ],
    camera: Annotated[
        str, Parameter(help="Number of the camera, or a film in its place.", metavar="N|FILE")
    ] = "0",
    network: NetworkFile = None,
    settings: FastSettings = NO_FAST_SETTINGS,
    output: Output = NO_OUTPUT,
    running: Running = NO_RUNNING,
) -> int:
    """Paint what a camera sees, in a window or as a film."""
    refuse_options(styles, "--network", "--camera")
    if running.weights is not None:
        raise ConfigError("--weights belongs to impasto paint; here it is --network FILE.")
    commission = commission_fast("webcam", styles, FastConfig(**settings.given()), network)
    from impasto.cli.film import check_frames, choose_path

    check_frames(commission, output)
    path = None if output.output is None else choose_path(commission, output)
    report = open_report(json_lines=running.json, quiet=running.quiet, stdout_taken=False)
    with Interruption(quiet=True) as interruption, report:
        try:
            return _watch(commission, camera, path, running, report, interruption)
        except ImpastoError as error:
            return report.error(error)


def _watch(
    commission: FastCommission,
    name: str,
    path: "Path | None",
    running: RunningOptions,
    report: Report,
    interruption: Interruption,
) -> int:
    from impasto.cameras import Camera, Window
    from impasto.cli.film import prepare_frames
    from impasto.files import replacing
    from impasto.movies import FilmWriter, container_of

    painter = open_fast_painter(commission.network, running, report)
    with Camera(name) as camera, contextlib.ExitStack() as stack:
        frames = camera.frames()
        first = next(frames, None)
        if first is None:
            raise ImageError(f"The camera {name} gives no picture.")
        easel = prepare_frames(commission, painter, first, "webcam")
        window, writer = None, None
        if path is None:
            window = stack.enter_context(Window("impasto: q ends"))
        else:
            temporary = stack.enter_context(replacing(path))
            writer = stack.enter_context(
                FilmWriter(temporary, easel.size, camera.rate, None, container_of(path))
            )
        wanted, told, written = True, time.monotonic(), 0
        frame: Tensor | None = first
        while wanted and frame is not None and not interruption.exit_code:
            painted = easel.paint(frame)
            interruption.worth_saving = True
            if window is not None:
                wanted = window.show(painted)
            if writer is not None:
                # As many copies as keep the film in step with the clock.
                copies = max(1, round(easel.seconds * float(camera.rate)) - written)
                for _ in range(copies):
                    writer.add(painted)
                written += copies
            if time.monotonic() - told >= _TOLD_SECONDS:
                told = time.monotonic()
                report.note(f"{easel.rate:.1f} frames/s.")
            frame = next(frames, None)
    height, width = easel.size
    report.note(
        f"{easel.count} frames of {width}x{height} px in {easel.seconds:.1f} s, {easel.rate:.1f}"
        f" frames/s{'' if path is None else f', as {path}'}."
    )
    return 0
