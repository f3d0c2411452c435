"""What the columns of a table of scores are called, which direction is better, what they mean."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A score.

    Attributes:
        key: In JSON and CSV.
        title: Over its column, with an arrow that points to better.
        higher_is_better: That direction.
        meaning: One sentence.
    """

    key: str
    title: str
    higher_is_better: bool
    meaning: str


def list_columns(
    judges: Mapping[str, tuple[str, bool]], *, content: str, sets: bool
) -> tuple[Column, ...]:
    """All columns, those that are not available too.

    Args:
        judges: Key -> name, and whether it is biased.
        content: Key of the content score that ArtFID is made with.
        sets: Whether sets are scored.
    """
    columns = []
    for key, (name, biased) in judges.items():
        mark = " (biased)" if biased else ""
        bias = (
            " The painter optimises this network, if at other layers: biased in its favour."
            if biased
            else " No painter here optimises this network."
        )
        columns += [
            Column(
                f"style_{key}",
                f"style {name}{mark} ↓",
                False,
                "How far means and covariances of activations are from the style's, relative to"
                f" them; 0 is the style itself.{bias}",
            ),
            Column(
                f"content_{key}",
                f"content {name}{mark} ↓",
                False,
                "How far activations are from the photograph's at each place; 0 is the photograph,"
                f" about 1 a picture of something else.{bias}",
            ),
        ]
    return (*columns, *_list_others(content, sets=sets))


def _list_others(content: str, *, sets: bool) -> list[Column]:
    columns = [
        Column(
            "lpips",
            "LPIPS ↓",
            False,
            "Perceptual distance from the photograph with the published weights on VGG-16 (Zhang et"
            " al. 2018); 0 is the photograph. Strokes cost as much as damage.",
        ),
        Column(
            "ssim",
            "SSIM ↑",
            True,
            "Structural similarity of luminance with the photograph (Wang et al. 2004); 1 is the"
            " photograph. Falls with every stroke, also with good ones.",
        ),
        Column(
            "edges",
            "edges ↑",
            True,
            "Structural similarity of edges with the photograph's; 1 is all of them. Blind to"
            " colour and contrast.",
        ),
        Column(
            "colors",
            "colours ↓",
            False,
            "Sliced Wasserstein distance of colours in OkLab from the style's; 0 is its palette."
            " Blind to where the colours are.",
        ),
        Column(
            "sifid",
            "SIFID-like ↓",
            False,
            "Fréchet distance of the first judge's shallow activations over positions from the"
            " style's, as a share of their energy (after Shaham et al. 2019, not with Inception):"
            " texture alone, no forms.",
        ),
    ]
    fid = "SIFID-like"
    if sets:
        fid = "FID-like"
        columns.append(
            Column(
                "fid",
                "FID-like ↓",
                False,
                "Fréchet distance of the first judge's deep activations between all results and all"
                " styles, as a share of their energy, with a shrunk covariance (after Heusel et al."
                " 2017, not with Inception). Sets of other sizes do not compare.",
            )
        )
    columns.append(
        Column(
            "artfid",
            "ArtFID-like ↓",
            False,
            f"(1 + {content}) x (1 + {fid} / the photograph's own), after Wright & Ommer 2022. A"
            " plain copy of either picture scores about 2 and can win it: look at the baselines.",
        )
    )
    return columns
