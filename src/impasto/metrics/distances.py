"""How far two pictures are apart in what a network sees in them, without a unit."""

from torch import Tensor

from impasto.statistics import Moments, covariance


def compare_styles(actual: Moments, wanted: Moments) -> float:
    """Mean of |mu - mu*| / |mu*| and |S - S*|_F / |S*|_F, S the covariance over positions.

    Args:
        actual: Of a result in one layer.
        wanted: Of the style; what the distance is relative to.

    Returns:
        0 for equal statistics, about 1 for strangers; nothing bounds it.
    """
    spread, aim = covariance(actual), covariance(wanted)
    means = (actual.mean - wanted.mean).norm() / wanted.mean.norm().clamp(min=1e-12)
    return float(means + (spread - aim).norm() / aim.norm().clamp(min=1e-12)) / 2


def compare_contents(actual: Tensor, given: Tensor) -> float:
    """|F - P|^2 / (|F|^2 + |P|^2): 0 for equals, 1 for strangers, however strong either is.

    Args:
        actual: Activations of a result, any shape.
        given: Those of the photograph, the same shape.
    """
    difference = (actual - given).square().sum()
    strengths = actual.square().sum() + given.square().sum()
    return float(difference / strengths.clamp(min=1e-12))
