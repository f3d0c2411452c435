"""The front door: any kind of picture in, a painting out that can be painted again."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor

import impasto
from impasto import api, gallery, images
from impasto.api import Job, Painter, Painting, find_style
from impasto.config import PaintConfig
from impasto.errors import (
    ConfigError,
    ImageError,
    ImageTooLargeError,
    ImpastoError,
    MemoryBudgetError,
    WeightsError,
)
from impasto.images import Picture
from impasto.patterns import measure_seam
from impasto.pyramid import resize

Array = npt.NDArray[np.uint8]
BRIEF: dict[str, Any] = {"size": 64, "scales": 1, "steps": (1,)}


def to_array(image: Tensor) -> Array:
    return (image[0].permute(1, 2, 0) * 255).round().byte().numpy()


@pytest.fixture(scope="module")
def photo_array(photo: Tensor) -> Array:
    """(80, 64, 3)"""
    return to_array(photo)


@pytest.fixture(scope="module")
def style_array(style: Tensor) -> Array:
    """(80, 120, 3)"""
    return to_array(style)


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter(device="cpu", offline=True)


def complete(job: Job) -> Painting:
    events = list(job.run())
    return job.collect(events[-1])


@pytest.fixture(scope="module")
def prepare(painter: Painter, photo_array: Array, style_array: Array) -> Callable[..., Job]:
    def make(photo: Any = photo_array, style: Any = style_array, **settings: Any) -> Job:
        styles = style if isinstance(style, list) else [style]
        start = settings.pop("start", None)
        return painter.prepare(photo, styles, PaintConfig(**(BRIEF | settings)), start=start)

    return make


# --- what goes in -----------------------------------------------------------------------------


def test_every_kind_of_picture_gives_the_same_painting(
    prepare: Callable[..., Job], photo_array: Array, style_array: Array, tmp_path: Path
) -> None:
    wanted = complete(prepare()).picture.pixels
    Image.fromarray(photo_array).save(tmp_path / "photo.png")
    Image.fromarray(style_array).save(tmp_path / "style.png")
    path = tmp_path / "photo.png"
    tensor = torch.from_numpy(photo_array).permute(2, 0, 1)
    kinds: list[Any] = [
        path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()),
        Image.fromarray(photo_array), tensor, tensor[None] / 255,
        Picture(tensor[None] / 255),
    ]  # fmt: skip
    for kind in kinds:
        found = complete(prepare(kind, tmp_path / "style.png")).picture.pixels
        assert torch.equal(found, wanted), type(kind)


def test_painting_in_one_call(
    photo_array: Array, style_array: Array, prepare: Callable[..., Job]
) -> None:
    photo, style = photo_array.copy(), style_array.copy()
    seen: list[impasto.Progress] = []
    result = impasto.paint(photo, style, device="cpu", on_progress=seen.append, **BRIEF)
    assert isinstance(result, impasto.Painting)
    assert torch.equal(result.picture.pixels, complete(prepare()).picture.pixels)
    assert len(seen) == 1
    assert seen[0].done
    assert result.loss == seen[0].loss
    assert result.terms == seen[0].terms
    assert result.seconds == seen[0].seconds > 0
    assert np.array_equal(photo, photo_array)
    assert np.array_equal(style, style_array)
    several = impasto.paint(photo, [style, style], device="cpu", **BRIEF)
    torch.testing.assert_close(several.picture.pixels, result.picture.pixels, rtol=0, atol=1e-3)


def test_a_start_can_be_given(prepare: Callable[..., Job], photo_array: Array) -> None:
    mirrored = np.ascontiguousarray(photo_array[:, ::-1])
    job = prepare(start=mirrored, init="file")
    assert "start" in json.loads(job.settings)
    found = complete(job).picture.pixels
    assert not torch.equal(found, complete(prepare()).picture.pixels)
    same = complete(prepare(start=photo_array, init="file")).picture.pixels
    assert torch.equal(same, complete(prepare(init="content")).picture.pixels)


@pytest.mark.parametrize("name", sorted(gallery.STYLES)[:2])
def test_styles_of_the_gallery_are_known_by_name(
    name: str, prepare: Callable[..., Job], photo_array: Array
) -> None:
    job = prepare(photo_array, name)
    assert job.styles[0].name == name
    assert json.loads(job.settings)["styles"][0]["name"] == name
    assert complete(job).picture.size == (64, 51)


def test_a_file_wins_over_a_name_of_the_gallery(
    style_array: Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = min(gallery.STYLES)
    monkeypatch.chdir(tmp_path)
    assert find_style(name) == gallery.picture_path(name)
    Path(name).write_bytes(b"")
    assert find_style(name) == name


def test_what_is_no_name_is_left_as_it_is(tmp_path: Path) -> None:
    picture = Picture(torch.zeros(1, 3, 20, 20))
    for style in ("-", "x/y", "missing.jpg", tmp_path, b"bytes", picture):
        assert find_style(style) is style  # type: ignore[arg-type]


def test_a_misspelt_name_is_answered_with_the_names_there_are(
    prepare: Callable[..., Job], photo_array: Array
) -> None:
    with pytest.raises(ImpastoError) as caught:
        prepare(photo_array, "mosiac-of-nothing")
    message = str(caught.value)
    assert "mosiac-of-nothing" in message
    assert min(gallery.STYLES) in message
    assert "\n" not in message


# --- what comes out ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "size", "wanted"),
    [
        ((67, 101), 64, (42, 64)),
        ((101, 67), 64, (64, 42)),
        ((67, 101), "photo", (67, 101)),
        ((101, 67), 131, (131, 87)),
        ((33, 33), 57, (57, 57)),
    ],
)
def test_the_size_is_exact(
    own: tuple[int, int],
    size: int | str,
    wanted: tuple[int, int],
    prepare: Callable[..., Job],
    photo_array: Array,
) -> None:
    picture = np.asarray(Image.fromarray(photo_array).resize(own[::-1]))
    job = prepare(picture, size=size)
    result = complete(job)
    assert result.picture.size == wanted
    assert result.to_pil().size == wanted[::-1]
    assert job.photo.size == own


def test_transparency_is_kept_and_painted_on_white(
    prepare: Callable[..., Job], photo_array: Array
) -> None:
    alpha = np.zeros((80, 64, 1), np.uint8)
    alpha[20:60] = 255
    alpha[40:50] = 128
    with_alpha = np.concatenate([photo_array, alpha], 2)
    job = prepare(with_alpha)
    result = complete(job)
    wanted = resize(torch.from_numpy(alpha).permute(2, 0, 1)[None] / 255, (64, 51))
    assert result.picture.alpha is not None
    torch.testing.assert_close(result.picture.alpha, wanted)
    assert result.to_pil().mode == "RGBA"
    share = alpha / 255
    flat = (photo_array / 255 * share + (1 - share)).astype(np.float32)
    on_white = complete(prepare(flat))
    torch.testing.assert_close(result.picture.pixels, on_white.picture.pixels, rtol=0, atol=1e-4)
    assert complete(prepare()).picture.alpha is None


def test_a_pattern_has_no_seam_even_if_it_is_transparent_or_unfinished(
    prepare: Callable[..., Job], photo_array: Array
) -> None:
    ramp = np.linspace(255, 60, 80).astype(np.uint8)[:, None, None].repeat(64, 1)
    with_alpha = np.concatenate([photo_array, ramp], 2)
    job = prepare(with_alpha, seamless="half-drop", scales=2, steps=(2, 1))
    events = list(job.run())
    assert events[0].size != events[-1].size
    for event in events:
        picture = job.collect(event).picture
        assert picture.size == (64, 48)
        assert picture.alpha is not None
        # It falls by 0.7 from top to bottom, and fades into its neighbour there.
        assert (picture.alpha[..., 0, :] - picture.alpha[..., -1, :]).abs().max() < 0.4
        assert measure_seam(picture.pixels, "half-drop") < 1.3


def test_depth_and_resolution_are_kept(prepare: Callable[..., Job], photo: Tensor) -> None:
    job = prepare(Picture(photo, bits=16, dpi=(300, 200), name="holiday"))
    picture = complete(job).picture
    assert (picture.bits, picture.dpi, picture.name) == (16, (300, 200), "holiday")


def test_an_early_event_is_collected_at_full_size(prepare: Callable[..., Job]) -> None:
    job = prepare(scales=2, steps=(1, 1))
    first, last = job.run()
    assert first.picture().shape[2:] != last.picture().shape[2:]
    assert job.collect(first).picture.size == job.collect(last).picture.size == (64, 51)


def test_an_interrupted_job_can_be_resumed(prepare: Callable[..., Job]) -> None:
    job = prepare(scales=2, steps=(2, 2))
    events = job.run()
    next(events)
    state = next(events).state()
    events.close()
    whole, resumed = list(job.run())[-1], list(job.run(state))[-1]
    assert torch.equal(whole.picture(), resumed.picture())


def test_a_saved_painting_can_be_painted_again_from_itself(
    prepare: Callable[..., Job], tmp_path: Path
) -> None:
    job = prepare(seed=5, init="content:0.8,noise:0.2", style_layers=("conv1_1", "relu3_1"))
    result = complete(job)
    for name in ("a.png", "a.jpg", "a.tiff", "a.webp"):
        result.save(tmp_path / name)
        text = images.read_settings(tmp_path / name)
        assert text is not None
        assert text == job.settings == result.settings
    settings = json.loads(text)["settings"]
    again = complete(prepare(**settings))
    assert torch.equal(again.picture.pixels, result.picture.pixels)
    with Image.open(tmp_path / "a.png") as saved:
        assert np.array_equal(np.asarray(saved), np.asarray(result.to_pil()))


def test_saving_options_reach_the_file(prepare: Callable[..., Job], tmp_path: Path) -> None:
    result = complete(prepare())
    result.save(tmp_path / "low.jpg", quality=20)
    result.save(tmp_path / "high.jpg", quality=95)
    assert (tmp_path / "low.jpg").stat().st_size < (tmp_path / "high.jpg").stat().st_size
    buffer = io.BytesIO()
    result.save(buffer, format="png", bits=16)
    buffer.seek(0)
    assert images.load(buffer).bits == 16


def test_settings_hold_no_paths(
    photo_array: Array, style_array: Array, tmp_path: Path, prepare: Callable[..., Job]
) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    for name, array in (("me.png", photo_array), ("art.png", style_array)):
        Image.fromarray(array).save(folder / name)
    job = prepare(folder / "me.png", folder / "art.png", start=folder / "me.png", init="file")
    described = json.loads(job.settings)
    assert "private" not in job.settings
    assert os.sep not in job.settings
    assert described["impasto"] == impasto.__version__
    assert described["photo"]["name"] == "me"
    assert described["styles"][0]["name"] == "art"
    assert PaintConfig(**described["settings"]) == job.config


def test_the_fingerprint_tells_jobs_apart(
    prepare: Callable[..., Job], photo_array: Array, style_array: Array
) -> None:
    def alpha(level: int) -> Array:
        plane = np.full((80, 64, 1), 255, np.uint8)
        plane[:40] = level
        return np.concatenate([photo_array, plane], 2)

    other = photo_array.copy()
    other[3, 4, 1] ^= 1
    reshaped = photo_array.reshape(64, 80, 3)
    jobs = [
        prepare(), prepare(seed=1), prepare(other), prepare(reshaped), prepare(alpha(0)),
        prepare(alpha(9)), prepare(photo_array, [style_array, style_array]),
        prepare(start=photo_array), prepare(photo_array, photo_array),
    ]  # fmt: skip
    assert len({job.fingerprint for job in jobs}) == len(jobs)
    assert prepare().fingerprint == jobs[0].fingerprint


# --- the painter ------------------------------------------------------------------------------


def test_weights_are_read_once(
    photo_array: Array, style_array: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, original = [], api.weights.read

    def count(*args: Any, **options: Any) -> Any:
        calls.append((args, options))
        return original(*args, **options)

    monkeypatch.setattr(api.weights, "read", count)
    painter = Painter(device="cpu", offline=True)
    assert calls == []
    for seed in (1, 2):
        job = painter.prepare(photo_array, [style_array], PaintConfig(**BRIEF, seed=seed))
        complete(job)
    assert len(calls) == 1
    assert calls[0][0] == ("vgg19",)
    assert calls[0][1]["offline"] is True
    encoder = painter.load_encoder(PaintConfig())
    assert painter.load_encoder(PaintConfig(size=99, loss="gatys")) is encoder


def test_the_network_is_the_one_asked_for(painter: Painter) -> None:
    for settings in (
        {"pooling": "average", "padding": "zero", "pooling_gain": False, "precision": "float32"},
        {"pooling": "l2", "padding": "replicate", "pooling_gain": True, "precision": "bfloat16"},
    ):
        encoder = painter.load_encoder(PaintConfig(**settings))
        assert encoder.pooling == settings["pooling"]
        assert encoder.padding == settings["padding"]
        assert (encoder.gain == 1) == (not settings["pooling_gain"])
        assert str(encoder.precision) == f"torch.{settings['precision']}"
        assert encoder.architecture == "vgg19"


def test_weights_of_ones_own(
    random_state: Callable[[str], dict[str, Tensor]],
    photo_array: Array,
    style_array: Array,
    tmp_path: Path,
) -> None:
    path = tmp_path / "own.pth"
    torch.save(random_state("vgg16"), path)
    for given in (path, str(path)):
        painter = Painter(device="cpu", weights_file=given)  # type: ignore[arg-type]
        job = painter.prepare(photo_array, [style_array], PaintConfig(**BRIEF))
        assert painter.load_encoder(job.config).architecture == "vgg16"
        assert json.loads(job.settings)["weights"] == "own.pth"
        assert complete(job).picture.size == (64, 51)
    with pytest.raises(WeightsError):
        impasto.paint(photo_array, style_array, weights_file=tmp_path / "none.pth", **BRIEF)


def test_weights_that_were_never_trained(photo_array: Array, style_array: Array) -> None:
    painter = Painter(device="cpu", weights_file="random")
    config = PaintConfig(backbone="resnet18", **BRIEF)
    job = painter.prepare(photo_array, [style_array], config)
    assert json.loads(job.settings)["weights"] == "random"
    assert painter.load_encoder(config).architecture == "resnet18"
    assert complete(job).picture.size == (64, 51)
    other = Painter(device="cpu", weights_file="random")
    assert other.prepare(photo_array, [style_array], config).fingerprint == job.fingerprint


# --- what is refused --------------------------------------------------------------------------


def refuse(kind: type[ImpastoError], message: str, call: Callable[[], object]) -> None:
    with pytest.raises(kind, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_tiny_pictures_are_refused_before_anything_is_loaded(
    photo_array: Array, style_array: Array, prepare: Callable[..., Job]
) -> None:
    for shape, painted in (((10, 200, 3), "64x3"), ((20, 200, 3), "64x6"), ((9, 9, 3), "64x64")):
        small = np.zeros(shape, np.uint8)
        refuse(
            ImageError,
            f"array is {shape[1]}x{shape[0]} px and would be painted at {painted}; each side",
            lambda small=small: prepare(small),
        )
    for shape in ((15, 40, 3), (40, 15, 3)):
        tiny = np.zeros(shape, np.uint8)
        refuse(
            ImageError,
            f"style array is only {shape[1]}x{shape[0]} px",
            lambda tiny=tiny: prepare(photo_array, tiny),
        )
    assert complete(prepare(photo_array[:16, :20])).picture.size == (51, 64)
    assert complete(prepare(photo_array, style_array[:16, :16])).picture.size == (64, 51)


def test_a_panorama_is_painted_at_the_default_scales(
    photo_array: Array, prepare: Callable[..., Job]
) -> None:
    wide = np.tile(photo_array[:16], (1, 3, 1))
    assert wide.shape[:2] == (16, 192)
    job = prepare(wide, size=192, scales=None)
    assert complete(job).picture.size == (16, 192)


def test_the_finest_strokes_are_painted(prepare: Callable[..., Job]) -> None:
    assert complete(prepare(stroke_size=0.1)).picture.size == (64, 51)


def test_settings_that_do_not_fit_are_refused_before_painting(
    photo_array: Array, style_array: Array, prepare: Callable[..., Job]
) -> None:
    cases: list[tuple[type[ImpastoError], str, dict[str, Any]]] = [
        (ConfigError, "Unknown layer 'relu9_9' of vgg19", {"style_layers": ("relu9_9",)}),
        (ConfigError, "2 style shares for 1 styles", {"style_shares": (1, 2)}),
        (ConfigError, "last scale has no steps", {"scales": 2, "steps": (1, 0)}),
        (WeightsError, "Unknown weights 'resnet51'", {"backbone": "resnet51"}),
    ]
    for kind, message, settings in cases:
        refuse(kind, message, lambda settings=settings: prepare(**settings))
    refuse(ConfigError, "no setting 'colour'", lambda: impasto.paint("a", "b", colour=1))
    refuse(ConfigError, "Unknown device", lambda: impasto.paint("a", "b", device="gpu"))
    refuse(ImageError, "nowhere.jpg", lambda: prepare("nowhere.jpg"))
    small = Painter(device="cpu", max_pixels=1000)
    refuse(
        ImageTooLargeError,
        "over the limit of 1,000",
        lambda: small.prepare(photo_array, [photo_array]),
    )


def test_a_painting_that_would_not_fit_is_refused_with_advice(
    prepare: Callable[..., Job],
    painter: Painter,
    photo_array: Array,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = PaintConfig(size=4096)
    monkeypatch.setattr(api, "measure_free_memory", lambda _: 3 * 2**29)
    with pytest.raises(MemoryBudgetError, match=r"GiB are free; choose --size \d+ or less") as why:
        painter.prepare(photo_array, [photo_array], config)
    advised = int(str(why.value).split("--size ")[1].split()[0])
    painter.prepare(photo_array, [photo_array], PaintConfig(size=advised))
    painter.prepare(photo_array, [photo_array], config, check_memory=False)
    monkeypatch.setattr(api, "measure_free_memory", lambda _: 0)
    refuse(MemoryBudgetError, "0.0 GiB are free; close other programs", prepare)
    monkeypatch.setattr(api, "measure_free_memory", lambda _: None)
    prepare()


# --- the package ------------------------------------------------------------------------------


def test_public_names_resolve() -> None:
    for name in impasto.__all__:
        assert getattr(impasto, name) is not None
    assert sorted(impasto.__all__) == dir(impasto)
    assert impasto.paint is api.paint
    assert impasto.Painter is Painter
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = impasto.nothing


def test_public_names_are_documented() -> None:
    for name in impasto.__all__:
        if name != "__version__":
            assert getattr(impasto, name).__doc__, name


def test_importing_the_package_or_its_settings_does_not_import_pytorch() -> None:
    code = (
        "import sys, impasto, impasto.config, impasto.errors;"
        "sys.exit(bool({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    folder = Path(impasto.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
