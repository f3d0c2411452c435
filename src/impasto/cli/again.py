"""`impasto again`: a painting is repeated from the settings inside its file."""

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.cli.fast import FastCommission, commission_fast
from impasto.cli.options import (
    NO_OUTPUT,
    NO_RUNNING,
    NO_SETTINGS,
    InitFile,
    NetworkFile,
    Output,
    OutputOptions,
    PlacementOptions,
    Running,
    Settings,
    refuse_options,
    settings_from,
    spell_options,
)
from impasto.cli.paint import Commission, carry_out
from impasto.cli.report import write_line
from impasto.config import PaintConfig
from impasto.errors import ConfigError, ImageError, WeightsError
from impasto.fastconfig import FastConfig
from impasto.masknames import parse_mask_name, parse_protection
from impasto.version import __version__

if TYPE_CHECKING:
    from impasto.images import Picture
    from impasto.palettes import Palette


Painting = Annotated[str, Parameter(name="PAINTING", help="A picture that impasto painted.")]
Photo = Annotated[str | None, Parameter(help="The photograph, or another one.", metavar="FILE")]
Styles = Annotated[
    list[str] | None,
    Parameter(
        help="The style picture, or another one; once for each style.", metavar="FILE", negative=""
    ),
]
DryRun = Annotated[
    bool,
    Parameter(help="Only print the command that paints it.", negative="", show_default=False),
]


def command(
    painting: Painting,
    /,
    *,
    photo: Photo = None,
    style: Styles = None,
    dry_run: DryRun = False,
    settings: Settings = NO_SETTINGS,
    init_file: InitFile = None,
    network: NetworkFile = None,
    output: Output = NO_OUTPUT,
    running: Running = NO_RUNNING,
) -> int:
    """Repeat a painting."""
    refuse_options((painting,), "--photo", "--style", "--dry-run", "--init-file", "--network")
    record = Record.read(Path(painting))
    search = _Search(Path(painting), running.max_pixels, strict=not dry_run)
    sources = search.find_all(record, photo, style or (), init_file)
    if record.version != __version__:
        search.notes.append(
            f"It was painted by impasto {record.version}, this is {__version__}; the result may"
            " differ."
        )
    places = search.find_places(record)
    commission: Commission
    if record.network is not None:
        if init_file is not None:
            raise ConfigError("A fast painting starts from its photograph; leave --init-file out.")
        words = record.own_styles or tuple(sources[1:-1])
        found = network or search.find_network(record.network)
        fast = FastConfig(**(record.settings | settings.given()))
        commission = commission_fast(sources[0], words, fast, found, places, tuple(search.notes))
    else:
        if network is not None:
            raise ConfigError("It was not painted by a fast network; leave --network out.")
        config = settings_from(settings, init_file, **record.settings)
        commission = Commission(
            sources[0], tuple(sources[1:-1]), config, sources[-1], places, tuple(search.notes),
            palette=record.palette,
        )  # fmt: skip
    if dry_run:
        _print_command(commission, running.weights or record.weights)
        return 0
    if record.weights == _RANDOM and not running.weights:
        running = replace(running, weights=_RANDOM)
    if record.weights and not running.weights:
        raise ConfigError(
            f"It was painted with the weights {record.weights}; give them with --weights FILE."
        )
    if output.output is None:
        output = replace(output, output=_name_repetition(Path(painting)))
    if output.bits is None:
        output = replace(output, bits=search.bits if _is_deep(output) else None)
    return carry_out(commission, output, running)


@dataclass(frozen=True)
class Record:
    """What a painting says about itself.

    Attributes:
        settings: Arguments of `PaintConfig`.
        photo: Name and digest of the photograph.
        styles: Those of the styles.
        start: Those of the picture it started from, if any.
        weights: Name of the file of weights, if they were the user's own; or that they were random.
        version: Of the impasto that painted it.
        placement: Names and digests of masks and labels, by what they are for.
        palette: Of the family that it was drawn toward, as it lies in the file.
        network: Name and digest of the fast network that painted it, if one did.
        own_styles: Styles that are the network's own, and have no picture.
    """

    settings: dict[str, Any]
    photo: dict[str, str]
    styles: list[dict[str, str]]
    start: dict[str, str] | None
    weights: str | None
    version: str
    placement: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    palette: "Palette | None" = None
    network: dict[str, str] | None = None
    own_styles: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Read a picture's record; anyone may have written it, so nothing is taken on trust.

        Raises:
            ImageError: If the picture cannot be read or has no record.
        """
        from impasto import images
        from impasto.palettes import Palette

        text = images.read_settings(path)
        if text is None:
            raise ImageError(f"{path} does not say how it was painted; impasto did not paint it.")
        try:
            found = json.loads(text)
            record = cls(
                settings=dict(found["settings"]),
                photo=_identity(found["photo"]),
                styles=[_identity(one) for one in found["styles"]],
                start=_identity(found["start"]) if "start" in found else None,
                weights=_name_weights(found),
                version=str(found["impasto"]),
                placement={
                    _PLACES[kind].name: [_place(kind, one) for one in _listed(pictures)]
                    for kind, pictures in dict(found.get("placement", {})).items()
                },
                palette=Palette.from_dict(found["palette"]) if "palette" in found else None,
                network=_identity(found["network"]) if "network" in found else None,
                own_styles=tuple(map(str, found.get("own_styles", ()))),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise ImageError(f"{path} holds a damaged record of how it was painted.") from error
        kind = PaintConfig if record.network is None else FastConfig
        kind(**record.settings)
        return record


_RANDOM = "random"
_PLACES = {field.name: field for field in fields(PlacementOptions)}


def _name_weights(found: dict[str, Any]) -> str | None:
    """The file of weights; one that is called random is told from weights that are."""
    name = str(found["weights"]) if "weights" in found else None
    return f"./{name}" if name == _RANDOM and "weights_sha256" in found else name


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _place(kind: str, found: dict[str, str]) -> dict[str, str]:
    """A picture, or a mask to be found again."""
    if kind not in ("masks", "protect") or "automatic" not in found:
        return _identity(found)
    name = str(found["automatic"])
    parse_protection(name) if kind == "protect" else parse_mask_name(name)
    return {"automatic": name, "version": str(found["version"])}


def _identity(found: dict[str, str]) -> dict[str, str]:
    name = str(found["name"])
    if Path(name).name != name:  # a name must not lead out of the folders that are searched
        raise ValueError(name)
    return {"name": name, "sha256": str(found["sha256"])}


class _Search:
    """Finds the pictures of a record.

    Attributes:
        notes: What the user should know about those that were found.
        bits: Depth of the painting.
    """

    def __init__(self, painting: Path, max_pixels: int, *, strict: bool) -> None:
        self.notes: list[str] = []
        self._painting = painting
        self._max_pixels = max_pixels
        self._strict = strict
        self.bits = self._load(painting).bits

    def find_all(
        self, record: Record, photo: str | None, styles: Sequence[str], start: str | None
    ) -> list[Any]:
        """Names of the photograph, each style, and the picture to start from (or None)."""
        if styles and len(styles) != len(record.styles):
            raise ConfigError(f"It has {len(record.styles)} styles; give all of them, or none.")
        given: list[str | None] = [*styles] or [None] * len(record.styles)
        return [
            self._find("photograph", "--photo", record.photo, photo),
            *(
                self._find("style", "--style", identity, one)
                for identity, one in zip(record.styles, given, strict=True)
            ),
            start
            if record.start is None
            else self._find("starting picture", "--init-file", record.start, start),
        ]

    def find_network(self, identity: dict[str, str]) -> str:
        """The very network that painted it: one of impasto's, or beside the painting or here."""
        from impasto.files import digest_of
        from impasto.shelf import list_networks

        name = identity["name"]
        beside = (folder / name for folder in (self._painting.parent, Path()))
        for path in (*(p for p in [list_networks().get(name)] if p), *beside):
            if path.is_file() and digest_of(path) == identity["sha256"]:
                return str(path)
        message = f"Cannot find the network {name!r} that painted it; give it with --network FILE."
        if self._strict:
            raise WeightsError(message)
        self.notes.append(message)
        return name

    def find_places(self, record: Record) -> PlacementOptions:
        """Masks and labels: none can be given anew, for they decide what is painted where."""
        places: dict[str, Any] = {}
        for kind, identities in record.placement.items():
            what = kind.removesuffix("s").replace("_", " ")
            found = tuple(self._find_place(what, identity) for identity in identities)
            single = _PLACES[kind].default is None
            places[kind] = found[0] if single else found
        return PlacementOptions(**places)

    def _find_place(self, what: str, identity: dict[str, str]) -> str:
        name = identity.get("automatic")
        if name is None:
            return self._find(what, "", identity, None)
        asked = parse_mask_name(name) if what == "mask" else parse_protection(name)[0]
        if identity["version"] != str(asked.version):
            self.notes.append(f"This impasto finds {name} in another way; the result may differ.")
        # A file of that name would win otherwise.
        return f"auto:{name}" if what == "mask" and Path(name).is_file() else name

    def _find(self, what: str, option: str, identity: dict[str, str], given: str | None) -> str:
        if given is not None:
            if given != "-" and not self._is_right(given, identity):
                self.notes.append(
                    f"{given} is not the {what} that was used; painting all the same."
                )
            return given
        similar = None
        for path in self._candidates(identity["name"]):
            if self._is_right(str(path), identity):
                return str(path)
            similar = path
        name = identity["name"]
        if similar is not None:
            message = f"{similar} is not the {what} that was used: its pixels differ"
            message += (
                f"; to paint with it all the same, add {option} {shlex.quote(str(similar))}."
                if option
                else "; put the right one beside the painting."
            )
        elif option:
            message = f"Cannot find the {what} {name!r}; give it with {option} FILE."
        else:
            message = f"Cannot find the {what} {name!r}; put it beside the painting."
        if self._strict:
            raise ImageError(message)
        self.notes.append(message)
        return str(similar or name)

    def _candidates(self, name: str) -> Iterator[Path]:
        """Pictures of that name beside the painting, in this folder and in the gallery."""
        from impasto import gallery, images

        folders = dict.fromkeys((self._painting.parent, Path()))
        for folder in folders:
            for path in images.list_pictures(folder):
                if path.stem == name and path != self._painting:
                    yield path
        if name in gallery.STYLES:
            yield gallery.picture_path(name)
        if images.is_canvas(name):
            yield Path(name)

    def _is_right(self, source: str, identity: dict[str, str]) -> bool:
        from impasto.api import find_style, identify

        return identify(self._load(find_style(source)))["sha256"] == identity["sha256"]

    def _load(self, source: Any) -> "Picture":
        from impasto import images

        return images.load(source, max_pixels=self._max_pixels)


def _name_repetition(painting: Path) -> str:
    from impasto.images import WRITABLE_FORMATS

    writable = {suffix for suffixes in WRITABLE_FORMATS.values() for suffix in suffixes}
    suffix = painting.suffix if painting.suffix.lower() in writable else ".png"
    return f"{painting.stem}-again{suffix}"


def _is_deep(output: OutputOptions) -> bool:
    """Whether the format can hold 16 bits."""
    suffix = Path(output.output or "").suffix.lower()
    return (output.format or suffix.removeprefix(".") or "png") in ("png", "tif", "tiff")


def _print_command(commission: Commission, weights: str | None) -> None:
    from impasto import gallery

    words = ["impasto", "fast" if isinstance(commission, FastCommission) else "paint"]
    shipped = {str(gallery.picture_path(name)): name for name in gallery.STYLES}
    styles = [shipped.get(style, style) for style in commission.styles]
    words += [shlex.quote(source) for source in (commission.photo, *styles)]
    settings = commission.fast if isinstance(commission, FastCommission) else commission.config
    words += spell_options(settings.to_dict())
    if isinstance(commission, FastCommission):
        words += ["--network", shlex.quote(str(commission.network))]
    words += [shlex.quote(word) for word in commission.places.spell()]
    for option, value in (("--init-file", commission.start), ("--weights", weights)):
        words += [option, shlex.quote(value)] if value else []
    sys.stdout.write(" ".join(words) + "\n")
    if commission.palette is not None:
        write_line("It was drawn toward a family's palette; add --family with the family's file.")
    for note in commission.notes:
        write_line(note)
