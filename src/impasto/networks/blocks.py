"""What fast networks are made of: convolutions that see no border, and normalisation by instance.

Pictures of any size go in: each network pads to a multiple of its stride and cuts the result.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Added to a variance, so that a flat picture does not become noise.
EPSILON = 1e-5


class Ledger:
    """Means and deviations that a pass through a network normalised by, in order.

    A picture painted in tiles, or a frame of a film, must be normalised as the whole is: one pass
    over the whole (or a smaller copy of it) writes the ledger, the others read it.

    Args:
        entries: What an earlier ledger `entries`; left out, this one is written.
    """

    def __init__(self, entries: list[tuple[Tensor, Tensor]] | None = None) -> None:
        self.entries: list[tuple[Tensor, Tensor]] = [] if entries is None else entries
        self._reader: Iterator[tuple[Tensor, Tensor]] | None = None
        if entries is not None:
            self._reader = iter(entries)

    def consult(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation to normalise activations by, each (B, C, 1, 1)."""
        if self._reader is not None:
            mean, deviation = next(self._reader)
            return mean.to(x), deviation.to(x)
        found = measure_instance(x)
        self.entries.append(found)
        return found


def measure_instance(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over positions, each (B, C, 1, 1)."""
    variance, mean = torch.var_mean(x.float(), dim=(2, 3), keepdim=True, correction=0)
    return mean.to(x.dtype), (variance + EPSILON).sqrt().to(x.dtype)


def normalise(x: Tensor, ledger: Ledger | None = None) -> Tensor:
    """Instance normalisation without scale and shift (Ulyanov et al. 2016, eq. 1)."""
    mean, deviation = measure_instance(x) if ledger is None else ledger.consult(x)
    return (x - mean) / deviation


class Convolution(nn.Conv2d):
    """A convolution that continues the picture by reflection, so that borders stay alive."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups)
        self.border = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W); the result has H / stride rows, rounded up."""
        return super().forward(reflect(x, self.border))


class Enlargement(nn.Module):
    """Nearest-neighbour enlargement, then a convolution: no checkerboard (Odena et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, factor: int = 2) -> None:
        super().__init__()
        self.factor = factor
        self.convolution = Convolution(inputs, outputs, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge (B, C, H, W) to (B, C', H * factor, W * factor)."""
        return self.convolution(F.interpolate(x, scale_factor=self.factor, mode="nearest"))  # type: ignore[no-any-return]


def reflect(x: Tensor, border: int) -> Tensor:
    """Continue a picture by reflection, and by repetition where it is too small to be mirrored."""
    if not border:
        return x
    mode = "reflect" if min(x.shape[-2:]) > border else "replicate"
    return F.pad(x, (border,) * 4, mode)


def fit_stride(image: Tensor, stride: int) -> Tensor:
    """Continue a picture to the right and below until its sides are multiples of `stride`."""
    height, width = image.shape[-2:]
    right, below = -width % stride, -height % stride
    if not right and not below:
        return image
    mode = "reflect" if width > right and height > below else "replicate"
    return F.pad(image, (0, right, 0, below), mode)


def squash(x: Tensor) -> Tensor:
    """Bring a network's output into [0, 1] (Johnson et al. 2016: a scaled tanh).

    The range is a little wider, for black and white lie at infinity otherwise.
    """
    return 0.5 + 0.55 * torch.tanh(x)
