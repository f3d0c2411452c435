"""What came out: `runs.jsonl`, one JSON object a line, in the folder of an experiment.

A line is only ever added. The last line of a run counts, and one that a crash has cut short is
passed over.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from impasto.errors import ImageError, OutputError
from impasto.files import describe_os_error, replacing
from impasto.lab.experiments import Experiment

RUNS, PLAN, PAGE = "runs.jsonl", "experiment.json", "report.html"
PICTURES, INPUTS = "pictures", "inputs"
Record = dict[str, Any]


class Notebook:
    """The folder of one experiment.

    Args:
        folder: Is made if it is not there.

    Raises:
        OutputError: If it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures, self.inputs = folder / PICTURES, folder / INPUTS

    def open(self) -> "Notebook":
        """Make the folders; see that nothing else lies there."""
        if self.folder.is_dir() and any(self.folder.iterdir()) and not self.is_ours:
            raise OutputError(f"{self.folder} holds other things; choose an empty folder.")
        try:
            self.pictures.mkdir(parents=True, exist_ok=True)
            self.inputs.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"Cannot write {self.folder}: {describe_os_error(error)}.") from error
        return self

    @property
    def is_ours(self) -> bool:
        """Whether an experiment lies here."""
        names = (RUNS, PLAN, PICTURES)
        return any((self.folder / name).exists() for name in names)

    def add(self, record: Mapping[str, Any]) -> None:
        """Write a line, complete and on the disk before it returns."""
        text = json.dumps(_finite(record), ensure_ascii=False, allow_nan=False)
        path = self.folder / RUNS
        try:
            with path.open("a+b") as file:
                if file.tell() and not _ends_line(path):
                    file.write(b"\n")
                file.write(text.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"Cannot write {path}: {describe_os_error(error)}.") from error

    def read(self) -> dict[str, Record]:
        """Key -> the last line of that run."""
        path = self.folder / RUNS
        if not path.exists():
            return {}
        found: dict[str, Record] = {}
        for line in path.read_text("utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line)
                found[str(record["key"])] = record
            except (ValueError, TypeError, KeyError):
                continue
        return found

    def plan(self, experiment: Experiment) -> None:
        """Write what is to be run, in which order, for the report."""
        facts = {
            "title": experiment.title,
            "description": experiment.description,
            "source": experiment.source,
            "axes": experiment.axes,
            "runs": [
                {"key": run.key, "name": run.name, "labels": run.labels, "caption": run.caption}
                for run in experiment.runs
            ],
        }
        with replacing(self.folder / PLAN) as temporary:
            temporary.write_text(json.dumps(facts, indent=1, ensure_ascii=False), "utf-8")

    def read_plan(self) -> dict[str, Any]:
        """What `plan` wrote; failing that what the lines say.

        Raises:
            ImageError: If no experiment lies here.
        """
        path = self.folder / PLAN
        records = self.read()
        try:
            found: dict[str, Any] = json.loads(path.read_text("utf-8"))
            if isinstance(found["runs"], list) and isinstance(found["axes"], dict):
                return found
        except (OSError, ValueError, KeyError, TypeError):
            pass
        if not records:
            raise ImageError(f"{self.folder} holds no experiment; impasto lab sweep makes one.")
        return {"title": self.folder.name, "axes": _list_axes(records.values()), "runs": [
            {name: record.get(name, "") for name in ("key", "name", "labels", "caption")}
            for record in records.values()
        ]}  # fmt: skip


def _list_axes(records: Iterable[Record]) -> dict[str, list[str]]:
    axes: dict[str, dict[str, None]] = {}
    for record in records:
        for axis, label in dict(record.get("labels") or {}).items():
            axes.setdefault(axis, {})[label] = None
    return {axis: list(labels) for axis, labels in axes.items()}


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _finite(value: Any) -> Any:
    """The same without what JSON has no number for."""
    if isinstance(value, Mapping):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
