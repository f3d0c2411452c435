"""Folders of pictures as endless, repeatable batches for training.

Which crop of which picture comes next depends on the seed and on its number alone: training goes
on after an interruption, or on several processors, as if it had never stopped.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from impasto import images
from impasto.errors import ConfigError, ImpastoError
from impasto.pyramid import resize

#: Broken pictures in a row after which a folder is given up.
_MOST_BROKEN = 100
#: Crops are cut from pictures whose short side is up to this much longer.
_LOOSENESS = 1.6


class Batch(NamedTuple):
    """Crops of several pictures.

    Attributes:
        pictures: Shape (B, 3, size, size), values in [0, 1].
        places: Number of each picture in its folder.
        broken: Files that could not be read on the way, with what was wrong.
    """

    pictures: Tensor
    places: Tensor
    broken: dict[str, str]


class Crops(Dataset[tuple[Tensor, int, dict[str, str]]]):
    """Random crops of a list of pictures, numbered from 0 without an end.

    Args:
        paths: Pictures; broken ones are passed over.
        size: Side of a crop in px.
        seed: Of the choice.
    """

    def __init__(self, paths: Sequence[Path], size: int, seed: int) -> None:
        if not paths:
            raise ConfigError("There is no picture to learn from; choose another folder.")
        self.paths, self.size, self.seed = list(paths), size, seed

    def __getitem__(self, number: int) -> tuple[Tensor, int, dict[str, str]]:
        """Crop (3, size, size), the picture's number, and what was broken on the way."""
        broken: dict[str, str] = {}
        for attempt in range(_MOST_BROKEN):
            generator = torch.Generator().manual_seed(hash_numbers(self.seed, number, attempt))
            place = self._choose(number, attempt, generator)
            path = self.paths[place]
            try:
                picture = images.load(path).pixels
            except ImpastoError as error:
                broken[str(path)] = str(error)
                continue
            return crop_randomly(picture, self.size, generator)[0], place, broken
        raise ConfigError(f"{len(broken)} pictures in a row cannot be read: {next(iter(broken))}.")

    def _choose(self, number: int, attempt: int, generator: torch.Generator) -> int:
        """All pictures once, in an order that changes from round to round; then any."""
        count = len(self.paths)
        if attempt:
            return int(torch.randint(count, (), generator=generator))
        turn, place = divmod(number, count)
        order = torch.Generator().manual_seed(hash_numbers(self.seed, turn, -1))
        return int(torch.randperm(count, generator=order)[place])


def crop_randomly(picture: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A random square of a picture (1, 3, H, W), mirrored or not, at a random scale."""
    height, width = picture.shape[-2:]
    loose = size * (1 + (_LOOSENESS - 1) * float(torch.rand((), generator=generator)))
    # Never enlarged unless it is too small.
    short = min(max(size, round(loose)), max(size, min(height, width)))
    factor = short / min(height, width)
    if factor != 1:
        scaled = (max(size, round(height * factor)), max(size, round(width * factor)))
        picture = resize(picture, scaled)
    top, left = (
        int(torch.randint(length - size + 1, (), generator=generator))
        for length in picture.shape[-2:]
    )
    piece = picture[..., top : top + size, left : left + size]
    return piece.flip(-1) if torch.rand((), generator=generator) < 0.5 else piece


def hash_numbers(*numbers: int) -> int:
    """One seed from several numbers (the finaliser of SplitMix64)."""
    mixed = 0
    for number in numbers:
        mixed = (mixed ^ (number & (2**64 - 1))) + 0x9E3779B97F4A7C15 & (2**64 - 1)
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & (2**64 - 1)
        mixed ^= mixed >> 31
    return mixed >> 1


def stream(
    crops: Crops, batch: int, *, first: int = 0, workers: int = 1, rank: int = 0, ranks: int = 1
) -> Iterator[Batch]:
    """Endless batches.

    Args:
        crops: Where they come from.
        batch: Crops in each.
        first: Number of the first batch.
        workers: Processes that decode; 0 decodes in this one.
        rank: Of this process among `ranks` that share the work.
        ranks: See `rank`.
    """

    def count() -> Iterator[int]:
        step = first
        while True:
            start = (step * ranks + rank) * batch
            yield from range(start, start + batch)
            step += 1

    loader = DataLoader(
        crops, batch, sampler=_Endless(count), num_workers=workers, collate_fn=_collate,
        prefetch_factor=4 if workers else None,
    )  # fmt: skip
    yield from loader


class _Endless:
    def __init__(self, count: object) -> None:
        self._count = count

    def __iter__(self) -> Iterator[int]:
        return self._count()  # type: ignore[operator,no-any-return]


def _collate(items: Sequence[tuple[Tensor, int, dict[str, str]]]) -> Batch:
    broken: dict[str, str] = {}
    for _, _, found in items:
        broken |= found
    return Batch(
        torch.stack([picture for picture, _, _ in items]),
        torch.tensor([place for _, place, _ in items]),
        broken,
    )
