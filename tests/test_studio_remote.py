"""`--remote`: the command line as a client of the studio."""

import json

import pytest

from impasto import images
from impasto.cli import main
from studio_client import draw, serving


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("studio"), max_size=256) as (address, _):
        yield address


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "stripes.png"
    path.write_bytes(draw())
    return path


def _paint(address, photo, *words):
    words = words if "--size" in words else ("--size", "64", *words)
    settings = ["--steps", "3", "--scales", "1", "--optimizer", "adam"]
    return main(["paint", str(photo), "mosaic", *settings, "--remote", address, *words])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_studio_paints_for_the_command_line(address, photo, tmp_path, suffix):
    target = tmp_path / f"out{suffix}"
    mask = tmp_path / "mask.png"
    mask.write_bytes(draw())
    assert _paint(address, photo, "-o", str(target), "--mask", str(mask)) == 0
    assert images.load(target).size == (43, 64)
    record = json.loads(images.read_settings(target))
    assert record["settings"]["size"] == 64
    assert record["placement"]["masks"]


def test_studio_finds_what_is_named(address, photo, tmp_path):
    target = tmp_path / "out.png"
    words = ["--mask", "cluster:1/2", "--protect", "cluster:2/3,not-cluster:1/2:0.5"]
    assert _paint(address, photo, "-o", str(target), *words) == 0
    placement = json.loads(images.read_settings(target))["placement"]
    assert [one["automatic"] for one in placement["masks"]] == ["cluster:1/2"]
    found = [one["automatic"] for one in placement["protect"]]
    assert found == ["cluster:2/3", "not-cluster:1/2:0.5"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--strength-map", "stripes.png"], "--strength-map"),
        (["--mask", "clouds"], "no mask 'clouds'"),
        (["--resume"], "--resume"),
        (["-o", "out.webp"], "out.webp"),
        (["--size", "300"], "256 px"),
    ],
)
def test_what_it_cannot_do_is_told_in_one_line(address, photo, capsys, monkeypatch, words, told):
    monkeypatch.chdir(photo.parent)
    assert _paint(address, photo, *words) != 0
    assert told in capsys.readouterr().err
    assert [path.name for path in photo.parent.iterdir()] == ["stripes.png"]


@pytest.mark.parametrize("remote", ["http://127.0.0.1:9", "studio", "ftp://127.0.0.1"])
def test_studio_that_is_not_there(photo, capsys, monkeypatch, remote):
    monkeypatch.chdir(photo.parent)
    assert _paint(remote, photo) != 0
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "studio" in lines[0] or "address" in lines[0]
