"""Frame after frame through a fast network, without the flicker that each for itself would have.

Two things make frames flicker: what they are normalised by changes a little from one to the next,
and so does every stroke. The first is a running mean here; and where the film stands still, so
does the painting.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.networks import Ledger
from impasto.networks.blocks import measure_instance

#: Of the running mean of statistics, what a new frame adds.
_NEWS = 0.15
#: Where nothing moves, as much of the last painting is kept at most.
_KEPT = 0.8
#: Change of a place, on the 0-1 scale, at which hardly anything is kept; noise is a third of it.
_MOVING = 0.06
#: Mean change of a whole frame that is a cut.
_CUT = 0.25


class RunningLedger(Ledger):
    """Statistics that follow a film slowly: each frame reads them and adds its own."""

    def __init__(self) -> None:
        super().__init__()
        self._number = 0

    def begin(self) -> None:
        """A frame begins."""
        self._number = 0

    def consult(
        self, x: Tensor, measure: Callable[[Tensor], tuple[Tensor, Tensor]] = measure_instance
    ) -> tuple[Tensor, Tensor]:
        """Mean and deviation to normalise activations by, each (1, C, 1, 1)."""
        found = measure(x)
        if self._number == len(self.entries):
            self.entries.append(found)
        else:
            known = self.entries[self._number]
            self.entries[self._number] = (
                torch.lerp(known[0], found[0], _NEWS),
                torch.lerp(known[1], found[1], _NEWS),
            )
        self._number += 1
        return self.entries[self._number - 1]


class FramePainter:
    """Paints the frames of a film in their order.

    Args:
        network: A trained network.
        wish: What it is told, (1, K).
        smooth: Whether frames know of those before; else each is painted for itself.
    """

    def __init__(self, network: nn.Module, wish: Tensor, *, smooth: bool = True) -> None:
        self._network, self.wish, self._smooth = network, wish, smooth
        self._ledger = RunningLedger()
        self._last: tuple[Tensor, Tensor] | None = None

    def paint(self, frame: Tensor) -> Tensor:
        """Paint the next frame, (1, 3, H, W) in [0, 1]; the same shape and range."""
        with torch.no_grad():
            if not self._smooth:
                alone: Tensor = self._network(frame, self.wish)
                return alone.clamp(0, 1)
            if self._last is not None and is_cut(self._last[0], frame):
                self._ledger, self._last = RunningLedger(), None
            self._ledger.begin()
            painted: Tensor = self._network(frame, self.wish, self._ledger).clamp(0, 1)
            if self._last is not None:
                still = find_stillness(self._last[0], frame)
                painted = torch.lerp(painted, self._last[1], _KEPT * still)
            self._last = (frame, painted)
        return painted


def is_cut(before: Tensor, after: Tensor) -> bool:
    """Whether a new scene begins between two frames."""
    return before.shape != after.shape or float((after - before).abs().mean()) > _CUT


def find_stillness(before: Tensor, after: Tensor) -> Tensor:
    """Where nothing moves between two frames: (1, 1, H, W), 1 where they are equal.

    Looked at in small neighbourhoods, so that the noise of a camera is not taken for movement.
    """
    change = (after - before).abs().amax(1, keepdim=True)
    around = F.avg_pool2d(change, 5, 1, 2, count_include_pad=False)
    return torch.exp(-((around / _MOVING) ** 2) * 3)
