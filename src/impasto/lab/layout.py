"""How runs are laid out: in tables by their axes, or in rows one after the other."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def lay_out(
    axes: Mapping[str, Sequence[str]], runs: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Sort runs into tables, a row for each value of the first axis, a column of the second.

    Further axes make further tables; what fits into no table comes in rows of its own.
    """
    names = [name for name in axes if name != "run" and len(axes[name]) > 1]
    listed = [run for run in runs if any(name not in run["labels"] for name in names)]
    if len(names) < 2:
        groups = [[run for run in runs if run not in listed], listed]
        return [{"caption": "", "flow": group} for group in groups if group]
    rows, columns, *others = names
    tables = []
    for chosen in itertools.product(*(axes[name] for name in others)):
        wanted = dict(zip(others, chosen, strict=True))
        here = [
            run for run in runs if run not in listed and wanted.items() <= run["labels"].items()
        ]
        tables.append({
            "caption": ", ".join(f"{name} {value}" for name, value in wanted.items()),
            "axes": (rows, columns),
            "columns": list(axes[columns]),
            "rows": [
                {"label": row, "cells": [_find(here, {rows: row, columns: column})
                                         for column in axes[columns]]}
                for row in axes[rows]
            ],
        })  # fmt: skip
    return [*tables, *([{"caption": "", "flow": listed}] if listed else [])]


def _find(runs: Iterable[dict[str, Any]], labels: dict[str, str]) -> dict[str, Any] | None:
    return next((run for run in runs if labels.items() <= run["labels"].items()), None)
