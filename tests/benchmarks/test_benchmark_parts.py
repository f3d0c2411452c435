"""Each part at a tiny size gives the rows that it promises."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from benchmarks import curve, evaluation, memory, startup, whole
from benchmarks.bench import Bench
from benchmarks.evaluation import Case
from benchmarks.pictures import measure_size
from benchmarks.processes import ProgramError, Run
from benchmarks.report import Row


def test_startup_is_told_in_bare_interpreters(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(startup._COMMANDS, "import torch", ("-c", "import json"))
    rows = startup.measure_startup(bench, least=1)
    assert [row["what"] for row in rows] == [
        "bare interpreter", "impasto --help", "impasto paint --help", "import torch"
    ]  # fmt: skip
    assert rows[0]["bare interpreters"] == 1
    for row in rows:
        assert row["bare interpreters"] == row["seconds"] / rows[0]["seconds"]  # type: ignore[operator]


def test_evaluations_are_compared_with_their_convolutions(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_here(module: str, order: dict[str, object], *_: object) -> list[Row]:
        evaluation.main(json.dumps(order))
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    kept: list[bool] = []
    monkeypatch.setattr(evaluation, "keep_freed_memory", lambda: kept.append(True))
    monkeypatch.setattr(evaluation, "read_rows", run_here)
    row, progress = evaluation.measure_evaluations(bench, [Case(32, 48, "float32")])[:2]
    assert kept
    assert progress == {"progress": [32 * 48, 32 * 48]}
    assert (row["size"], row["precision"]) == ("48x32", "float32")
    assert row["share of peak"] == row["plain convolutions"] / row["seconds"]  # type: ignore[operator]


def test_slow_half_precision_is_left_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "choose_precision", lambda wanted, device: torch.float32)
    monkeypatch.setattr(evaluation, "read_rows", lambda _, order, *__: [dict(order)])
    cases = [Case(16, 16, "bfloat16"), Case(16, 16, "float32")]
    order, note = evaluation.measure_evaluations(bench, cases)
    assert order["cases"] == cases[1:]
    assert "bfloat16" in str(note["note"])


def test_whole_runs_hit_or_miss_their_targets(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = dataclasses.replace(bench, repeats=3)
    units = iter([3.0, 1.0, 2.0])
    seconds = {"draft": iter([15.0, 99.0, 16.0]), "standard": iter([56.1, 56.1, 1.0])}

    def measure(command: list[str]) -> Run:
        # The preset that is the default is not named on the command line.
        named = "draft" if "draft" in command else "standard"
        return Run(next(seconds[named]), 0)

    monkeypatch.setattr(whole, "measure", measure)
    monkeypatch.setattr(whole, "measure_unit", lambda bench, size: (next(units), str(size)))
    unit, draft, standard = whole.measure_whole(bench, ("draft", "standard"))
    assert unit["what"] == "one evaluation, 48x32, (32, 48)"
    assert unit["seconds"] == 2.0
    assert (draft["seconds"], draft["evaluations"], draft["verdict"]) == (16.0, 8.0, "hit")
    assert (standard["target"], standard["verdict"]) == (28.0, "miss")


@pytest.mark.slow
def test_memory_is_measured(bench: Bench) -> None:
    (row,) = memory.measure_memory(bench, [memory.Case(64, "2GiB")])
    assert (row["size"], row["WxH"], row["budget"]) == (64, "64x43", "2GiB")
    assert 0.1 < float(str(row["peak GiB"])) < 4
    assert row["bytes per pixel"] == pytest.approx(float(str(row["peak GiB"])) * 2**30 / (64 * 43))
    assert float(str(row["seconds"])) > 0


def test_a_run_that_is_refused_is_a_row(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: list[str]) -> Run:
        raise ProgramError("impasto: too large")

    monkeypatch.setattr(memory, "measure", refuse)
    row, note = memory.measure_memory(bench, [memory.Case(64)])
    assert (row["budget"], row["peak GiB"], row["seconds"]) == ("free", None, None)
    assert note["note"] == "64 px, free: impasto: too large"


def test_the_curve_tells_its_exponent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(command: list[str]) -> Run:
        height, width = measure_size(Path(command[command.index("paint") + 1]))
        return Run(2e-6 * (height * width) ** 1.5, 0)

    monkeypatch.setattr(curve, "measure", measure)
    *rows, note = curve.measure_curve(bench, (48, 96, 192))
    assert [row["WxH"] for row in rows] == ["48x32", "96x64", "192x128"]
    assert rows[0]["slope since the row above"] is None
    assert rows[2]["slope since the row above"] == pytest.approx(1.5)
    assert rows[1]["seconds per Mpx"] == pytest.approx(2e-6 * (96 * 64) ** 0.5 * 1e6)
    assert note["slope"] == pytest.approx(1.5)


def test_one_point_has_no_slope() -> None:
    assert curve.fit_slope([(1.0, 2.0)]) is None
