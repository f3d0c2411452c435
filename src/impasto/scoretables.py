"""Tables of scores: rows, columns, which direction is better, and what each means."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


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


@dataclass(frozen=True)
class ScoreRow:
    """Scores of one picture, or means over a set.

    Attributes:
        picture: Its name.
        kind: A result, or one of the two baselines.
        values: Key of a column -> value; what is not available is not there.
    """

    picture: str
    kind: Literal["photograph", "style", "result"]
    values: Mapping[str, float]


@dataclass(frozen=True)
class ScoreTable:
    """Results and baselines.

    Attributes:
        columns: What was measured, and which direction is better.
        rows: The photograph, the styles, then the results.
        notes: What a reader must know, a sentence each.
    """

    columns: tuple[Column, ...]
    rows: tuple[ScoreRow, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {
            "columns": [vars(column) for column in self.columns],
            "rows": [{"picture": row.picture, "kind": row.kind, **row.values} for row in self.rows],
            "notes": list(self.notes),
        }

    def to_csv(self) -> str:
        """A line of keys, then a line for each row; empty where a score is not available."""
        text = io.StringIO()
        keys = [column.key for column in self.columns]
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["picture", "kind", *keys])
        for row in self.rows:
            values = [f"{row.values[key]:.6g}" if key in row.values else "" for key in keys]
            writer.writerow([row.picture, row.kind, *values])
        return text.getvalue()


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
