"""Sizes of prints as people write them: 40cm, 30x40cm, 16in. Free of PyTorch, as settings are."""

import re

from impasto.errors import ConfigError

_NUMBER = r"(\d+(?:[.,]\d+)?)"
#: One length or two with an x between, and a unit; in a form that JSON schemas can hold too.
LENGTH = rf"^ *{_NUMBER}(?: *x *{_NUMBER})? *(mm|cm|in) *$"
#: Dots per inch of a print if nothing is said: what print shops ask for.
USUAL_DPI = 300.0

_INCHES = {"mm": 1 / 25.4, "cm": 1 / 2.54, "in": 1.0}


def parse_length(text: str) -> tuple[float, ...]:
    """Read a length such as 40cm, or two such as 30x40cm, in inches.

    Raises:
        ConfigError: If it is none, or zero.
    """
    if found := re.fullmatch(LENGTH, text):
        *numbers, unit = found.groups()
        sides = [float(number.replace(",", ".")) for number in numbers if number]
        if min(sides) > 0:
            return tuple(side * _INCHES[unit] for side in sides)
    raise ConfigError(
        "--size: write pixels such as 1024, a length such as 40cm, 30x40cm or 16in, or photo,"
        f" not {text!r}."
    )


def fit_length(text: str, size: tuple[int, int]) -> float:
    """Long side in inches of a picture of (H, W) that is to be printed at a length.

    One length is that of the long side. Two are a frame, upright or lengthwise as the picture
    is, which it fills without being cut.
    """
    lengths = parse_length(text)
    if len(lengths) == 1:
        return lengths[0]
    return min(max(lengths), min(lengths) * max(size) / min(size))
