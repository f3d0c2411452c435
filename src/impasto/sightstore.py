"""What the critic saw in photographs, kept: of crops that come again only the painting is new."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from impasto.encoders import Encoder


class SightStore:
    """Activations of crops by their numbers, in half precision.

    What is looked at for the first time is rounded too, so that a training that was interrupted,
    and looks at everything anew, takes the same way.

    Args:
        critic: The network of the losses.
        layers: Where it is to look.
        room: Bytes to take; crops beyond them are looked at each time.
    """

    def __init__(self, critic: Encoder, layers: Collection[str], room: int) -> None:
        self._critic, self._layers, self._room = critic, sorted(layers), room
        self._kept: dict[int, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @torch.no_grad()
    def look(self, pictures: Tensor, numbers: Sequence[int]) -> dict[str, Tensor]:
        """Activations of crops (B, 3, s, s) in each layer, (B, C, H, W)."""
        new = [place for place, number in enumerate(numbers) if number not in self._kept]
        found = self._see(pictures[new]) if new else []
        fresh = dict(zip(new, found, strict=True))
        for place, seen in fresh.items():
            self._keep(numbers[place], seen)
        rows = [
            fresh[place] if place in fresh else self._kept[number]
            for place, number in enumerate(numbers)
        ]
        return {
            layer: torch.cat([row[layer] for row in rows]).to(pictures) for layer in self._layers
        }

    def _see(self, pictures: Tensor) -> list[dict[str, Tensor]]:
        seen = self._critic(pictures, self._layers)
        # Oxford's activations stay below a quarter of the largest number of half precision.
        halves = {layer: tensor.clamp(-65504, 65504).half() for layer, tensor in seen.items()}
        return [
            {layer: tensor[place : place + 1].clone() for layer, tensor in halves.items()}
            for place in range(len(pictures))
        ]

    def _keep(self, number: int, seen: dict[str, Tensor]) -> None:
        size = sum(tensor.nbytes for tensor in seen.values())
        if size <= self._room:
            self._room -= size
            self._kept[number] = seen
