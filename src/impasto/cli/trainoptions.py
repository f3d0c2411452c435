"""Options of `impasto train`, derived from `Recipe`."""

from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Group, Parameter

from impasto.cli.options import list_given, with_fields_of
from impasto.trainconfig import Recipe

_PICTURES = Group.create_ordered("Pictures")
_LEARNING = Group.create_ordered("How it learns")
_LOSSES = Group.create_ordered("Expert: losses")
_SHAPE = Group.create_ordered("The network's size")
_FILES = Group.create_ordered("Output")
_RUNNING = Group.create_ordered("Running")

_STARTS = {
    "size": _LEARNING,
    "objective": _LOSSES,
    "style_size": _LEARNING,
    "width": _SHAPE,
    "start": _LEARNING,
    "keep_every": _FILES,
    "device": _RUNNING,
}
_NAMED = ("network", "content", "styles", "output", "stages")


@with_fields_of(Recipe, _STARTS, _NAMED)
class TrainOptions:
    """The settings that were given, as text; None stands for those that were not."""

    def given(self) -> dict[str, Any]:
        """Arguments for `Recipe`."""
        return list_given(self)


def _in(group: Group, field: str, name: str | tuple[str, ...], metavar: str) -> Parameter:
    help_text = Recipe.model_fields[field].description
    return Parameter(name=name, group=group, help=help_text, metavar=metavar, negative="",
                     show_default=False,
                     consume_multiple=field != "output")  # fmt: skip


def _flag(group: Group, help_text: str, name: str | tuple[str, ...] = ()) -> Parameter:
    return Parameter(name=name, group=group, help=help_text, negative="", show_default=False)


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """What is learnt from, and where the result goes."""

    content: Annotated[tuple[str, ...], _in(_PICTURES, "content", "--content", "FOLDER...")] = ()
    styles: Annotated[
        tuple[str, ...], _in(_PICTURES, "styles", "--styles", "FOLDER|FILE|NAME...")
    ] = ()
    output: Annotated[str | None, _in(_FILES, "output", ("--output", "-o"), "FILE")] = None

    def given(self) -> dict[str, Any]:
        """What was given."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass(frozen=True, kw_only=True)
class SittingOptions:
    """What concerns this run alone, and stands in no recipe."""

    resume: Annotated[
        bool, _flag(_FILES, "Go on with an interrupted training, along the same trajectory.")
    ] = False
    overwrite: Annotated[bool, _flag(_FILES, "Replace what is there already.")] = False
    json: Annotated[
        bool, _flag(_RUNNING, "Tell everything as one JSON object a line, on standard output.")
    ] = False
    quiet: Annotated[bool, _flag(_RUNNING, "Say nothing unless it fails.", ("--quiet", "-q"))] = (
        False
    )


RecipeFile = Annotated[
    str | None,
    Parameter(
        group=_PICTURES,
        negative="",
        metavar="FILE",
        help="TOML file with any of these settings, lists in brackets; those given here win. It may"
        " also have stages.",
    ),
]
_FLAT = Parameter(name="*")
Learning = Annotated[TrainOptions, _FLAT]
Pictures = Annotated[PictureOptions, _FLAT]
Sitting = Annotated[SittingOptions, _FLAT]
NO_LEARNING = TrainOptions()
NO_PICTURES = PictureOptions()
NO_SITTING = SittingOptions()
