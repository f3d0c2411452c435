"""LPIPS against its definition, and against the published package where that is installed."""

import contextlib
import importlib
import sys

import pytest
import torch
from torch import Tensor

from impasto.encoders.vgg import VGG
from impasto.errors import ShapeError
from impasto.judges import LPIPS_LAYERS, Lpips
from impasto.metrics import measure_lpips

CHANNELS = (64, 128, 256, 512, 512)


@pytest.fixture(scope="module")
def heads() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        layer: torch.rand(channels, generator=generator)
        for layer, channels in zip(LPIPS_LAYERS, CHANNELS, strict=True)
    }


@pytest.fixture(scope="module")
def lpips(random_state: object, heads: dict[str, Tensor]) -> Lpips:
    return Lpips(VGG("vgg16", random_state("vgg16"), padding="zero"), heads)  # type: ignore[operator]


def test_by_hand() -> None:
    one = {"a": torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)}
    other = {"a": torch.tensor([0.0, 9.0]).view(1, 2, 1, 1)}
    # Unit vectors (0.6, 0.8) and (0, 1): 0.36 x 2 + 0.04 x 5.
    assert measure_lpips(one, other, {"a": torch.tensor([2.0, 5.0])}) == pytest.approx(0.92)
    assert measure_lpips(one, one, {"a": torch.ones(2)}) == 0
    with pytest.raises(ShapeError, match="3 weights"):
        measure_lpips(one, other, {"a": torch.ones(3)})


def test_it_is_symmetric_and_grows_with_noise(lpips: Lpips, photo: Tensor) -> None:
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    seen = [lpips.look((photo + amount * noise).clamp(0, 1)) for amount in (0, 0.02, 0.05, 0.2)]
    distances = [lpips.compare(seen[0], one) for one in seen]
    assert distances[0] == 0
    assert distances == sorted(distances)
    assert distances[-1] > 0.05
    assert lpips.compare(seen[3], seen[0]) == pytest.approx(distances[3])


@pytest.mark.filterwarnings("ignore::UserWarning:torchvision")
def test_the_published_package_gives_the_same(
    lpips: Lpips, photo: Tensor, random_state: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same random backbone."""
    library = _declare_operators()
    try:
        peer = importlib.import_module("lpips").LPIPS(net="vgg", pnet_rand=True, verbose=False)
    finally:
        del library
        for name in [one for one in sys.modules if one.partition(".")[0] == "torchvision"]:
            monkeypatch.delitem(sys.modules, name)
    state = random_state("vgg16")  # type: ignore[operator]
    for part in (peer.net.slice1, peer.net.slice2, peer.net.slice3, peer.net.slice4,
                 peer.net.slice5):  # fmt: skip
        for index, layer in part.named_children():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.data = state[f"features.{index}.weight"]
                layer.bias.data = state[f"features.{index}.bias"]
    published = {
        layer: peer.state_dict()[f"lin{index}.model.1.weight"].flatten()
        for index, layer in enumerate(LPIPS_LAYERS)
    }
    mine = Lpips(lpips.encoder, published)
    other = photo.flip(3)
    with torch.no_grad():
        expected = float(peer(photo, other, normalize=True))
    assert mine.compare(mine.look(photo), mine.look(other)) == pytest.approx(expected, rel=1e-4)


def _declare_operators() -> torch.library.Library:
    """What torchvision wants of its C++ half, which a CPU build from elsewhere lacks."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):  # where it has them after all
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
