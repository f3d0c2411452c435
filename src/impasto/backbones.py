"""Networks that can look at pictures, by name: which family, and which layers by default.

Free of PyTorch, since `impasto.config` fills in layers from here. The networks themselves are in
`impasto.encoders`, where their weights come from is in `impasto.weights`.
"""

import re
from typing import NamedTuple


class Layers(NamedTuple):
    """Where a backbone is looked at if nothing is said.

    Attributes:
        content: Layers that must match the photograph.
        style: Layers whose statistics must match the painting.
        style_weights: One for each of them.
    """

    content: tuple[str, ...]
    style: tuple[str, ...]
    style_weights: tuple[float, ...]


#: Style layers have strides of 2, 4, 8 and 16 px, which count less and less; content layers of 4
#: and 8, as VGG's, so that the steps which look at fine layers only still see content.
_FALLING = (0.5, 0.35, 0.1, 0.05)

_LAYERS: dict[str, Layers] = {
    "resnet18": Layers(
        ("layer1_2", "layer2_2"), ("relu1", "layer1_2", "layer2_2", "layer3_2"), _FALLING
    ),
    "resnet34": Layers(
        ("layer1_3", "layer2_4"), ("relu1", "layer1_3", "layer2_4", "layer3_6"), _FALLING
    ),
    "resnet50": Layers(
        ("layer1_3", "layer2_4"), ("relu1", "layer1_3", "layer2_4", "layer3_6"), _FALLING
    ),
    "resnet101": Layers(
        ("layer1_3", "layer2_4"), ("relu1", "layer1_3", "layer2_4", "layer3_6"), _FALLING
    ),
    "densenet121": Layers(
        ("denseblock1", "transition1"),
        ("relu0", "denseblock1", "denseblock2", "transition2"),
        _FALLING,
    ),
    "efficientnet_lite0": Layers(
        ("block2", "block4"), ("stem", "block2", "block4", "block8"), _FALLING
    ),
}
_LAYERS["wide_resnet50_2"] = _LAYERS["resnet50"]

#: All networks that can be built.
ARCHITECTURES: tuple[str, ...] = ("vgg16", "vgg19", "vgg16_bn", "vgg19_bn", *_LAYERS)


def find_architecture(backbone: str) -> str:
    """The network that a set of weights is for: `vgg19-torchvision` is a `vgg19`.

    A name that nobody knows is given back as it is.
    """
    return re.sub(r"-(torchvision|v2)$", "", backbone)


def find_family(backbone: str) -> str:
    """Family of a network: `vgg`, `resnet`, `densenet` or `efficientnet`."""
    found = re.match(r"(?:wide_)?(vgg|resnet|densenet|efficientnet)", backbone)
    return found[1] if found else backbone


def find_layers(backbone: str) -> Layers | None:
    """Default layers of a network; None for VGG, whose layers belong to the loss."""
    return _LAYERS.get(find_architecture(backbone))
