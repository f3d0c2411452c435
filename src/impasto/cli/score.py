"""`impasto score`."""

import contextlib
import json as jsonlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from impasto.cli.options import refuse_options
from impasto.cli.report import write_line
from impasto.cli.tables import write_json, write_table
from impasto.errors import ConfigError, ImageError, OutputError
from impasto.files import check_writable, replacing

if TYPE_CHECKING:
    from impasto.scorepairs import PairedFiles
    from impasto.scoretables import Column, ScoreTable

_USAGE = "impasto score PHOTO STYLE RESULT..."


def command(
    *pictures: Annotated[
        str,
        Parameter(
            name="PICTURE",
            help="Photograph, style (a file or a gallery name), then results: files and folders.",
            allow_leading_hyphen=True,
        ),
    ],
    style: Annotated[
        tuple[str, ...],
        Parameter(
            help="One more style, beside the first; may be repeated.",
            negative="",
            show_default=False,
            metavar="FILE|NAME",
        ),
    ] = (),
    style_shares: Annotated[
        str | None,
        Parameter(help="How much each style counts, in their order.", metavar="X,X..."),
    ] = None,
    results: Annotated[
        str | None,
        Parameter(
            name="--set",
            help="Score a whole folder of results as a set; needs --photos and --styles, or"
            " --pairs.",
            metavar="FOLDER",
        ),
    ] = None,
    photos: Annotated[
        str | None, Parameter(help="With --set: their photographs.", metavar="FOLDER")
    ] = None,
    styles: Annotated[
        str | None,
        Parameter(help="With --set: their styles; a folder or one picture.", metavar="FOLDER"),
    ] = None,
    pairs: Annotated[
        str | None,
        Parameter(
            help="With --set: what belongs together, as CSV with the columns result,photo,style or"
            " as JSON objects; without it names tell: street_mosaic.png is street.jpg in mosaic.",
            metavar="FILE",
        ),
    ] = None,
    size: Annotated[
        int, Parameter(help="Long side in px for comparing, 64 to 1024.", metavar="N")
    ] = 512,
    explain: Annotated[
        bool,
        Parameter(help="Say what each column means.", negative="", show_default=False),
    ] = False,
    csv: Annotated[str | None, Parameter(help="Also write it there.", metavar="FILE")] = None,
    overwrite: Annotated[
        bool, Parameter(help="Replace that file.", negative="", show_default=False)
    ] = False,
    json: Annotated[
        bool, Parameter(help="Tell it as JSON.", negative="", show_default=False)
    ] = False,
) -> int:
    """Score results beside the photograph and the style themselves."""
    refuse_options(pictures, "--set", "--photos", "--styles", "--explain", "--csv")
    target = None if csv is None else _check_target(Path(csv), overwrite=overwrite)
    if results is not None:
        if pictures or style or style_shares:
            raise ConfigError("--set takes folders in place of single pictures; give one or both.")
        table = _score_set(_pair(Path(results), photos, styles, pairs), size)
    else:
        if photos or styles or pairs:
            raise ConfigError("--photos, --styles and --pairs belong to --set FOLDER.")
        table = _score(list(pictures), list(style), style_shares, size)
    _tell(table, json=json, explain=explain)
    if target is not None:
        with replacing(target) as temporary:
            temporary.write_text(table.to_csv(), "utf-8")
        write_line(f"Saved {target}.")
    return 0


def _score(words: list[str], more: list[str], shares: str | None, size: int) -> "ScoreTable":
    if len(words) < 3:
        raise ConfigError(_describe_missing(words))
    photo, first, *given = words
    if Path(photo).is_dir():
        raise ConfigError(f"{photo} is a folder; for sets use --set, --photos and --styles.")
    from impasto.scorepairs import list_folder

    files: list[Path] = []
    for word in given:
        files += list_folder(Path(word)) if Path(word).is_dir() else [Path(word)]
    names = [file.name for file in files]
    named = {file.name if names.count(file.name) == 1 else str(file): str(file) for file in files}
    counts = None if shares is None else _read_shares(shares)
    from impasto import scoring

    return scoring.score(photo, [first, *more], named, shares=counts, size=size)


def _describe_missing(words: list[str]) -> str:
    """What to say to fewer than three names; a painting knows what it was painted from."""
    for word in reversed(words):
        for photo, styles in _recall(word):
            return (
                f"{word} was painted from {photo} in the manner of {styles}, but does not hold"
                f" these pictures; name them: {_USAGE}."
            )
    if not words:
        return f"There is nothing to score; name pictures: {_USAGE}."
    return f"Scores compare a result with its photograph and style; name all three: {_USAGE}."


def _recall(word: str) -> Iterator[tuple[str, str]]:
    """Names of photograph and styles from a painting's settings, if it has any."""
    from impasto import images

    with contextlib.suppress(ImageError, ValueError, KeyError, TypeError):
        settings = jsonlib.loads((word != "-" and images.read_settings(word)) or "null")
        yield settings["photo"]["name"], ", ".join(one["name"] for one in settings["styles"])


def _read_shares(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--style-shares takes numbers such as 2,1, not {text!r}.") from None


def _pair(
    results: Path, photos: str | None, styles: str | None, pairs: str | None
) -> list["PairedFiles"]:
    from impasto import scorepairs

    folders = [None if name is None else Path(name) for name in (photos, styles)]
    if pairs is not None:
        return scorepairs.read_pairs(Path(pairs), results, *folders)
    if photos is None or styles is None:
        raise ConfigError("--set needs --photos FOLDER and --styles FOLDER, or --pairs FILE.")
    from impasto.api import find_style

    one = Path(str(find_style(styles)))
    listed = scorepairs.list_folder(one) if one.is_dir() else [one]
    found = scorepairs.list_folder(results)
    return scorepairs.pair_by_name(found, scorepairs.list_folder(Path(photos)), listed)


def _score_set(paired: list["PairedFiles"], size: int) -> "ScoreTable":
    from impasto import scoring

    trios = (scoring.Trio(*map(str, one)) for one in paired)
    return scoring.score_set(trios, size=size)


def _tell(table: "ScoreTable", *, json: bool, explain: bool) -> None:
    if json:
        write_json(table.to_dict())
        return
    for columns in _split(table) if sys.stdout.isatty() else [list(table.columns)]:
        rows = [
            (row.picture, *(_spell(row.values.get(column.key)) for column in columns))
            for row in table.rows
        ]
        write_table(("picture", *(_break_title(column.title) for column in columns)), rows)
    for note in table.notes:
        write_line(note)
    for column in table.columns if explain else ():
        write_line(f"{column.title}: {column.meaning}")


def _split(table: "ScoreTable") -> list[list["Column"]]:
    """The columns in as many groups as the terminal needs to show them whole."""
    space = shutil.get_terminal_size().columns
    names = max(len(row.picture) for row in table.rows)
    groups: list[list[Column]] = [[]]
    taken = names
    for column in table.columns:
        width = 2 + max(len(line) for line in _break_title(column.title).splitlines())
        if groups[-1] and taken + width > space:
            groups.append([])
            taken = names
        groups[-1].append(column)
        taken += width
    return groups


def _break_title(title: str) -> str:
    """A word a line; the arrow stays with the last."""
    *words, arrow = title.split()
    return "\n".join(words) + f" {arrow}"


def _spell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _check_target(target: Path, *, overwrite: bool) -> Path:
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already; replace it with --overwrite.")
    check_writable(target)
    return target
