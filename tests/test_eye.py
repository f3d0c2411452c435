"""Networks with an eye of their own: they look at styles without VGG-19."""

import numpy as np
import pytest
import torch
from PIL import Image

from impasto import lessons
from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError, ImageError, ShapeError
from impasto.export import export_network
from impasto.heritage import Heritage
from impasto.lessons import Lesson, School
from impasto.networks import build_network
from impasto.networks.codes import LAYERS
from impasto.networks.eye import Eye, count_code, fit_eye
from impasto.networks.micro import MicroNet
from impasto.networks.recolor import COLORS
from impasto.onnxpaint import OnnxPainter, main
from impasto.trainconfig import TrainConfig
from impasto.trained import Card, load_network, save_network

SIZES = {"width": 4, "blocks": 1, "hidden": 8, "eye": 8}


def draw(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(3))


def refuse() -> VGG:
    raise AssertionError("VGG-19 was asked for")


@pytest.fixture(scope="module")
def vgg(random_state):
    return VGG("vgg19", random_state("vgg19"), preprocessing="caffe", pooling="max")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_network("micro", refuse, SIZES).requires_grad_(False).eval()


@pytest.fixture
def pictures(tmp_path):
    paths = []
    for number in range(3):
        samples = (draw(number + 5, 72, 3).numpy() * 255).astype("uint8")
        path = tmp_path / f"{number}.png"
        Image.fromarray(samples).resize((72, 64)).save(path)
        paths.append(path)
    return tuple(paths)


@pytest.fixture
def teach(pictures, vgg, monkeypatch):
    monkeypatch.setattr(lessons, "_SEEN", 4)
    monkeypatch.setattr(lessons, "_SIDE", 48)

    def begin(start=None, **numbers):
        config = TrainConfig(
            size=32, batch=2, steps=2, warmup=1, style_layers=("relu1_1",),
            style_layer_weights=(1.0,), content_layers=("relu1_1",),
        )  # fmt: skip
        lesson = Lesson(
            "micro", pictures, pictures, config, SIZES | numbers, style_size=48, start=start
        )
        return School(lesson, torch.device("cpu"), workers=0, critic=vgg)

    return begin


def test_an_eye_of_all_channels_sees_what_vgg_sees(vgg):
    eye, picture = Eye(64), draw(1, 3, 40, 24)
    eye.take(vgg)
    wanted = vgg(picture, LAYERS)
    for layer, found in eye(picture).items():
        assert torch.allclose(found, wanted[layer], rtol=1e-4, atol=1e-4 * wanted[layer].max())


def test_a_fitted_eye_sees_nearly_the_same(vgg):
    torch.manual_seed(0)
    eye, pictures = Eye(16), draw(4, 3, 48, 48)
    layers = list(fit_eye(eye, vgg, pictures))
    assert [one.layer for one in layers][-1] == "relu4_1"
    assert layers[0].missed < 1e-6
    assert all(one.missed < 0.9 for one in layers)
    assert {name: seen.shape[1] for name, seen in eye(pictures[:1]).items()} == {
        "relu1_1": 16, "relu2_1": 32, "relu3_1": 64, "relu4_1": 128,
    }  # fmt: skip


def test_its_weights_are_kept_and_do_not_learn(network):
    names = [name for name in network.state_dict() if name.startswith("eye.")]
    assert len(names) == 2 * 9
    assert not any(name.startswith("eye.") for name, _ in network.named_parameters())


def test_a_style_is_told_without_vgg(network, tmp_path):
    style = draw(2, 3, 50, 34)
    code = network.describe(style)
    assert code.shape == (2, network.code) == (2, count_code(8) + COLORS)
    assert not torch.allclose(code[0], code[1])
    with pytest.raises(ShapeError, match="384x3 px is too small"):
        network.describe(draw(1, 3, 3, 384))
    card = Card(network="micro", arguments=SIZES)
    save_network(tmp_path / "net.safetensors", network.state_dict(), card)
    loaded, _ = load_network(tmp_path / "net.safetensors", refuse)
    assert torch.allclose(loaded.describe(style), code, rtol=1e-2, atol=1e-2)
    assert loaded(draw(1, 3, 33, 41), code[:1]).shape == (1, 3, 33, 41)


def test_without_an_eye_vgg_is_needed(vgg):
    with pytest.raises(ConfigError, match="VGG-19"):
        MicroNet(None, eye=0)
    network = build_network("micro", lambda: vgg, SIZES | {"eye": 0})
    assert network.describe(draw(1, 3, 32, 32)).shape == (1, 1926)


@pytest.mark.slow
def test_a_new_network_is_given_an_eye_and_a_started_one_keeps_its_own(teach, tmp_path):
    fresh = teach()
    assert "The eye has 8 channels" in " ".join(fresh.prepare())
    *_, last = fresh.run()
    path = tmp_path / "net.safetensors"
    fresh.save(path, last.state())
    assert torch.equal(last.state().average["eye.relu2_1_weight"], fresh.network.eye.relu2_1_weight)
    heir = teach(Heritage(path, "micro"))
    assert not list(heir.prepare())
    kept = fresh.network.eye.relu3_1_weight.half().float()
    assert torch.equal(heir.network.eye.relu3_1_weight, kept)
    other = teach(Heritage(path, "micro"), eye=16)
    assert "The eye has 16 channels" in " ".join(other.prepare())


def test_onnx_takes_the_eye_along(network, tmp_path, capsys):
    path, style, photo = tmp_path / "net.onnx", tmp_path / "style.png", tmp_path / "photo.png"
    loss = export_network(network, Card(network="micro", arguments=SIZES), path, {})
    assert 0 < loss.mean < loss.most < 1e-3
    for file, size in ((style, (90, 70)), (photo, (80, 72))):
        samples = (draw(size[1], size[0], 3).numpy() * 255).astype("uint8")
        Image.fromarray(samples).save(file)
    painter = OnnxPainter(path)
    picture = Image.open(style)
    planes = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
    wanted = network.describe(planes).numpy()
    assert np.abs(painter.describe(picture) - wanted).max() < 1e-2 * np.abs(wanted).max()
    painted = painter.paint(Image.open(photo), picture)
    assert painted.size == (80, 72)
    out = tmp_path / "out.png"
    assert main([str(path), str(photo), str(style), "-o", str(out)]) == 0
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(painted))
    assert main([str(path), str(photo), "nowhere", "-o", str(out)]) == 2
    assert "a style picture will do" in capsys.readouterr().err
    with pytest.raises(ImageError, match="4x4 px"):
        painter.describe(Image.new("RGB", (4, 4)))
    with pytest.raises(ImageError, match="384x3 px"):
        painter.describe(Image.new("RGB", (2560, 20)))


def test_onnx_without_an_eye_says_so(vgg, tmp_path):
    network = build_network("micro", lambda: vgg, SIZES | {"eye": 0}).eval()
    code = network.describe(draw(1, 3, 32, 32)).detach()
    export_network(network, Card(network="micro"), tmp_path / "net.onnx", {"cup": code})
    with pytest.raises(ConfigError, match="no eye"):
        OnnxPainter(tmp_path / "net.onnx").describe(Image.new("RGB", (64, 64)))
