"""Sweep files: TOML that says what varies. See docs/lab.md for the format."""

import itertools
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto.errors import ConfigError
from impasto.lab.experiments import ROWS, Experiment, Run, spell

_KEYS = {
    "title", "description", "source", "photos", "styles", "settings", "grid", "variants", "runs",
    "snapshots", "document",
}  # fmt: skip
_RUN_KEYS = {"name", "caption", "pair"}


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says, before its pictures are known.

    Attributes:
        title: Of the report.
        description: What is asked.
        source: Where the experiment comes from.
        document: Number of that document, for recipes.
        photos: Names of photographs; None leaves them to the caller.
        styles: Each the names of one mixture of styles; None leaves them to the caller.
        settings: For all runs.
        grid: Setting -> the values that it takes.
        variants: Axis -> label -> settings that change together.
        grid_first: Whether the axes of the grid come before the variants, as in the file.
        runs: Further runs, with settings of their own.
        snapshots: Steps after which the picture so far is kept.
    """

    title: str
    description: str = ""
    source: str = ""
    document: str = ""
    photos: tuple[str, ...] | None = None
    styles: tuple[tuple[str, ...], ...] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    variants: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    grid_first: bool = True
    runs: tuple[dict[str, Any], ...] = ()
    snapshots: tuple[int, ...] = ()

    @property
    def in_pairs(self) -> bool:
        """Whether runs name the pair of pictures that they are about."""
        return any("pair" in run for run in self.runs)


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file.

    Raises:
        ConfigError: If it cannot be read, or says what nobody understands.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from error
    return parse_sweep(found, str(path))


def parse_sweep(found: Mapping[str, Any], where: str) -> Sweep:
    """Check what a sweep file holds; see `read_sweep`."""
    if unknown := sorted(set(found) - _KEYS):
        raise ConfigError(
            f"{where}: {unknown[0]!r} means nothing; there are {', '.join(sorted(_KEYS))}"
            " (settings of the engine belong under [settings])."
        )
    settings, grid, variants = (_table(found, name, where) for name in _TABLES)
    runs = found.get("runs", [])
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
        raise ConfigError(f"{where}: runs are written as [[runs]], one after the other.")
    for axis, labels in variants.items():
        if not isinstance(labels, dict) or not all(isinstance(x, dict) for x in labels.values()):
            raise ConfigError(f"{where}: [variants.{axis}] holds lines such as adam = {{ ... }}.")
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"{where}: [grid] {name} is a list of values, not {values!r}.")
    snapshots = found.get("snapshots", [])
    if not isinstance(snapshots, list) or not all(isinstance(x, int) and x > 0 for x in snapshots):
        raise ConfigError(f"{where}: snapshots are numbers of steps, not {snapshots!r}.")
    return Sweep(
        title=str(found.get("title", Path(where).stem)),
        **{name: str(found.get(name, "")) for name in ("description", "source", "document")},
        photos=tuple(_names(found["photos"], where)) if "photos" in found else None,
        styles=(
            tuple(tuple(_names(one, where)) for one in _listed(found["styles"]))
            if "styles" in found
            else None
        ),
        settings=settings,
        grid=grid,
        variants=variants,
        grid_first=next((name == "grid" for name in found if name in ("grid", "variants")), True),
        runs=tuple(runs),
        snapshots=tuple(snapshots),
    )


_TABLES = ("settings", "grid", "variants")


def expand(
    sweep: Sweep,
    photos: Sequence[str],
    styles: Sequence[Sequence[str]],
    overrides: Mapping[str, Any] | None = None,
) -> Experiment:
    """Make the runs of a sweep: the grid and the variants in all combinations, then the list.

    Args:
        sweep: What varies.
        photos: Paths of photographs.
        styles: Paths of styles, each a mixture.
        overrides: Settings that replace those of all runs; what varied by them varies no more.
    """
    overrides = dict(overrides or {})
    axes, plans = _combine(sweep, overrides)
    axes, plans = _hang_pictures(axes, plans, sweep, photos, styles)
    runs = []
    for plan in plans:
        settings = {**sweep.settings, **plan.settings}
        snapshots = _fit_snapshots(sweep.snapshots, settings, overrides)
        runs.append(
            Run(
                name=plan.name or ", ".join(plan.labels.values()) or sweep.title,
                labels=plan.labels,
                photo=plan.photo,
                styles=plan.styles,
                settings=_override(settings, overrides),
                snapshots=snapshots,
                caption=plan.caption,
            )
        )
    description = sweep.description
    if overrides:
        changed = ", ".join(f"{name} {spell(value)}" for name, value in overrides.items())
        description += f"\n\nHere with other settings: {changed}."
    return Experiment(sweep.title, description, tuple(runs), axes, sweep.source)


@dataclass(frozen=True)
class _Plan:
    name: str
    labels: dict[str, str]
    settings: dict[str, Any]
    caption: str = ""
    pair: int = 1
    photo: str = ""
    styles: tuple[str, ...] = ()


def _combine(
    sweep: Sweep, overrides: Mapping[str, Any]
) -> tuple[dict[str, tuple[str, ...]], list[_Plan]]:
    """All combinations of grid and variants, and then the listed runs."""
    choices: dict[str, dict[str, dict[str, Any]]] = {
        name: {spell(value): {name: value} for value in values}
        for name, values in sweep.grid.items()
        if name not in overrides
    }
    choices = choices | sweep.variants if sweep.grid_first else sweep.variants | choices
    plans = []
    if choices:
        for labels in itertools.product(*choices.values()):
            chosen = dict(zip(choices, labels, strict=True))
            settings: dict[str, Any] = {}
            for axis, label in chosen.items():
                settings |= choices[axis][label]
            plans.append(_Plan("", chosen, settings))
    for index, run in enumerate(sweep.runs, 1):
        settings = {name: value for name, value in run.items() if name not in _RUN_KEYS}
        name = str(run.get("name", f"run {index}"))
        pair = run.get("pair", 1)
        plans.append(_Plan(name, {"run": name}, settings, str(run.get("caption", "")), pair))
    if not plans:
        plans = [_Plan("", {}, {})]
    axes = {axis: tuple(labels) for axis, labels in choices.items()}
    if sweep.runs:
        axes["run"] = tuple(plan.labels["run"] for plan in plans if "run" in plan.labels)
    return axes, plans


def _hang_pictures(
    axes: dict[str, tuple[str, ...]],
    plans: list[_Plan],
    sweep: Sweep,
    photos: Sequence[str],
    styles: Sequence[Sequence[str]],
) -> tuple[dict[str, tuple[str, ...]], list[_Plan]]:
    """Each plan for every photograph and style, or for the pair that it names."""
    if not photos:
        raise ConfigError(f"{sweep.title}: no photograph is named; give photos = [...].")
    mixtures = [tuple(one) for one in styles] or [()]
    if sweep.in_pairs:
        return axes, [_pair(plan, photos, mixtures) for plan in plans]
    names = {photo: name_picture(photo) for photo in photos}
    manners = {one: "+".join(map(name_picture, one)) for one in mixtures}
    hung = []
    for plan, photo, mixture in itertools.product(plans, photos, mixtures):
        more = ({"photo": names[photo]} if len(photos) > 1 else {}) | (
            {"style": manners[mixture]} if len(mixtures) > 1 else {}
        )
        name = ", ".join([plan.name, *more.values()]) if plan.name else ""
        labels = {**plan.labels, **more}
        hung.append(_Plan(name, labels, plan.settings, plan.caption, photo=photo, styles=mixture))
    if len(photos) > 1:
        axes["photo"] = tuple(dict.fromkeys(names.values()))
    if len(mixtures) > 1:
        axes["style"] = tuple(dict.fromkeys(manners.values()))
    return axes, hung


def _pair(plan: _Plan, photos: Sequence[str], styles: Sequence[tuple[str, ...]]) -> _Plan:
    """The pictures of the pair that a run names; of the last one if there are fewer."""
    photo, mixture = (many[min(plan.pair, len(many)) - 1] for many in (list(photos), list(styles)))
    return _Plan(
        plan.name, plan.labels, plan.settings, plan.caption, plan.pair,
        str(photo), tuple(mixture),
    )  # fmt: skip


def _override(settings: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**settings, **overrides}
    if "size" in overrides:
        merged.pop(ROWS, None)
    return merged


def _fit_snapshots(
    snapshots: Sequence[int], settings: Mapping[str, Any], overrides: Mapping[str, Any]
) -> tuple[int, ...]:
    """With fewer steps than planned, snapshots come as much earlier."""
    planned, given = _count(settings.get("steps")), _count(overrides.get("steps"))
    if not planned or not given:
        return tuple(snapshots)
    return tuple(dict.fromkeys(max(1, math.floor(x * given / planned)) for x in snapshots))


def _count(steps: object) -> int:
    many = steps if isinstance(steps, list | tuple) else [steps]
    return sum(int(str(x)) for x in many if str(x).isdigit())


def name_picture(path: str) -> str:
    """What a picture is called in a report."""
    return path.replace(":", " ") if path.startswith("canvas:") else Path(path).stem


def _table(found: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    table = found.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: {name} is a table; write [{name}] above its lines.")
    return table


def _listed(found: object) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _names(found: object, where: str) -> list[str]:
    names = _listed(found)
    if not all(isinstance(name, str) and name for name in names):
        raise ConfigError(f"{where}: pictures are named by text, not {found!r}.")
    return names
