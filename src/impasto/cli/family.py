"""`--family`: paintings of this and of later runs that are to look like one family."""

from pathlib import Path
from typing import Any

from impasto.api import Job, Painting
from impasto.cli.options import FamilyOptions, PaintOptions
from impasto.cli.report import Report
from impasto.config import PaintConfig
from impasto.errors import ConfigError
from impasto.families import Family, Strokes
from impasto.files import check_writable
from impasto.palettes import Palette, measure_palette, measure_spread, palette_distance

#: Colour modes whose paintings have the style's colours; others follow their first painting.
_OF_STYLE = frozenset({"style", "palette"})


class Album:
    """The family that paintings join, if there is one; the first of them founds it.

    Args:
        options: What was asked for.
        report: Who is told.

    Raises:
        ConfigError: If the file is foreign, or says something else than the options.
        OutputError: If it could not be written.
    """

    def __init__(self, options: FamilyOptions, report: Report) -> None:
        self._path = None if options.family is None else Path(options.family)
        self._options = options
        self._report = report
        self._family: Family | None = None
        self._pairs: list[tuple[Palette, Palette]] = []
        if self._path is None:
            if options.family_strokes or options.family_palette:
                raise ConfigError("Settings of a family need one; name its file with --family.")
        elif self._path.exists():
            self._family = Family.read(self._path)
            self._check(self._family)
        else:
            check_writable(self._path)

    def join(self, job: Job) -> Job:
        """The job as one of the family's; the first founds it, if colours come from the style."""
        if self._path is None:
            return job
        if self._family is None:
            if self._takes_first(job.config):
                return job
            self._found(job.found_family(self._path.name, strokes=self._strokes))
        assert self._family is not None
        return job.join(self._family)

    def add(self, job: Job, painting: Painting) -> None:
        """Take note of a finished painting."""
        if self._path is None:
            return
        if self._family is None:
            palette = measure_palette(painting.picture.pixels)
            self._found(job.found_family(self._path.name, strokes=self._strokes, palette=palette))
            self._pairs.append((palette, palette))
        elif painting.palettes:
            self._pairs.append(painting.palettes)

    def close(self) -> None:
        """Tell what the family has done to the paintings of this run."""
        if not self._pairs or self._family is None:
            return
        before, after = zip(*self._pairs, strict=True)
        if len(before) > 1:
            spread = f"{measure_spread(before):.3f} -> {measure_spread(after):.3f}"
            self._report.note(f"Palette spread over {len(before)} pictures: {spread}.")
        else:
            there = self._family.palette
            way = [f"{palette_distance(one, there):.3f}" for one in (before[0], after[0])]
            self._report.note(f"Distance from the family's palette: {' -> '.join(way)}.")

    @property
    def _strokes(self) -> Strokes:
        return "pixels" if self._options.family_strokes == "pixels" else "share"

    def _takes_first(self, config: PaintConfig) -> bool:
        wanted = self._options.family_palette
        return wanted == "first" or (
            wanted is None and not _OF_STYLE.issuperset(config.color_modes)
        )

    def _found(self, family: Family) -> None:
        assert self._path is not None
        family.write(self._path)
        self._family = family
        self._report.note(f"{self._path} holds what the family has in common from now on.")

    def _check(self, family: Family) -> None:
        strokes = self._options.family_strokes
        if strokes is not None and strokes != family.strokes:
            raise ConfigError(
                f"{self._path} measures strokes in {_WORDS[family.strokes]}; leave"
                " --family-strokes out, or name a new file."
            )
        if self._options.family_palette is not None:
            raise ConfigError(f"{self._path} has its palette already; leave --family-palette out.")


_WORDS = {"share": "shares of the picture", "pixels": "pixels"}


def read_settings(
    options: FamilyOptions, given: PaintOptions
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Settings of a family that there is already, and what to say about those given here."""
    path = None if options.family is None else Path(options.family)
    if path is None or not path.exists():
        return {}, ()
    recorded = Family.read(path).settings
    # How large a picture is and how far it is drawn is each picture's own matter.
    replaced = [
        f"--{name.replace('_', '-')}"
        for name in given.given()
        if name not in ("size", "family_pull")
    ]
    notes = (f"Not as {path.name} has it: {', '.join(replaced)}.",) if replaced else ()
    return recorded, notes
