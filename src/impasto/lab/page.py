"""The report: one HTML file that needs nothing else, made of what the notebook holds."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from impasto.files import replacing
from impasto.lab.curves import WHOLE, color_class, draw_curves
from impasto.lab.embedding import embed
from impasto.lab.experiments import WEIGHTS, spell
from impasto.lab.layout import lay_out
from impasto.lab.notebook import PAGE, Notebook, Record
from impasto.lab.scoring import MEANINGS
from impasto.lab.stories import Entry, Story, read_story
from impasto.version import __version__

_TEMPLATES = Path(__file__).with_name("templates")
_SMALL, _SNAPSHOT, _INPUT = 320, 320, 512
#: Curves of more runs than that in one drawing cannot be told apart.
_MOST_LINES = 8
_MOST_COLUMNS = 6
#: Settings that say nothing about a comparison.
_UNTOLD = {"dpi", "precision"}


def write_report(notebook: Notebook) -> Path:
    """Write the page of an experiment into its folder; returns its path."""
    path = notebook.folder / PAGE
    write_page(read_story(notebook), path)
    return path


def write_page(story: Story, path: Path) -> None:
    """Write a page.

    Raises:
        OutputError: If it cannot be written.
    """
    text = render(story)
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def render(story: Story) -> str:
    """The page as text."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    css, script = (
        (_TEMPLATES / f"report.{kind}").read_text("utf-8").strip() for kind in ("css", "js")
    )
    return environment.get_template("report.html").render(
        css=Markup(css),
        script=Markup(script),
        policy=_write_policy(css, script),
        **describe(story, Markup),
    )


def _write_policy(css: str, script: str) -> str:
    """What the page may do: show its own pictures, and run its own script. Nothing else."""
    style, code = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (css, script)
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}';"
        f" script-src 'sha256-{code}'; base-uri 'none'; form-action 'none'"
    )


def describe(story: Story, mark: Any = str) -> dict[str, Any]:
    """Everything that the template needs; `mark` says which texts are HTML already."""
    done = [entry for entry in story.entries if entry.state == "done"]
    given = {name for entry in done for name in entry.record.get("settings", ())} | {WEIGHTS}
    resolved = [entry.record.get("resolved", {}) for entry in done]
    # What merely follows from what was given need not be told.
    differing = [name for name in find_differences(resolved) if name in given]
    runs = [_describe_entry(entry, story, differing, len(done), mark) for entry in story.entries]
    photos, styles = _collect_inputs(story)
    failed = [entry for entry in story.entries if entry.state == "failed"]
    return {
        "title": story.title,
        "description": story.description.strip(),
        "source": story.source,
        "notes": story.notes,
        "version": __version__,
        "made": datetime.now().astimezone().strftime("%d %B %Y, %H:%M").lstrip("0"),
        "counts": {"all": len(runs), "done": len(done), "failed": len(failed)},
        "seconds": spell_seconds(sum(entry.record.get("seconds") or 0 for entry in done)),
        "photos": photos,
        "styles": styles,
        "tables": lay_out(story.axes, runs),
        "runs": runs,
        "columns": _choose_columns(differing, done),
        "baselines": _choose_baselines(done),
        "overlays": _draw_overlays(done, mark),
        "meanings": _list_meanings(done),
        "environments": _list_environments(done),
    }


def find_differences(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the settings that are not the same everywhere."""
    settings = [one for one in settings if one]  # of a picture of unknown origin, nothing
    names = dict.fromkeys(name for one in settings for name in one)
    found = [
        name for name in names
        if name not in _UNTOLD and len({json.dumps(one.get(name)) for one in settings}) > 1
    ]  # fmt: skip
    # Other layers have other weights; that goes without saying.
    return [name for name in found if name.removesuffix("_weights") + "s" not in found]


def _describe_entry(
    entry: Entry, story: Story, differing: Sequence[str], count: int, mark: Any
) -> dict[str, Any]:
    record = entry.record
    resolved = record.get("resolved", {})
    shown: dict[str, Any] = {
        "number": entry.number,
        "name": entry.name,
        "labels": dict(entry.labels),
        "caption": entry.caption,
        "state": entry.state,
        "reason": record.get("reason", "the same command makes it"),
        "settings": {name: spell_setting(resolved.get(name)) for name in differing},
        "scores": record.get("scores") or {},
        "terms": record.get("terms") or {},
        "loss": record.get("loss"),
        "seconds": record.get("seconds"),
        "time": spell_seconds(record.get("seconds")),
        "steps": len((record.get("losses") or {}).get("step", ())),
        "photo": _input_id(record.get("photo")),
        "styles": [_input_id(style) for style in record.get("styles") or ()],
    }
    if entry.picture is not None:
        shown |= {
            "small": embed(entry.picture, _SMALL),
            "large": embed(entry.picture, _choose_side(count)),
            "href": _link(entry.picture, story.folder),
            "snapshots": _show_snapshots(record, story.folder),
            "curves": mark(_draw_terms(record, entry.name)),
            "legend": _list_terms(record),
        }
    return shown


def _choose_side(count: int) -> int:
    """Long side in px of large pictures: with many of them the page would grow too heavy."""
    return next(
        side for most, side in ((8, 1024), (24, 768), (80, 512), (10**9, 384)) if count <= most
    )


def _show_snapshots(record: Record, folder: Path) -> list[dict[str, Any]]:
    shown = []
    for one in (record.get("files") or {}).get("snapshots", ()):
        path = folder / one["file"]
        if path.is_file():
            picture = embed(path, _SNAPSHOT)
            shown.append({**picture, "step": one["step"], "loss": one["loss"], "href": one["file"]})
    return shown


def _collect_inputs(story: Story) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Photographs and styles of all runs, each once."""
    found: dict[str, dict[str, dict[str, Any]]] = {"photo": {}, "style": {}}
    for entry in story.entries:
        photo = entry.record.get("photo")
        inputs = [("photo", photo)] if photo else []
        inputs += [("style", style) for style in entry.record.get("styles") or ()]
        for kind, one in inputs:
            path = story.folder / one["file"]
            if _input_id(one) not in found[kind] and path.is_file():
                found[kind][_input_id(one)] = {
                    **embed(path, _INPUT), "id": _input_id(one), "name": one["name"],
                    "href": _link(path, story.folder),
                }  # fmt: skip
    return list(found["photo"].values()), list(found["style"].values())


def _input_id(one: Mapping[str, Any] | None) -> str:
    return f"input-{one['sha256'][:12]}" if one else ""


def _count_steps(record: Record) -> list[int]:
    return list(range(1, len(record["losses"]["step"]) + 1))


def _collect_terms(record: Record) -> dict[str, list[float]]:
    """Curves of a run: the whole, and its parts if they are not zero all along."""
    losses = record.get("losses") or {}
    terms = {name: column for name, column in (losses.get("terms") or {}).items() if any(column)}
    whole = {WHOLE: losses.get("loss") or []}
    return whole | terms if len(terms) > 1 else terms or whole


def _draw_terms(record: Record, name: str) -> str:
    if not (record.get("losses") or {}).get("step"):
        return ""
    steps, scales = _count_steps(record), record["losses"]["scale"]
    lines = {
        term: [(x, y) for x, y in zip(steps, column, strict=False) if y is not None]
        for term, column in _collect_terms(record).items()
    }
    marks = [x for x, one, other in zip(steps, scales, scales[1:], strict=False) if one != other]
    return draw_curves(lines, title=f"Losses of {name} by step", marks=marks)


def _list_terms(record: Record) -> list[dict[str, str]]:
    return [
        {"name": name, "color": color_class(index)}
        for index, name in enumerate(_collect_terms(record))
    ]


def _draw_overlays(done: Sequence[Entry], mark: Any) -> list[dict[str, Any]]:
    """All runs in one drawing, term by term, if they are few enough."""
    if not 2 <= len(done) <= _MOST_LINES:
        return []
    overlays = []
    for term in ("content", "style"):
        lines = {}
        for entry in done:
            column = (entry.record.get("losses") or {}).get("terms", {}).get(term) or []
            lines[entry.name] = [(x, y) for x, y in enumerate(column, 1) if y]
        drawing = draw_curves(lines, title=f"{term} loss of all runs by step")
        if drawing:
            legend = [{"name": name, "color": color_class(n)} for n, name in enumerate(lines)]
            overlays.append({"term": term, "drawing": mark(drawing), "legend": legend})
    return overlays


def _choose_columns(differing: Sequence[str], done: Sequence[Entry]) -> dict[str, list[str]]:
    scores = dict.fromkeys(name for entry in done for name in entry.record.get("scores") or {})
    return {"settings": list(differing)[:_MOST_COLUMNS], "scores": list(scores)}


def _choose_baselines(done: Sequence[Entry]) -> dict[str, dict[str, float]]:
    """Scores of photograph and style themselves, if they are the same for all runs."""
    found = [entry.record.get("baselines") or {} for entry in done]
    return dict(found[0]) if found and all(one == found[0] for one in found) else {}


def _list_meanings(done: Sequence[Entry]) -> dict[str, str]:
    there = {name for entry in done for name in entry.record.get("scores") or {}}
    return {name: text for name, text in MEANINGS.items() if name in there}


def _list_environments(done: Sequence[Entry]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for entry in done:
        facts = entry.record.get("environment")
        if facts and facts not in found:
            found.append(facts)
    return found


def _link(path: Path, folder: Path) -> str:
    """A relative link, so that the folder can be moved."""
    try:
        return quote(Path(os.path.relpath(path, folder)).as_posix())
    except ValueError:  # another drive
        return path.resolve().as_uri()


def spell_setting(value: object) -> str:
    """A setting as a table shows it."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(f"{one:.3g}" if isinstance(one, float) else spell(one) for one in value)
    return f"{value:.4g}" if isinstance(value, float) else spell(value)


def spell_seconds(seconds: float | None) -> str:
    """For example 8.2 s, 1:05 min or 2:03 h."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60) if seconds >= 3600 else int(seconds // 60)
    if seconds >= 3600:
        return f"{minutes // 60}:{minutes % 60:02} h"
    return f"{minutes}:{int(seconds % 60):02} min"
