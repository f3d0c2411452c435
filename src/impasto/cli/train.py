"""`impasto train`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.cli.interruption import Interruption
from impasto.cli.trainoptions import (
    NO_LEARNING,
    NO_PICTURES,
    NO_SITTING,
    Learning,
    Pictures,
    RecipeFile,
    Sitting,
    SittingOptions,
)
from impasto.errors import ConfigError, ImpastoError, OutputError
from impasto.trainconfig import NETWORK_NAMES, Recipe, read_recipe

_SUFFIX = ".safetensors"


def command(
    network: Annotated[
        str | None, Parameter(name="NETWORK", help=f"{', '.join(NETWORK_NAMES)}.")
    ] = None,
    /,
    *,
    recipe: RecipeFile = None,
    pictures: Pictures = NO_PICTURES,
    learning: Learning = NO_LEARNING,
    sitting: Sitting = NO_SITTING,
) -> int:
    """Train a network."""
    recorded = {} if recipe is None else read_recipe(Path(recipe))
    given = {"network": network} if network else {}
    whole = Recipe(**(recorded | given | pictures.given() | learning.given()))
    return carry_out(whole, sitting)


def carry_out(recipe: Recipe, sitting: SittingOptions) -> int:
    """Train as a recipe says; returns the exit code."""
    output = _check_told(recipe)
    checkpoint = output.with_name(f"{output.name}.resume")
    _check_free(recipe, output, checkpoint, sitting)
    finished = sitting.resume and not sitting.overwrite and not checkpoint.exists()
    if finished := finished and output.exists():
        _check_finished(output)
    from impasto.cli.classroom import Classroom
    from impasto.cli.trainreport import open_report
    from impasto.teams import joined

    with joined(recipe.device) as team:
        report = open_report(json_lines=sitting.json, quiet=sitting.quiet or team.rank > 0)
        silent = sitting.quiet or sitting.json or team.rank > 0
        with Interruption(quiet=silent) as interruption, report:
            try:
                if finished:
                    report.note(f"{output} is finished already.")
                    return 0
                classroom = Classroom(recipe, output, checkpoint, team, report, interruption)
                classroom.teach(go_on=sitting.resume)
            except ImpastoError as error:
                return report.error(error)
    return 0


def _check_told(recipe: Recipe) -> Path:
    """Refuse a recipe in which something is missing; gives the path of the output."""
    if recipe.network is None:
        raise ConfigError(f"Which network? Name one of {', '.join(NETWORK_NAMES)}.")
    if not recipe.content:
        raise ConfigError("There are no photographs to paint; name folders with --content.")
    if not recipe.styles:
        raise ConfigError("There are no styles to learn; name pictures or folders with --styles.")
    if recipe.output is None:
        raise ConfigError("Where is it to be written? Name a file with -o.")
    output = Path(recipe.output)
    if output.suffix != _SUFFIX:
        raise ConfigError(f"A network is written as {_SUFFIX}, not as {output.name}.")
    return output


def _check_free(recipe: Recipe, output: Path, checkpoint: Path, sitting: SittingOptions) -> None:
    """Refuse what cannot be written, or would replace what nobody said could go."""
    from impasto.files import check_writable

    others = [Path(name) for name in (recipe.samples, recipe.log) if name is not None]
    for path in (output, *others):
        check_writable(path)
    if len({path.absolute() for path in (output, checkpoint, *others)}) < 2 + len(others):
        raise OutputError("Each output needs a file of its own; choose another name.")
    if recipe.samples is not None:
        from impasto import images

        images.format_of(recipe.samples)
    if recipe.start is not None and Path(recipe.start).absolute() == output.absolute():
        raise OutputError("It cannot go on from the file that it writes; choose another name.")
    if sitting.overwrite or sitting.resume:
        return
    if checkpoint.exists():
        raise OutputError(
            f"{output} is an interrupted training; go on with --resume, or start afresh with"
            " --overwrite."
        )
    for path in (output, *others):
        if path.exists():
            raise OutputError(
                f"{path} exists already; replace it with --overwrite, or choose another name."
            )


def _check_finished(output: Path) -> None:
    """Refuse to take a foreign file for a finished training."""
    from impasto.trained import read_card

    read_card(output)
