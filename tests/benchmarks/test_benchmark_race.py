"""Time to a loss, the record of the peer, and the race at a tiny size."""

import json
import subprocess
import sys
import types
from pathlib import Path

import pydantic
import pytest
import torch

from benchmarks import peer, race
from benchmarks.bench import Bench
from benchmarks.judge import OBJECTIVE, Judge
from benchmarks.peer import PictureFacts, Point, Record, load_record, save_record
from benchmarks.peer_driver import drive
from benchmarks.pictures import digest
from benchmarks.processes import Run
from benchmarks.report import describe_surroundings

CURVE = [
    Point(steps=1, seconds=2.0, loss=90.0),
    Point(steps=2, seconds=3.0, loss=40.0),
    Point(steps=3, seconds=4.0, loss=50.0),
    Point(steps=4, seconds=5.0, loss=30.0),
]


@pytest.fixture
def record(bench: Bench) -> Record:
    return Record(
        tool="pastiche",
        version="1.6.0",
        command="python -m pastiche",
        when="2026-01-01T00:00:00+00:00",
        machine=describe_surroundings(),
        photo=PictureFacts.of(bench.pair.photo),
        style=PictureFacts.of(bench.pair.style),
        seconds_per_step=0.5,
        seconds_to_write=0.1,
        points=(
            Point(steps=100, seconds=60.0, loss=1e9),
            Point(steps=200, seconds=100.0, loss=1e-9),
        ),
    )


@pytest.mark.parametrize(
    ("loss", "seconds"), [(100.0, 2.0), (90.0, 2.0), (45.0, 3.0), (30.0, 5.0), (29.9, None)]
)
def test_time_to_loss(loss: float, seconds: float | None) -> None:
    assert race.time_to_loss(CURVE, loss) == seconds


def test_a_loss_that_is_never_reached_is_told(record: Record) -> None:
    early, late = race.compare_curves("table", CURVE, record)
    assert (early["impasto seconds"], early["times sooner"], early["reached"]) == (2.0, 30.0, "yes")
    assert (late["impasto seconds"], late["times sooner"], late["reached"]) == (None, None, "never")


@pytest.mark.slow
def test_the_race_at_a_tiny_size(
    bench: Bench, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_photo(command: list[str]) -> Run:
        Path(command[command.index("-o") + 1]).write_bytes(bench.pair.photo.read_bytes())
        return Run(25.0, 0)

    monkeypatch.setattr(race, "load_record", lambda: record)
    monkeypatch.setattr(race, "measure", copy_photo)
    settings: dict[str, object] = {"preset": "draft", "steps": (1, 2), "detail_steps": 1}
    rows = race.race(
        bench, settings={"TINY": settings}, finals={"same objective, standard": OBJECTIVE}
    )
    tables = list(dict.fromkeys(str(row["table"]) for row in rows))
    assert tables[:2] == ["pastiche 1.6.0", "TINY: time to the loss of pastiche"]
    assert str(rows[2]["note"]).endswith("as now.")
    assert [row["reached"] for row in rows[3:5]] == ["yes", "never"]
    results = {str(row["what"]): row for row in rows[5:]}
    judge = Judge(*bench.pair)
    photograph = judge.score(bench.pair.photo)
    whole = results["same objective, standard"]
    assert (whole["seconds"], whole["time ratio"], whole["loss"]) == (25.0, 0.25, photograph)
    assert (whole["target"], whole["verdict"]) == (0.25, "miss")
    # What was followed step by step is what was saved, to the last level.
    followed = results["same objective, TINY"]["loss"]
    assert followed == pytest.approx(judge.score(bench.folder / "curve.png"), rel=1e-5)
    assert followed < photograph  # type: ignore[operator]


def test_without_a_record_there_is_a_hint(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "load_record", lambda: None)
    hint, photograph = race.race(bench, settings={}, finals={})
    assert "--measure-peer" in str(hint["note"])
    assert photograph["loss ratio"] is None


def test_the_record_survives_its_file(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert load_record(path) is None
    save_record(record, path)
    assert load_record(path) == record
    assert record.at(200) == record.points[1]
    assert record.at(7) is None


@pytest.mark.parametrize(
    "change", [{"points": []}, {"seconds_per_step": -1}, {"more": 1}, {"photo": {"width": 1}}]
)
def test_a_spoilt_record_is_refused(
    record: Record, tmp_path: Path, change: dict[str, object]
) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record.model_dump(mode="json") | change))
    with pytest.raises(pydantic.ValidationError):
        load_record(path)


def test_what_differs_from_the_record_is_told(record: Record, bench: Bench) -> None:
    machine = describe_surroundings()
    assert record.list_differences(bench.pair, machine) == []
    turned = bench.pair._replace(style=bench.pair.photo)
    found = record.list_differences(turned, machine | {"threads": "99", "free memory": "none"})
    assert len(found) == 2
    assert "other pictures" in found[0]
    assert found[1].endswith("now 99")


@pytest.mark.skipif(not peer.RECORD.exists(), reason="pastiche is not recorded yet")
def test_the_record_that_is_kept() -> None:
    record = load_record()
    assert record is not None
    assert (record.tool, record.version) == ("pastiche", "1.6.0")
    assert tuple(point.steps for point in record.points) == peer.STEPS
    seconds = [point.seconds for point in record.points]
    assert seconds == sorted(seconds)
    assert "/" not in record.command


def test_the_driver_keeps_pictures_on_the_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[list[str]] = []
    fake = types.ModuleType("pastiche.pastiche")

    def main(arguments: list[str]) -> None:
        called.append(arguments)
        image = torch.zeros(1)
        for step in range(5):
            image += 1  # in place, as the solver does
            if step % 2 == 0:
                fake.save_image(image, str(tmp_path / f"{step:02d}.png"))
        fake.save_image(image, str(tmp_path.parent / "last.png"))

    fake.main = main  # type: ignore[attr-defined]
    fake.save_image = lambda image, path: Path(path).write_text(str(image.item()))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pastiche.pastiche", fake)
    (row,) = drive(["--size", "9"], [2, 4], tmp_path, began=0.0)
    assert called[0][:5] == ["pastiche", "--size", "9", "--num-steps", "4"]
    assert called[0][-1] == "2"
    assert [(tmp_path / f"{step}.png").read_text() for step in (2, 4)] == ["3.0", "5.0"]
    assert 0 < row["seconds"][2] <= row["seconds"][4]
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"progress": [2, 4]}, {"progress": [4, 4]}
    ]  # fmt: skip


@pytest.mark.slow
def test_the_driver_paints_what_pastiche_paints(bench: Bench, tmp_path: Path) -> None:
    record = peer.measure_peer(bench, (1, 2))
    plain = record.command.replace("photo.png", str(bench.pair.photo))
    plain = plain.replace("style.png", str(bench.pair.style)).replace("out.png", "plain.png")
    subprocess.run([sys.executable, *plain.split()[1:]], cwd=tmp_path, check=True)
    assert digest(tmp_path / "plain.png") == digest(tmp_path / "pastiche" / "2.png")
