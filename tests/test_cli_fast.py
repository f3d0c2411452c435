"""`impasto fast`: options, results, and everything that goes wrong."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from fast_networks import SIZES, make_network, save_fast
from impasto import images, shelf
from impasto.errors import ConfigError, WeightsError
from test_cli import fails, folder, make_picture  # noqa: F401 - fixtures
from test_cli_process import call

NET = ("--network", "any.safetensors", "--size", "64")
OWN = ("--network", "two.safetensors", "--size", "64")


@pytest.fixture(autouse=True)
def networks(folder):  # noqa: F811
    save_fast(folder / "any.safetensors", "micro")
    save_fast(folder / "two.safetensors", "dumoulin", ("mosaic", "dusk"))


def read(path):
    return np.asarray(Image.open(path).convert("RGB"), dtype=int)


def test_paints_as_the_network_does(run, folder):  # noqa: F811
    code, out, error = run("fast", "lake.jpg", "dusk", *OWN, "-o", "out.png")
    assert code == 0, error
    assert out == ""
    assert "64x43 px" in error
    photo = impasto.pyramid.resize(images.load(folder / "lake.jpg").pixels, (43, 64))
    network = impasto.trained.load_network(folder / "two.safetensors", lambda: None)[0]
    wanted = network(photo, torch.tensor([[0.0, 1.0]])).clamp(0, 1)
    found = images.load(folder / "out.png").pixels
    assert (found - wanted).abs().max() < 0.003


def test_any_style_and_python(run, folder):  # noqa: F811
    assert run("fast", "lake.jpg", "brush.png", *NET, "-o", "one.png")[0] == 0
    painting = impasto.fast("lake.jpg", "brush.png", network=folder / "any.safetensors", size=64)
    assert np.array_equal(np.asarray(painting.to_pil().convert("RGB")), read("one.png"))
    assert run("fast", "lake.jpg", "hill.png", *NET, "-o", "two.png")[0] == 0
    assert np.abs(read("one.png") - read("two.png")).mean() > 0.1


def test_a_painter_looks_at_a_style_once(folder, monkeypatch):  # noqa: F811
    painter = impasto.FastPainter(folder / "any.safetensors")
    seen = []
    plain = painter.network.describe
    monkeypatch.setattr(
        type(painter.network), "describe", lambda self, x: (seen.append(1), plain(x))[1]
    )
    config = impasto.FastConfig(size=64)
    for _ in range(2):
        for photo in ("lake.jpg", "hill.png"):
            for _progress in painter.prepare(photo, ["brush.png"], config).run():
                pass
    assert len(seen) == 1


@pytest.mark.parametrize(
    "options",
    [
        ("--strength", "0.5"),
        ("--colors", "photo"),
        ("--colors", "luminance"),
        ("--colors", "histogram"),
        ("--finish", "contrast:1.3"),
        ("--network-size", "40"),
        ("--style-size", "64"),
    ],
)
def test_options_change_the_painting_and_again_repeats_it(run, folder, options):  # noqa: F811
    run("fast", "lake.jpg", "brush.png", *NET, "-o", "plain.png")
    code, _, error = run("fast", "lake.jpg", "brush.png", *NET, *options, "-o", "out.png")
    assert code == 0, error
    assert read("out.png").shape == (43, 64, 3)
    assert np.abs(read("out.png") - read("plain.png")).max() > 2
    code, _, error = run("again", "out.png", "-o", "again.png")
    assert code == 0, error
    assert np.array_equal(read("out.png"), read("again.png"))
    _, out, _ = run("again", "out.png", "--dry-run")
    assert out.startswith("impasto fast ")
    assert options[0] in out


def test_again_with_own_styles_and_other_settings(run, folder):  # noqa: F811
    run("fast", "lake.jpg", "dusk", "mosaic", *OWN, "--style-shares", "3,1", "-o", "out.png")
    assert run("again", "out.png", "--size", "48", "-o", "small.png")[0] == 0
    assert read("small.png").shape == (32, 48, 3)
    (folder / "two.safetensors").rename(folder / "away.safetensors")
    code, _, error = run("again", "out.png", "-o", "more.png")
    assert code == 4
    assert "--network FILE" in error
    again = run("again", "out.png", "--network", "away.safetensors", "-o", "more.png")
    assert again[0] == 0
    assert np.array_equal(read("out.png"), read("more.png"))


def test_masks_and_shares(run, folder):  # noqa: F811
    mask = np.zeros((80, 120), dtype="uint8")
    mask[:, :60] = 255
    Image.fromarray(mask).save("left.png")
    Image.fromarray(255 - mask).save("right.png")
    masks = ("--mask", "left.png", "--mask", "right.png")
    assert run("fast", "lake.jpg", "mosaic", "dusk", *OWN, *masks, "-o", "both.png")[0] == 0
    for name in ("mosaic", "dusk"):
        run("fast", "lake.jpg", name, *OWN, "-o", f"{name}.png")
    assert np.abs(read("both.png")[:, :28] - read("mosaic.png")[:, :28]).max() <= 1
    assert np.abs(read("both.png")[:, 36:] - read("dusk.png")[:, 36:]).max() <= 1


def test_refine_goes_on_from_the_fast_picture(run, folder):  # noqa: F811
    code, out, error = run(
        "fast", "lake.jpg", "brush.png", *NET, "--refine", "2", "--json", "-o", "out.png"
    )
    assert code == 0, error
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == ["start", "progress", "progress", "done"]
    run("fast", "lake.jpg", "brush.png", *NET, "-o", "plain.png")
    assert np.abs(read("out.png") - read("plain.png")).mean() > 0.3
    assert run("again", "out.png", "-o", "again.png")[0] == 0
    assert np.array_equal(read("out.png"), read("again.png"))


def test_alpha_depth_and_record(run, folder):  # noqa: F811
    picture = make_picture(90, 60, 1).convert("RGBA")
    picture.putalpha(128)
    picture.save("glass.png", dpi=(96, 96))
    options = ("--bits", "16", "-o", "out.png")
    assert run("fast", "glass.png", "brush.png", *NET, *options)[0] == 0
    painted = images.load("out.png")
    assert painted.bits == 16
    assert painted.alpha is not None
    assert abs(float(painted.alpha.mean()) - 128 / 255) < 0.01
    record = json.loads(images.read_settings("out.png"))
    assert record["network"]["name"] == "any.safetensors"
    assert record["settings"] == {"size": 64}


def test_tiles_for_little_memory(run, folder, monkeypatch):  # noqa: F811
    code, _, error = run("fast", "lake.jpg", "brush.png", *NET, "--memory", "50MB")
    assert code == 5
    assert error.count("\n") == 1
    make_picture(600, 400).save("large.png")
    options = ("--network", "two.safetensors", "--size", "600", "--memory", "659MB")
    code, _, error = run("fast", "large.png", "dusk", *options, "-o", "out.png")
    assert code == 0, error
    assert "in tiles of" in error
    assert read("out.png").shape == (400, 600, 3)


def test_folders(run, folder):  # noqa: F811
    (folder / "in").mkdir()
    for name in ("lake.jpg", "hill.png"):
        (folder / name).rename(folder / "in" / name)
    (folder / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    code, _, error = run("fast", "in", "brush.png", *NET, "-o", "out")
    assert code == 1
    assert "2 painted, 1 failed" in error
    assert {path.name for path in (folder / "out").iterdir()} == {"lake.png", "hill.png"}


def test_pipes(folder):  # noqa: F811
    photo = (folder / "lake.jpg").read_bytes()
    result = call(folder, "fast", "-", "brush.png", *NET, "--json", "-o", "-", input=photo)
    assert result.returncode == 0, result.stderr
    assert Image.open(io.BytesIO(result.stdout)).size == (64, 43)
    events = [json.loads(line) for line in result.stderr.splitlines()]
    assert events[-1]["event"] == "done"
    assert events[0]["network"] == "any.safetensors"


@pytest.mark.parametrize(
    ("code", "arguments", "words"),
    [
        (2, ("lake.jpg", *NET), "No style is given"),
        (2, ("lake.jpg", "nothing", *OWN), "it paints in mosaic, dusk"),
        (2, ("lake.jpg", "dusk", *OWN, "--refine", "2"), "picture of the style"),
        (2, ("lake.jpg", "dusk", *OWN, "--colors", "palette"), "impasto paint"),
        (2, ("lake.jpg", "dusk", *OWN, "--strength", "3"), "--strength"),
        (2, ("lake.jpg", "dusk", *OWN, "--style-shares", "1,2"), "style shares"),
        (2, ("lake.jpg", "dusk", *OWN, "--weights", "x.pth"), "--network FILE"),
        (2, ("lake.jpg", "dusk", *OWN, "--sheet", "x.png"), "--seamless"),
        (2, ("lake.jpg", "dusk", *OWN, "--style-mask", "hill.png"), "whole style pictures"),
        (2, ("lake.jpg", "dusk", *OWN, "--preset", "draft"), "Unknown option"),
        (3, ("none.jpg", "dusk", *OWN), "none.jpg"),
        (4, ("lake.jpg", "dusk", "--network", "nothing"), "impasto train"),
        (4, ("lake.jpg", "dusk", "--network", "lake.jpg"), "no fast network"),
        (4, ("lake.jpg", "dusk", "--network", "text.safetensors"), "no fast network"),
        (4, ("lake.jpg", "dusk", "--network", "pickle.safetensors"), "no fast network"),
        (4, ("lake.jpg", "dusk", "--network", "."), "no fast network"),
        (3, ("dot.png", "dusk", *OWN), "dot is 1x1 px"),
        (3, ("lake.jpg", "dot.png", *NET), "dot is only 1x1 px"),
        (3, ("lake.jpg", "text.safetensors", *NET), "text.safetensors"),
        (2, ("lake.jpg", "dusk", "--network", "any.safetensors"), "dusk"),
        (6, ("lake.jpg", "dusk", *OWN, "-o", "lake.jpg"), "would replace"),
    ],
)
def test_what_goes_wrong(fails, folder, code, arguments, words):  # noqa: F811
    (folder / "text.safetensors").write_text("words, and no weights")
    torch.save({"a": torch.ones(1)}, folder / "pickle.safetensors")
    make_picture(1, 1).save(folder / "dot.png")
    assert words in fails(code, "fast", *arguments)


def test_shipped_networks_by_name(folder, monkeypatch):  # noqa: F811
    monkeypatch.setattr(shelf, "FOLDER", folder)
    assert list(shelf.list_networks()) == ["any", "two"]
    assert shelf.find_network(None) == folder / "any.safetensors"
    assert shelf.find_network("two") == folder / "two.safetensors"
    assert shelf.name_network(folder / "two.safetensors") == "two"
    with pytest.raises(WeightsError, match="any, two"):
        shelf.find_network("three")
    (folder / "any.safetensors").rename(folder / "micro.safetensors")
    assert shelf.find_network(None).stem == "micro"
    monkeypatch.setattr(shelf, "FOLDER", folder / "empty")
    with pytest.raises(WeightsError, match="none comes with impasto"):
        shelf.find_network(None)


@pytest.mark.parametrize("kind", SIZES)
def test_every_network_paints_from_its_file(folder, kind):  # noqa: F811
    path = save_fast(folder / f"{kind}.safetensors", kind)
    style = "johnson" if kind == "johnson" else "brush.png"
    if kind == "dumoulin":
        path, style = save_fast(path, kind, ("a", "b")), "b"
    painting = impasto.fast("lake.jpg", style, network=path, size=56, strength=0.8)
    assert painting.picture.size == (37, 56)
    assert painting.picture.pixels.std() > 0.005


def test_a_picture_too_thin(folder):  # noqa: F811
    make_picture(400, 18).save("thin.png")
    with pytest.raises(impasto.ImpastoError, match="at least 16 px"):
        impasto.fast("thin.png", "brush.png", network="any.safetensors", size=64)
    with pytest.raises(ConfigError, match="No style"):
        impasto.fast("lake.jpg", [], network="any.safetensors")


def test_random_networks_differ_by_style():
    network = make_network("dumoulin")
    photo = torch.rand(1, 3, 32, 32)
    one, other = (network(photo, wish[None]) for wish in torch.eye(2))
    assert (one - other).abs().mean() > 0.01
