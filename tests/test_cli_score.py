"""`impasto score` and what it says to those who forget something."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import skimage.data
import torch
from PIL import Image

from impasto import images, scoring
from impasto.encoders.vgg import VGG
from impasto.judges import Critic
from impasto.scoring import Judges

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _tiny_judges(random_state: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = VGG("vgg16", random_state("vgg16"), padding="zero")  # type: ignore[arg-type]
    critic = Critic("Tiny", encoder, ("relu1_2",), ("relu2_1",), "relu1_2", "relu2_2")
    judges = Judges([critic], None, "LPIPS is missing.")
    monkeypatch.setattr(scoring.Judges, "find", classmethod(lambda cls: judges))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: photographs, styles, results."""
    portrait = Image.fromarray(skimage.data.astronaut()[:320, 60:380]).resize((64, 64))
    cup = Image.fromarray(skimage.data.coffee()[::5, ::5])
    for name in ("photos", "styles", "results"):
        (tmp_path / name).mkdir()
    for name, picture in (("portrait", portrait), ("cup", cup)):
        picture.save(tmp_path / "photos" / f"{name}.png")
        picture.rotate(180).save(tmp_path / "results" / f"{name}_warm.png")
    cup.save(tmp_path / "styles" / "warm.png")
    portrait.save(tmp_path / "styles" / "cold.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


PAIR = ("photos/cup.png", "styles/warm.png")


def test_one_table_with_baselines(folder: Path, run: Run) -> None:
    code, out, err = run("score", *PAIR, "results/cup_warm.png", "photos/cup.png", "--explain")
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == [
        "the photograph", "the style warm", "cup_warm.png", "cup.png",
    ]  # fmt: skip
    assert rows[0][1:] == rows[3][1:]
    assert "-" in rows[0]  # LPIPS
    assert "LPIPS is missing." in err
    assert "SSIM ↑: Structural similarity" in err


def test_folders_json_and_csv(folder: Path, run: Run) -> None:
    code, out, _ = run("score", *PAIR, "results", "--json", "--csv", "a.csv")
    assert code == 0
    data = json.loads(out)
    assert [row["picture"] for row in data["rows"]][2:] == ["cup_warm.png", "portrait_warm.png"]
    with Path("a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[3]["ssim"]) == pytest.approx(data["rows"][3]["ssim"], rel=1e-4)
    assert run("score", *PAIR, "results", "--csv", "a.csv")[0] == 6
    assert run("score", *PAIR, "results", "--csv", "a.csv", "--overwrite")[0] == 0


def test_several_styles_and_gallery_names(folder: Path, run: Run) -> None:
    more = ("--style", "mosaic", "--style-shares", "2,1")
    code, out, _ = run("score", *PAIR, "results/cup_warm.png", *more, "--size", 64)
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines()][1:3] == [
        "the style warm", "the style mosaic",
    ]  # fmt: skip


def test_sets_are_paired_by_name(folder: Path, run: Run) -> None:
    code, out, _ = run("score", "--set", "results", "--photos", "photos", "--styles", "styles")
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines()] == [
        "the photographs", "the styles", "the results",
    ]  # fmt: skip
    Path("results/cup_warm.png").rename("results/cup.png")
    code, _, err = run("score", "--set", "results", "--photos", "photos", "--styles", "styles")
    assert code == 2
    assert "cup.png names none of the 2 styles" in err
    assert run("score", "--set", "results", "--photos", "photos", "--styles", "mosaic")[0] == 0
    Path("results/cup.png").rename("results/tree.png")
    _, _, err = run("score", "--set", "results", "--photos", "photos", "--styles", "mosaic")
    assert "tree.png begins with the name of no photograph" in err


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_sets_are_paired_by_a_list(folder: Path, run: Run, kind: str) -> None:
    pair = {"result": "cup_warm.png", "photo": "photos/cup.png", "style": "mosaic"}
    text = (
        json.dumps([pair]) if kind == "json" else "result,photo,style\n" + ",".join(pair.values())
    )
    Path(f"pairs.{kind}").write_text(text)
    code, out, err = run("score", "--set", "results", "--pairs", f"pairs.{kind}", "--json")
    assert code == 0, err
    assert "1 results in 1 style" in json.loads(out)["notes"][0]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "nothing to score"),
        (PAIR, 2, "name all three"),
        ((*PAIR, "nowhere.png"), 3, "no such file"),
        ((*PAIR, "results/cup_warm.png", "--size", 9), 2, "64 to 1024"),
        ((*PAIR, "results/cup_warm.png", "--style-shares", "a,b"), 2, "numbers such as 2,1"),
        ((*PAIR, "results/cup_warm.png", "--style-shares", "1,2"), 2, "as many shares"),
        ((*PAIR, "results/cup_warm.png", "--photos", "photos"), 2, "belong to --set"),
        (("photos", "styles/warm.png", "results"), 2, "use --set"),
        ((*PAIR, "results", "--set", "results"), 2, "in place of single pictures"),
        ((*PAIR, "--explian", "results"), 2, "did you mean --explain"),
        (("--set", "results"), 2, "needs --photos"),
        (("--set", "nowhere", "--photos", "photos", "--styles", "mosaic"), 3, "no folder"),
        (("--set", "results", "--photos", "photos", "--styles", "mosiac"), 2, "mosaic"),
        (("--set", "results", "--pairs", "nowhere.csv"), 2, "Cannot read nowhere.csv"),
        (("--set", "results", "--pairs", "photos/cup.png"), 2, "no list of pairs"),
    ],
)
def test_bad_input_is_one_line(
    folder: Path, run: Run, arguments: tuple[object, ...], code: int, words: str
) -> None:
    found, _, err = run("score", *arguments)
    assert words in err
    assert found == code
    assert err.count("\n") == 1


@pytest.mark.parametrize("text", ["result,photo\na,b\n", "result,photo,style\n", "[1]", "{}"])
def test_lists_that_are_none(folder: Path, run: Run, text: str) -> None:
    path = Path("pairs.json" if text[0] in "[{" else "pairs.csv")
    path.write_text(text)
    code, _, err = run("score", "--set", "results", "--pairs", path)
    assert code == 2
    assert str(path) in err


def test_a_painting_says_what_it_was_painted_from(folder: Path, run: Run) -> None:
    settings = json.dumps({"photo": {"name": "cup"}, "styles": [{"name": "warm"}, {"name": "b"}]})
    images.save(images.Picture(torch.rand(1, 3, 64, 64)), "painted.png", settings=settings)
    code, _, err = run("score", "painted.png")
    assert code == 2
    assert "painted.png was painted from cup in the manner of warm, b" in err
    assert "impasto score PHOTO STYLE RESULT..." in err


def test_a_narrow_terminal_gets_several_tables(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    code, out, _ = run("score", *PAIR, "results/cup_warm.png")
    assert code == 0
    out = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert out.count("the photograph") > 1
    headings = [word for line in out.splitlines() for word in line.split()]
    for word in ("LPIPS", "SSIM", "colours", "ArtFID-like", "Tiny"):
        assert word in headings
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 60
