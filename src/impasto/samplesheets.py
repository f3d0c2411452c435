"""What a network under way makes of some photographs, on one sheet."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn


@contextlib.contextmanager
def wearing(network: nn.Module, state: Mapping[str, Tensor]) -> Iterator[None]:
    """Lend a network other weights; its own come back to the bit."""
    own = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(state)
    try:
        yield
    finally:
        network.load_state_dict(own)


def show_samples(
    network: nn.Module, photographs: Sequence[Tensor], wishes: Sequence[Tensor]
) -> Tensor:
    """A sheet: a row for each photograph, first itself, then in each style; (1, 3, H, W).

    Args:
        network: Who paints.
        photographs: Each (1, 3, s, s).
        wishes: What the network is told.
    """
    rows = []
    with torch.no_grad():
        for photo in photographs:
            painted = [network(photo, wish).clamp(0, 1) for wish in wishes]
            rows.append(torch.cat([photo, *painted], dim=3))
    return torch.cat(rows, dim=2)
