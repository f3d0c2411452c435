"""Options that commands share. Those of the engine are derived from `PaintConfig`.

A default and a help text exist once: in `impasto.config` for everything that decides what a
painting looks like, and here for everything else.
"""

import dataclasses
import difflib
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from cyclopts import Group, Parameter
from pydantic import BaseModel

from impasto.config import GROUPS, PaintConfig
from impasto.errors import ConfigError
from impasto.fastconfig import FastConfig
from impasto.masknames import is_mask_name

_T = TypeVar("_T")

_PAINTER = Group.create_ordered(GROUPS["size"])
_PLACES = Group.create_ordered("Where what is painted")
_FAMILY = Group.create_ordered("Pictures that belong together")
_OUTPUT = Group.create_ordered("Output")
_RUNNING = Group.create_ordered("Running")
_OBJECTIVE = Group.create_ordered(GROUPS["loss"])
_NETWORK = Group.create_ordered(GROUPS["backbone"])
_OPTIMISATION = Group.create_ordered(GROUPS["optimizer"])

_GROUP_STARTS = {
    "size": _PAINTER,
    "loss": _OBJECTIVE,
    "backbone": _NETWORK,
    "optimizer": _OPTIMISATION,
}
_HUGE = 2**62  # a limit that nobody meets is not worth a word
_WIDEST = 32  # characters of a list of values
_FLAT = Parameter(name="*")


def with_fields_of(
    model: type[BaseModel], starts: Mapping[str, Group], skipped: Collection[str] = ()
) -> Callable[[type[_T]], type[_T]]:
    """Make a class a frozen dataclass with an option for each field of a pydantic model.

    Args:
        model: The settings.
        starts: The first setting of each group, the very first one's among them.
        skipped: Settings that are no options.
    """

    def decorate(plain: type[_T]) -> type[_T]:
        group = next(iter(starts.values()))
        annotations: dict[str, Any] = {}
        for name, schema in model.model_json_schema()["properties"].items():
            if name in skipped:
                continue
            group = starts.get(name, group)
            annotations[name] = _derive_option(schema, group)
            setattr(plain, name, None)
        plain.__annotations__ = annotations
        return dataclasses.dataclass(frozen=True, kw_only=True)(plain)

    return decorate


def _derive_option(schema: dict[str, Any], group: Group) -> Any:
    """An annotation for cyclopts from a field's JSON schema.

    Values stay text: the model itself reads them, so that its message is the one that is seen.
    """
    variants = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    several = any(one.get("type") == "array" for one in variants)
    default = schema.get("default")
    parameter = Parameter(
        group=group,
        help=_describe(schema, variants),
        metavar=schema.get("metavar") or "|".join(_name_value(one) for one in variants),
        show_default=False if default in (None, []) else lambda _: _spell(default),
        negative=None if schema.get("type") == "boolean" else "",
    )
    kind: Any = bool if schema.get("type") == "boolean" else list[str] if several else str
    return Annotated[kind | None, parameter]


def _describe(schema: dict[str, Any], variants: list[dict[str, Any]]) -> str:
    """The description, and the range unless the description ends with it."""
    text = str(schema["description"])
    numbers = [one.get("items", one) for one in variants]
    span = next((found for one in numbers if (found := _describe_range(one))), "")
    return text if not span or text.endswith(f"{span}.") else f"{text} {span}."


def _describe_range(schema: dict[str, Any]) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum", _HUGE), schema.get("exclusiveMaximum", _HUGE)
    if low is not None and high < _HUGE:
        return f"{low:g} to {high:.7g}"
    parts = []
    if low is not None:
        parts.append(f"{low:g} or more")
    if above is not None:
        parts.append(f"Above {above:g}")
    if high < _HUGE:
        parts.append(f"at most {high:.7g}")
    if below < _HUGE:
        parts.append(f"below {below:g}")
    return ", ".join(parts)


def _name_value(schema: dict[str, Any]) -> str:
    if "metavar" in schema:
        return str(schema["metavar"])
    if "enum" in schema:
        names = "|".join(schema["enum"])
        # A longer list would be broken within a word; the description has the names too.
        return names if len(names) <= _WIDEST else "KIND"
    if "examples" in schema:
        return str(schema["examples"][0])
    if "const" in schema:
        return str(schema["const"])
    if schema["type"] == "array":
        name = _name_value(schema["items"])
        return f"{name},..." if "enum" in schema["items"] else f"{name},{name}..."
    return {"integer": "N", "number": "X", "string": "NAME"}.get(schema["type"], "")


def _spell(value: object) -> str:
    """A setting's value as one would type it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ",".join(_spell(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@with_fields_of(PaintConfig, _GROUP_STARTS)
class PaintOptions:
    """The settings that were given, as text; None stands for those that were not."""

    def given(self) -> dict[str, Any]:
        """Arguments for `PaintConfig`."""
        return list_given(self)


def list_given(options: object) -> dict[str, Any]:
    """What was given of options that were derived from a model, lists split at commas."""
    result: dict[str, Any] = {}
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        value = getattr(options, field.name)
        if isinstance(value, list):
            value = [part.strip() for text in value for part in text.split(",")]
        if value is not None:
            result[field.name] = value
    return result


@with_fields_of(FastConfig, _GROUP_STARTS)
class FastOptions:
    """Settings of `FastConfig`, as text; None stands for those that were not given."""

    def given(self) -> dict[str, Any]:
        """Arguments for `FastConfig`."""
        return list_given(self)


def spell_options(settings: dict[str, Any]) -> list[str]:
    """The command-line options that give `settings`, as `PaintConfig.to_dict` writes them."""
    options = []
    for name, value in settings.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            options.append(option if value else f"--no-{option[2:]}")
        else:
            text = repr(value) if isinstance(value, float) else _spell_exactly(value)
            options += [option, shlex.quote(text)]
    return options


def _spell_exactly(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(repr(one) if isinstance(one, float) else str(one) for one in value)
    return str(value)


def _in(group: Group, help: str, name: str | tuple[str, ...] = (), **more: Any) -> Parameter:
    return Parameter(name=name, group=group, help=help, negative="", **more)


def _flag(group: Group, help: str, name: str | tuple[str, ...] = ()) -> Parameter:
    return _in(group, help, name, show_default=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlacementOptions:
    """Pictures that say where what is painted; see `impasto.Placement`."""

    masks: Annotated[
        tuple[str, ...],
        _in(
            _PLACES,
            "Where each style goes: once per style, in their order; white is all, or the alpha"
            " channel counts. What no mask covers stays as it is in the photograph. Or a name of"
            " what is to be found: people, background, faces, sky, ground, rest, cluster:1/3.",
            "--mask",
            metavar="FILE|NAME",
        ),
    ] = ()
    style_masks: Annotated[
        tuple[str, ...],
        _in(
            _PLACES,
            "Which part of each style is looked at: once per style.",
            "--style-mask",
            metavar="FILE",
        ),
    ] = ()
    labels: Annotated[
        str | None,
        _in(
            _PLACES,
            "In place of masks: the photograph's regions in flat colours. Each is painted in the"
            " manner of the same colour in --style-labels.",
            metavar="FILE",
        ),
    ] = None
    style_labels: Annotated[
        tuple[str, ...],
        _in(_PLACES, "The styles' regions: once per style.", metavar="FILE"),
    ] = ()
    strength_map: Annotated[
        str | None,
        _in(
            _PLACES,
            "How far to leave the photograph at each place: white as far as --strength says,"
            " black not at all.",
            metavar="FILE",
        ),
    ] = None
    protect: Annotated[
        tuple[str, ...],
        _in(
            _PLACES,
            "What to find and leave alone: faces, people, or another name of a mask, with commas"
            " between; faces:0.3 leaves 0.3 of the strength.",
            metavar="NAME[:X],...",
        ),
    ] = ()

    def given(self) -> dict[str, Any]:
        """What was given, by its name in `impasto.Placement`."""
        return {name: value for name, value in vars(self).items() if value}

    def spell(self) -> list[str]:
        """The options that give the same."""
        words = []
        for name, value in self.given().items():
            option = {"masks": "--mask", "style_masks": "--style-mask"}.get(name)
            for file in [value] if isinstance(value, str) else value:
                words += [option or f"--{name.replace('_', '-')}", file]
        return words

    @property
    def files(self) -> tuple[str, ...]:
        """All pictures that were named."""
        masks = (one for one in self.masks if not is_mask_name(one))
        several = (*masks, *self.style_masks, *self.style_labels)
        return several + tuple(one for one in (self.labels, self.strength_map) if one)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FamilyOptions:
    """What paintings of several runs have in common; see `impasto.families`."""

    family: Annotated[
        str | None,
        _in(
            _FAMILY,
            "Small file that says what a set of paintings has in common: style, settings, size of"
            " strokes, palette. The first run writes it, later ones follow it.",
            metavar="FILE",
        ),
    ] = None
    family_strokes: Annotated[
        Literal["share", "pixels"] | None,
        _in(
            _FAMILY,
            "For a new family: strokes are as large a part of each picture (share, the default),"
            " or have one size in pixels whatever the picture's size (pixels).",
            metavar="share|pixels",
            show_choices=False,
        ),
    ] = None
    family_palette: Annotated[
        Literal["style", "first"] | None,
        _in(
            _FAMILY,
            "For a new family: colours are drawn toward the style's, or toward those of the first"
            " painting. Left out: style, or first where --colors keeps the photograph's.",
            metavar="style|first",
            show_choices=False,
        ),
    ] = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where the painting goes."""

    output: Annotated[
        str | None,
        _in(
            _OUTPUT,
            "File to write: .png, .tif, .jpg or .webp; a folder; or - for standard output. By"
            " default PHOTO_STYLE.png in this folder.",
            ("--output", "-o"),
            metavar="FILE",
            allow_leading_hyphen=True,
        ),
    ] = None
    overwrite: Annotated[bool, _flag(_OUTPUT, "Replace what is there already.")] = False
    resume: Annotated[
        bool, _flag(_OUTPUT, "Go on with an interrupted painting, to the very same result.")
    ] = False
    preview: Annotated[
        str | None,
        _in(_OUTPUT, "Picture file that is rewritten while it paints.", metavar="FILE"),
    ] = None
    sheet: Annotated[
        str | None,
        _in(
            _OUTPUT,
            "With --seamless: also write three by three tiles, as they repeat, for a look.",
            metavar="FILE",
        ),
    ] = None
    save_every: Annotated[
        int | None,
        _in(_OUTPUT, "Also write OUT-0001.png and so on, every N steps.", metavar="N"),
    ] = None
    layers: Annotated[
        str | None,
        _in(
            _OUTPUT,
            "Also write photograph, painting and masks as layers for an image editor: .ora"
            " (GIMP, Krita) or .tif (a page each).",
            metavar="FILE",
        ),
    ] = None
    format: Annotated[
        str | None,
        _in(
            _OUTPUT,
            "png, tiff, jpeg or webp, for standard output and folders.",
            metavar="FORMAT",
        ),
    ] = None
    quality: Annotated[int, _in(_OUTPUT, "For JPEG and WebP, 1 to 100.", metavar="N")] = 92
    bits: Annotated[
        int | None, _in(_OUTPUT, "Depth of PNG and TIFF: 8, the default, or 16.", metavar="8|16")
    ] = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunningOptions:
    """How it runs, which changes nothing about the result."""

    device: Annotated[str, _in(_RUNNING, "auto, cpu, cuda, cuda:1 or mps.", metavar="DEVICE")] = (
        "auto"
    )
    threads: Annotated[
        int | None, _in(_RUNNING, "Processor threads; by default one a core.", metavar="N")
    ] = None
    memory: Annotated[
        str | None,
        _in(
            _RUNNING,
            "Most memory to take, such as 4GiB or 900MB; by default what is free. Larger pictures"
            " are painted in tiles, exactly.",
            metavar="SIZE",
        ),
    ] = None
    weights: Annotated[
        str | None,
        _in(
            _RUNNING,
            "Weights of your own: .safetensors, .pth or .pt; or random, for a network that was"
            " never trained.",
            metavar="FILE",
        ),
    ] = None
    offline: Annotated[bool, _flag(_RUNNING, "Never download anything.")] = False
    max_pixels: Annotated[
        int,
        _in(_RUNNING, "Refuse larger pictures, before they are decoded.", metavar="N"),
    ] = 200_000_000
    json: Annotated[
        bool,
        _flag(
            _RUNNING,
            "Tell everything as one JSON object a line, on standard output (with -o - on standard"
            " error).",
        ),
    ] = False
    quiet: Annotated[bool, _flag(_RUNNING, "Say nothing unless it fails.", ("--quiet", "-q"))] = (
        False
    )


Settings = Annotated[PaintOptions, _FLAT]
FastSettings = Annotated[FastOptions, _FLAT]
Places = Annotated[PlacementOptions, _FLAT]
Kin = Annotated[FamilyOptions, _FLAT]
Output = Annotated[OutputOptions, _FLAT]
Running = Annotated[RunningOptions, _FLAT]
NetworkFile = Annotated[
    str | None,
    _in(
        _PAINTER,
        "The trained network that paints: the name of one that comes with impasto, or a file.",
        metavar="NAME|FILE",
    ),
]
NetworkList = Annotated[
    bool, _flag(_PAINTER, "Tell which networks come with impasto, and paint nothing.", "--list")
]
Remote = Annotated[
    str | None,
    _in(
        _RUNNING,
        "Let a studio paint in place of this computer: http://HOST:PORT, with ?token=... where it"
        " needs one; see impasto studio.",
        metavar="URL",
    ),
]
InitFile = Annotated[
    str | None,
    _in(_OPTIMISATION, "Picture to start from; implies --init file.", metavar="FILE"),
]
NO_SETTINGS = PaintOptions()
NO_FAST_SETTINGS = FastOptions()
NO_PLACES = PlacementOptions()
NO_FAMILY = FamilyOptions()
NO_OUTPUT = OutputOptions()
NO_RUNNING = RunningOptions()


def refuse_options(words: Iterable[str], *more: str) -> None:
    """Refuse what looks like an option among the names of pictures.

    Cyclopts must let words that begin with a hyphen through, since - stands for standard input.

    Args:
        words: Names of pictures.
        *more: Options of this command beside the shared ones, for a guess at what was meant.

    Raises:
        ConfigError: If one begins with a hyphen.
    """
    for word in words:
        if not word.startswith("-") or word == "-":
            continue
        near = difflib.get_close_matches(word.partition("=")[0], [*_list_options(), *more], 1)
        hint = f"did you mean {near[0]}?" if near else f"for a file of that name write ./{word}."
        raise ConfigError(f"Unknown option {word}; {hint}")


def _list_options() -> list[str]:
    kinds: tuple[Any, ...] = (
        PaintOptions, FastOptions, PlacementOptions, FamilyOptions, OutputOptions, RunningOptions
    )  # fmt: skip
    fields = [field for kind in kinds for field in dataclasses.fields(kind)]
    return [f"--{field.name.replace('_', '-')}" for field in fields]


def settings_from(options: PaintOptions, init_file: str | None, **recorded: Any) -> PaintConfig:
    """The settings of a painting.

    Args:
        options: What was given.
        init_file: Picture to start from; means `init="file"` unless `init` is given.
        **recorded: Settings that those given replace.

    Raises:
        ConfigError: If they make no sense.
    """
    given = options.given()
    if init_file is not None and "file" not in recorded.get("init", ""):
        recorded["init"] = "file"
    return PaintConfig(**(recorded | given))
