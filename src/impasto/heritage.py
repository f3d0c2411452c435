"""Trained weights that another network goes on from."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from impasto.errors import ConfigError
from impasto.files import digest_of
from impasto.trained import read_card, read_weights

#: Networks with the same convolutions, and a row of scales and of shifts for each style.
_WITH_ROWS = frozenset(("johnson", "dumoulin"))
_ROWS = (".scale", ".shift")
#: Names of tensors that are told; the rest is a number.
_NAMES = 4


@dataclass(frozen=True)
class Bequest:
    """What a network begins with.

    Attributes:
        state: All its weights.
        new: Names of those that stay as they were drawn.
        strangers: Styles that begin as the mean of the other network's.
    """

    state: dict[str, Tensor]
    new: tuple[str, ...]
    strangers: tuple[str, ...]


class Heritage:
    """A trained network that another one goes on from.

    Args:
        path: Its file.
        network: Kind of the one that goes on, see `impasto.networks.NETWORKS`.

    Attributes:
        card: What the file says of itself.

    Raises:
        WeightsError: If the file is no trained network.
        ConfigError: If that kind cannot go on from it.
    """

    def __init__(self, path: Path, network: str) -> None:
        self.path, self.card = path, read_card(path)
        if self.card.network != network and not {self.card.network, network} <= _WITH_ROWS:
            raise ConfigError(
                f"{path.name} is a {self.card.network} network, from which {network} cannot go on;"
                " choose another --start."
            )

    @functools.cached_property
    def identity(self) -> dict[str, str]:
        """Name and SHA-256 of the file."""
        return {"name": self.path.name, "sha256": digest_of(self.path)}

    @property
    def arguments(self) -> dict[str, int]:
        """Numbers that it was built with, but for that of its styles."""
        return {name: size for name, size in self.card.arguments.items() if name != "styles"}

    def hand_down(self, fresh: Mapping[str, Tensor], styles: Sequence[str]) -> Bequest:
        """All tensors that fit by name and shape; of styles, those with the same name.

        Args:
            fresh: The weights of the network that goes on, as drawn.
            styles: Names of the styles that it is to hold.

        Raises:
            ConfigError: If no convolution fits.
        """
        theirs = read_weights(self.path)
        held = self.card.styles or (self.path.stem,)
        given = {}
        for name, tensor in fresh.items():
            other = theirs.get(name)
            if other is not None and self.card.network in _WITH_ROWS and name.endswith(_ROWS):
                other = _choose_rows(other, held, styles)
            if other is not None and other.shape == tensor.shape:
                given[name] = other
        if not any(tensor.ndim > 1 and not name.endswith(_ROWS) for name, tensor in given.items()):
            sizes = ", ".join(f"{name} {size}" for name, size in self.arguments.items())
            raise ConfigError(
                f"Nothing of {self.path.name} fits a network of this size; it has {sizes}."
            )
        strangers = styles if self.card.network in _WITH_ROWS else ()
        return Bequest(
            state={name: given.get(name, tensor) for name, tensor in fresh.items()},
            new=tuple(name for name in fresh if name not in given),
            strangers=tuple(name for name in strangers if name not in held),
        )

    def describe(self, bequest: Bequest) -> str:
        """One line for people: what was taken, and what was not."""
        count = len(bequest.state)
        taken = f"all {count}" if not bequest.new else f"{count - len(bequest.new)} of {count}"
        parts = [f"It begins with {taken} tensors of {self.path.name}"]
        if bequest.new:
            parts.append(f"new are {_list_some(bequest.new)}")
        if bequest.strangers:
            begin = "begins" if len(bequest.strangers) == 1 else "begin"
            parts.append(f"{_list_some(bequest.strangers)} {begin} as the mean of its styles")
        return f"{'; '.join(parts)}."


def _choose_rows(rows: Tensor, held: Sequence[str], styles: Sequence[str]) -> Tensor:
    """A row for each of some styles: its own, or the mean of all; (styles, C)."""
    known = dict(zip(held, rows, strict=False)) if len(held) == len(rows) else {}
    mean = rows.mean(dim=0)
    return torch.stack([known.get(style, mean) for style in styles])


def _list_some(names: Sequence[str]) -> str:
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" and {more} more" if more > 0 else "")
