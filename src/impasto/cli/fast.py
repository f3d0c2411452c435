"""`impasto fast`: one pass of a trained network in place of an optimisation."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.cli.options import (
    NO_FAST_SETTINGS,
    NO_OUTPUT,
    NO_PLACES,
    NO_RUNNING,
    FastSettings,
    NetworkFile,
    NetworkList,
    Output,
    OutputOptions,
    Places,
    Remote,
    Running,
    RunningOptions,
    refuse_options,
)
from impasto.cli.paint import Commission, carry_out, count_threads
from impasto.cli.report import Report
from impasto.errors import ConfigError
from impasto.fastconfig import FastConfig

if TYPE_CHECKING:
    from impasto.fastjob import FastJob
    from impasto.fastpainter import FastPainter


@dataclass(frozen=True)
class FastCommission(Commission):
    """What is to be painted in one pass.

    Attributes:
        network: Name or file of the network; None for the usual one.
        fast: The settings; `config` follows from them.
    """

    network: str | None = None
    fast: FastConfig = field(default_factory=FastConfig)

    def hire(self, running: RunningOptions, report: Report) -> Any:
        """Who paints it."""
        return Hand(open_fast_painter(self.network, running, report), self.fast)

    def load_styles(self, running: RunningOptions) -> list[Any]:
        """Words: only the network knows which of them are pictures. It keeps those it loads."""
        return list(self.styles)

    def check(self, output: OutputOptions, *, folder: bool) -> None:
        """See before the work that inputs, names of masks and outputs make sense."""
        if self.inputs.count("-") > 1:
            raise ConfigError("Only one picture can come from standard input.")
        if folder and "-" in self.styles:
            raise ConfigError("A style for a whole folder must be a file, not standard input.")
        if output.sheet is not None:
            raise ConfigError("--sheet shows how a pattern repeats: for impasto paint --seamless.")
        if (output.save_every or output.preview) and not self.fast.refine:
            raise ConfigError("There is nothing to see on the way; add --refine, or leave it out.")
        self.check_masks()


class Hand:
    """A painter who has been told the settings, for those who hand on photographs only."""

    def __init__(self, painter: "FastPainter", config: FastConfig) -> None:
        self._painter, self._config = painter, config

    def prepare(
        self, photo: Any, styles: Any, config: Any, *, start: Any = None, placement: Any = None
    ) -> "FastJob":
        """See `FastPainter.prepare`."""
        return self._painter.prepare(photo, styles, self._config, placement=placement)


def command(
    photo: Annotated[
        str | None,
        Parameter(
            name="PHOTO",
            help="Picture, folder of pictures, film, or -.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    /,
    *styles: Annotated[
        str,
        Parameter(
            name="STYLE",
            help="One or several pictures, names from the gallery, or names of styles that the"
            " network holds.",
            allow_leading_hyphen=True,
        ),
    ],
    network: NetworkFile = None,
    show: NetworkList = False,
    settings: FastSettings = NO_FAST_SETTINGS,
    places: Places = NO_PLACES,
    output: Output = NO_OUTPUT,
    running: Running = NO_RUNNING,
    remote: Remote = None,
) -> int:
    """Paint a photograph, a folder of them or a film in one pass of a trained network."""
    if show:
        from impasto.cli.shelflist import list_shelf

        return list_shelf(json=running.json)
    if photo is None:
        raise ConfigError("Which picture is to be painted? Name a photograph, a folder or a film.")
    refuse_options((photo, *styles), "--network", "--remote")
    if running.weights is not None:
        raise ConfigError("--weights belongs to impasto paint; here it is --network FILE.")
    config = FastConfig(**settings.given())
    if remote is not None:
        from impasto.cli.remote import paint_remotely

        order = {"kind": "fast", "settings": config.to_dict(), "network": network}
        return paint_remotely(remote, order, photo, styles, places, output, running)
    commission = commission_fast(photo, styles, config, network, places)
    if photo != "-" and Path(photo).is_file():
        from impasto.movies import is_film

        if is_film(Path(photo)):
            from impasto.cli.film import paint_film

            return paint_film(commission, output, running)
    return carry_out(commission, output, running)


def commission_fast(
    photo: str,
    styles: tuple[str, ...],
    config: FastConfig,
    network: str | None,
    places: Places = NO_PLACES,
    notes: tuple[str, ...] = (),
) -> FastCommission:
    """What is to be painted, with the settings of what comes after the pass."""
    from impasto.shelf import find_network

    # An unknown network is told before anything else is looked at.
    path = find_network(network, styles)
    return FastCommission(
        photo, styles, config.for_paint(), None, places, notes, network=str(path), fast=config
    )


def open_fast_painter(
    network: str | None, running: RunningOptions, report: Report
) -> "FastPainter":
    """A painter as the options want it.

    Raises:
        ConfigError: If the device or the number of threads cannot be had.
        WeightsError: If there is no such network.
    """
    count_threads(running)

    from impasto.devices import keep_freed_memory
    from impasto.fastpainter import FastPainter
    from impasto.memory import parse_bytes

    keep_freed_memory()
    return FastPainter(
        network,
        device=running.device,
        memory=None if running.memory is None else parse_bytes(running.memory),
        offline=running.offline,
        max_pixels=running.max_pixels,
        on_download=report.download,
    )
