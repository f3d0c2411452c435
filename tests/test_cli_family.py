"""Sets from the command line: a family's file is founded, followed, and never trusted blindly."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto import images
from impasto.families import Family
from impasto.palettes import measure_palette, measure_spread, palette_distance

QUICK = ("--size", "64", "--steps", "2")


def make_picture(width, height, tint, seed=0):
    y, x = np.mgrid[:height, :width]
    waves = 128 + 100 * np.sin((x + y * 0.5) / 5 + seed)
    noise = np.random.default_rng(seed).normal(0, 15, (height, width))
    grey = (waves * 0.5 + y * 120 / height + noise).clip(0, 255)
    return Image.fromarray((grey[..., None] * np.array(tint)).clip(0, 255).astype("uint8"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    photos = tmp_path / "photos"
    photos.mkdir()
    make_picture(120, 80, (0.3, 0.5, 1.0)).save(photos / "blue.png")
    make_picture(80, 100, (1.0, 0.6, 0.3), 1).save(photos / "warm.png")
    make_picture(90, 90, (0.4, 0.4, 0.4), 2).save(photos / "zdark.png")
    make_picture(100, 100, (0.9, 0.8, 0.5), 3).save(tmp_path / "brush.png")
    make_picture(100, 100, (0.5, 0.8, 0.5), 4).save(tmp_path / "other.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_DEBUG", "0")
    return tmp_path


def record_of(path):
    return json.loads(images.read_settings(path))


def palettes_of(folder):
    return [measure_palette(images.load(path).pixels) for path in sorted(folder.iterdir())]


def test_a_folder_becomes_a_family(run, folder):
    paint = ("paint", "photos", "brush.png", *QUICK, "-o")
    assert run(*paint, "apart")[0] == 0
    code, _, error = run(*paint, "together", "--family", "brand.json", "--family-pull", "0.8")
    assert code == 0, error
    assert "brand.json holds what the family has in common" in error
    family = Family.read(Path("brand.json"))
    assert (family.strokes, family.side) == ("share", 64)
    assert family.settings["steps"] == [2]
    assert not list(folder.glob(".brand*"))
    apart, together = (measure_spread(palettes_of(Path(x))) for x in ("apart", "together"))
    assert together < 0.5 * apart
    told = re.search(r"Palette spread over 3 pictures: ([\d.]+) -> ([\d.]+)\.", error)
    assert told, error
    assert float(told[1]) == pytest.approx(apart, abs=2e-3)
    assert float(told[2]) == pytest.approx(together, abs=2e-3)
    assert "about 0:0" in error
    assert "for this and the rest" in error


def test_later_runs_follow_the_file(run, folder):
    first = ("paint", "photos/blue.png", "brush.png", *QUICK, "--strength", "2")
    assert run(*first, "--family", "brand.json", "-o", "a.png")[0] == 0
    before = Path("brand.json").read_bytes()
    later = ("paint", "photos/warm.png", "brush.png", "--family", "brand.json", "-o", "b.png")
    code, _, error = run(*later)
    assert code == 0, error
    assert "Distance from the family's palette" in error
    assert Path("brand.json").read_bytes() == before
    record = record_of("b.png")
    assert record["settings"] == record_of("a.png")["settings"]
    assert record["palette"] == json.loads(before)["palette"]
    code, _, error = run(*later[:-1], "c.png", "--strength", "1", "--family-pull", "0")
    assert code == 0, error
    assert "Not as brand.json has it: --strength." in error
    there = Family.read(Path("brand.json")).palette
    near, far = (
        palette_distance(measure_palette(images.load(path).pixels), there)
        for path in ("b.png", "c.png")
    )
    assert near < far


def test_a_member_is_painted_again_from_itself(run, folder):
    first = ("paint", "photos/blue.png", "brush.png", *QUICK, "--family", "brand.json")
    assert run(*first, "-o", "photos/a.png")[0] == 0
    Path("brush.png").rename("photos/brush.png")
    Path("brand.json").unlink()
    code, _, error = run("again", "photos/a.png", "-o", "b.png")
    assert code == 0, error
    pixels = [images.load(x).pixels for x in ("photos/a.png", "b.png")]
    assert (pixels[0] == pixels[1]).all()
    assert run("again", "photos/a.png", "-o", "c.png", "--family-pull", "0")[0] == 0
    assert (images.load("c.png").pixels != pixels[0]).any()
    code, _out, error = run("again", "photos/a.png", "--dry-run")
    assert code == 0
    assert "add --family" in error


def test_strokes_of_one_size_in_pixels(run, folder):
    pixels = ("--family", "brand.json", "--family-strokes", "pixels")
    paint = ("paint", "photos/blue.png", "brush.png", *QUICK)
    assert run(*paint, *pixels, "-o", "a.png")[0] == 0
    code, _, error = run(*paint[:3], "--size", "128", *pixels[:2], "-o", "b.png")
    assert code == 0, error
    assert "stroke_size" not in record_of("a.png")["settings"]
    assert record_of("b.png")["settings"]["stroke_size"] == 0.5
    code, _, error = run(*paint[:3], "--size", "1000", *pixels[:2], "-o", "c.png")
    assert code == 3
    assert "too far from the 64 px" in error
    code, _, error = run(*paint, *pixels[:2], "--family-strokes", "share", "-o", "c.png")
    assert code == 2
    assert "measures strokes in pixels" in error


def test_the_first_painting_can_give_the_palette(run, folder):
    first = ("--family", "brand.json", "--family-palette", "first")
    code, _, error = run("paint", "photos", "brush.png", *QUICK, *first, "-o", "out")
    assert code == 0, error
    assert "palette" not in record_of("out/blue.png")
    palette = Family.read(Path("brand.json")).palette
    own = measure_palette(images.load("out/blue.png").pixels)
    assert palette_distance(palette, own) < 0.01
    assert record_of("out/warm.png")["palette"] == palette.to_dict()
    code, _, error = run("paint", "photos", "brush.png", *first, "--overwrite", "-o", "out")
    assert code == 2
    assert "has its palette already" in error


def test_a_kept_palette_follows_the_first_painting(run, folder):
    keep = ("--keep-colors", "--family", "brand.json")
    assert run("paint", "photos/blue.png", "brush.png", *QUICK, *keep, "-o", "a.png")[0] == 0
    palette = Family.read(Path("brand.json")).palette
    assert palette.mean[2] < 0  # blue, as the photograph and not as the style


def test_a_foreign_style_is_refused(run, folder):
    family = ("--family", "brand.json")
    assert run("paint", "photos/blue.png", "brush.png", *QUICK, *family, "-o", "a.png")[0] == 0
    code, _, error = run("paint", "photos", "other.png", *QUICK, *family, "-o", "out")
    assert code == 2
    assert "a family in the style brush, and this is other" in error
    assert not Path("out").exists()
    Path("elsewhere").mkdir()
    make_picture(64, 64, (1, 1, 1), 9).save("elsewhere/brush.png")
    code, _, error = run("paint", "photos/blue.png", "elsewhere/brush.png", *family, "-o", "b.png")
    assert code == 2
    assert "another picture of that name" in error


BROKEN = [
    "", "no json", "[]", "{}", "[" * 100_000, "\0\1",
    json.dumps({"format": 1, "impasto": "1", "styles": [], "settings": {}, "strokes": "share",
                "side": 64, "palette": {}}),
]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_family_is_told_and_left_alone(run, folder, text):
    Path("brand.json").write_text(text)
    code, out, error = run("paint", "photos", "brush.png", "--family", "brand.json", "-o", "out")
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert "brand.json is not a family's file" in error
    assert Path("brand.json").read_text() == text
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "newer impasto"),
        ({"side": -1}, "not a family's file"),
        ({"strokes": "miles"}, "not a family's file"),
        ({"palette": {"mean": [0, 0, 0]}}, "not a family's file"),
        ({"settings": {"size": -3}}, "make no sense"),
    ],
)
def test_a_changed_file_is_told(run, folder, change, words):
    paint = ("paint", "photos/blue.png", "brush.png", *QUICK, "--family", "brand.json", "-o")
    assert run(*paint, "a.png")[0] == 0
    found = json.loads(Path("brand.json").read_text())
    Path("brand.json").write_text(json.dumps(found | change))
    code, _, error = run(*paint, "b.png")
    assert code == 2
    assert words in error
    assert error.count("\n") == 1


def test_a_family_needs_a_place(run, folder):
    paint = ("paint", "photos/blue.png", "brush.png", *QUICK, "-o", "a.png")
    code, _, error = run(*paint, "--family", "nowhere/brand.json")
    assert code == 6, error
    assert "does not exist" in error
    code, _, error = run(*paint, "--family-strokes", "pixels")
    assert code == 2
    assert "need one; name its file with --family" in error
    code, _, error = run(*paint, "--family", "photos")
    assert code != 0
    assert error.count("\n") == 1
    assert not Path("a.png").exists()


def test_one_number_or_one_for_each_style(run, folder):
    paint = ("paint", "photos/blue.png", "brush.png", "other.png", *QUICK)
    options = ("--stroke-size", "0.5,2", "--style-scales", "coarse,fine")
    code, _, error = run(*paint, *options, "--style-augment", "mirror,tile", "-o", "a.png")
    assert code == 0, error
    settings = record_of("a.png")["settings"]
    assert settings["stroke_size"] == [0.5, 2.0]
    assert settings["style_scales"] == ["coarse", "fine"]
    code, _, error = run(*paint, "--stroke-size", "0.5,2,3", "-o", "b.png")
    assert code == 2
    assert "3 stroke sizes for 2 styles" in error
    code, _, error = run(*paint, "--style-scales", "coarse", "-o", "b.png")
    assert code == 2
    assert "1 style scales for 2 styles" in error
