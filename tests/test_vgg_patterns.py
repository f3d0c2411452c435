"""VGG looking at a tile: it sees the plane that the tile covers, and pulls slopes back from it."""

import typing
from collections.abc import Callable, Mapping

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.config import Pattern, Pooling
from impasto.encoders.vgg import POOLING_GAIN, VGG
from impasto.errors import ConfigError, ShapeError
from impasto.patterns import cut_window, wraps

PATTERNS = typing.get_args(Pattern)
MOVED = [kind for kind in PATTERNS if wraps(kind)]
LAYERS = ("relu1_1", "relu2_2", "pool3", "relu4_1", "relu5_1")
States = Callable[[str], Mapping[str, Tensor]]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=["AVX2", "AVX512"])
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The one takes Winograd's convolutions, the other the plain ones."""
    capability = str(request.param)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    return capability


@pytest.fixture(scope="module")
def small(random_state: States) -> VGG:
    return VGG("vgg16", random_state("vgg16"), pooling="average")


def look_literally(encoder: VGG, image: Tensor, mode: str) -> dict[str, Tensor]:
    """The network written out with `F.pad` before each convolution, for autograd to follow."""
    x = (image - encoder.mean) / encoder.std
    found = {}
    for name in encoder.layers:
        if name.startswith("pool") and encoder.pooling == "max":
            x = F.max_pool2d(x, 2)
        elif name.startswith("pool"):
            squares = encoder.pooling == "l2"
            x = F.avg_pool2d(x.square() if squares else x, 2)
            x = ((x + 1e-8).sqrt() if squares else x) * encoder.gain
        else:
            weight, bias = getattr(encoder, f"{name}_weight"), getattr(encoder, f"{name}_bias")
            x = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode), weight, bias))
        found[name] = x
    return {name: found[name] for name in LAYERS}


def pull_back(found: Mapping[str, Tensor], image: Tensor) -> Tensor:
    """A slope with which every activation counts, each in another way."""
    total = sum(
        (found[name] * draw(*found[name].shape, seed=seed)).sum() / found[name].detach().norm()
        for seed, name in enumerate(LAYERS)
    )
    return torch.autograd.grad(total, image)[0]


@pytest.mark.parametrize("pooling", POOLING_GAIN)
@pytest.mark.parametrize(("kind", "mode"), [("straight", "circular"), ("mirror", "replicate")])
def test_padding_in_every_layer_and_its_slope_are_those_of_pytorch(
    kind: Pattern, mode: str, pooling: Pooling, random_state: States, processor: str
) -> None:
    encoder = VGG("vgg16", random_state("vgg16"), pooling=pooling, padding=kind)
    image = draw(2, 3, 32, 48).requires_grad_(True)
    found, wanted = encoder(image, LAYERS), look_literally(encoder, image, mode)
    for name in LAYERS:
        assert found[name].shape == wanted[name].shape
        assert (found[name] - wanted[name]).norm() < 1e-5 * wanted[name].norm(), name
    slope, wanted_slope = pull_back(found, image), pull_back(wanted, image)
    # Rounding decides some maxima otherwise, and whether a few neurons fire at all.
    tolerance = 1e-2 if pooling == "max" else 1e-3
    assert (slope - wanted_slope).norm() < tolerance * wanted_slope.norm()


@pytest.mark.parametrize("kind", ["half-drop", "half-brick"])
def test_half_a_tile_aside_is_as_two_tiles_side_by_side(
    kind: Pattern, small: VGG, processor: str
) -> None:
    height, width = 64, 32
    tile = draw(1, 3, height, width).mT if kind == "half-brick" else draw(1, 3, height, width)
    height, width = tile.shape[-2:]
    image = tile.clone().requires_grad_(True)
    across, down = (1, 2) if kind == "half-brick" else (2, 1)
    pair = cut_window(image, (0, down * height), (0, across * width), kind)
    found = small.with_padding(kind)(image, LAYERS)
    seen = small.with_padding("straight")(pair, LAYERS)
    own = {
        name: one[..., : one.shape[-2] // down, : one.shape[-1] // across]
        for name, one in seen.items()
    }
    for name in LAYERS:
        assert (found[name] - own[name]).norm() < 1e-5 * own[name].norm(), name
    slope, wanted = pull_back(found, image), pull_back(own, image)
    assert (slope - wanted).norm() < 1e-3 * wanted.norm()


@pytest.mark.parametrize("kind", MOVED)
def test_a_plane_cut_elsewhere_looks_the_same(kind: Pattern, small: VGG, processor: str) -> None:
    encoder, tile = small.with_padding(kind), draw(1, 3, 64, 64)
    moved = encoder(cut_window(tile, (-16, 48), (32, 96), kind), LAYERS)
    for name, here in encoder(tile, LAYERS).items():
        stride, (height, width) = encoder.stride(name), here.shape[-2:]
        rows = (-16 // stride, height - 16 // stride)
        columns = (32 // stride, width + 32 // stride)
        torch.testing.assert_close(
            moved[name], cut_window(here, rows, columns, kind), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("kind", PATTERNS)
def test_slopes_are_pulled_back_as_differences_show(kind: Pattern, small: VGG) -> None:
    encoder = small.with_padding(kind).with_precision(torch.float64)
    image = draw(1, 3, 32, 32).double().requires_grad_(True)
    (slope,) = torch.autograd.grad(measure(encoder, image), image)
    with torch.no_grad():
        # At a corner, where a border of every kind is at work.
        for place in ((0, 0), (0, 31), (31, 0), (31, 31), (0, 16), (16, 31)):
            step = torch.zeros_like(image)
            step[0, 1, *place] = 1e-6
            rise = measure(encoder, image + step) - measure(encoder, image - step)
            assert float(rise) == pytest.approx(2e-6 * float(slope[0, 1, *place]), rel=1e-4)


def measure(encoder: VGG, image: Tensor) -> Tensor:
    return sum(one.square().mean() for one in encoder(image, LAYERS).values())


def test_half_precision_repeats_too(small: VGG) -> None:
    image = draw(1, 3, 32, 64).requires_grad_(True)
    exact = small.with_padding("half-drop")
    half = exact.with_precision(torch.bfloat16)
    assert half.padding == "half-drop"
    found, wanted = half(image, LAYERS), exact(image, LAYERS)
    for name in LAYERS:
        assert (found[name].float() - wanted[name]).norm() < 0.02 * wanted[name].norm()


def test_another_padding_leaves_the_original_alone(small: VGG) -> None:
    image = draw(1, 3, 32, 32)
    before = small(image, ["relu4_1"])["relu4_1"]
    other = small.with_padding("straight")
    assert other is not small
    assert other.padding == "straight"
    assert not torch.allclose(other(image, ["relu4_1"])["relu4_1"], before, atol=1e-3)
    assert torch.equal(small(image, ["relu4_1"])["relu4_1"], before)
    assert torch.equal(other.with_padding("replicate")(image, ["relu4_1"])["relu4_1"], before)
    assert small.with_padding("replicate") is small
    with pytest.raises(ConfigError, match="Unknown padding 'reflect'; choose from "):
        small.with_padding("reflect")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "size", "fitting"),
    [
        ("straight", (32, 40), "32x32|48x32"),
        ("half-drop", (48, 32), "32x64"),
        ("half-brick", (32, 48), "64x32"),
        ("mirror", (33, 32), "32x32"),
    ],
)
def test_a_size_that_poolings_would_cut_is_refused(
    kind: Pattern, size: tuple[int, int], fitting: str, small: VGG
) -> None:
    encoder = small.with_padding(kind)
    with pytest.raises(ShapeError, match=f"does not repeat as {kind} .*; ({fitting}) px does"):
        encoder(draw(1, 3, *size), ["relu5_1"])
    if kind != "mirror":
        encoder(draw(1, 3, *size), ["relu3_1"])
