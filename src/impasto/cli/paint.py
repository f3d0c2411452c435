"""`impasto paint`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.cli.interruption import Interruption
from impasto.cli.options import (
    NO_FAMILY,
    NO_OUTPUT,
    NO_PLACES,
    NO_RUNNING,
    NO_SETTINGS,
    FamilyOptions,
    InitFile,
    Kin,
    Output,
    OutputOptions,
    PaintOptions,
    PlacementOptions,
    Places,
    Remote,
    Running,
    RunningOptions,
    Settings,
    refuse_options,
    settings_from,
)
from impasto.cli.report import Report, open_report
from impasto.config import PaintConfig, parse_blend
from impasto.errors import ConfigError, ImpastoError
from impasto.masknames import is_mask_name, parse_mask_name, parse_protection

if TYPE_CHECKING:
    from impasto.api import Painter, Placement
    from impasto.palettes import Palette


@dataclass(frozen=True)
class Commission:
    """What is to be painted, as the user names it.

    Attributes:
        photo: A picture, a folder, or "-".
        styles: Pictures, names from the gallery, or "-".
        config: The settings.
        start: Picture to start from.
        places: Masks and labels.
        notes: What the user should know before it starts.
        family: What it has in common with other paintings.
        palette: What a repeated painting is drawn toward.
    """

    photo: str
    styles: tuple[str, ...]
    config: PaintConfig
    start: str | None = None
    places: PlacementOptions = NO_PLACES
    notes: tuple[str, ...] = ()
    family: FamilyOptions = NO_FAMILY
    palette: "Palette | None" = None

    @property
    def inputs(self) -> tuple[str | None, ...]:
        """All files that are read."""
        return (self.photo, *self.styles, self.start, *self.places.files, self.family.family)

    def place(self) -> "Placement | None":
        """The masks, for the painter; None without any."""
        from impasto.api import Placement

        given = self.places.given()
        return Placement(**given) if given else None

    def hire(self, running: RunningOptions, report: Report) -> "Painter":
        """Who paints it."""
        return open_painter(running, report)

    def load_styles(self, running: RunningOptions) -> "list[Any]":
        """The styles, loaded once for many photographs."""
        from impasto import images
        from impasto.api import find_style

        return [
            images.load(find_style(style), max_pixels=running.max_pixels)  # type: ignore[arg-type]
            for style in self.styles
        ]

    def check(self, output: OutputOptions, *, folder: bool) -> None:
        """See before the work that inputs, names of masks and outputs make sense."""
        if self.inputs.count("-") > 1:
            raise ConfigError("Only one picture can come from standard input.")
        if self.start is None and "file" in parse_blend(self.config.init):
            raise ConfigError("The start 'file' needs a picture; give one with --init-file.")
        self.check_masks()
        if output.sheet is None:
            return
        if self.config.seamless == "none":
            raise ConfigError("--sheet shows how a pattern repeats; paint one, with --seamless.")
        if folder:
            raise ConfigError("--sheet is for a single painting, not for a folder.")

    def check_masks(self) -> None:
        """See before the work that names of masks are known."""
        parse_protection(self.places.protect)
        for word in self.places.masks:
            if is_mask_name(word):
                parse_mask_name(word)


def command(
    photo: Annotated[
        str,
        Parameter(
            name="PHOTO", help="Picture, folder of pictures, or -.", allow_leading_hyphen=True
        ),
    ],
    /,
    *styles: Annotated[
        str,
        Parameter(
            name="STYLE",
            help="One or several pictures, or names from the gallery.",
            allow_leading_hyphen=True,
        ),
    ],
    settings: Settings = NO_SETTINGS,
    init_file: InitFile = None,
    places: Places = NO_PLACES,
    family: Kin = NO_FAMILY,
    output: Output = NO_OUTPUT,
    running: Running = NO_RUNNING,
    remote: Remote = None,
) -> int:
    """Paint a photograph, or a folder of them."""
    refuse_options((photo, *styles), "--init-file", "--remote")
    recorded, notes = _read_family(family, settings)
    config = settings_from(settings, init_file, **recorded)
    if not styles and config.needs_style:
        raise ConfigError("No style is given; name a picture, or a style from impasto styles.")
    if remote is not None:
        from impasto.cli.remote import paint_remotely

        if init_file is not None or family.family is not None:
            raise ConfigError("--remote does without --init-file and --family; leave them out.")
        order = {"kind": "paint", "settings": config.to_dict()}
        return paint_remotely(remote, order, photo, styles, places, output, running)
    commission = Commission(photo, styles, config, init_file, places, notes, family)
    return carry_out(commission, output, running)


def carry_out(commission: Commission, output: OutputOptions, running: RunningOptions) -> int:
    """Paint what was commissioned, and tell about it; returns the exit code."""
    folder = commission.photo != "-" and Path(commission.photo).is_dir()
    commission.check(output, folder=folder)
    report = open_report(
        json_lines=running.json, quiet=running.quiet, stdout_taken=output.output == "-"
    )
    with Interruption(quiet=running.quiet or running.json) as interruption, report:
        try:
            for note in commission.notes:
                report.note(note)
            if folder:
                from impasto.cli.batch import paint_folder

                return paint_folder(commission, output, running, report, interruption)
            return _paint_one(commission, output, running, report, interruption)
        except ImpastoError as error:
            return report.error(error)


def _paint_one(
    commission: Commission,
    output: OutputOptions,
    running: RunningOptions,
    report: Report,
    interruption: Interruption,
) -> int:
    from impasto.cli.easel import Easel
    from impasto.cli.family import Album
    from impasto.cli.targets import check_free, choose_target, find_state

    target = choose_target(output, commission.photo, commission.styles)
    check_free(target, output, commission.inputs)
    album = Album(commission.family, report)
    job = commission.hire(running, report).prepare(
        commission.photo,
        commission.styles,
        commission.config,
        start=commission.start,
        placement=commission.place(),
    )
    job = album.join(replace(job, palette=commission.palette))
    state = None
    if output.resume:
        found = find_state(target, job, overwrite=output.overwrite)
        if found is True:
            report.note(f"{target.name} is finished already.")
            return 0
        if found is False:
            report.note(f"There is nothing to resume at {target.name}; starting afresh.")
        else:
            state = found
    album.add(job, Easel(job, target, report, interruption).paint(state))
    album.close()
    return 0


def open_painter(running: RunningOptions, report: Report) -> "Painter":
    """A painter as the options want it.

    Raises:
        ConfigError: If the device or the number of threads cannot be had.
    """
    count_threads(running)

    from impasto.api import Painter
    from impasto.devices import keep_freed_memory
    from impasto.memory import parse_bytes

    keep_freed_memory()
    return Painter(
        device=running.device,
        memory=None if running.memory is None else parse_bytes(running.memory),
        weights_file=_find_weights(running.weights),
        offline=running.offline,
        max_pixels=running.max_pixels,
        on_download=report.download,
    )


def count_threads(running: RunningOptions) -> None:
    """Let PyTorch take as many threads as it may.

    Raises:
        ConfigError: If there would be none.
    """
    import torch

    if running.threads is not None:
        if running.threads < 1:
            raise ConfigError(f"--threads must be at least 1, not {running.threads}.")
        torch.set_num_threads(running.threads)


def _find_weights(given: str | None) -> "Path | str | None":
    from impasto.weights import RANDOM

    # A path of one part would be taken for the name of weights.
    return Path(given).absolute() if given and given != RANDOM else given


def _read_family(
    family: FamilyOptions, settings: PaintOptions
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a family that there is already says, without PyTorch for those who have none."""
    if family.family is None:
        return {}, ()
    from impasto.cli.family import read_settings

    return read_settings(family, settings)
