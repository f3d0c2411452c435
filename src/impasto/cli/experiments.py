"""What `impasto lab` does with its options: plans experiments, runs them, tells about them."""

import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from impasto.cli.interruption import Interrupted, Interruption
from impasto.cli.lab import BenchOptions
from impasto.cli.options import PaintOptions, settings_from
from impasto.cli.paint import Commission
from impasto.cli.report import spell_time, write_line
from impasto.cli.tables import write_table
from impasto.config import PaintConfig
from impasto.errors import ConfigError, OutputError
from impasto.lab.experiments import Experiment, Run
from impasto.lab.sources import USUAL_PHOTOS, USUAL_STYLES, find_photo, find_style
from impasto.lab.sweeps import Sweep, expand, name_picture

if TYPE_CHECKING:
    from impasto.lab.notebook import Record
    from impasto.lab.planning import Forecast

_FIVE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
#: As in the papers: one size, noise, no smoothing.
_FROM_NOISE: dict[str, Any] = {
    "loss": "gatys", "scales": 1, "steps": (150,), "size": 256, "init": "noise", "tv_weight": 0.0,
}  # fmt: skip
_TOLD_SECONDS = 10.0
#: Settings that change what a network sees.
_LOOKING = {"size", "backbone", "pooling", "pooling_gain", "padding", "precision"}


def plan_reconstruction(
    picture: str, layers: Sequence[str] | None, settings: PaintOptions
) -> Experiment:
    """Content from each layer, or style from each subset of layers.

    Raises:
        ConfigError: If both are asked for, or settings make no sense.
        ImageError: If there is no such picture.
    """
    given = settings.given()
    subsets = list_subsets(getattr(settings, "style_layers", None))
    if subsets and layers:
        raise ConfigError("Give --layer for content or --style-layers for style, not both.")
    given.pop("style_layers", None)
    styles: tuple[str, ...] = ()
    if subsets:
        styles = (find_style(picture, Path()),)
        source, kind, fixed = _canvas_like(styles[0]), "style_layers", {"content_weight": 0.0}
        groups = subsets
    else:
        source, kind = find_photo(picture, Path(), cache_folder()), "content_layers"
        fixed = {"style_weight": 0.0}
        groups = [tuple(_split(one)) for one in layers or _FIVE]
    runs = []
    for group in groups:
        settings_of_run = {**_FROM_NOISE, **fixed, **given, kind: list(group)}
        PaintConfig(**settings_of_run)
        name = ", ".join(group) if len(group) <= 2 else f"{group[0]} to {group[-1]}"
        runs.append(Run(name, {}, source, styles, settings_of_run))
    what = "style" if subsets else "content"
    return Experiment(
        f"{name_picture(picture)}, from its {what}",
        "From noise, a picture is sought that the named layers "
        + ("correlate as they do for the style." if subsets else "see as they see the photograph."),
        tuple(runs),
    )


def list_subsets(given: Sequence[str] | None) -> list[tuple[str, ...]]:
    """Subsets of style layers: those given, or of one list the first, the first two, and so on."""
    lists = [tuple(_split(one)) for one in given or ()]
    if len(lists) == 1:
        return [lists[0][: n + 1] for n in range(len(lists[0]))]
    return lists


def commission_texture(styles: Sequence[str], settings: PaintOptions) -> Commission:
    """A painting of a blank canvas, in which content counts for nothing."""
    from impasto.images import name_canvas

    size = str(getattr(settings, "size", None) or "512x512")
    width, _, height = size.lower().partition("x")
    if not (width.isdigit() and (height or width).isdigit()):
        raise ConfigError(f"--size is a width and a height in px, such as 512x256, not {size!r}.")
    sides = int(width), int(height or width)
    options = type(settings)(**{**vars(settings), "size": str(max(sides))})
    config = settings_from(options, None, content_weight=0.0, init="noise")
    if config.content_weight:
        raise ConfigError("A texture has no photograph to keep to; leave out --content-weight.")
    return Commission(name_canvas(*sides), tuple(styles), config)


def plan_sweep(
    sweep: Sweep,
    base: Path,
    photos: Sequence[str] | None,
    styles: Sequence[str] | None,
    settings: PaintOptions,
    bench: BenchOptions,
    name: str,
) -> Experiment:
    """The experiment of a sweep file or a recipe.

    Args:
        sweep: What the file says.
        base: Folder that its names begin at.
        photos: Photographs in place of its own.
        styles: Styles in place of its own.
        settings: Settings in place of its own.
        bench: Where results go.
        name: Of the experiment.
    """
    cache = cache_folder()
    if photos:
        found = [find_photo(one, Path(), cache) for one in photos]
    else:
        usual = USUAL_PHOTOS if sweep.in_pairs else USUAL_PHOTOS[:1]
        found = [find_photo(one, base, cache) for one in sweep.photos or usual]
    mixtures: list[Sequence[str]]
    if styles:
        mixtures = [[find_style(one, Path())] for one in styles]
    elif sweep.styles is not None:
        mixtures = [[find_style(one, base) for one in mixture] for mixture in sweep.styles]
    else:
        usual = USUAL_STYLES if sweep.in_pairs else USUAL_STYLES[:1]
        mixtures = [[find_style(one, base)] for one in usual]
    return expand(sweep, found, mixtures, _read_overrides(settings))


def _read_overrides(settings: PaintOptions) -> dict[str, Any]:
    """Settings that were given, as the engine understands them rather than as text."""
    given = settings.given()
    if not given:
        return {}
    read = PaintConfig(**given).model_dump(mode="json")
    return {name: read[name] for name in given}


def run_experiment(experiment: Experiment, name: str, bench: BenchOptions) -> int:
    """Run what is open of an experiment, or list its runs; returns the exit code."""
    import torch

    from impasto.lab.conduct import conduct, plan
    from impasto.lab.crew import Conditions
    from impasto.lab.running import StoppedError
    from impasto.memory import parse_bytes

    folder = Path(bench.output or f"lab-{name}")
    if bench.threads is not None and bench.threads < 1:
        raise ConfigError(f"--threads must be at least 1, not {bench.threads}.")
    if bench.threads is not None:
        torch.set_num_threads(bench.threads)
    if bench.weights is not None:
        weights = spell_weights(bench.weights)
        runs = tuple(run.with_weights(weights) for run in experiment.runs)
        experiment = dataclasses.replace(experiment, runs=runs)
    if bench.dry_run:
        _list_runs(plan(experiment, folder, bench.device))
        return 0
    if folder.is_file():
        raise OutputError(f"{folder} is a file; name a folder with -o.")
    conditions = Conditions(
        folder=str(folder), device=bench.device, threads=bench.threads,
        memory=None if bench.memory is None else parse_bytes(bench.memory),
        offline=bench.offline,
    )  # fmt: skip
    teller = Teller(quiet=bench.quiet)
    with Interruption(quiet=bench.quiet) as interruption:
        interruption.worth_saving = True
        try:
            outcome = conduct(
                experiment, conditions, bench.jobs, teller, lambda: bool(interruption.exit_code)
            )
        except StoppedError as error:
            raise Interrupted(interruption.exit_code or 130, str(error)) from error
    if not bench.quiet:
        skipped = f", {outcome.skipped} were done already" if outcome.skipped else ""
        failed = f", {outcome.failed} were not possible" if outcome.failed else ""
        write_line(f"{outcome.done} runs done{skipped}{failed}. The report is {outcome.page}.")
    return 1 if outcome.failed and not outcome.done and not outcome.skipped else 0


def spell_weights(given: str) -> str:
    """A file of weights as a path that is taken for no name; or the name random."""
    return given if given == "random" else str(Path(given).absolute())


class Teller:
    """Tells people how an experiment goes: a line when a run ends, and now and then between."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._count = self._ended = 0
        self._told = time.monotonic()

    def planned(self, runs: int, jobs: int, seconds: float) -> None:
        """There is something to do."""
        self._count = runs
        at_a_time = f", {jobs} at a time" if jobs > 1 else ""
        self._say(f"{runs} runs to do{at_a_time}; about {spell_time(seconds)}.")

    def began(self, run: Run) -> None:
        """A run begins."""

    def advanced(self, run: Run, left: float) -> None:
        """A run goes on."""
        if time.monotonic() - self._told > _TOLD_SECONDS:
            self._say(f"  {run.name}: about {spell_time(left)} left")

    def ended(self, run: Run, record: "Record") -> None:
        """A run is done, or failed."""
        self._ended += 1
        place = f"[{self._ended}/{self._count}]"
        if record["status"] == "done":
            self._say(f"{place} {run.name}: {spell_time(record['seconds'])}")
        else:
            self._say(f"{place} {run.name}: not possible: {record['reason']}")

    def _say(self, text: str) -> None:
        self._told = time.monotonic()
        if not self._quiet:
            write_line(text)


def draw_features(
    picture: str,
    layers: Sequence[str],
    count: int,
    columns: int,
    shared: bool,
    settings: PaintOptions,
    bench: BenchOptions,
    overwrite: bool,
) -> int:
    """Write a sheet of maps for each layer."""
    from impasto import images
    from impasto.api import Painter
    from impasto.config import normalize_layers
    from impasto.lab.features import draw_channels, find_channels
    from impasto.pyramid import choose_side, fit_size, resize

    if count < 1 or columns < 1:
        raise ConfigError("--count and --columns must be at least 1.")
    if idle := sorted(set(settings.given()) - _LOOKING):
        raise ConfigError(f"--{idle[0].replace('_', '-')} says nothing about what a layer sees.")
    config = settings_from(settings, None)
    names = normalize_layers(tuple(part for one in layers for part in _split(one)))
    targets = _name_sheets(picture, names, bench.output, overwrite=overwrite)
    file: Any = spell_weights(bench.weights) if bench.weights else None
    painter = Painter(device=bench.device, weights_file=file, offline=bench.offline)
    loaded = images.load(find_photo(picture, Path(), cache_folder()))
    size = fit_size(loaded.size, min(choose_side(config, loaded.size), max(loaded.size)))
    seen = resize(loaded.flat, size).to(painter.device)
    encoder = painter.load_encoder(config)
    for name, target in zip(names, targets, strict=True):
        channels, total = find_channels(encoder, seen, name, count, backbone=config.backbone)
        sheet = draw_channels(channels, total, loaded, name, columns=columns, shared=shared)
        images.save(images.load(sheet), target)
        if not bench.quiet:
            write_line(f"Wrote {target}: the {len(channels)} most active of {total} channels.")
    return 0


def list_recipes() -> int:
    """Write a table of all recipes."""
    from impasto.lab.recipes import list_recipes as names_of
    from impasto.lab.recipes import read_recipe

    rows = []
    for name in names_of():
        sweep = read_recipe(name)
        count = len(expand(sweep, ["photo"], [["style"]]).runs)
        rows.append((name, sweep.document, str(count), sweep.title))
    write_table(
        ("name", "document", "runs", "what"), sorted(rows, key=lambda row: (row[1], row[0]))
    )
    return 0


def cache_folder() -> Path:
    """Where scikit-image's photographs are kept as files."""
    return Path(platformdirs.user_cache_dir("impasto")) / "photos"


def _list_runs(plans: "Sequence[Forecast]") -> None:
    rows = []
    for number, one in enumerate(plans, 1):
        size = f"{one.size[1]}x{one.size[0]}" if one.size else ""
        memory = f"{one.memory / 2**30:.1f} GiB" if one.memory else ""
        about = f"about {spell_time(one.seconds)}" if one.seconds else ""
        steps = str(one.steps or "")
        rows.append((str(number), one.run.name, one.state, size, steps, memory, about, one.reason))
    write_table(("", "run", "state", "size", "steps", "memory", "time", ""), rows)
    todo = [one for one in plans if one.is_open and one.state != "impossible"]
    total = sum(one.seconds for one in todo)
    largest = max((one.memory for one in todo), default=0)
    sys.stdout.flush()
    write_line(
        f"{len(todo)} of {len(plans)} runs to do: about {spell_time(total)} one after the other, at"
        f" most {largest / 2**30:.1f} GiB each."
    )


def _name_sheets(
    picture: str, layers: Sequence[str], output: str | None, *, overwrite: bool
) -> list[Path]:
    from impasto.files import check_writable

    names = [f"{name_picture(picture)}_{layer}.png" for layer in layers]
    if output is None:
        targets = [Path(name) for name in names]
    elif Path(output).is_dir():
        targets = [Path(output) / name for name in names]
    elif len(names) > 1:
        raise OutputError(f"{output} is no folder; several layers need one.")
    else:
        targets = [Path(output)]
    for target in targets:
        if target.exists() and not overwrite:
            raise OutputError(f"{target} exists already; replace it with --overwrite.")
        check_writable(target)
    return targets


def _canvas_like(path: str) -> str:
    """A canvas of a picture's size."""
    from impasto import images

    height, width = images.load(path).size
    return images.name_canvas(width, height)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
