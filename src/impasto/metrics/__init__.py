"""Scores of a result, tensors in and numbers out: no single one of them is right.

`likeness` compares pictures, `distances` what a network sees in them, `frechet` distributions of
that, `perceptual` weighs it as people do. Which network looks is said in `impasto.judges`.
"""

from impasto.metrics.distances import compare_contents, compare_styles
from impasto.metrics.frechet import (
    Gaussian,
    blend_gaussians,
    estimate_gaussian,
    frechet_distance,
    pool_cells,
    relative_frechet,
    shrink_covariance,
)
from impasto.metrics.likeness import (
    Likeness,
    Scores,
    color_distance,
    edge_ssim,
    luminance,
    measure_edges,
    measure_likeness,
    ssim,
)
from impasto.metrics.perceptual import measure_lpips

__all__ = [
    "Gaussian",
    "Likeness",
    "Scores",
    "blend_gaussians",
    "color_distance",
    "compare_contents",
    "compare_styles",
    "edge_ssim",
    "estimate_gaussian",
    "frechet_distance",
    "luminance",
    "measure_edges",
    "measure_likeness",
    "measure_lpips",
    "pool_cells",
    "relative_frechet",
    "shrink_covariance",
    "ssim",
]
