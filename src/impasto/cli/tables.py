"""Results on standard output: a table for people, tabs for pipes, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows; without a terminal, one row a line with tabs between, never wrapped.

    Args:
        columns: Headings, or none. They are not written into pipes.
        rows: Cells.
    """
    if not sys.stdout.isatty():
        for row in rows:
            sys.stdout.write("\t".join(row) + "\n")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=bool(columns), header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def write_json(value: Any) -> None:
    """Write one JSON value and an end of line."""
    sys.stdout.write(json.dumps(value, indent=None, ensure_ascii=False) + "\n")
