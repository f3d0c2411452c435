"""Sizes of prints: what is read, what is refused, and how a picture fits a frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.errors import ConfigError
from impasto.lengths import fit_length, parse_length


@pytest.mark.parametrize(
    ("text", "inches"),
    [
        ("16in", (16,)),
        ("2.54cm", (1,)),
        ("25,4 mm", (1,)),
        ("30x40cm", (30 / 2.54, 40 / 2.54)),
        (" 12.5 x 10 in ", (12.5, 10)),
    ],
)
def test_lengths_are_read(text: str, inches: tuple[float, ...]) -> None:
    assert parse_length(text) == pytest.approx(inches)


@pytest.mark.parametrize(
    "text", ["", "40", "cm", "40 furlongs", "-3cm", "0cm", "0x4cm", "3x4x5cm", "1e3cm", "nancm"]
)
def test_what_is_none_is_answered_with_what_there_is(text: str) -> None:
    with pytest.raises(ConfigError, match="40cm"):
        parse_length(text)


def test_one_length_is_the_long_side() -> None:
    assert fit_length("16in", (300, 200)) == fit_length("16in", (200, 300)) == 16


@given(st.tuples(st.integers(1, 5000), st.integers(1, 5000)))
def test_a_frame_is_turned_and_filled(size: tuple[int, int]) -> None:
    long = fit_length("12x16in", size)
    short = long * min(size) / max(size)
    assert long <= 16 + 1e-9
    assert short <= 12 + 1e-9
    assert long == pytest.approx(16) or short == pytest.approx(12)
    assert fit_length("16x12in", size) == long == fit_length("12x16in", size[::-1])
