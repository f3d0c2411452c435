"""What the critic saw in photographs, kept: of crops that come again only the painting is new."""

from collections.abc import Sequence

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

    Attributes:
        layers: Where it looks.
    """

    def __init__(self, critic: Encoder, layers: tuple[str, ...], room: int) -> None:
        self.layers = layers
        self._critic, self._room = critic, room
        self._kept: dict[int, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @torch.no_grad()
    def look(self, pictures: Tensor, numbers: Sequence[int]) -> dict[str, Tensor]:
        """Activations of crops (B, 3, s, s) in each layer, (B, C, H, W)."""
        rows = [self._find(pictures[[place]], number) for place, number in enumerate(numbers)]
        return {
            layer: torch.cat([row[layer] for row in rows]).to(pictures) for layer in self.layers
        }

    def _find(self, picture: Tensor, number: int) -> dict[str, Tensor]:
        if number in self._kept:
            return self._kept[number]
        # One by one: in a batch of another size convolutions may round otherwise. Oxford's
        # activations stay below a quarter of the largest number of half precision.
        found = {
            layer: tensor.clamp(-65504, 65504).half()
            for layer, tensor in self._critic(picture, self.layers).items()
        }
        self._keep(number, found)
        return found

    def _keep(self, number: int, seen: dict[str, Tensor]) -> None:
        size = sum(tensor.nbytes for tensor in seen.values())
        if size <= self._room:
            self._room -= size
            self._kept[number] = seen
