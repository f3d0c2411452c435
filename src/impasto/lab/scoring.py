"""The one place where the numbers beside a picture are computed."""

from collections.abc import Sequence

from torch import Tensor

from impasto.metrics import color_distance, measure_likeness
from impasto.regions import pair_masks

#: Score -> what it says, for the report; those that are better when smaller say so.
MEANINGS = {
    "SSIM": "structure shared with the photograph; 1 is all of it",
    "edges": "edges shared with the photograph; 1 is all of them",
    "colours": "distance from the style's colours; 0 is the same",
}


def measure(
    picture: Tensor, photograph: Tensor | None, styles: Sequence[Tensor]
) -> dict[str, float]:
    """Scores of a picture.

    Args:
        picture: Shape (1, 3, H, W), values in [0, 1].
        photograph: Shape (1, 3, any, any); None for a texture, which has none.
        styles: Each (1, 3, any, any); none for a reconstruction of content.

    Returns:
        Score -> value; only those that make sense.
    """
    scores: dict[str, float] = {}
    if photograph is not None and min(picture.shape[-2:]) >= 16:
        likeness = measure_likeness(picture, photograph)
        scores |= {"SSIM": likeness.ssim, "edges": likeness.edges}
    if styles:
        scores["colours"] = color_distance(picture, styles, pair_masks(len(styles), ()))
    return {name: round(value, 4) for name, value in scores.items()}
