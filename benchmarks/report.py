"""What people see: tables, a line on what is being measured, and the JSON file."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from impasto.devices import describe_machine
from impasto.files import replacing

#: A line of a table, column -> value. Two keys are not columns: "table" names the table if a part
#: has several, and a row with "note" is a sentence below its table.
Row = dict[str, object]


def show(title: str, rows: Iterable[Row], console: Console) -> None:
    """Print the rows of one part, a table for each value of "table"."""
    tables: dict[str, list[Row]] = {}
    for row in rows:
        tables.setdefault(str(row.get("table", title)), []).append(row)
    for name, members in tables.items():
        lines = [row for row in members if "note" not in row]
        columns = dict.fromkeys(key for row in lines for key in row if key != "table")
        table = Table(title=name, caption_justify="left", title_justify="left")
        for column in columns:
            numbers = all(isinstance(row.get(column, 0), int | float | None) for row in lines)
            table.add_column(
                column,
                justify="right" if numbers else "left",
                no_wrap=column == next(iter(columns)),
            )
        for row in lines:
            table.add_row(*(_spell(row.get(column)) for column in columns))
        if columns:
            console.print(table)
        for row in members:
            if "note" in row:
                console.print(f"{row['note']}", markup=False)


def write(path: Path, results: Mapping[str, object]) -> None:
    """Replace a JSON file as a whole, so that no reader meets half of it."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")


def describe_surroundings() -> dict[str, str]:
    """Facts about the machine, and how busy it is: medians do not help against a busy one."""
    facts = describe_machine()
    if hasattr(os, "getloadavg"):
        facts["load average"] = f"{os.getloadavg()[0]:.2f}"
    return facts


class Watch:
    """Says on standard error what is being measured, for how long, and how much is left.

    Args:
        title: Name of the part.
        console: Where to say it; nowhere if None.
    """

    def __init__(self, title: str = "", console: Console | None = None) -> None:
        self._title, self._console = title, console
        self._done = self._work = 0.0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console or Console(quiet=True),
            transient=True,
            # Often enough to be read, seldom enough not to disturb what is measured.
            refresh_per_second=1,
            speed_estimate_period=3600,
            disable=console is None or not console.is_terminal,
        )
        self._task = self._progress.add_task(title, total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def expect(self, work: float) -> None:
        """Announce all the work that `begin` will be told of, in any unit."""
        self._progress.update(self._task, total=work)

    def begin(self, what: str, work: float = 1.0) -> None:
        """Start with the next piece; what was begun before is done."""
        self._done += self._work
        self._work = work
        text = f"{self._title}: {what}"
        self._progress.update(self._task, completed=self._done, description=text)
        if self._console and not self._console.is_terminal:
            self._console.print(text, markup=False, highlight=False)

    def within(self, done: float, whole: float) -> None:
        """Tell how much of the present piece is done."""
        self._progress.update(self._task, completed=self._done + self._work * done / whole)


def _spell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))
