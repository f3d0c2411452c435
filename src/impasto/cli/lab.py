"""`impasto lab`: experiments, and pages that show what came of them."""

import dataclasses
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from impasto.cli.options import (
    NO_OUTPUT,
    NO_RUNNING,
    NO_SETTINGS,
    Output,
    PaintOptions,
    Running,
)
from impasto.cli.report import write_line
from impasto.errors import ConfigError, OutputError

app = App(name="lab", help_format="plaintext")

_FLAT = Parameter(name="*")


def _flag(help: str) -> Parameter:
    return Parameter(help=help, negative="", show_default=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """How an experiment is run, which changes nothing about its results."""

    output: Annotated[
        str | None,
        Parameter(
            name=("--output", "-o"),
            help="Folder for the report and the pictures; by default lab- and the name.",
            metavar="FOLDER",
        ),
    ] = None
    jobs: Annotated[
        str,
        Parameter(
            help="Runs at a time: a number, or auto for what cores and memory allow.",
            metavar="N|auto",
        ),
    ] = "1"
    dry_run: Annotated[bool, _flag("Only list the runs, with memory and time.")] = False
    device: Annotated[str, Parameter(help="auto, cpu, cuda, cuda:1 or mps.", metavar="DEVICE")] = (
        "auto"
    )
    threads: Annotated[
        int | None, Parameter(help="Processor threads in all; by default one a core.", metavar="N")
    ] = None
    memory: Annotated[
        str | None,
        Parameter(
            help="Most memory to take in all, such as 4GiB; by default what is free.",
            metavar="SIZE",
        ),
    ] = None
    weights: Annotated[
        str | None,
        Parameter(help="Weights of your own: .safetensors, .pth or .pt.", metavar="FILE"),
    ] = None
    offline: Annotated[bool, _flag("Never download anything.")] = False
    quiet: Annotated[bool, Parameter(
        name=("--quiet", "-q"), help="Say nothing unless it fails.", negative="",
        show_default=False,
    )] = False  # fmt: skip


#: The settings of `impasto paint`, which its help describes.
Settings = Annotated[PaintOptions, Parameter(name="*", show=False)]
BenchFlags = Annotated[BenchOptions, _FLAT]
NO_BENCH = BenchOptions()
Overwrite = Annotated[bool, _flag("Replace what is there already.")]
Photos = Annotated[
    list[str] | None,
    Parameter(name="--photo", help="Photograph; once for each.", metavar="FILE", negative=""),
]
Styles = Annotated[
    list[str] | None,
    Parameter(
        name="--style", help="Style picture or name from the gallery; once for each.",
        metavar="STYLE", negative="",
    ),
]  # fmt: skip


@app.command
def reconstruct(
    picture: Annotated[str, Parameter(name="PICTURE", help="Photograph, or style picture.")],
    /,
    *,
    layer: Annotated[
        list[str] | None,
        Parameter(
            help="Layer to reconstruct from, once for each picture; several with commas between"
            " are matched together. By default relu1_1, relu2_1 ... relu5_1.",
            metavar="LAYER",
            negative="",
        ),
    ] = None,
    settings: Settings = NO_SETTINGS,
    bench: BenchFlags = NO_BENCH,
) -> int:
    """Show what layers remember: a picture is sought, from noise, that they cannot tell apart.

    With --style-layers relu1_1,relu2_1,relu3_1 what is remembered is texture: from the first
    layer, the first two, and all three. Given several times, each list is one subset. All other
    settings of impasto paint can be given as well.
    """
    from impasto.cli.experiments import plan_reconstruction, run_experiment

    experiment = plan_reconstruction(picture, layer, settings)
    return run_experiment(experiment, f"reconstruct-{Path(picture).stem}", bench)


@app.command
def features(
    picture: Annotated[str, Parameter(name="PICTURE", help="Any picture.")],
    /,
    *,
    layer: Annotated[
        list[str] | None,
        Parameter(
            help="Layer to look into; once for each. By default relu3_1.",
            metavar="LAYER",
            negative="",
        ),
    ] = None,
    count: Annotated[
        int, Parameter(help="Channels to show, the most active first.", metavar="N")
    ] = 63,
    columns: Annotated[int, Parameter(help="Maps in a row.", metavar="N")] = 8,
    shared: Annotated[bool, _flag("One scale of brightness for all maps.")] = False,
    output: Annotated[
        str | None,
        Parameter(
            name=("--output", "-o"),
            help="Picture to write, or a folder for several layers.",
            metavar="FILE|FOLDER",
        ),
    ] = None,
    overwrite: Overwrite = False,
    weights: Annotated[str | None, Parameter(help="Weights of your own.", metavar="FILE")] = None,
    offline: Annotated[bool, _flag("Never download anything.")] = False,
    settings: Settings = NO_SETTINGS,
) -> int:
    """Show the maps of a layer as one picture, with the number and the mean of each channel.

    --size, --backbone, --pooling and --padding of impasto paint can be given as well.
    """
    from impasto.cli.experiments import draw_features

    place = BenchOptions(output=output, weights=weights, offline=offline)
    layers = layer or ["relu3_1"]
    return draw_features(picture, layers, count, columns, shared, settings, place, overwrite)


@app.command(usage="Usage: impasto lab texture [OPTIONS] STYLE...")
def texture(
    *styles: Annotated[str, Parameter(name="STYLE", help="Pictures, or names from the gallery.")],
    settings: Settings = NO_SETTINGS,
    output: Output = NO_OUTPUT,
    running: Running = NO_RUNNING,
) -> int:
    """Make texture from noise: all of the style and nothing of a photograph.

    --size is a width and a height, such as 512x256; with --seamless it repeats. All other settings
    of impasto paint can be given as well.
    """
    from impasto.cli.experiments import commission_texture
    from impasto.cli.paint import carry_out

    if not styles:
        raise ConfigError("No style is given; name a picture, or a style from impasto styles.")
    commission = commission_texture(styles, settings)
    if output.output is None:
        name = "+".join(Path(style).stem for style in styles)[:200]
        suffix = output.format or "png"
        output = dataclasses.replace(output, output=f"{name}-texture.{suffix}")
    return carry_out(commission, output, running)


@app.command
def sweep(
    file: Annotated[str, Parameter(name="FILE", help="A .toml file, see docs/lab.md.")],
    /,
    *,
    photo: Photos = None,
    style: Styles = None,
    settings: Settings = NO_SETTINGS,
    bench: BenchFlags = NO_BENCH,
) -> int:
    """Run a grid of settings over photographs and styles, and write a report.

    What is done already is not repeated, and what was broken off goes on. Settings of impasto
    paint that are given here replace those of all runs.
    """
    from impasto.cli.experiments import plan_sweep, run_experiment
    from impasto.lab.sweeps import read_sweep

    path = Path(file)
    experiment = plan_sweep(read_sweep(path), path.parent, photo, style, settings, bench, path.stem)
    return run_experiment(experiment, path.stem, bench)


@app.command
def recipe(
    name: Annotated[str | None, Parameter(name="NAME", help="A name from --list.")] = None,
    /,
    *,
    list: Annotated[bool, _flag("List the recipes.")] = False,
    photo: Photos = None,
    style: Styles = None,
    settings: Settings = NO_SETTINGS,
    bench: BenchFlags = NO_BENCH,
) -> int:
    """Run an experiment of the documents that impasto was made from.

    Without --photo and --style it takes scikit-image's coffee and cat and two styles of the
    gallery. Settings of impasto paint replace its own: --steps and --size make a quick look of it.
    """
    from impasto.cli.experiments import list_recipes, plan_sweep, run_experiment
    from impasto.lab.recipes import read_recipe

    if list:
        return list_recipes()
    if name is None:
        raise ConfigError("Which recipe? impasto lab recipe --list shows them.")
    found = read_recipe(name)
    experiment = plan_sweep(found, Path(), photo, style, settings, bench, name)
    return run_experiment(experiment, name, bench)


@app.command(usage="Usage: impasto lab compare [OPTIONS] PICTURE PICTURE...")
def compare(
    *pictures: Annotated[str, Parameter(name="PICTURE", help="Two or more pictures.")],
    photo: Annotated[
        str | None, Parameter(help="The photograph, if it is not beside them.", metavar="FILE")
    ] = None,
    style: Styles = None,
    output: Annotated[
        str, Parameter(name=("--output", "-o"), help="Page to write.", metavar="FILE")
    ] = "compare.html",
    overwrite: Overwrite = False,
) -> int:
    """Show pictures side by side, with the settings in which they differ, and scores."""
    from impasto.lab.comparing import compare as gather
    from impasto.lab.page import write_page

    if len(pictures) < 2:
        raise ConfigError("Name two pictures or more to compare.")
    page = Path(output)
    if page.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"The page is a file such as compare.html, not {output}.")
    _check_free(page, overwrite=overwrite)
    write_page(gather(pictures, page, photo=photo, styles=style or ()), page)
    write_line(f"Wrote {page}.")
    return 0


@app.command
def report(folder: Annotated[str, Parameter(name="FOLDER", help="Of an experiment.")], /) -> int:
    """Write the report of an experiment anew from its runs.jsonl."""
    from impasto.lab.conduct import rebuild

    write_line(f"Wrote {rebuild(Path(folder))}.")
    return 0


def _check_free(path: Path, *, overwrite: bool) -> None:
    from impasto.files import check_writable

    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already; replace it with --overwrite.")
    check_writable(path)
