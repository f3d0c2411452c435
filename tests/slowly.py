"""Marks cases of a test that take long and differ little from the others."""

from collections.abc import Iterable

import pytest


def slow(*values: object) -> object:
    """A case for `make test-slow` only."""
    return pytest.param(*values, marks=pytest.mark.slow)


def all_slow_but(quick: Iterable[object], values: Iterable[object]) -> list[object]:
    """The values, of which `make test` tries the quick ones only; those must be among them."""
    quick, values = tuple(quick), tuple(values)
    assert set(quick) <= set(values)
    return [value if value in quick else slow(value) for value in values]
