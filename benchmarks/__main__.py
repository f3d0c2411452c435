"""Run all benchmarks: `python -m benchmarks [--photo FILE --style FILE] [--json FILE]`."""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from benchmarks.arithmetic import measure_evaluations
from benchmarks.pictures import prepare_pair
from benchmarks.race import race
from benchmarks.startup import measure_memory, measure_startup
from impasto.devices import describe_machine

app = cyclopts.App(name="benchmarks")
console = Console()


@app.default
def run(
    *,
    photo: Annotated[Path | None, Parameter(help="Photograph to race on.")] = None,
    style: Annotated[Path | None, Parameter(help="Style to race on.")] = None,
    size: int = 512,
    repeats: int = 3,
    only: Annotated[str, Parameter(help="race, arithmetic, startup, memory or all.")] = "all",
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Measure speed, quality and memory; print tables and write JSON."""
    results: dict[str, object] = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pair = prepare_pair(folder, photo, style, size)
        parts = {
            "startup": lambda: measure_startup(max(5, repeats)),
            "arithmetic": lambda: measure_evaluations((256, 512, 1024), repeats),
            "memory": lambda: measure_memory(*pair, folder, (512, 1024, 1536)),
            "race": lambda: race(*pair, folder, size, repeats),
        }
        for title, measure in parts.items():
            if only in ("all", title):
                console.print(f"Measuring {title} ...")
                rows = measure()
                results[title] = rows
                _show(title, rows)
                if json_file:
                    json_file.write_text(json.dumps(results, indent=1) + "\n")


def _show(title: str, rows: list[dict[str, object]]) -> None:
    table = Table(title=title)
    for column in rows[-1]:
        table.add_column(column, justify="right" if column != "what" else "left")
    for row in rows:
        table.add_row(*(_format(row.get(column, "")) for column in rows[-1]))
    console.print(table)


def _format(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    app()
