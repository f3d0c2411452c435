"""Several processes that train one network together, each on a part of every batch.

`torchrun --nproc-per-node 2 -m impasto train ...` starts them. Gradients are summed in one piece
after the backward pass: the networks are small, and so the same step is made by one process with
the whole batch, which a test holds them to.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from impasto.errors import ConfigError


@dataclass(frozen=True)
class Team:
    """This process among those that train.

    Attributes:
        rank: Which one this is; 0 writes files and tells.
        ranks: How many there are.
        place: Which one it is on this computer, for the choice of a GPU.
        device: Where what they tell each other has to lie.
    """

    rank: int = 0
    ranks: int = 1
    place: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their mean over all processes."""
        if self.ranks == 1:
            return
        found = list(tensors)
        whole = torch.cat([tensor.reshape(-1).to(self.device, torch.float32) for tensor in found])
        dist.all_reduce(whole)
        whole /= self.ranks
        pieces = torch.split(whole, [tensor.numel() for tensor in found])
        for tensor, piece in zip(found, pieces, strict=True):
            tensor.copy_(piece.view(tensor.shape))

    def agree(self, *numbers: float) -> tuple[float, ...]:
        """The largest of each number over all processes."""
        if self.ranks == 1:
            return numbers
        told = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(told, dist.ReduceOp.MAX)
        return tuple(told.tolist())

    def gather(self, facts: Any) -> list[Any]:
        """What each process has to say."""
        if self.ranks == 1:
            return [facts]
        told: list[Any] = [None] * self.ranks
        dist.all_gather_object(told, facts)
        return told


ALONE = Team()


def is_team() -> bool:
    """Whether torchrun has started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextlib.contextmanager
def joined(wanted: str) -> Iterator[Team]:
    """The team that torchrun has started this process in; alone without it.

    Args:
        wanted: The device as the user wants it; with CUDA each process takes a GPU of its own.

    Raises:
        ConfigError: If a process has no GPU for itself.
    """
    if not is_team():
        yield ALONE
        return
    cuda = wanted.startswith("cuda") or (wanted == "auto" and torch.cuda.is_available())
    place = int(os.environ.get("LOCAL_RANK", "0"))
    if cuda and place >= torch.cuda.device_count():
        raise ConfigError(
            f"There are {torch.cuda.device_count()} GPUs for {place + 1} processes or more; start"
            " one for each."
        )
    device = torch.device("cuda", place) if cuda else torch.device("cpu")
    dist.init_process_group("nccl" if cuda else "gloo", device_id=device if cuda else None)
    try:
        yield Team(dist.get_rank(), dist.get_world_size(), place, device)
    finally:
        dist.destroy_process_group()
