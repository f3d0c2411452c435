"""Put measured tables into a page: `python -m benchmarks.markdown RESULTS.json PAGE...`.

RESULTS.json is what `python -m benchmarks --json` wrote. In the page `<!-- measured: PART -->`
begins the place of a part's tables, and `<!-- end of PART -->` ends it; all between is replaced.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import Row


def render(rows: Sequence[Row], when: str, machine: dict[str, str]) -> str:
    """Rows of one part as tables of Markdown, with when and on what they were measured."""
    tables: dict[str, list[Row]] = {}
    for row in rows:
        tables.setdefault(str(row.get("table", "")), []).append(row)
    parts: list[str] = []
    for name, members in tables.items():
        if name:
            parts.append(f"**{name}**")
        lines = [row for row in members if "note" not in row]
        columns = list(dict.fromkeys(key for row in lines for key in row if key != "table"))
        if columns:
            text = [_line(columns), _line(["---"] * len(columns))]
            text += [_line([_spell(row.get(column)) for column in columns]) for row in lines]
            parts.append("\n".join(text))
        parts += [str(row["note"]) for row in members if "note" in row]
    facts = ", ".join(machine[key] for key in ("processor", "instructions") if key in machine)
    load = machine.get("load average", "unknown")
    return "\n\n".join([*parts, f"Measured {when[:10]} on {facts}, load average {load}."])


def replace(page: str, part: str, text: str) -> str:
    """The page with the tables of one part; as it was if it has no place for them."""
    begin, end = f"<!-- measured: {part} -->", f"<!-- end of {part} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", page)


def fill(results: dict[str, Any], page: str) -> str:
    """The page with the tables of all parts that were measured."""
    for part, rows in results["parts"].items():
        page = replace(page, part, render(rows, results["when"], results["machine"]))
    return page


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _spell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def main(results: str, *pages: str) -> None:
    """Rewrite pages in place."""
    found = json.loads(Path(results).read_text())
    for page in map(Path, pages):
        page.write_text(fill(found, page.read_text()))


if __name__ == "__main__":
    main(*sys.argv[1:])
