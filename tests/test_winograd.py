from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from impasto.encoders import winograd
from impasto.encoders.vgg import VGG


def make_pair(inputs: int, outputs: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn((outputs, inputs, 3, 3), generator=generator) / inputs
    return weight, winograd.transform_kernel(weight)


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 23),
    width=st.integers(1, 23),
    inputs=st.sampled_from([1, 3, 8]),
    outputs=st.sampled_from([1, 5, 8]),
    batch=st.integers(1, 2),
    padding=st.integers(0, 2),
)
def test_it_is_the_plain_convolution_at_any_size(
    height: int, width: int, inputs: int, outputs: int, batch: int, padding: int
) -> None:
    assume(min(height, width) + 2 * padding >= 3)
    weight, kernel = make_pair(inputs, outputs)
    x = torch.rand(batch, inputs, height, width)
    expected = F.conv2d(x.double(), weight.double(), padding=padding)
    found = winograd.convolve(x, kernel, padding)
    assert found.shape == expected.shape
    # Against the largest sum that could come out, for the sum itself may cancel to nothing.
    bound = F.conv2d(x.double(), weight.double().abs(), padding=padding).max()
    assert (found - expected).abs().max() <= 3e-5 * bound


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("channels", [128, 256])
def test_bands_join_without_a_seam(
    channels: int, padding: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight, kernel = make_pair(channels, channels)
    x = torch.rand(1, channels, 29, 41).to(memory_format=torch.channels_last)
    whole = winograd.convolve(x, kernel, padding)
    monkeypatch.setattr(winograd, "_BAND", 1)
    monkeypatch.setattr(winograd, "_WIDE_BAND", 1)
    by_rows = winograd.convolve(x, kernel, padding)
    expected = F.conv2d(x, weight, padding=padding)
    for found in (whole, by_rows):
        assert (found - expected).abs().max() <= 2e-5 * expected.abs().max()


def test_the_input_is_left_alone() -> None:
    _, kernel = make_pair(8, 8)
    x = torch.rand(1, 8, 12, 12)
    before = x.clone()
    winograd.convolve(x, kernel)
    assert torch.equal(x, before)


def test_it_is_taken_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    wide, thin = torch.rand(128, 256, 3, 3), torch.rand(128, 64, 3, 3)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert winograd.pays(wide)
    assert not winograd.pays(thin)
    assert not winograd.pays(wide.bfloat16())
    assert not winograd.pays(torch.rand(128, 128, 1, 1))
    assert not winograd.pays(wide.to("meta"))
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert not winograd.pays(wide)


def test_a_network_sees_the_same_either_way(
    make_vgg19: Callable[..., VGG], photo: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for capability in ("AVX2", "AVX512"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda c=capability: c)
        encoder = make_vgg19()
        leaf = photo.clone().requires_grad_(True)
        features = encoder(leaf, ["relu3_1", "relu4_2"])
        total = sum(one.square().mean() / one.detach().square().mean() for one in features.values())
        found.append((features, torch.autograd.grad(total, leaf)[0]))
    (ours, our_slope), (plain, plain_slope) = found
    for layer, expected in plain.items():
        assert (ours[layer] - expected).norm() <= 1e-5 * expected.norm()
    assert (our_slope - plain_slope).norm() <= 1e-3 * plain_slope.norm()
