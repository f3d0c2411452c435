"""What a page has to tell: runs in order, each with its line of the notebook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from impasto.lab.notebook import Notebook, Record
from impasto.lab.planning import is_done


@dataclass(frozen=True)
class Entry:
    """A run as the page shows it.

    Attributes:
        number: From 1.
        name: Of the run.
        labels: Axis -> value.
        record: Its line in the notebook; empty if it has not been run.
        picture: Its file, if it was painted.
        caption: What it shows.
    """

    number: int
    name: str
    labels: Mapping[str, str]
    record: Record
    picture: Path | None = None
    caption: str = ""

    @property
    def state(self) -> str:
        """done, failed or open."""
        if self.picture is not None:
            return "done"
        return "failed" if self.record.get("status") == "failed" else "open"


@dataclass(frozen=True)
class Story:
    """Everything that a page tells.

    Attributes:
        title: Of the page.
        description: Below it.
        source: Where the experiment comes from.
        entries: The runs.
        axes: Axis -> values; the first are the rows of a table, the second its columns.
        folder: Where the page lies; links are relative to it.
        notes: Further lines.
    """

    title: str
    entries: Sequence[Entry]
    folder: Path
    description: str = ""
    source: str = ""
    axes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def read_story(notebook: Notebook) -> Story:
    """What the notebook of an experiment has to tell.

    Raises:
        ImageError: If no experiment lies there.
    """
    plan, records = notebook.read_plan(), notebook.read()
    entries = []
    for number, run in enumerate(plan["runs"], 1):
        record = records.get(run["key"], {})
        picture = (
            notebook.folder / record["files"]["picture"] if is_done(record, notebook) else None
        )
        labels = run["labels"] or {}
        entries.append(Entry(number, run["name"], labels, record, picture, run["caption"]))
    return Story(
        plan["title"], entries, notebook.folder, plan.get("description", ""),
        plan.get("source", ""), plan["axes"],
    )  # fmt: skip
