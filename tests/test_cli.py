"""The command line, called as a function: options, results and everything that goes wrong."""

import dataclasses
import inspect
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from rich.console import Console

from impasto import images
from impasto.checkpoints import checkpoint_path
from impasto.cli.bar import Bar
from impasto.cli.batch import name_results
from impasto.cli.interruption import Interrupted, Interruption
from impasto.cli.options import OutputOptions, PaintOptions, RunningOptions, spell_options
from impasto.cli.report import JsonLines, Lines, spell_time
from impasto.config import PaintConfig
from impasto.images.layers import read_layers
from impasto.patterns import measure_seam

QUICK = ("--size", "64", "--steps", "2")


def make_picture(width, height, seed=0):
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).normal(0, 20, (height, width, 3))
    waves = 128 + 100 * np.sin(x / 5 + seed)
    planes = np.stack([x * 255 / width, y * 255 / height, waves], -1)
    return Image.fromarray((planes + noise).clip(0, 255).astype("uint8"))


def make_pictures(folder):
    make_picture(120, 80, 0).save(folder / "lake.jpg")
    make_picture(100, 100, 2).save(folder / "brush.png")
    make_picture(90, 60, 1).save(folder / "hill.png")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a photograph, another one, and a style."""
    make_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_DEBUG", "0")
    return tmp_path


@pytest.fixture
def fails(run, folder):
    """Call the command line, and check that it fails with one line and leaves nothing behind."""

    def call(code, *arguments):
        before = sorted(folder.rglob("*"))
        found, out, error = run(*arguments)
        assert found == code, error
        assert error.startswith("impasto: ")
        assert error.count("\n") == 1, error
        assert "Traceback" not in error
        assert out == ""
        assert sorted(folder.rglob("*")) == before
        return error

    return call


def read_pixels(path):
    with Image.open(path) as file:
        return np.asarray(file).copy()


def read_size(path):
    """Width and height."""
    with Image.open(path) as file:
        return file.size


# Options


def test_every_setting_is_an_option(run):
    code, out, _ = run("paint", "--help")
    assert code == 0
    for name, field in PaintConfig.model_fields.items():
        assert f"--{name.replace('_', '-')}" in out
        assert field.description.split()[0] in out
    assert [field.name for field in dataclasses.fields(PaintOptions)] == list(
        PaintConfig.model_fields
    )


def test_help_shows_defaults_and_ranges(run):
    text = " ".join(run("paint", "--help")[1].replace("│", " ").split())
    assert "16 to 32768. [default: 512]" in text
    assert "0.05 to 20. [default: 1]" in text
    assert text.count("0.05 to 20") == 1
    assert "--preset draft|standard|fine" in text
    assert "[default: False]" not in text


def test_help_tells_the_exit_codes(run):
    code, out, _ = run("--help")
    assert code == 0
    assert "  3  a picture is missing, damaged" in out
    assert "130  interrupted" in out


def test_version(run):
    from impasto import __version__

    assert run("--version") == (0, f"{__version__}\n", "")


def test_defaults_are_those_of_the_engine():
    quality = inspect.signature(images.save).parameters["quality"].default
    assert OutputOptions().quality == quality
    assert RunningOptions().max_pixels == images.DEFAULT_MAX_PIXELS


def test_lists_are_comma_separated_or_repeated():
    options = PaintOptions(style_layers=["relu1_1, relu2_1", "relu3_1"])
    assert options.given() == {"style_layers": ["relu1_1", "relu2_1", "relu3_1"]}


def test_spelled_options_give_the_same_settings(run, folder):
    config = PaintConfig(
        size="photo", strength=1 / 3, keep_colors=True, pooling_gain=False, steps=(2, 1),
        style_shares=(0.1,), init="content:0.7,noise:0.3", optimizer="adam", learning_rate=2.5,
    )  # fmt: skip
    words = [word for option in spell_options(config.to_dict()) for word in shlex.split(option)]
    code, _, error = run("paint", "hill.png", "brush.png", "-o", "out.png", *words)
    assert code == 0, error
    assert json.loads(images.read_settings("out.png"))["settings"] == config.to_dict()


# Painting


def test_paints_with_a_name_of_its_own(run, folder):
    code, out, error = run("paint", "lake.jpg", "brush.png", *QUICK)
    assert (code, out) == (0, "")
    assert read_size("lake_brush.png") == (64, 43)
    assert "Painting on" in error
    assert "Painted lake_brush.png: 64x43 px" in error
    assert not list(folder.glob("*.resume"))


def test_a_folder_is_not_painted_into_a_picture(fails, folder):
    message = fails(2, "paint", folder, "mosaic", "-o", folder / "out.png")
    assert "name a folder" in message


def test_paints_into_a_folder_in_another_format(run, folder):
    Path("there").mkdir()
    code, *_ = run("paint", "lake.jpg", "brush.png", *QUICK, "-o", "there", "--format", "tiff")
    assert code == 0
    assert images.load("there/lake_brush.tif").size == (43, 64)


def test_mixes_styles_and_takes_a_start(run, folder):
    arguments = ("paint", "lake.jpg", "brush.png", "hill.png", *QUICK, "--style-shares", "1,3")
    code, _, error = run(*arguments, "--init-file", "hill.png", "-o", "out.png")
    assert code == 0, error
    found = json.loads(images.read_settings("out.png"))
    assert found["settings"]["init"] == "file"
    assert found["start"]["name"] == "hill"


def test_sixteen_bits(run, folder):
    assert run("paint", "lake.jpg", "brush.png", *QUICK, "--bits", "16", "-o", "out.png")[0] == 0
    assert images.load("out.png").bits == 16


def test_quiet_says_nothing(run, folder):
    assert run("paint", "lake.jpg", "brush.png", *QUICK, "-q") == (0, "", "")


def test_json_lines(run, folder):
    arguments = ("paint", "lake.jpg", "brush.png", "--size", "64", "--steps", "1,2")
    code, out, error = run(*arguments, "--json", "-o", "out.png")
    events = [json.loads(line) for line in out.splitlines()]
    assert (code, error) == (0, "")
    assert [event["event"] for event in events] == ["start", *["progress"] * 3, "done"]
    assert events[0]["memory_bytes"] > 0
    assert events[0]["scales"][-1] == {"width": 64, "height": 43, "steps": 2}
    assert (events[3]["scale"], events[3]["step"]) == (2, 2)
    assert events[-1]["output"] == "out.png"
    assert sum(events[-1]["terms"].values()) == pytest.approx(events[-1]["loss"], rel=1e-3)


def test_json_tells_the_error_too(run, folder):
    code, out, error = run("paint", "nobody.jpg", "brush.png", "--json")
    assert code == 3
    assert json.loads(out)["exit_code"] == 3
    assert error.startswith("impasto: Cannot read nobody.jpg")


def test_json_has_no_numbers_that_json_does_not_know(capsys):
    JsonLines(sys.stdout).tell("x", loss=float("nan"), terms={"a": float("inf")})
    assert json.loads(capsys.readouterr().out) == {"event": "x", "loss": None, "terms": {"a": None}}


def test_preview_and_numbered_files(run, folder):
    arguments = ("paint", "lake.jpg", "brush.png", "--size", "64", "--steps", "2,3", "-o", "o.png")
    code, _, error = run(*arguments, "--preview", "now.png", "--save-every", "2")
    assert code == 0, error
    assert {path.name for path in folder.glob("o*")} == {"o.png", "o-0001.png", "o-0002.png"}
    assert read_size("o-0001.png") == read_size("o.png")
    assert (read_pixels("now.png") == read_pixels("o.png")).all()
    assert run(*arguments, "--preview", "now.png", "--overwrite")[0] == 0


def test_notes_of_pictures_are_told(run, folder):
    frames = [make_picture(40, 40, seed) for seed in range(3)]
    frames[0].save("moving.gif", save_all=True, append_images=frames[1:])
    code, _, error = run("paint", "moving.gif", "brush.png", *QUICK, "-o", "out.png")
    assert code == 0
    assert "Note: moving: " in error


def test_a_pattern_tells_its_size(run, folder):
    arguments = ("paint", "lake.jpg", "brush.png", *QUICK, "-o", "tile.png")
    code, _, error = run(*arguments, "--seamless", "straight")
    assert code == 0, error
    assert "Note: It is painted at 64x48 px, not 64x43, to repeat as straight." in error
    assert read_size("tile.png") == (64, 48)
    code, _, error = run(*arguments, "--overwrite")
    assert code == 0, error
    assert "not 64x43" not in error
    code, _, error = run(*arguments, "--overwrite", "--seamless", "diagonal")
    assert code == 2
    assert error.startswith("impasto: --seamless: ")


def test_a_sheet_shows_how_a_pattern_repeats(run, folder):
    arguments = ("paint", "lake.jpg", "brush.png", *QUICK, "-o", "tile.png", "--sheet", "sheet.png")
    code, _, error = run(*arguments, "--seamless", "half-drop")
    assert code == 0, error
    tile, sheet = read_pixels("tile.png"), read_pixels("sheet.png")
    assert (sheet[:32, :64] == tile).all()
    assert (sheet[16:48, 64:128] == tile).all()
    assert read_size("sheet.png") == (192, 96)
    code, _, error = run(*arguments)
    assert code == 2
    assert "--sheet shows how a pattern repeats; paint one, with --seamless." in error
    code, _, error = run(
        *arguments, "--seamless", "mirror", "--overwrite", "--preview", "sheet.png"
    )
    assert code == 6
    assert "a file of its own" in error
    make_picture(20, 20).save("sheet.png")
    (folder / "tile.png").unlink()
    code, _, error = run(*arguments, "--seamless", "straight")
    assert code == 6
    assert error.startswith("impasto: sheet.png exists already")
    (folder / "in").mkdir()
    code, _, error = run(
        "paint", "in", "brush.png", "-o", "out", "--sheet", "s.png", "--seamless", "straight"
    )
    assert code == 2
    assert "not for a folder" in error


SUFFIXES = (".png", ".tif", ".jpg", ".webp")


def read_dpi(path):
    """Horizontal and vertical, as another program reads them."""
    if path.endswith(".tif"):
        with tifffile.TiffFile(path) as file:
            return file.pages[0].get_resolution("INCH")
    with Image.open(path) as file:
        found = file.info.get("dpi") or [file.getexif()[tag] for tag in (0x011A, 0x011B)]
    return tuple(float(one) for one in found)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_print_has_its_size_and_resolution(run, folder, suffix):
    name = f"a{suffix}"
    words = ("paint", "lake.jpg", "brush.png", "--steps", "1", "--size", "6x8cm", "--dpi", "25")
    code, _, error = run(*words, "-o", name)
    assert code == 0, error
    # 120 x 80 fills the width of the frame, laid lengthwise.
    assert "79x53 px, 8.0x5.4 cm at 25 dpi" in error
    assert read_size(name) == (79, 53)
    assert read_dpi(name) == pytest.approx((25, 25), abs=0.02)
    code, _, error = run("again", name)
    assert code == 0, error
    assert read_pixels(f"a-again{suffix}").shape == (53, 79, 3)
    assert read_dpi(f"a-again{suffix}") == read_dpi(name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_pattern_is_exactly_as_wide_as_it_should_be(run, folder, suffix):
    name = f"a{suffix}"
    words = ("paint", "lake.jpg", "brush.png", "--steps", "1", "--size", "2in", "--dpi", "35")
    code, _, error = run(
        *words, "--seamless", "half-brick", "-o", name, "--sheet", "sheet.png",
        "--layers", "layers.tif",
    )  # fmt: skip
    assert code == 0, error
    width, height = read_size(name)
    assert (width, height) == (64, 48)
    # JPEG holds whole dots per inch only, which these are.
    assert read_dpi(name) == pytest.approx((32, 32), abs=0.02)
    assert read_dpi("sheet.png") == pytest.approx((32, 32), abs=0.02)
    assert read_dpi("layers.tif") == pytest.approx((32, 32), abs=0.02)


def test_resolution_alone_is_only_written(run, folder):
    Path("in").mkdir()
    Path("lake.jpg").rename("in/lake.jpg")
    assert run("paint", "in", "brush.png", *QUICK, "--dpi", "150", "-o", "out")[0] == 0
    assert read_size("out/lake.png") == (64, 43)
    assert read_dpi("out/lake.png") == pytest.approx((150, 150), abs=0.02)


def test_live_bar(run, folder, monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=110)
    monkeypatch.setattr("impasto.cli.paint.open_report", lambda **_: Bar(console))
    monkeypatch.setattr("impasto.cli.bar.Live.remove_task", lambda *_: None)  # keep the last state
    assert run("paint", "lake.jpg", "brush.png", *QUICK)[0] == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert "1 of 1, 64x43  step 2/2  loss" in text
    assert "Painted lake_brush.png: 64x43 px" in text
    code, _, error = run("paint", "lake.jpg", "brush.png", *QUICK)
    assert code == 6
    assert error.startswith("impasto: lake_brush.png exists already")


def test_download_lines(capsys):
    report = Lines()
    for done in range(0, 3 * 2**20, 2**18):
        report.download("vgg19", done, 3 * 2**20)
    assert capsys.readouterr().err == "Fetching vgg19: 0 of 3 MiB\n"


# Pictures that are no good


def test_missing_picture(fails):
    assert "no such file" in fails(3, "paint", "nobody.jpg", "brush.png", *QUICK)


def test_truncated_jpeg(fails, folder):
    Path("cut.jpg").write_bytes(Path("lake.jpg").read_bytes()[:700])
    fails(3, "paint", "cut.jpg", "brush.png", *QUICK)
    fails(3, "paint", "lake.jpg", "cut.jpg", *QUICK)


@pytest.mark.parametrize("data", [b"", b"just some words\n" * 20], ids=["empty", "text"])
def test_not_a_picture(fails, folder, data):
    Path("photo.png").write_bytes(data)
    fails(3, "paint", "photo.png", "brush.png", *QUICK)


def test_huge_header(fails, folder):
    data = bytearray(Path("hill.png").read_bytes())
    data[16:24] = (20000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    Path("huge.png").write_bytes(data)
    assert "--max-pixels" in fails(3, "paint", "huge.png", "brush.png", *QUICK)
    assert "7,200 pixels" in fails(
        3, "paint", "lake.jpg", "brush.png", *QUICK, "--max-pixels", "7200"
    ).replace("limit of 7,200", "7,200 pixels")


def test_too_small(fails, folder):
    make_picture(1, 1).save("dot.png")
    make_picture(3, 2000).save("thread.png")
    fails(3, "paint", "thread.png", "brush.png", *QUICK)
    fails(3, "paint", "lake.jpg", "thread.png", *QUICK)
    fails(3, "paint", "lake.jpg", "dot.png", *QUICK)


# Settings that make no sense


@pytest.mark.parametrize(
    "options",
    [
        ("--content-layers", "relu9_9"),
        ("--style-weight", "-1"),
        ("--strength", "nan"),
        ("--size", "huge"),
        ("--size", "8"),
        ("--size", "40miles"),
        ("--size", "0cm"),
        ("--size", "3m"),
        ("--size", "3x4x5cm"),
        ("--size", "900cm"),
        ("--size", "1mm"),
        ("--dpi", "0"),
        ("--dpi", "fine"),
        ("--preset", "quick"),
        ("--learning-rate", "1"),
        ("--steps", "1,x"),
        ("--scales", "2", "--steps", "1,2,3"),
        ("--style-shares", "1,2"),
        ("--init", "file"),
        ("--device", "abacus"),
        ("--threads", "0"),
        ("--quality", "0"),
        ("--quality", "good"),
        ("--bits", "12"),
        ("--save-every", "0"),
        ("--format", "bmp"),
        ("-o", "out.xyz"),
        ("-o", "out.jpg", "--bits", "16"),
        ("-o", "out.jpg", "--format", "png"),
        ("-o", "-", "--resume"),
        ("--preview", "now.xyz"),
        ("--colour", "red"),
        ("--szie", "3"),
        ("--max-pixels", "0"),
    ],
    ids=" ".join,
)
def test_bad_options(fails, options):
    fails(2, "paint", "lake.jpg", "brush.png", *QUICK, *options)


def test_did_you_mean(fails):
    assert "--size" in fails(2, "paint", "lake.jpg", "brush.png", "--szie", "3")
    assert "mosaic" in fails(2, "paint", "lake.jpg", "mosiac", *QUICK)


def test_no_style(fails):
    fails(2, "paint", "lake.jpg")
    fails(2, "paint")
    fails(2, "pain")


def test_standard_input_only_once(fails):
    fails(2, "paint", "-", "-", "-o", "out.png")


def test_missing_weights(fails):
    fails(4, "paint", "lake.jpg", "brush.png", "--weights", "nothing.pth")
    fails(4, "paint", "lake.jpg", "brush.png", "--backbone", "vgg11")


def test_too_little_memory(fails, monkeypatch):
    monkeypatch.setattr("impasto.api.measure_free_memory", lambda device: 2**20)
    assert "GiB" in fails(5, "paint", "lake.jpg", "brush.png", *QUICK)


def test_out_of_memory(fails, monkeypatch):
    def raise_error(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")

    monkeypatch.setattr("impasto.api.Job.run", raise_error)
    assert "--size" in fails(5, "paint", "lake.jpg", "brush.png", "-q")


def test_unexpected_error(fails, run, folder, monkeypatch):
    monkeypatch.setattr("impasto.cli.paint.carry_out", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in fails(70, "paint", "lake.jpg", "brush.png")
    code, _, error = run("paint", "lake.jpg", "brush.png", "--debug")
    assert code == 70
    assert "Traceback" in error
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("IMPASTO_DEBUG", "1")
    code, _, error = run("paint", "nobody.jpg", "brush.png", *QUICK)
    assert code == 3
    assert "Traceback" in error


# Outputs that cannot be written, or must not be


def test_no_such_folder(fails):
    fails(6, "paint", "lake.jpg", "brush.png", "-o", "nowhere/out.png")
    fails(6, "paint", "lake.jpg", "brush.png", "-o", "lake.jpg/out.png")


def test_replaces_nothing_unasked(fails, run, folder):
    Path("out.png").write_text("precious")
    assert "--overwrite" in fails(6, "paint", "lake.jpg", "brush.png", *QUICK, "-o", "out.png")
    fails(6, "paint", "lake.jpg", "brush.png", *QUICK, "-o", "out.png", "--resume")
    fails(6, "paint", "lake.jpg", "brush.png", *QUICK, "-o", "x.png", "--preview", "out.png")
    assert Path("out.png").read_text() == "precious"
    assert run("paint", "lake.jpg", "brush.png", *QUICK, "-o", "out.png", "--overwrite")[0] == 0
    Path("x-0001.png").write_text("precious")
    fails(6, "paint", "lake.jpg", "brush.png", *QUICK, "-o", "x.png", "--save-every", "1")


@pytest.mark.parametrize("victim", ["lake.jpg", "brush.png", "hill.png"])
def test_never_replaces_its_inputs(fails, folder, victim):
    arguments = ("paint", "lake.jpg", "brush.png", *QUICK, "--init-file", "hill.png")
    fails(6, *arguments, "--overwrite", "-o", victim)
    fails(6, *arguments, "--overwrite", "-o", "out.png", "--preview", victim)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root")
def test_full_disk(run, folder):
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted")
    try:
        (disk / "fill").write_bytes(b"x" * 56_000)
        code, _, error = run("paint", "lake.jpg", "brush.png", "--size", "96", "--steps", "2",
                             "-q", "-o", disk / "out.png")  # fmt: skip
        assert code == 6
        assert "the disk is full" in error
        assert error.count("\n") == 1
        assert [path.name for path in disk.iterdir()] == ["fill"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# Folders


def test_folder(run, folder):
    Path("in").mkdir()
    make_picture(60, 40, 3).save("in/one.jpg")
    make_picture(60, 40, 4).save("in/two.png")
    make_picture(60, 40, 5).save("in/two.jpg")
    Path("in/broken.jpg").write_bytes(Path("lake.jpg").read_bytes()[:700])
    Path("in/readme.txt").write_text("not a picture")
    code, _, error = run("paint", "in", "brush.png", *QUICK, "-o", "out")
    assert code == 1
    assert "3 painted, 1 failed:\n  broken.jpg: Cannot read in/broken.jpg" in error
    names = ["one.png", "two.jpg.png", "two.png.png"]
    assert sorted(path.name for path in Path("out").iterdir()) == names
    dates = [path.stat().st_mtime_ns for path in sorted(Path("out").iterdir())]
    Path("in/broken.jpg").unlink()
    code, _, error = run("paint", "in", "brush.png", *QUICK, "-o", "out")
    assert code == 0
    assert "0 painted, 3 there already." in error
    assert [path.stat().st_mtime_ns for path in sorted(Path("out").iterdir())] == dates


def test_folder_in_json(run, folder):
    Path("in").mkdir()
    Path("in/broken.jpg").write_bytes(b"")
    code, out, _ = run("paint", "in", "brush.png", *QUICK, "-o", "out", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [event["event"] for event in events] == ["picture", "failed", "summary"]


def test_folder_without_a_place_for_results(fails, folder):
    Path("in").mkdir()
    make_picture(60, 40, 3).save("in/one.jpg")
    fails(2, "paint", "in", "brush.png")
    fails(2, "paint", "in", "brush.png", "-o", "-")
    fails(6, "paint", "in", "brush.png", "-o", "in")
    fails(6, "paint", "in", "brush.png", "-o", "lake.jpg")
    Path("out").mkdir()
    arguments = ("paint", "in", "brush.png", "-o", "out", "-q", "--overwrite")
    fails(6, *arguments, "--preview", "brush.png")


def test_bad_settings_stop_a_folder_at_once(fails, folder):
    Path("in").mkdir()
    make_picture(60, 40, 3).save("in/one.jpg")
    make_picture(60, 40, 3).save("in/two.jpg")
    arguments = ("paint", "in", "brush.png", "-o", "out", "-q")
    fails(2, *arguments, "--style-layers", "relu9_1")
    fails(3, "paint", "in", "nobody.png", "-o", "out", "-q")


def test_results_have_names_of_their_own():
    names = ["a.jpg", "A.png", "b.png", "c.png.jpg", "c.png", "c.jpg"]
    results = name_results([Path(name) for name in names], ".png")
    assert len({name.casefold() for name in results}) == len(names)
    assert results[2] == "b.png"


# Again


def test_again(run, folder):
    assert run("paint", "lake.jpg", "brush.png", *QUICK, "--keep-colors", "-o", "a.png")[0] == 0
    code, _, error = run("again", "a.png")
    assert code == 0, error
    assert Path("a-again.png").read_bytes() == Path("a.png").read_bytes()
    assert run("again", "a.png", "--size", "80", "-o", "b.png")[0] == 0
    assert read_size("b.png") == (80, 53)


def test_random_weights_are_told_and_repeated(run, folder):
    command = ["paint", "lake.jpg", "brush.png", "-o", "r.png", "--size", "64", "--steps", "2"]
    command += ["--scales", "1", "--backbone", "resnet18", "--weights", "random"]
    code, _, err = run(*command)
    assert code == 0
    assert "The weights of resnet18 are random: it was never trained." in err
    code, out, _ = run("again", "r.png", "--json", "-o", "s.png")
    assert code == 0
    start = json.loads(out.splitlines()[0])
    assert start["weights"] == "random"
    assert Path("s.png").read_bytes() == Path("r.png").read_bytes()
    code, out, _ = run("again", "r.png", "--dry-run")
    assert "--backbone resnet18" in out
    assert "--weights random" in out


def test_again_elsewhere(run, folder, monkeypatch):
    assert run("paint", "lake.jpg", "brush.png", *QUICK, "--bits", "16", "-o", "a.png")[0] == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert run("again", "../a.png")[0] == 0
    assert Path("a-again.png").read_bytes() == Path("../a.png").read_bytes()


def test_dry_run_prints_a_command_that_paints_the_same(run, folder):
    Path("lake.jpg").rename("my lake.jpg")
    run("paint", "my lake.jpg", "brush.png", *QUICK, "--strength", "0.7", "-o", "a.png")
    code, out, _ = run("again", "a.png", "--dry-run")
    assert code == 0
    words = shlex.split(out)
    assert words[:2] == ["impasto", "paint"]
    assert run(*words[1:], "-o", "b.png")[0] == 0
    assert Path("b.png").read_bytes() == Path("a.png").read_bytes()


def test_again_checks_its_pictures(run, fails, folder):
    run("paint", "lake.jpg", "brush.png", *QUICK, "-o", "a.png")
    make_picture(120, 80, 7).save("lake.jpg")
    assert "--photo lake.jpg" in fails(3, "again", "a.png")
    code, _, error = run("again", "a.png", "--photo", "lake.jpg")
    assert code == 0
    assert "not the photograph that was used" in error
    Path("brush.png").unlink()
    assert "Cannot find the style 'brush'" in fails(3, "again", "a.png", "--photo", "lake.jpg")
    assert run("again", "a.png", "--dry-run")[0] == 0


@pytest.fixture
def masks(folder):
    """Two halves, and a map that leaves the middle alone."""
    half = np.zeros((40, 60), "uint8")
    half[:, :30] = 255
    Image.fromarray(half).save("left.png")
    Image.fromarray(255 - half).save("right.png")
    half[:] = 255
    half[10:30, 20:40] = 0
    Image.fromarray(half).save("spare.png")
    return folder


def test_masks_say_where(run, masks):
    given = ("--mask", "left.png", "--mask", "right.png", "--strength-map", "spare.png")
    words = ("paint", "lake.jpg", "brush.png", "hill.png", *QUICK, *given)
    code, _, error = run(*words, "-o", "a.png")
    assert code == 0, error
    assert run("again", "a.png")[0] == 0
    assert Path("a-again.png").read_bytes() == Path("a.png").read_bytes()
    code, out, _ = run("again", "a.png", "--dry-run")
    assert shlex.split(out).count("--mask") == 2
    assert run(*shlex.split(out)[1:], "-o", "b.png")[0] == 0
    assert Path("b.png").read_bytes() == Path("a.png").read_bytes()
    photograph = np.asarray(Image.open("lake.jpg").resize((64, 43), Image.Resampling.BICUBIC))
    spared = np.asarray(Image.open("a.png"))[16:27, 26:38].astype(int)
    assert np.abs(spared - photograph[16:27, 26:38]).max() <= 3


@pytest.mark.parametrize("name", ["a.ora", "layers.tif"])
def test_layers_for_an_image_editor(run, fails, masks, name):
    words = ("paint", "lake.jpg", "brush.png", *QUICK, "--mask", "left.png", "--layers", name)
    code, _, error = run(*words, "-o", "a.png")
    assert code == 0, error
    photograph, painting, mask = read_layers(name)
    assert [layer.name for layer in (photograph, painting, mask)] == [
        "lake", "lake, painted", "mask 1"
    ]  # fmt: skip
    found = images.load("a.png").pixels
    assert (painting.picture.pixels - found).abs().max() <= 1 / 255
    assert photograph.picture.size == painting.picture.size
    assert "exists" in fails(6, *words, "-o", "b.png")
    fails(2, "paint", "lake.jpg", "brush.png", *QUICK, "--layers", "b.psd", "-o", "b.png")
    fails(6, "paint", "lake.jpg", "brush.png", *QUICK, "--layers", "b.tif", "-o", "b.tif")


@pytest.mark.parametrize("kind", ["half-drop", "mirror"])
def test_layers_of_a_pattern_repeat_too(run, masks, kind):
    words = ("paint", "lake.jpg", "brush.png", *QUICK, "--seamless", kind, "--mask", "left.png")
    code, _, error = run(*words, "--layers", "a.ora", "-o", "a.png")
    assert code == 0, error
    photograph, painting, mask = (layer.picture for layer in read_layers("a.ora"))
    for picture in (photograph, painting):
        assert measure_seam(picture.pixels, kind) < 1.3
    # The left half of the mask ends at the border, where it fades.
    assert mask[..., 16].amin() == 1
    assert mask[..., 48].amax() == 0
    assert (0.2 < mask[..., 0].mean() < 0.8) == (kind != "mirror")
    assert run("again", "a.png")[0] == 0
    assert Path("a-again.png").read_bytes() == Path("a.png").read_bytes()


def test_layers_are_for_one_photograph(fails, masks):
    fails(2, "paint", ".", "brush.png", *QUICK, "--layers", "b.ora", "-o", "out")


def test_again_wants_its_masks(run, fails, masks):
    run("paint", "lake.jpg", "brush.png", *QUICK, "--mask", "left.png", "-o", "a.png")
    Path("left.png").unlink()
    assert "Cannot find the mask 'left'" in fails(3, "again", "a.png")
    Path("right.png").rename("left.png")
    assert "its pixels differ" in fails(3, "again", "a.png")


def test_labels_say_where(run, fails, masks):
    Image.fromarray(np.full((30, 30), 255, "uint8")).save("all.png")
    words = ("paint", "lake.jpg", "brush.png", *QUICK, "--labels", "all.png")
    assert run(*words, "--style-labels", "all.png", "-o", "a.png")[0] == 0
    assert run("again", "a.png")[0] == 0
    assert "0 style labels for 1 styles" in fails(2, *words)
    assert "one or the other" in fails(2, *words, "--mask", "left.png")
    Image.fromarray(np.zeros((30, 30), "uint8")).save("none.png")
    assert "#ffffff" in fails(2, *words, "--style-labels", "none.png")


def test_masks_that_do_not_fit(fails, masks):
    assert "2 masks for 1 styles" in fails(
        2, "paint", "lake.jpg", "brush.png", *QUICK, "--mask", "left.png", "--mask", "right.png"
    )
    fails(3, "paint", "lake.jpg", "brush.png", *QUICK, "--mask", "nobody.png")
    fails(6, "paint", "lake.jpg", "brush.png", *QUICK, "--mask", "left.png", "-o", "left.png")


def test_a_folder_is_painted_through_one_mask(run, masks):
    Path("in").mkdir()
    make_picture(60, 40, 3).save("in/one.png")
    make_picture(40, 60, 4).save("in/two.png")
    words = ("paint", "in", "brush.png", *QUICK, "--mask", "left.png", "-o", "out")
    assert run(*words)[0] == 0
    assert len(list(Path("out").glob("*.png"))) == 2


def test_again_needs_a_painting_of_ours(fails):
    fails(3, "again", "lake.jpg")
    fails(3, "again", "nobody.png")


@pytest.mark.parametrize(
    "record",
    [
        "no JSON",
        "[]",
        "{}",
        '{"impasto": "0", "settings": {}, "photo": {"name": "../x", "sha256": ""}, "styles": []}',
        '{"impasto": "0", "settings": {}, "photo": "lake", "styles": []}',
    ],
)
def test_again_trusts_no_record(fails, folder, record):
    images.save(images.load("lake.jpg"), "a.png", settings=record)
    assert "damaged record" in fails(3, "again", "a.png")


def test_again_tells_of_another_version(run, folder):
    run("paint", "lake.jpg", "brush.png", *QUICK, "-o", "a.png")
    record = json.loads(images.read_settings("a.png")) | {"impasto": "0.0.1"}
    images.save(images.load("a.png"), "b.png", settings=json.dumps(record))
    code, _, error = run("again", "b.png")
    assert code == 0
    assert "impasto 0.0.1" in error


def test_paintings_name_no_folders(run, folder):
    run("paint", folder / "lake.jpg", folder / "brush.png", *QUICK, "-o", folder / "a.png")
    assert str(folder.parent) not in images.read_settings("a.png")


# Resume


def test_nothing_to_resume(run, folder):
    arguments = ("paint", "lake.jpg", "brush.png", *QUICK, "-o", "a.png", "--resume")
    code, _, error = run(*arguments)
    assert code == 0
    assert "starting afresh" in error
    code, _, error = run(*arguments)
    assert code == 0
    assert "finished already" in error


def test_checkpoints_on_the_way(run, folder, monkeypatch):
    monkeypatch.setattr("impasto.cli.easel._CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("impasto.cli.easel._CHECKPOINT_SHARE", 0)
    saved = []

    def watch(path, state, fingerprint):
        saved.append((path, state.step, fingerprint))

    monkeypatch.setattr("impasto.cli.easel.save_checkpoint", watch)
    assert run("paint", "lake.jpg", "brush.png", "--size", "64", "--steps", "4", "-q")[0] == 0
    assert [step for _, step, _ in saved] == [1, 2, 3]
    assert saved[0][0] == checkpoint_path(Path("lake_brush.png"))


def test_damaged_checkpoint(fails, folder):
    Path("a.png.resume").write_bytes(b"no checkpoint")
    arguments = ("paint", "lake.jpg", "brush.png", *QUICK, "-o", "a.png")
    assert "--resume" in fails(6, *arguments)
    assert "damaged" in fails(2, *arguments, "--resume")


def test_first_signal_waits_and_second_does_not():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption(quiet=True) as interruption:
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
        interruption.worth_saving = True
        signal.raise_signal(signal.SIGTERM)
        assert interruption.exit_code == 143
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


# Other commands


def test_styles(run, folder):
    code, out, _ = run("styles")
    assert code == 0
    assert all(len(line.split("\t")) == 3 for line in out.splitlines())
    assert json.loads(run("styles", "mosaic", "--json")[1])[0]["name"] == "mosaic"


def test_styles_are_copied_out(run, fails, folder):
    assert run("styles", "mosaic", "--save", ".")[0] == 0
    assert run("styles", "mosaic", "--save", "m.png")[0] == 0
    assert images.load("m.png").size == images.load(next(folder.glob("mosaic.*"))).size
    fails(6, "styles", "mosaic", "--save", ".")
    fails(2, "styles", "mosaik")
    fails(2, "styles", "--save", "m.png")


def test_style_sheet(run, folder):
    assert run("styles", "--sheet", "sheet.png")[0] == 0
    assert min(read_size("sheet.png")) > 200


def test_weights(run, fails, monkeypatch, folder):
    code, out, _ = run("weights", "list")
    assert code == 0
    assert out.startswith("vgg19\tready")
    names = [item["name"] for item in json.loads(run("weights", "list", "--json")[1])]
    assert [line.partition("\t")[0] for line in out.splitlines()] == names
    monkeypatch.setenv("IMPASTO_HOME", str(folder / "home"))
    assert run("weights", "verify")[0] == 0
    assert run("weights", "verify", "vgg19")[0] == 4
    code, out, _ = run("weights", "pull", "vgg19")
    assert code == 0
    kept = Path(out.strip())
    assert run("weights", "verify", "vgg19")[1] == "vgg19\tgood\n"
    kept.write_bytes(kept.read_bytes()[:-1])
    assert run("weights", "verify")[0] == 4
    assert run("weights", "remove", "vgg19")[0] == 0
    assert not kept.exists()
    assert run("weights", "remove", "vgg19")[0] == 0
    fails(4, "weights", "pull", "vgg11")


def test_doctor(run):
    code, out, error = run("doctor")
    assert code == 0, error
    assert "torch\t" in out
    facts = json.loads(run("doctor", "--json")[1])
    assert facts["source of vgg19"] == "good"
    assert facts["advice"] == []


def test_times():
    assert [spell_time(seconds) for seconds in (0.4, 61, 3723)] == ["0:00", "1:01", "1:02:03"]


# --- photorealism -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["affine", "closed-form"])
def test_photorealism_tells_what_was_kept(method, run, folder):
    code, _, error = run(
        "paint", "lake.jpg", "brush.png", *QUICK, "--photoreal", method, "-o", "out.png"
    )
    assert code == 0, error
    assert re.search(r"^Edges kept [\d.]+, colour distance [\d.]+ -> [\d.]+\.$", error, re.M)
    code, out, _ = run(
        "again", "out.png", "--photo", "lake.jpg", "--style", "brush.png", "--json", "-o", "2.png"
    )
    assert code == 0
    scores = json.loads(out.splitlines()[-1])["scores"]
    assert set(scores) == {"ssim", "edges", "color_distance", "color_distance_before"}
    assert scores["color_distance"] < scores["color_distance_before"]
    assert np.array_equal(read_pixels("out.png"), read_pixels("2.png"))


def test_paintings_have_no_scores(run, folder):
    _, out, _ = run("paint", "lake.jpg", "brush.png", *QUICK, "-o", "out.png", "--json")
    assert "scores" not in json.loads(out.splitlines()[-1])


@pytest.mark.slow
def test_closed_form_needs_little_memory_at_any_size(run, folder):
    code, _, error = run(
        "paint", "lake.jpg", "brush.png", "--size", "2048", "--photoreal", "closed-form",
        "--memory", "2GiB", "-o", "out.png",
    )  # fmt: skip
    assert code == 0, error
    assert images.load("out.png").size == (1365, 2048)
    assert "in tiles" not in error


def test_photorealism_refuses_what_contradicts_it(fails):
    paint = ("paint", "lake.jpg", "brush.png", "--photoreal")
    assert "give one of them" in fails(2, *paint, "affine", "--colors", "photo")
    assert "add that" in fails(2, *paint, "closed-form", "--photoreal-weight", "3")
    assert "scale of its own" in fails(2, *paint, "affine", "--loss", "gatys")
    assert "closed-form" in fails(2, *paint, "wavelet")
