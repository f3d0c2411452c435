"""Names of statistics and their weights, as they are typed."""

import pytest

from impasto.config import PaintConfig
from impasto.errors import ConfigError
from impasto.statisticnames import OF_MOMENTS, STATISTIC_KINDS, parse_statistics
from impasto.statistics import STATISTICS


def test_every_name_is_measured() -> None:
    assert list(STATISTIC_KINDS) == list(STATISTICS)


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("gram", {"gram": 1.0}),
        ("gram:1,moments:0.5", {"gram": 1.0, "moments": 0.5}),
        (" sliced : 2e-1 , patches", {"sliced": 0.2, "patches": 1.0}),
    ],
)
def test_names_and_weights_are_read(text: str, weights: dict[str, float]) -> None:
    assert parse_statistics(text) == weights
    assert PaintConfig(statistic=text).statistics == weights


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grams", "there is no 'grams'; choose of moments, gram,"),
        ("", "there is no ''"),
        ("gram,", "there is no ''"),
        ("gram:0", "the weight of gram must be above 0, not '0'"),
        ("gram:-1", "must be above 0, not '-1'"),
        ("gram:inf", "must be above 0, not 'inf'"),
        ("gram:nan", "must be above 0, not 'nan'"),
        ("gram:much", "must be above 0, not 'much'"),
        ("gram:", "must be above 0, not ''"),
        ("gram,sliced,gram:2", "gram is named twice; give it one weight"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match="--statistic: ") as caught:
        PaintConfig(statistic=text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_left_out_it_follows_the_loss() -> None:
    assert PaintConfig().statistics == {"moments": 1.0}
    for loss in ("gatys", "johnson", "tutorial"):
        assert PaintConfig(loss=loss).statistics == {"gram": 1.0}
        assert PaintConfig(loss=loss, statistic="gram").resolve().statistics == {"gram": 1.0}
    assert "statistic" not in PaintConfig().to_dict()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "gatys", "statistic": "sliced"}, "--loss gatys is a scaling of Gram matrices"),
        ({"loss": "johnson", "statistic": "gram,moments"}, "--loss johnson is a scaling of Gram"),
        ({"loss": "gatys", "content_loss": "self-similarity"}, "leave --content-loss out"),
        ({"content_loss": "colours"}, "--content-loss"),
    ],
)
def test_what_contradicts_is_told_in_one_line(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PaintConfig(**settings)


def test_those_of_moments_are_the_registrys() -> None:
    assert {name for name, one in STATISTICS.items() if one.of_moments is not None} == OF_MOMENTS


def test_a_softmax_goes_with_moments_only() -> None:
    with pytest.raises(ConfigError, match="sliced does not go with --smoothing softmax"):
        PaintConfig(statistic="gram,sliced", smoothing="softmax")
    assert PaintConfig(statistic="wasserstein", smoothing="softmax").smooths
