"""Masks by name on the command line: painted, recorded, repeated, written as pictures."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import Tensor

from impasto import images
from impasto.api import Painter, Placement, find_mask
from impasto.config import PaintConfig
from impasto.masks import people
from impasto.pyramid import resize

QUICK = ("--size", "96", "--steps", "2", "--scales", "1")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a portrait, a landscape and a style."""
    Image.fromarray(skimage.data.astronaut()[:320, 60:380]).save(tmp_path / "portrait.png")
    Image.fromarray(skimage.data.rocket()[::2, ::2]).save(tmp_path / "night.png")
    Image.fromarray(skimage.data.coffee()[::4, ::4]).save(tmp_path / "brush.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def left_is_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that takes the left half of its square for a person."""

    def segment(picture: Tensor) -> Tensor:
        plane = torch.zeros(1, 1, people.SIDE, people.SIDE)
        plane[..., : people.SIDE // 2] = 1
        return plane

    monkeypatch.setattr("impasto.networkfiles.locate", lambda *_, **__: Path("network"))
    monkeypatch.setattr("impasto.masks.open_network", lambda path: segment)


def record_of(path: str) -> dict[str, object]:
    return json.loads(images.read_settings(Path(path)) or "")["placement"]  # type: ignore[no-any-return]


def test_a_protected_face_is_the_photograph(run: Run, folder: Path) -> None:
    words = ("paint", "portrait.png", "brush.png", *QUICK)
    code, _, error = run(*words, "--protect", "faces", "--strength", "3", "-o", "a.png")
    assert code == 0, error
    painted = images.load("a.png").pixels
    photograph = resize(images.load("portrait.png").pixels, (96, 96))
    mask = resize(find_mask("portrait.png", "faces").pixels[:, :1], (96, 96))[0, 0]
    away = (painted - photograph).abs()[0]
    assert (mask > 0.999).float().mean() > 0.02
    assert away[:, mask > 0.999].max() <= 2 / 255
    assert away[:, mask < 0.01].mean() > 0.02
    assert record_of("a.png") == {"protect": [{"automatic": "faces", "version": "1"}]}
    code, out, _ = run("again", "a.png", "--dry-run")
    assert "--protect faces" in out
    assert run("again", "a.png")[0] == 0
    assert Path("a-again.png").read_bytes() == Path("a.png").read_bytes()


@pytest.mark.slow
def test_a_share_of_the_strength_may_remain(run: Run, folder: Path) -> None:
    words = ("paint", "portrait.png", "brush.png", *QUICK, "--protect", "faces:0.5")
    assert run(*words, "-o", "a.png")[0] == 0
    painted = images.load("a.png").pixels
    photograph = resize(images.load("portrait.png").pixels, (96, 96))
    mask = resize(find_mask("portrait.png", "faces").pixels[:, :1], (96, 96))[0, 0]
    assert (painted - photograph).abs()[0][:, mask > 0.999].mean() > 0.01
    assert record_of("a.png") == {"protect": [{"automatic": "faces:0.5", "version": "1"}]}


@pytest.mark.slow
def test_styles_by_name_and_colours_by_region(
    run: Run, folder: Path, left_is_a_person: None
) -> None:
    words = ("paint", "portrait.png", "brush.png", "night.png", *QUICK)
    words += ("--mask", "people", "--mask", "background", "--colors", "photo,style")
    code, _, error = run(*words, "-o", "a.png")
    assert code == 0, error
    assert [one["automatic"] for one in record_of("a.png")["masks"]] == ["people", "background"]  # type: ignore[attr-defined]
    code, out, _ = run("again", "a.png", "--dry-run")
    assert out.count("--mask") == 2
    assert "--colors photo,style" in out
    assert run(*shlex.split(out)[1:], "-o", "b.png")[0] == 0
    assert Path("b.png").read_bytes() == Path("a.png").read_bytes()


@pytest.mark.slow
def test_a_file_of_that_name_wins_but_not_over_a_record(
    run: Run, folder: Path, left_is_a_person: None
) -> None:
    words = ("paint", "portrait.png", "brush.png", *QUICK, "--mask", "people")
    assert run(*words, "-o", "a.png")[0] == 0
    half = np.zeros((40, 40), "uint8")
    half[:, 30:] = 255
    Image.fromarray(half).save("people", "png")
    assert run("again", "a.png")[0] == 0
    assert Path("a-again.png").read_bytes() == Path("a.png").read_bytes()
    assert run(*words, "-o", "b.png")[0] == 0
    assert Path("b.png").read_bytes() != Path("a.png").read_bytes()
    assert "sha256" in record_of("b.png")["masks"][0]  # type: ignore[index]


def test_each_picture_of_a_folder_gets_its_own_mask(run: Run, folder: Path) -> None:
    (folder / "in").mkdir()
    for name in ("brush.png", "night.png"):
        (folder / "in" / name).write_bytes((folder / name).read_bytes())
    words = ("paint", "in", "brush.png", *QUICK, "--mask", "sky", "-o", "out")
    code, _, error = run(*words)
    assert code == 1
    assert "No sky found in brush" in error
    assert [path.name for path in Path("out").glob("*.png")] == ["night.png"]
    words = ("paint", "in", "brush.png", *QUICK, "--protect", "faces", "-o", "spared")
    code, _, error = run(*words)
    assert code == 0, error
    assert len(list(Path("spared").glob("*.png"))) == 2
    assert "nothing is left alone" in error


@pytest.mark.slow
def test_it_goes_on_to_the_same_result(photo: Tensor, style: Tensor, tmp_path: Path) -> None:
    painter = Painter()
    portrait = Image.fromarray(skimage.data.astronaut()[:320, 60:380])
    placement = Placement(masks=["rest", "cluster:1/2"], protect=["faces"])
    config = PaintConfig(size=64, scales=1, steps=(4,), colors="photo,style")
    jobs = [painter.prepare(portrait, [style, style], config, placement=placement) for _ in "ab"]
    assert jobs[0].fingerprint == jobs[1].fingerprint
    events = list(jobs[0].run())
    half = next(jobs[0].run())
    resumed = list(jobs[1].run(half.state()))
    assert torch.equal(events[-1].picture(), resumed[-1].picture())
    assert [layer.name for layer in jobs[0].make_layers(jobs[0].collect(events[-1]))][
        -1
    ] == "strength"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--mask", "poeple"), 2, "did you mean 'people'"),
        (("--protect", "dragons"), 2, "There is no mask 'dragons'"),
        (("--protect", "faces:2"), 2, "from 0 to below 1"),
        (("--mask", "people", "--offline"), 4, "impasto weights add"),
        (("--colors", "photo,style"), 2, "need masks"),
        (("--colors", "photo,blue"), 2, "--colors: choose of"),
        (("--colors", "photo,style", "--mask", "cluster:1/2"), 2, "2 --colors for 1 masks"),
    ],
)
def test_what_goes_wrong_is_one_line(
    run: Run, folder: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    found, _, error = run("paint", "portrait.png", "brush.png", *QUICK, *words, "-o", "a.png")
    assert found == code, error
    assert message in error
    assert error.count("\n") == 1
    assert not Path("a.png").exists()


@pytest.mark.parametrize(
    "place",
    [
        '{"masks": [{"automatic": "../x", "version": "1"}]}',
        '{"protect": [{"automatic": "faces:7", "version": "1"}]}',
        '{"strength_map": {"automatic": "faces", "version": "1"}}',
        '{"masks": [{"automatic": "faces"}]}',
    ],
)
def test_again_trusts_no_record(run: Run, folder: Path, place: str) -> None:
    picture = '{"name": "x", "sha256": ""}'
    record = f'{{"impasto": "0", "settings": {{}}, "photo": {picture}, "styles": [{picture}]'
    record += f', "placement": {place}}}'
    images.save(images.load("portrait.png"), "a.png", settings=record)
    code, _, error = run("again", "a.png")
    assert (code, error.count("\n")) == (3, 1)
    assert "damaged record" in error


def test_a_mask_is_written_as_a_picture(run: Run, folder: Path) -> None:
    code, _, error = run("mask", "portrait.png", "faces", "-o", "mask.png")
    assert code == 0
    mask = np.asarray(Image.open("mask.png"))
    assert mask.shape[:2] == (320, 320)
    assert "%" in error
    white = mask[..., 0] == 255
    assert 0.02 < white.mean() < 0.4
    assert (
        run("paint", "portrait.png", "brush.png", *QUICK, "--mask", "mask.png", "-o", "a.png")[0]
        == 0
    )
    assert run("mask", "portrait.png", "cluster:1/3")[0] == 0
    assert Path("portrait_cluster-1-3.png").exists()
    assert run("mask", "portrait.png", "not-faces", "--overlay", "-o", "look.png")[0] == 0
    look, photo = (
        np.asarray(Image.open(n).convert("RGB")).astype(int) for n in ("look.png", "portrait.png")
    )
    assert np.abs(look[white] - 0.2 * photo[white]).max() <= 1
    assert np.abs(look - photo)[mask[..., 0] == 0].max() <= 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("portrait.png", "dragons"), 2),
        (("portrait.png", "rest"), 2),
        (("nobody.png", "faces"), 3),
        (("night.png", "faces"), 3),
        (("portrait.png", "faces", "-o", "night.png"), 6),
        (("portrait.png", "faces", "--overwrite", "-o", "portrait.png"), 6),
        (("portrait.png", "faces", "-o", "mask.psd"), 2),
    ],
)
def test_a_mask_that_cannot_be_written(
    run: Run, folder: Path, words: tuple[str, ...], code: int
) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    found, out, error = run("mask", *words)
    assert (found, out, error.count("\n")) == (code, "", 1)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
