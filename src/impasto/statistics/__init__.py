"""How a style is measured: statistics of activations over all positions of a picture.

One family a file. What is a sum over positions is collected piece by piece and compared as a
whole; what is matched compares each position with a target that is found first.
"""

from impasto.statistics.distances import moments_distance
from impasto.statistics.moments import (
    Moments,
    blend_moments,
    collect_moments,
    covariance,
    energy,
    gram_matrix,
)
from impasto.statistics.registry import STATISTICS, Statistic
from impasto.statistics.similarity import self_similarity
from impasto.statistics.views import Sums, Target, View

__all__ = [
    "STATISTICS",
    "Moments",
    "Statistic",
    "Sums",
    "Target",
    "View",
    "blend_moments",
    "collect_moments",
    "covariance",
    "energy",
    "gram_matrix",
    "moments_distance",
    "self_similarity",
]
