"""Names of the ways in which a style is measured, such as gram, sliced or gram:1,moments:0.5.

Free of PyTorch, so that the command line can check them at once; `impasto.statistics` measures.
"""

from impasto.errors import ConfigError

#: Every statistic by name: what it compares.
STATISTIC_KINDS: dict[str, str] = {
    "moments": "mean and covariance, the default",
    "gram": "Gram matrices (Gatys et al. 2016)",
    "mean-std": "mean and spread of each channel (Li et al. 2017)",
    "covariance": "covariance alone",
    "wasserstein": "Wasserstein-2 distance of normal distributions",
    "mmd-linear": "maximum mean discrepancy, linear kernel: means alone (Li et al. 2017)",
    "mmd-poly": "the same with a polynomial kernel of degree 2",
    "mmd-gaussian": "the same with a Gaussian kernel",
    "histogram": "histograms of each channel (Risser et al. 2017)",
    "sliced": "histograms in many directions (Heitz et al. 2021)",
    "shifted-gram": "Gram matrices of places some way apart (Berger and Memisevic 2017)",
    "cross-gram": "Gram matrices across neighbouring layers (Novak and Nikulin 2016)",
    "patches": "nearest patches of 3 x 3 positions (Li and Wand 2016)",
}

#: Those that means and second moments decide: a softmax over a whole layer can be told from these.
OF_MOMENTS = frozenset(
    ("moments", "gram", "mean-std", "covariance", "wasserstein", "mmd-linear", "mmd-poly")
)


def parse_statistics(text: str) -> dict[str, float]:
    """Read statistics such as `gram` or `gram:1,moments:0.5` into name -> weight.

    Raises:
        ConfigError: If a name is unknown or named twice, or a weight is not a positive number.
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, colon, weight = (word.strip() for word in part.partition(":"))
        if name not in STATISTIC_KINDS:
            raise ConfigError(
                f"--statistic: there is no {name!r}; choose of {', '.join(STATISTIC_KINDS)}, or"
                " several with weights: gram:1,moments:0.5."
            )
        if name in weights:
            raise ConfigError(f"--statistic: {name} is named twice; give it one weight.")
        weights[name] = _read_weight(name, weight) if colon else 1.0
    return weights


def _read_weight(name: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise ConfigError(f"--statistic: the weight of {name} must be above 0, not {text!r}.")
    return weight
