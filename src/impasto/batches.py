"""What a training step learns from, and draws that depend on nothing but numbers.

Which crop, of which picture, in which style: all of it follows from the seed and the crop's own
number. Training goes on after an interruption, in other batches, or on several processors, as if
it had never stopped.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """Crops of several pictures.

    Attributes:
        pictures: Shape (B, 3, size, size), values in [0, 1].
        numbers: Of each crop, counted from the start of the training over all processes.
        broken: Files that could not be read on the way, with what was wrong.
    """

    pictures: Tensor
    numbers: tuple[int, ...]
    broken: dict[str, str]


def hash_numbers(*numbers: int) -> int:
    """One seed from several numbers (the finaliser of SplitMix64)."""
    mixed = 0
    for number in numbers:
        mixed = (mixed ^ (number & (2**64 - 1))) + 0x9E3779B97F4A7C15 & (2**64 - 1)
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & (2**64 - 1)
        mixed ^= mixed >> 31
    return mixed >> 1


def draw_share(*numbers: int) -> float:
    """A number in [0, 1) that depends on these."""
    return (hash_numbers(*numbers) >> 10) / 2**53


def draw_place(count: int, number: int, attempt: int, *seeds: int) -> int:
    """Which of `count` things is number `number` of an endless sequence.

    All of them once, in an order that changes from round to round; after a failed attempt any.
    """
    if attempt:
        return hash_numbers(*seeds, number, attempt) % count
    turn, place = divmod(number, count)
    generator = torch.Generator().manual_seed(hash_numbers(*seeds, turn, -1))
    return int(torch.randperm(count, generator=generator)[place])
