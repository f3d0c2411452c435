"""Masks by name among those from files: found, combined, and described."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from impasto.images import Picture
from impasto.masknames import MaskName, is_mask_name, parse_mask_name, parse_protection
from impasto.pyramid import resize_mask


class Finder(Protocol):
    """Finds masks in a photograph; see `impasto.masks.MaskFinder`."""

    def find(self, name: MaskName) -> Tensor:
        """The mask, or an `ImageError`."""
        ...

    def seek(self, name: MaskName) -> Tensor | None:
        """The mask, or None."""
        ...


@dataclass(frozen=True, eq=False)
class FoundMask(Picture):
    """A mask that was found, as a grey picture.

    Attributes:
        asked: What was looked for.
    """

    asked: MaskName = field(kw_only=True)

    def describe(self) -> dict[str, str]:
        """What finds it again: pixels may differ by rounding between machines."""
        return {"automatic": str(self.asked), "version": str(self.asked.version)}


def find_masks(
    words: Sequence[Any], load: Callable[[Any], Picture], finder: Finder
) -> tuple[Picture, ...]:
    """Load pictures and find what is named.

    Args:
        words: Pictures, or names such as "people"; a file of that name wins.
        load: Loads a picture.
        finder: Finds masks in the photograph.

    Raises:
        ConfigError: If a name is unknown.
        ImageError: If a mask is not to be found, or a picture cannot be read.
    """
    found: list[Picture | None] = []
    for word in words:
        name = parse_mask_name(word) if isinstance(word, str) and is_mask_name(word) else None
        if name is None:
            found.append(load(word))
        else:
            found.append(None if name.kind == "rest" else _wrap(finder.find(name), name))
    others = [read_mask(one) for one in found if one is not None]
    rest = MaskName("rest")
    return tuple(_wrap(_leave_rest(others), rest) if one is None else one for one in found)


def find_protection(texts: str | Sequence[str], finder: Finder) -> tuple[FoundMask, ...]:
    """Find what is to be left alone; what is not there needs no protection."""
    found = []
    for name in parse_protection(texts):
        mask = finder.seek(name)
        notes = () if mask is not None else ("not found, so nothing is left alone",)
        found.append(_wrap(torch.zeros(1, 1, 1, 1) if mask is None else mask, name, notes))
    return tuple(found)


def spare(protected: Sequence[FoundMask], strength: Tensor | None) -> Tensor | None:
    """The map of strength, (1, 1, H, W) or None, less what is protected."""
    for one in protected:
        left = 1 - read_mask(one) * (1 - one.asked.share)
        if strength is None:
            strength = left
            continue
        size = max(strength.shape[-2], left.shape[-2]), max(strength.shape[-1], left.shape[-1])
        strength = resize_mask(strength, size) * resize_mask(left, size)
    return strength


def read_mask(picture: Picture) -> Tensor:
    """How much each place counts, (1, 1, H, W): by alpha if there is any, else by brightness."""
    if picture.alpha is not None:
        return picture.alpha
    return picture.pixels.mean(1, keepdim=True)


def _wrap(mask: Tensor, name: MaskName, notes: tuple[str, ...] = ()) -> FoundMask:
    return FoundMask(mask.expand(1, 3, -1, -1), name=str(name), notes=notes, asked=name)


def _leave_rest(masks: Sequence[Tensor]) -> Tensor:
    """What none of the masks covers, at the size of the largest."""
    if not masks:
        return torch.ones(1, 1, 1, 1)
    size = max(((one.shape[-2], one.shape[-1]) for one in masks), key=max)
    return 1 - torch.stack([resize_mask(one, size) for one in masks]).sum(0).clamp(0, 1)
