"""The lab at work: every command through the command line, on tiny pictures and shallow layers."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from impasto import images
from impasto.cli import main
from impasto.lab import running
from impasto.lab.crew import Conditions
from impasto.lab.experiments import Run
from impasto.lab.running import StoppedError
from slowly import slow
from test_cli import make_picture
from test_lab import check_alone

SHALLOW = ("--content-layers", "relu2_1", "--style-layers", "relu1_1,relu2_1")
QUICK = ("--size", "40", "--steps", "2", "--scales", "1")
SWEEP = """
title = "Small sweep"
photos = ["lake.png"]
styles = ["brush.png"]
snapshots = [1]

[settings]
size = 40
steps = [2]
scales = 1
content_layers = ["relu2_1"]
style_layers = ["relu1_1", "relu2_1"]

[grid]
pooling = ["max", "average"]
loss = ["impasto", "gatys"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    make_picture(60, 48, 0).save(tmp_path / "lake.png")
    make_picture(50, 50, 2).save(tmp_path / "brush.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_DEBUG", "0")
    return tmp_path


@pytest.fixture
def run(run):
    return functools.partial(run, "lab")


def read_lines(folder):
    return [json.loads(line) for line in (Path(folder) / "runs.jsonl").read_text().splitlines()]


def write_sweep(text=SWEEP, name="small.toml"):
    Path(name).write_text(text)
    return name


def test_a_sweep_becomes_a_page_and_lines(run, folder):
    code, _, error = run("sweep", write_sweep(), "-o", "out")
    assert code == 0, error
    assert "4 runs done. The report is out/report.html." in error
    check_alone(Path("out/report.html").read_text())
    lines = read_lines("out")
    assert [line["name"] for line in lines] == [
        "max, impasto", "max, gatys", "average, impasto", "average, gatys",
    ]  # fmt: skip
    for line in lines:
        assert line["status"] == "done"
        assert line["losses"]["step"] == [1, 2]
        assert line["losses"]["loss"][-1] == line["loss"]
        assert set(line["losses"]["terms"]) >= {"content", "style", "tv"}
        assert set(line["scores"]) == {"SSIM", "edges", "colours"}
        assert line["baselines"]["the photograph itself"]["SSIM"] == 1
        assert line["seconds"] > 0
        assert line["environment"]["torch"]
        picture = Path("out") / line["files"]["picture"]
        assert images.load(picture).size == (32, 40) == tuple(line["size"])
        assert json.loads(images.read_settings(picture))["settings"] == line["settings"]
        (snapshot,) = line["files"]["snapshots"]
        assert snapshot["step"] == 1
        assert (Path("out") / snapshot["file"]).exists()
    assert lines[0]["loss"] != lines[2]["loss"]
    assert str(folder) not in (folder / "out/runs.jsonl").read_text()


@pytest.mark.slow
def test_what_is_done_is_not_repeated(run, folder):
    assert run("sweep", write_sweep(), "-o", "out")[0] == 0
    before = Path("out/runs.jsonl").read_text()
    code, out, _ = run("sweep", "small.toml", "-o", "out", "--dry-run")
    assert (code, out.count("\tdone\t")) == (0, 4)
    more = SWEEP.replace('"gatys"', '"gatys", "johnson"').replace('"average"', '"l2"')
    code, _, error = run("sweep", write_sweep(more), "-o", "out")
    assert code == 0, error
    assert "4 runs done, 2 were done already" in error
    assert Path("out/runs.jsonl").read_text().startswith(before)
    picture = Path("out") / read_lines("out")[0]["files"]["picture"]
    picture.unlink()
    assert "1 runs done, 5 were done already" in run("sweep", "small.toml", "-o", "out")[2]
    assert picture.exists()


def test_a_plan_says_what_it_takes_and_writes_nothing(run, folder):
    text = SWEEP.replace('["max", "average"]', '["max", "middling"]')
    code, out, error = run("sweep", write_sweep(text), "-o", "out", "--dry-run")
    assert code == 0, error
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[2] for row in rows] == ["new", "new", "impossible", "impossible"]
    assert rows[0][3:5] == ["40x32", "2"]
    assert "GiB" in rows[0][5]
    assert "middling" in rows[2][7]
    assert "2 of 4 runs to do" in error
    assert not Path("out").exists()


def test_a_run_that_fails_is_a_cell(run, folder):
    text = SWEEP.replace('["impasto", "gatys"]', '["impasto", "nonsense"]')
    text += '\n[[runs]]\nname = "too deep"\ncontent_layers = ["relu9_9"]\n'
    code, _, error = run("sweep", write_sweep(text), "-o", "out")
    assert code == 0, error
    assert "2 runs done, 3 were not possible" in error
    reasons = {one["name"]: one["reason"] for one in read_lines("out") if one["status"] == "failed"}
    assert "--loss" in reasons["max, nonsense"]
    assert "Unknown layer 'relu9_9'" in reasons["too deep"]
    page = Path("out/report.html").read_text()
    assert page.count("Not possible") == 3
    assert "Unknown layer &#39;relu9_9&#39;" in page
    check_alone(page)
    assert (
        "0 runs done, 2 were done already, 3 were not" in run("sweep", "small.toml", "-o", "out")[2]
    )


def test_nothing_possible_is_a_failure(run, folder):
    text = SWEEP.replace('["impasto", "gatys"]', '["nonsense"]')
    assert run("sweep", write_sweep(text), "-o", "out")[0] == 1


@pytest.mark.slow
def test_several_at_a_time_give_the_same_pictures(run, folder):
    assert run("sweep", write_sweep(), "-o", "one")[0] == 0
    code, _, error = run("sweep", "small.toml", "-o", "two", "--jobs", "2")
    assert code == 0, error
    names = sorted(path.name for path in Path("one/pictures").iterdir())
    assert names == sorted(path.name for path in Path("two/pictures").iterdir())
    for name in names:
        pixels = [images.load(Path(x) / "pictures" / name).pixels for x in ("one", "two")]
        assert (pixels[0] - pixels[1]).abs().max() < 0.02


@pytest.mark.slow
def test_a_process_that_dies_costs_one_run(run, folder, monkeypatch):
    """The worker is told to fetch its picture from a file that ends it."""
    (folder / "deadly").mkdir()
    (folder / "deadly/sitecustomize.py").write_text(
        "import os, json\n"
        "if os.environ.get('IMPASTO_TEST_DIES'):\n"
        "    import impasto.lab.running as running\n"
        "    before = running.Bench.carry_out\n"
        "    def die(self, run, watch):\n"
        "        if run.labels.get('loss') == 'gatys': os.kill(os.getpid(), 9)\n"
        "        return before(self, run, watch)\n"
        "    running.Bench.carry_out = die\n"
    )
    source = Path(images.__file__).parents[2]
    monkeypatch.setenv("IMPASTO_TEST_DIES", "1")
    monkeypatch.setenv("PYTHONPATH", f"{folder / 'deadly'}{os.pathsep}{source}")
    code, _, error = run("sweep", write_sweep(), "-o", "out", "--jobs", "2")
    assert code == 0, error
    assert "2 runs done, 2 were not possible" in error
    assert {line["status"] for line in read_lines("out")} == {"done", "failed"}
    assert "by signal 9; perhaps memory ran out" in error


def test_a_run_that_was_broken_off_goes_on_to_the_same_picture(folder):
    settings = {
        "size": 40, "steps": [6], "scales": 1, "optimizer": "adam", "content_layers": ["relu2_1"],
        "style_layers": ["relu1_1"],
    }  # fmt: skip
    one = Run("r", {}, "lake.png", ("brush.png",), settings, (2, 5))
    records = []
    for name in ("straight", "broken"):
        (folder / name / "pictures").mkdir(parents=True)
        (folder / name / "inputs").mkdir()
        bench = Conditions(str(folder / name)).make_bench()
        if name == "broken":
            with pytest.raises(StoppedError):
                bench.carry_out(one, lambda progress: progress.step < 3)
            assert list((folder / name / "pictures").glob("*.resume"))
        seen = []
        records.append(
            bench.carry_out(one, lambda progress, seen=seen: not seen.append(progress.step))
        )
    assert seen == [4, 5]
    assert records[0]["losses"]["loss"] == records[1]["losses"]["loss"]
    assert records[0]["losses"]["step"] == records[1]["losses"]["step"] == [1, 2, 3, 4, 5, 6]
    assert [x["step"] for x in records[1]["files"]["snapshots"]] == [2, 5]
    pixels = [images.load(folder / x / r["files"]["picture"]).pixels
              for x, r in zip(("straight", "broken"), records, strict=True)]  # fmt: skip
    assert (pixels[0] == pixels[1]).all()
    assert not list(folder.rglob("*.resume")) + list(folder.rglob("*.losses"))


def test_steps_after_the_last_checkpoint_are_noted_once(folder, monkeypatch):
    """A power cut leaves a checkpoint that is older than the losses."""
    settings = {"size": 40, "steps": [6], "scales": 1, "style_layers": ["relu1_1"],
                "content_layers": ["relu1_2"]}  # fmt: skip
    one = Run("r", {}, "lake.png", ("brush.png",), settings)
    for name in ("pictures", "inputs"):
        (folder / name).mkdir()
    bench = Conditions(str(folder), checkpoint_seconds=0).make_bench()

    class Crash(BaseException):
        pass

    saved = running.save_checkpoint

    def save(path, state, fingerprint):
        if state.step == 4:
            raise Crash
        saved(path, state, fingerprint)

    monkeypatch.setattr(running, "save_checkpoint", save)
    with pytest.raises(Crash):
        bench.carry_out(one, lambda progress: True)
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    record = bench.carry_out(one, lambda progress: True)
    assert record["losses"]["step"] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("jobs", ["1", slow("2")])
def test_a_signal_stops_and_the_same_command_goes_on(run, folder, jobs):
    text = SWEEP.replace("steps = [2]", "steps = [400]").replace('["max", "average"]', '["max"]')
    command = [
        sys.executable, "-m", "impasto.cli", "lab", "sweep", write_sweep(text), "-o", "out",
        "--jobs", jobs,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    # A snapshot shows that painting has begun.
    deadline = time.monotonic() + 90
    while not list(folder.glob("out/pictures/*-00001.png")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 143, error
    assert "the same command goes on" in error
    assert list(folder.glob("out/pictures/*.resume"))
    assert Path("out/report.html").exists()
    code, out, _ = run("sweep", "small.toml", "-o", "out", "--dry-run")
    assert code == 0
    assert "\tbegun\t" in out


def test_only_one_works_in_a_folder(run, folder):
    from filelock import FileLock

    assert run("sweep", write_sweep(), "-o", "out", "--pooling", "max", "--loss", "gatys")[0] == 0
    with FileLock("out/.lock"):
        code, _, error = run("sweep", "small.toml", "-o", "out")
    assert code == 6
    assert "Another impasto works in out" in error


def test_the_report_is_built_anew_from_the_lines(run, folder):
    assert run("sweep", write_sweep(), "-o", "out")[0] == 0
    page = Path("out/report.html")
    before = page.read_text()
    page.unlink()
    assert run("report", "out")[0] == 0
    check_alone(page.read_text())
    assert page.read_text().count("<article") == before.count("<article") == 4
    code, _, error = run("report", ".")
    assert code == 3
    assert "holds no experiment" in error


def test_content_is_reconstructed_from_layers(run, folder):
    layers = ("--layer", "relu1_1", "--layer", "relu1_2,conv2_1")
    quick = ("--size", "40", "--steps", "12")
    code, _, error = run("reconstruct", "lake.png", *layers, *quick, "-o", "out")
    assert code == 0, error
    lines = read_lines("out")
    assert [line["resolved"]["content_layers"] for line in lines] == [
        ["relu1_1"], ["relu1_2", "relu2_1"],
    ]  # fmt: skip
    for line in lines:
        assert line["settings"]["style_weight"] == 0
        assert line["styles"] == []
        assert line["terms"]["style"] == 0
        assert line["losses"]["loss"][-1] < 0.1 * line["losses"]["loss"][0]
    # It is the photograph that appears out of the noise.
    assert lines[0]["scores"]["SSIM"] > 0.4


def test_style_is_reconstructed_from_growing_subsets(run, folder):
    layers = ("--style-layers", "relu1_1,relu2_1")
    code, _, error = run("reconstruct", "brush.png", *layers, *QUICK, "-o", "out")
    assert code == 0, error
    lines = read_lines("out")
    assert [line["resolved"]["style_layers"] for line in lines] == [
        ["relu1_1"], ["relu1_1", "relu2_1"],
    ]  # fmt: skip
    assert [line["terms"]["content"] for line in lines] == [0, 0]
    assert lines[0]["photo"] is None
    assert set(lines[0]["scores"]) == {"colours"}
    code, _, error = run("reconstruct", "brush.png", *layers, "--layer", "relu1_1", "-o", "b")
    assert code == 2
    assert "not both" in error


def test_texture_has_the_size_that_is_asked_for(run, folder):
    quick = ("--steps", "2", "--scales", "1", "--style-layers", "relu1_1,relu2_1")
    code, _, error = run("texture", "brush.png", "--size", "64x32", *quick)
    assert code == 0, error
    picture = Path("brush-texture.png")
    with Image.open(picture) as file:
        assert file.size == (64, 32)
    code = main(["again", str(picture), "-o", "b.png"])
    assert code == 0
    assert (images.load("b.png").pixels == images.load(picture).pixels).all()
    code, _, error = run("texture", "brush.png", "--size", "big")
    assert code == 2
    assert "a width and a height" in error
    assert run("texture")[0] == 2


def test_texture_repeats(run, folder):
    quick = ("--steps", "2", "--scales", "1", "--style-layers", "relu1_1")
    arguments = ("texture", "brush.png", "--size", "64x48", *quick, "--seamless", "straight")
    code, _, error = run(*arguments, "-o", "tile.png", "--sheet", "sheet.png")
    assert code == 0, error
    with Image.open("sheet.png") as file:
        assert file.size == (192, 144)


def test_features_are_drawn_with_their_numbers(run, folder):
    arguments = ("features", "lake.png", "--layer", "conv1_1", "--count", "5", "--columns", "3")
    code, _, error = run(*arguments, "-o", "maps.png")
    assert code == 0, error
    assert "the 5 most active of 64 channels" in error
    with Image.open("maps.png") as file:
        assert file.size == (3 * 170 + 10, 40 + 2 * (128 + 20 + 10) + 10)
    assert run(*arguments, "-o", "maps.png")[0] == 6
    assert run(*arguments, "-o", "maps.png", "--overwrite")[0] == 0
    code, _, error = run("features", "lake.png", "--layer", "relu7_1", "-o", "b.png")
    assert code == 2
    assert "Unknown layer 'relu7_1'" in error


def test_a_recipe_runs_on_the_users_pictures(run, folder):
    pictures = ("--photo", "lake.png", "--style", "brush.png")
    code, _, error = run("recipe", "sgd-layers", *pictures, *QUICK, *SHALLOW, "-o", "out")
    assert code == 0, error
    lines = read_lines("out")
    assert len(lines) == 5
    assert lines[0]["photo"]["name"] == "lake"
    assert lines[0]["resolved"]["optimizer"] == "sgd"
    page = Path("out/report.html").read_text()
    assert "Chunduru Balaji" in page
    check_alone(page)


def test_a_recipe_looks_for_its_own_pictures(run, folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    code, out, error = run("recipe", "adam-layers", "--dry-run")
    assert code == 0, error
    assert [line.split("\t")[3] for line in out.splitlines()] == ["600x400", "601x400"]


def test_recipes_are_listed(run, folder):
    code, out, _ = run("recipe", "--list")
    assert code == 0
    assert "sgd-layers\t001\t5\t" in out
    assert run("recipe", "nonsense")[0] == 2
    assert run("recipe")[0] == 2


def test_pictures_are_compared_by_what_they_say(run, folder):
    paint = ["paint", "lake.png", "brush.png", *QUICK, *SHALLOW]
    for seed, name in (("1", "a.png"), ("2", "b.png")):
        noise = ["--init", "noise", "--seed", seed, "-o", name, "-q"]
        assert main([*paint, *noise]) == 0
    code, _, error = run("compare", "a.png", "b.png", "brush.png", "-o", "c.html")
    assert code == 0, error
    page = Path("c.html").read_text()
    check_alone(page)
    assert page.count("<article") == 3
    assert ">seed</th>" in page
    assert "SSIM" in page
    assert "brush.png: says nothing about how it was painted" in page
    assert run("compare", "a.png", "b.png", "-o", "c.html")[0] == 6
    assert run("compare", "a.png", "-o", "d.html")[0] == 2


def test_painting_needs_no_style_without_its_weight(run, folder):
    paint = ["paint", "lake.png", *QUICK, "--content-layers", "relu1_1", "-o", "a.png"]
    assert main([*paint, "--style-weight", "0"]) == 0
    assert json.loads(images.read_settings("a.png"))["styles"] == []
    assert main(["again", "a.png", "-o", "b.png"]) == 0
    assert (images.load("a.png").pixels == images.load("b.png").pixels).all()
    assert main([*paint, "--overwrite"]) == 2
    assert main([*paint, "--style-weight", "0", "--init", "style", "--overwrite"]) == 2


def test_a_canvas_has_a_size(run, folder):
    for size in ("canvas:", "canvas:12", "canvas:0x50"):
        assert main(["paint", size, "brush.png", "-o", "a.png"]) == 3
    assert images.load("canvas:30x20").size == (20, 30)
