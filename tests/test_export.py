"""ONNX: what PyTorch makes of a picture, ONNX Runtime makes too; and painting without PyTorch."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from fast_networks import SIZES, make_network, save_fast
from impasto.errors import ConfigError, ImageError, WeightsError
from impasto.export import export_network
from impasto.networks.blocks import fit_stride
from impasto.onnxpaint import OnnxPainter, main, read_codes, write_codes
from impasto.trained import Card
from test_cli import fails, folder  # noqa: F401 - fixtures


def export(kind, path, style, arithmetic="float32"):
    network = make_network(kind)
    if hasattr(network, "describe"):
        codes = {"cup": network.describe(style), "other": network.describe(style.flip(1))}
    else:
        codes = {str(n): one for n, one in enumerate(torch.eye(SIZES[kind]["styles"]).split(1))}
    card = Card(network=kind, arguments=SIZES[kind])
    return network, codes, export_network(network, card, path, codes, arithmetic)


@pytest.mark.parametrize("kind", SIZES)
def test_parity_at_two_sizes(kind, tmp_path, style):
    network, codes, loss = export(kind, tmp_path / "net.onnx", style)
    assert loss.most < 1e-3
    painter = OnnxPainter(tmp_path / "net.onnx")
    assert list(painter.styles) == list(codes)
    for size in ((96, 64), (67, 121)):
        image = torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(2))
        for name, code in codes.items():
            wanted = network(image, code)
            found = painter.run(image.numpy(), painter.styles[name])
            assert found.shape == wanted.shape
            assert np.abs(found - wanted.numpy()).max() < 1e-3


def test_half_and_quarter(tmp_path, style, caplog):
    sizes, losses = {}, {}
    for arithmetic in ("float32", "float16", "int8"):
        path = tmp_path / f"{arithmetic}.onnx"
        _, _, losses[arithmetic] = export("ghiasi", path, style, arithmetic)
        model = OnnxPainter(path)
        codes = len(write_codes(model.styles))
        sizes[arithmetic] = path.stat().st_size - codes
    assert sizes["float16"] < sizes["float32"]
    assert 1e-6 < losses["float16"].mean < 1e-3
    assert losses["float16"].mean < losses["int8"].mean < 0.2
    assert not caplog.records  # the quantiser warns of each shape that it leaves


def test_paints_without_torch(tmp_path, style, photo):
    export("micro", tmp_path / "net.onnx", style)
    picture = (photo[0].permute(1, 2, 0).numpy() * 255).round().astype("uint8")
    Image.fromarray(picture).save(tmp_path / "photo.png")
    code = (
        "import sys; from impasto.onnxpaint import main; code = main(sys.argv[1:]);"
        "print(code, sorted({'torch', 'pydantic'} & set(sys.modules)))"
    )
    words = ["net.onnx", "photo.png", "cup", "-o", "out.png", "--size", "96"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "0 []"
    with Image.open(tmp_path / "out.png") as painted:
        assert painted.size == (77, 96)


def test_mixing_and_strength(tmp_path, style):
    network, codes, _ = export("dumoulin", tmp_path / "net.onnx", style)
    painter = OnnxPainter(tmp_path / "net.onnx")
    samples = np.random.default_rng(0).integers(0, 255, (70, 90, 3), "uint8")
    photo = Image.fromarray(samples)
    painted = painter.paint(photo, {"0": 3, "1": 1}, strength=0.5)
    planes = torch.from_numpy(samples).permute(2, 0, 1)[None] / 255
    wish = 0.75 * codes["0"] + 0.25 * codes["1"]
    mixed = (network(fit_stride(planes, 4), wish)[..., :70, :90].clamp(0, 1) + planes) / 2
    wanted = (mixed[0].permute(1, 2, 0) * 255).round().numpy()
    assert np.abs(np.asarray(painted) - wanted).max() <= 1
    assert np.array_equal(np.asarray(painter.paint(photo, "0", strength=0)), samples)
    with pytest.raises(ConfigError, match="holds 0, 1"):
        painter.paint(photo, "2")
    with pytest.raises(ConfigError, match="0 to 1"):
        painter.paint(photo, "0", strength=2)
    with pytest.raises(ImageError, match="64 px"):
        painter.paint(photo, "0", size=40)


def test_codes_travel_as_text():
    codes = {"a": np.array([[0.1, -2]], "float32")}
    assert np.array_equal(read_codes(write_codes(codes))["a"], codes["a"])


def test_other_files_are_refused(tmp_path, capsys):
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="no ONNX network"):
        OnnxPainter(tmp_path / "bad.onnx")
    with pytest.raises(WeightsError, match="Cannot read"):
        OnnxPainter(tmp_path / "none.onnx")
    assert main([str(tmp_path / "bad.onnx"), "x.png", "a"]) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_command(run, fails, folder):  # noqa: F811
    save_fast(folder / "any.safetensors", "micro")
    save_fast(folder / "two.safetensors", "dumoulin", ("mosaic", "dusk"))
    code, out, error = run(
        "export", "any.safetensors", "--style", "brush.png", "--style", "mosaic", "-o", "n.onnx"
    )
    assert (code, out) == (0, "")
    assert "brush, mosaic" in error
    assert list(OnnxPainter("n.onnx").styles) == ["brush", "mosaic"]
    assert run("export", "two.safetensors", "--precision", "float16")[0] == 0
    assert list(OnnxPainter("two.onnx").styles) == ["mosaic", "dusk"]
    assert "exists already" in fails(6, "export", "two.safetensors")
    assert "own styles" in fails(
        2, "export", "two.safetensors", "--style", "mosaic", "-o", "x.onnx"
    )
    assert ".onnx" in fails(2, "export", "two.safetensors", "-o", "x.pb")
    assert "impasto train" in fails(4, "export", "nothing", "-o", "x.onnx")
    facts = OnnxPainter("n.onnx")._session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["card"])["network"] == "micro"
