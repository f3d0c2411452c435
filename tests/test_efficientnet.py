"""EfficientNet-Lite0 as an encoder, with weights drawn at random and with the real ones."""

import pytest
import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders import Encoder
from impasto.encoders.efficientnet import BLOCKS, HALVING, EfficientNetLite0
from impasto.errors import ConfigError, ShapeError, WeightsError
from impasto.judges import EFFICIENTNET, find_bundled, read_bundled

#: Channels out, kernel and how much wider it is inside, of each block (Tan & Le 2019, table 1).
SHAPES = (
    (16, 3, 1), (24, 3, 6), (24, 3, 6), (40, 5, 6), (40, 5, 6), (80, 3, 6), (80, 3, 6), (80, 3, 6),
    (112, 5, 6), (112, 5, 6), (112, 5, 6), (192, 5, 6), (192, 5, 6), (192, 5, 6), (192, 5, 6),
    (320, 3, 6),
)  # fmt: skip


def draw_state() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}

    def convolution(name: str, norm: str, inside: int, out: int, kernel: int) -> None:
        weight = torch.randn(out, inside, kernel, kernel, generator=generator)
        state[f"{name}.weight"] = weight * (2 / (inside * kernel**2)) ** 0.5
        for part in ("weight", "running_var"):
            state[f"{norm}.{part}"] = torch.rand(out, generator=generator) + 0.5
        for part in ("bias", "running_mean"):
            state[f"{norm}.{part}"] = torch.randn(out, generator=generator) * 0.1

    convolution("_conv_stem", "_bn0", 3, 32, 3)
    inside = 32
    for index, (out, kernel, wider) in enumerate(SHAPES):
        block, middle = f"_blocks.{index}", inside * wider
        if wider > 1:
            convolution(f"{block}._expand_conv", f"{block}._bn0", inside, middle, 1)
        convolution(f"{block}._depthwise_conv", f"{block}._bn1", 1, middle, kernel)
        convolution(f"{block}._project_conv", f"{block}._bn2", middle, out, 1)
        inside = out
    convolution("_conv_head", "_bn1", 320, 1280, 1)
    state["_fc.weight"] = torch.randn(1000, 1280, generator=generator) * 0.01
    state["_fc.bias"] = torch.zeros(1000)
    return state


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return EfficientNetLite0(draw_state())


def test_it_is_an_encoder(network: EfficientNetLite0) -> None:
    encoder: Encoder = network
    image = torch.rand(1, 3, 96, 128)
    found = encoder(image, ["block10", "block0", "classes"])
    assert set(found) == {"block10", "block0", "classes"}
    assert found["block0"].shape == (1, 16, 48, 64)
    assert found["block10"].shape == (1, 112, 6, 8)
    assert found["classes"].shape == (1, 1000)
    for layer, features in network(image, network.layers[:BLOCKS]).items():
        assert features.shape[-1] == 128 // encoder.stride(layer)
    assert encoder.with_padding("zero") is encoder
    assert encoder.with_precision(torch.float32) is encoder
    double = encoder.with_precision(torch.float64)(image.double(), ["block3"])["block3"]
    assert double.dtype == torch.float64
    assert torch.allclose(double.float(), encoder(image, ["block3"])["block3"], atol=1e-4)


def test_deeper_layers_are_not_computed(
    network: EfficientNetLite0, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[int] = []
    original = EfficientNetLite0._run_block

    def watch(self: EfficientNetLite0, x: Tensor, index: int) -> Tensor:
        run.append(index)
        return original(self, x, index)

    monkeypatch.setattr(EfficientNetLite0, "_run_block", watch)
    network(torch.rand(1, 3, 32, 32), ["block2", "block0"])
    assert run == [0, 1, 2]


def test_its_normalisations_are_folded_exactly() -> None:
    state = draw_state()
    x = torch.rand(1, 3, 32, 32)
    padded = F.pad((x * 255 - 127) / 128, (0, 1, 0, 1))
    plain = F.batch_norm(
        F.conv2d(padded, state["_conv_stem.weight"], stride=2),
        state["_bn0.running_mean"], state["_bn0.running_var"],
        state["_bn0.weight"], state["_bn0.bias"], eps=1e-3,
    )  # fmt: skip
    found = EfficientNetLite0(state)._convolve((x * 255 - 127) / 128, "_conv_stem", 2)
    assert torch.allclose(found, plain, atol=1e-4)


@pytest.mark.parametrize("layer", ["block0", "block3", "block5"])
def test_it_sees_no_further_than_its_reach(network: EfficientNetLite0, layer: str) -> None:
    image = torch.rand(1, 3, 192, 192)
    stride, reach = network.stride(layer), network.reach(layer)
    assert network.stride("block11") == 2 << len(HALVING)
    place = 96 // stride
    before = network(image, [layer])[layer][..., place, place]
    for first, changed in ((place * stride - reach, False), (place * stride - reach // 2, True)):
        other = image.clone()
        other[..., :first] = 1 - other[..., :first]
        same = torch.equal(network(other, [layer])[layer][..., place, place], before)
        assert same is not changed


def test_what_is_wrong_is_said(network: EfficientNetLite0) -> None:
    with pytest.raises(ConfigError, match=r"Unknown layer 'relu4_2'.*block15"):
        network(torch.rand(1, 3, 32, 32), ["relu4_2"])
    with pytest.raises(ShapeError, match=r"\(B, 3, H, W\)"):
        network(torch.rand(1, 1, 32, 32), ["block0"])
    with pytest.raises(ConfigError, match="zeros only"):
        network.with_padding("replicate")
    with pytest.raises(ConfigError, match="whole picture"):
        network.reach("classes")
    state = draw_state()
    del state["_blocks.7._bn1.bias"]
    with pytest.raises(WeightsError, match=r"_blocks\.7\._bn1\.bias is missing"):
        EfficientNetLite0(state)
    with pytest.raises(WeightsError, match="_conv_stem does not fit"):
        EfficientNetLite0(draw_state() | {"_conv_stem.weight": torch.zeros(5, 3, 3, 3)})


@pytest.mark.skipif(find_bundled(EFFICIENTNET) is None, reason="its distribution is missing")
def test_it_knows_a_cat() -> None:
    network = EfficientNetLite0(read_bundled(EFFICIENTNET))
    cat = torch.tensor(skimage.data.chelsea()).permute(2, 0, 1)[None] / 255
    cat = F.interpolate(cat, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)
    assert 281 <= int(network(cat, ["classes"])["classes"].argmax()) <= 285  # domestic cats
