"""Learning from another network: what it paints is the aim, pixel by pixel (Hinton et al. 2015).

A tutor shows at once where everything belongs, for a tenth of the work of statistics; these teach
the strokes that it has not got.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: What counts at half and at quarter of the size, beside one at full size: colours and forms first.
_COARSE = ((2, 1.0), (4, 2.0))


class Tutor:
    """Paintings of a trained network, kept in 8 bits for crops that come again.

    Args:
        network: Who paints; takes any style.
        wish: What it is told of style number n, (1, K).
        room: Bytes to take; beyond them paintings are made each time.
    """

    def __init__(self, network: nn.Module, wish: Callable[[int], Tensor], room: int) -> None:
        self._network, self._wish, self._room = network.eval(), wish, room
        self._wishes: dict[int, Tensor] = {}
        self._kept: dict[tuple[int, int], Tensor] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @torch.no_grad()
    def paint(self, photos: Tensor, styles: Sequence[int], numbers: Sequence[int] | None) -> Tensor:
        """Paintings of crops (B, 3, s, s) in some styles, of the same shape, values in [0, 1].

        Args:
            photos: The crops.
            styles: Number of each one's style.
            numbers: Of the crops; None if they do not come again.
        """
        found = []
        for place, style in enumerate(styles):
            key = (-1, style) if numbers is None else (numbers[place], style)
            painted = self._kept.get(key)
            if painted is None:
                painted = self._paint(photos[[place]], style)
                if numbers is not None and painted.nbytes <= self._room:
                    self._room -= painted.nbytes
                    self._kept[key] = painted
            found.append(painted)
        return torch.cat(found).to(photos) / 255

    def _paint(self, photo: Tensor, style: int) -> Tensor:
        if style not in self._wishes:
            self._wishes[style] = self._wish(style)
        painted: Tensor = self._network(photo, self._wishes[style])
        return (painted.clamp(0, 1) * 255).round().to(torch.uint8)


def compare_paintings(painted: Tensor, aim: Tensor) -> Tensor:
    """Mean squared difference at full, half and quarter of the size."""
    difference = painted - aim
    loss = difference.square().mean()
    for factor, weight in _COARSE:
        loss = loss + weight * F.avg_pool2d(difference, factor).square().mean()
    return loss
