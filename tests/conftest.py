"""Shared by all tests: small real pictures, the real VGG-19, and a cache folder of their own."""

import functools
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping

import hypothesis
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import weights
from impasto.cli import main
from impasto.encoders.vgg import BLOCKS, CHANNELS, VGG

# A deadline would make each property a timed test.
hypothesis.settings.register_profile("impasto", deadline=None)
hypothesis.settings.load_profile("impasto")
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _impasto_home() -> Iterator[None]:
    """A cache folder for this run, so that no test touches the user's; it takes 80 MB."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_HOME", folder)
        yield


@pytest.fixture(scope="session")
def photo() -> Tensor:
    """A portrait, (1, 3, 80, 64)."""
    return _shrink(skimage.data.astronaut()[:480, 32:416], 6)


@pytest.fixture(scope="session")
def style() -> Tensor:
    """A cup of coffee, (1, 3, 80, 120): warm colours, strong shapes."""
    return _shrink(skimage.data.coffee(), 5)


@pytest.fixture(scope="session")
def make_vgg19() -> Callable[..., VGG]:
    """Builds the real VGG-19 with given options; average pooling if nothing is said."""
    state, architecture, preprocessing = weights.read("vgg19")

    def make(**options: object) -> VGG:
        options = {"preprocessing": preprocessing, "pooling": "average"} | options
        return VGG(architecture, state, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def vgg19(make_vgg19: Callable[..., VGG]) -> VGG:
    """The real VGG-19 in float32."""
    return make_vgg19()


@pytest.fixture(scope="session")
def random_state() -> Callable[[str], Mapping[str, Tensor]]:
    """Makes torchvision's state dict of an architecture with weights drawn at random."""
    return _draw_weights


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call the command line; gives (exit code, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def _shrink(picture: object, factor: int) -> Tensor:
    pixels = torch.tensor(picture).permute(2, 0, 1)[None] / 255
    return F.avg_pool2d(pixels, factor)


@functools.cache
def _draw_weights(architecture: str) -> dict[str, Tensor]:
    """Numbered as torchvision numbers its layers; activations keep their size through them."""
    generator = torch.Generator().manual_seed(5)
    normalised = architecture.endswith("_bn")
    state: dict[str, Tensor] = {}
    index, channels_in = 0, 3
    for count, channels in zip(BLOCKS[architecture.removesuffix("_bn")], CHANNELS, strict=True):
        for _ in range(count):
            weight = torch.randn((channels, channels_in, 3, 3), generator=generator)
            state[f"features.{index}.weight"] = weight * (2 / (9 * channels_in)) ** 0.5
            state[f"features.{index}.bias"] = torch.randn(channels, generator=generator) * 0.1
            if normalised:
                key = f"features.{index + 1}"
                state[f"{key}.weight"] = torch.rand(channels, generator=generator) + 0.5
                state[f"{key}.bias"] = torch.randn(channels, generator=generator) * 0.1
                state[f"{key}.running_mean"] = torch.randn(channels, generator=generator) * 0.1
                state[f"{key}.running_var"] = torch.rand(channels, generator=generator) + 0.5
            index, channels_in = index + (3 if normalised else 2), channels
        index += 1
    return state
