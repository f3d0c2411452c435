"""Tables, the JSON file, and the programs that are run."""

import dataclasses
import io
import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from benchmarks import __main__ as door
from benchmarks.bench import Bench
from benchmarks.judge import OBJECTIVE
from benchmarks.pictures import digest, measure_size, prepare_pair
from benchmarks.processes import ProgramError, command_painting, imitate_cli, measure, read_rows
from benchmarks.report import Row, Watch, show
from impasto.cli import app
from impasto.cli.options import settings_from


def test_tables_keep_losses_and_notes() -> None:
    console = Console(file=io.StringIO(), width=100)
    rows: list[Row] = [
        {"what": "[odd] name", "seconds": 1.23456, "target": None},
        {"table": "second", "what": "b", "loss": 12345678.9},
        {"table": "second", "note": "A note."},
    ]
    show("first", rows, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("first", "[odd] name", "1.235", "second", "1.235e+07", "A note."):
        assert part in text
    assert text.index("1.235e+07") < text.index("A note.")


def test_json_is_whole_after_every_part_and_failures_are_told(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bench.folder / "results.json"
    seen: list[dict[str, object]] = []

    def good(bench: Bench) -> list[Row]:
        bench.watch.expect(1)
        bench.watch.begin("something")
        bench.watch.within(1, 2)
        return [{"seconds": 1.5}]

    def bad(bench: Bench) -> list[Row]:
        seen.append(json.loads(path.read_text()))
        raise ProgramError("it broke")

    parts = {"good": good, "bad": bad, "last": good}
    assert door.carry_out(parts, bench, {"size": 48}, path) == 1
    results = json.loads(path.read_text())
    assert seen[0]["parts"] == {"good": [{"seconds": 1.5}]}
    assert list(results["parts"]) == ["good", "last"]
    assert results["failed"] == {"bad": "it broke"}
    assert results["machine"]["torch"]
    told = capsys.readouterr()
    assert "bad: it broke" in told.err
    assert "good: something" in told.err
    assert "1.5" in told.out
    assert [file.name for file in bench.folder.iterdir()] == ["results.json"]


def test_parts_are_chosen_by_name() -> None:
    assert door._choose("race, startup") == ["startup", "race"]
    with pytest.raises(SystemExit, match="No part 'speed'; choose from startup"):
        door._choose("speed")


def test_a_watch_shows_on_a_terminal_only_once() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with Watch("part", console) as watch:
        watch.expect(2)
        watch.begin("first")
        watch.begin("second")
        watch.within(1, 2)
        assert watch._progress.tasks[0].percentage == 75
    assert "part: second" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_program_is_measured() -> None:
    run = measure([sys.executable, "-c", "import time; x = b'x' * 50_000_000; time.sleep(0.1)"])
    assert run.seconds >= 0.1
    assert 50_000_000 < run.peak < 500_000_000


def test_what_a_program_said_last_is_told() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('first\\nlast')"]
    with pytest.raises(ProgramError, match=r"^last$"):
        measure(command)


def test_a_child_that_fails_is_told(bench: Bench) -> None:
    with pytest.raises(ProgramError, match="KeyError"):
        read_rows("benchmarks.peer_driver", {}, bench.watch)


def test_the_environment_of_painting_leaves_choices_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert imitate_cli().items() >= {("OMP_WAIT_POLICY", "PASSIVE"), ("GOMP_SPINCOUNT", "4000")}
    assert "OMP_WAIT_POLICY" not in os.environ
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert imitate_cli()["OMP_WAIT_POLICY"] == "ACTIVE"
    assert "GOMP_SPINCOUNT" not in imitate_cli()


def test_the_command_line_gets_the_very_objective(bench: Bench) -> None:
    config = OBJECTIVE.model_copy(update={"size": 48, "steps": (2, 3), "keep_colors": True})
    command = command_painting(*bench.pair, Path("out.png"), config, memory="4GiB")
    bound = app.parse_args(command[3:])[1]
    assert settings_from(bound.kwargs["settings"], None) == config
    assert bound.kwargs["running"].memory == "4GiB"


def test_pictures_come_at_size_and_are_known_by_their_pixels(tmp_path: Path) -> None:
    source, copy = tmp_path / "source.png", tmp_path / "copy.png"
    Image.linear_gradient("L").resize((60, 30)).save(source)
    pair = prepare_pair(tmp_path, source, source, 40)
    assert measure_size(pair.photo) == measure_size(pair.style) == (20, 40)
    with Image.open(pair.photo) as image:
        image.save(copy, compress_level=0)
    assert copy.read_bytes() != pair.photo.read_bytes()
    assert digest(copy) == digest(pair.photo) != digest(source)


def test_a_bench_can_be_copied(bench: Bench) -> None:
    assert dataclasses.replace(bench, repeats=2).pair is bench.pair
