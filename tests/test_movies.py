"""Films: frames in and out, sound, what is no film, and painting them without flicker."""

import json

import numpy as np
import pytest
import torch

from fast_networks import make_network, save_fast
from impasto.errors import ConfigError, ImageError
from impasto.frames import FramePainter, find_stillness
from impasto.movies import FilmReader, FilmWriter, find_container, is_film
from test_cli import fails, folder, make_picture  # noqa: F401 - fixtures

av = pytest.importorskip("av")


def draw_frames(count=6, height=48, width=64):
    """A square that wanders over a still ground."""
    ground = torch.linspace(0.2, 0.6, width).expand(1, 3, height, width).clone()
    for number in range(count):
        frame = ground.clone()
        frame[..., 10:26, 4 + 4 * number : 20 + 4 * number] = torch.tensor([0.9, 0.3, 0.1]).view(
            1, 3, 1, 1
        )
        yield frame


def write_film(path, *, sound=False):
    """A film of six frames, ten a second; with a hum if it is to sound."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        voice = file.add_stream("aac", rate=8000) if sound else None
        for frame in draw_frames():
            samples = (frame[0].permute(1, 2, 0) * 255).round().byte().contiguous().numpy()
            file.mux(stream.encode(av.VideoFrame.from_ndarray(samples, format="rgb24")))
        file.mux(stream.encode())
        if voice is not None:
            wave = np.sin(np.arange(4800) / 5).astype("float32")[None]
            hum = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            hum.sample_rate = 8000
            file.mux(voice.encode(hum))
            file.mux(voice.encode())
    return path


def read_film(path):
    with FilmReader(path) as film:
        return list(film.frames())


def test_frames_come_back(tmp_path):
    path = tmp_path / "film.mkv"
    with FilmWriter(path, (49, 64), 10) as writer:
        for frame in draw_frames():
            writer.add(torch.nn.functional.pad(frame, (0, 0, 0, 1)))
    with FilmReader(path) as film:
        assert film.size == (48, 64)
        assert film.rate == 10
        found = list(film.frames())
    assert len(found) == 6
    for one, other in zip(found, draw_frames(), strict=True):
        assert (one - other).abs().mean() < 0.03


def test_a_film_is_known_by_its_first_bytes(tmp_path):
    film = write_film(tmp_path / "film.mp4")
    assert is_film(film)
    disguised = film.rename(tmp_path / "film.jpg")
    assert find_container(disguised) == "mov,mp4,m4a,3gp,3g2,mj2"
    playlist = tmp_path / "list.mp4"
    playlist.write_text("ffconcat version 1.0\nfile film.jpg\n")
    assert not is_film(playlist)
    with pytest.raises(ImageError, match="no film"):
        FilmReader(playlist)
    make_picture(64, 48).save(tmp_path / "still.png")
    assert not is_film(tmp_path / "still.png")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(disguised.read_bytes()[:40] + b"\0" * 400)
    with pytest.raises(ImageError):
        read_film(broken)


def test_still_places_stay_and_moving_ones_follow():
    one, other = list(draw_frames())[:2]
    still = find_stillness(one, other)
    assert float(still[..., 40:, 40:].min()) > 0.999
    assert float(still[..., 15:20, 4:8].max()) < 0.01
    noise = 0.02 * torch.randn(one.shape, generator=torch.Generator().manual_seed(0))
    assert float(find_stillness(one, one + noise).mean()) > 0.4


def test_smoothing_calms_noise():
    network = make_network("johnson")
    generator = torch.Generator().manual_seed(0)
    first = next(draw_frames())
    noisy = [first + 0.02 * torch.randn(first.shape, generator=generator) for _ in range(8)]

    def flicker(smooth):
        painter = FramePainter(network, torch.ones(1, 1), smooth=smooth)
        painted = [painter.paint(frame.clamp(0, 1)) for frame in noisy]
        return float((torch.cat(painted[3:]) - torch.cat(painted[2:-1])).abs().mean())

    assert flicker(True) < 0.75 * flicker(False)


def test_a_cut_begins_afresh():
    network = make_network("johnson")
    wish = torch.ones(1, 1)
    painter = FramePainter(network, wish)
    dark, light = torch.zeros(1, 3, 48, 64), next(draw_frames())
    painter.paint(dark)
    assert torch.allclose(painter.paint(light), FramePainter(network, wish).paint(light))


def test_the_network_is_that_of_photographs():
    network = make_network("dumoulin")
    wish = torch.tensor([[0.0, 1.0]])
    frame = next(draw_frames())
    assert torch.allclose(
        FramePainter(network, wish).paint(frame), network(frame, wish).clamp(0, 1)
    )


def test_command(run, folder):  # noqa: F811
    save_fast(folder / "two.safetensors", "dumoulin", ("mosaic", "dusk"))
    write_film(folder / "clip.mp4", sound=True)
    options = ("--network", "two.safetensors")
    code, out, error = run("fast", "clip.mp4", "dusk", *options, "-o", "out.mp4")
    assert (code, out) == (0, ""), error
    assert "6 frames of 64x48 px" in error
    assert "frames/s" in error
    assert len(read_film(folder / "out.mp4")) == 6
    sounds = []
    for name in ("clip.mp4", "out.mp4"):
        with av.open(str(folder / name)) as file:
            sounds.append(
                [bytes(packet) for packet in file.demux(audio=0) if packet.dts is not None]
            )
    assert sounds[0] == sounds[1]
    assert sounds[0]
    small = run(
        "fast", "clip.mp4", "mosaic", *options, "--size", "32", "--colors", "photo", "--json"
    )
    assert small[0] == 0
    assert all(json.loads(line)["event"] == "note" for line in small[1].splitlines())
    assert read_film(folder / "clip_mosaic.mp4")[0].shape == (1, 3, 24, 32)


@pytest.mark.parametrize(
    ("code", "options", "words"),
    [
        (2, ("--mask", "hill.png"), "not for films"),
        (2, ("--refine", "3"), "not for films"),
        (2, ("-o", "-"), "standard output"),
        (2, ("-o", "out.png"), "no name for a film"),
        (6, ("-o", "clip.mp4"), "would replace"),
    ],
)
def test_what_goes_wrong(fails, folder, code, options, words):  # noqa: F811
    save_fast(folder / "two.safetensors", "dumoulin", ("mosaic", "dusk"))
    write_film(folder / "clip.mp4")
    arguments = ("fast", "clip.mp4", "dusk", "--network", "two.safetensors", *options)
    assert words in fails(code, *arguments)


class FakeCapture:
    """A camera that sees six frames, blue first."""

    def __init__(self, name):
        self.name = name
        self.left = [
            (frame[0].permute(1, 2, 0) * 255).round().byte().numpy()[..., ::-1]
            for frame in draw_frames()
        ]

    def isOpened(self):  # noqa: N802 - OpenCV's name
        return self.name == 0

    def get(self, what):
        return 10.0

    def read(self):
        return (True, self.left.pop(0)) if self.left else (False, None)

    def release(self):
        self.left = []


def test_webcam(run, folder, monkeypatch):  # noqa: F811
    cv2 = pytest.importorskip("cv2")
    save_fast(folder / "two.safetensors", "dumoulin", ("mosaic", "dusk"))
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    options = ("dusk", "--network", "two.safetensors")
    code, _, error = run("webcam", *options, "-o", "me.mp4")
    assert code == 0, error
    assert "6 frames of 64x48 px" in error
    found = read_film(folder / "me.mp4")
    assert len(found) >= 6
    network = make_network("dumoulin")
    seen = (next(draw_frames()) * 255).round() / 255
    wanted = network(seen, torch.tensor([[0.0, 1.0]])).clamp(0, 1)
    assert (found[0] - wanted).abs().mean() < 0.05
    code, _, error = run("webcam", *options, "--camera", "3", "-o", "you.mp4")
    assert code == 3
    assert "--camera" in error
    shown = []
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "destroyWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda title, samples: shown.append(samples))
    monkeypatch.setattr(cv2, "waitKey", lambda _: ord("q") if len(shown) == 2 else -1)
    assert run("webcam", *options)[0] == 0
    assert len(shown) == 2
    blue_first = (wanted[0].permute(1, 2, 0) * 255).round().numpy()[..., ::-1]
    assert np.abs(shown[0] - blue_first).max() <= 1


def test_without_the_library(folder, monkeypatch):  # noqa: F811
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(ConfigError, match=r"impasto\[video\]"):
        FilmReader(folder / "lake.jpg")
