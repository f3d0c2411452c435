"""Textures that lie over a picture at a size relative to it: smooth noise, and woven canvas.

They are drawn on the CPU, so that a seed gives the same on every device, and can be looked at row
by row, so that a large picture needs none of them whole. Over a tile they repeat as it does; over
a mirrored one they need not, for it repeats whatever it shows.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.config import Seamless
from impasto.patterns import continue_picture, round_size, wraps
from impasto.pyramid import Size, resample

#: Cells around those of a tile: as far as a cubic kernel sees from a pixel beyond its border.
_AROUND = 3


class Noise:
    """Smooth noise of mean 0 and deviation 1 over a square as wide as the long side.

    Args:
        cells: How many grains lie along the long side. In a picture of fewer pixels each shows
            the mean of several, as when a large picture is made small; more than four to a
            pixel would leave nothing to see, so that there are no more.
        size: (H, W) of the picture in px.
        generator: Where the random numbers come from; on the CPU.
        seamless: How the picture repeats.
        shares: Cells down and across, as shares of `cells`: less than 1 draws the grains out.
    """

    def __init__(
        self,
        cells: int,
        size: Size,
        generator: torch.Generator,
        seamless: Seamless = "none",
        shares: tuple[float, float] = (1, 1),
    ) -> None:
        long = max(size)
        cells = max(2, min(cells, 4 * long))
        if wraps(seamless):
            wanted = (cells * share * side / long for share, side in zip(shares, size, strict=True))
            counts = round_size((next(wanted), next(wanted)), seamless, unit=2)
            plane = _smooth(continue_picture(_draw(counts, generator), 1, seamless))
            counts = (min(counts[0], size[0]), min(counts[1], size[1]))
            self._plane = continue_picture(resample(plane, counts, seamless), _AROUND, seamless)
            # What lies around the tile takes up some of the plane, which spans -1 to 1.
            inner = tuple(count / (count + 2 * _AROUND) for count in counts)
            self._scales = tuple(2 * part / side for part, side in zip(inner, size, strict=True))
            self._starts = tuple(-part for part in inner)
        else:
            plane = _smooth(_draw((cells + 2, cells + 2), generator))
            self._plane = plane if cells <= long else resample(plane, (long, long))
            self._scales = tuple(2 * share / long for share in shares)
            self._starts = (-1.0, -1.0)

    def sample(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Look at the noise, (h, w), where rows (h) and columns (w) in px meet.

        The middle of the first pixel is at 0.5. A pattern goes on for a pixel around the tile;
        otherwise noise is reflected where the square ends.
        """
        y, x = (
            scale * places + start
            for scale, places, start in zip(
                self._scales, (rows, columns), self._starts, strict=True
            )
        )
        grid = torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))], dim=-1)
        noise: Tensor = F.grid_sample(
            self._plane, grid[None], mode="bicubic", padding_mode="reflection", align_corners=False
        )[0, 0]
        return noise


class Weave:
    """Canvas in plain weave, lit from the upper left, whose threads wander and differ.

    Real threads do, and a perfect period would beat with the pixels' and show as bands.

    Args:
        threads: How many lie along the long side; none is thinner than 5 px, for the pixels
            could not show it.
        size: (H, W) of the picture in px.
        generator: Where the random numbers come from; on the CPU.
        seamless: How the picture repeats; a tile holds as many threads as repeat with it.
    """

    def __init__(
        self,
        threads: float,
        size: Size,
        generator: torch.Generator,
        seamless: Seamless = "none",
    ) -> None:
        self._period = max(5.0, max(size) / threads)
        self._periods = (self._period, self._period)
        if wraps(seamless):
            # Over and under take turns, so that the weave repeats after two threads each way.
            wanted = (size[0] / self._period, size[1] / self._period)
            counts = round_size(wanted, seamless, unit=2)
            self._periods = (size[0] / counts[0], size[1] / counts[1])
        self._columns = centers(-1, size[1] + 1)
        self._count = count = math.ceil(max(size) / self._period)

        def draw(cells: int, share: float = 0.1) -> tuple[Noise, Noise]:
            """Noise for the warp, which runs down, and for the weft, which runs across.

            Drawn out along a thread it is nearly constant there, and another beside it.
            """
            return (
                Noise(cells, size, generator, seamless, (share, 1)),
                Noise(cells, size, generator, seamless, (1, share)),
            )

        self._waves, self._gaps, self._slubs = draw(6, 1), draw(count), draw(2 * count)
        self._fibre = Noise(3 * count, size, generator, seamless)

    def light(self, first: int, stop: int) -> Tensor:
        """How much lighter (above 0) or darker rows of the picture are, (stop - first, W).

        Mean 0 and deviation 1, about. Light from the upper left falls on slopes that rise to
        the lower right, and less of it between the threads.
        """
        height = self.height(centers(first - 1, stop + 1))
        across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
        slope = F.conv2d(height[None, None], (across + across.T)[None, None])[0, 0]
        # Holes between four threads are not as dark as they are deep: in a small picture, where
        # they are pixels, they would be a grid of dots.
        shade = height[1:-1, 1:-1].clamp(min=0.5) - 0.9
        return 0.45 * self._period * slope + 1.5 * shade

    def height(self, rows: Tensor) -> Tensor:
        """Height of the cloth above its middle in threads, (h, W + 2): a pixel more each side."""
        columns = self._columns
        bend = 0.004 * self._count
        places = columns[None] / self._periods[1], rows[:, None] / self._periods[0]
        warp, weft = (
            place + bend * wave.sample(rows, columns) + 0.2 * gap.sample(rows, columns)
            for place, wave, gap in zip(places, self._waves, self._gaps, strict=True)
        )
        thick = [1 + 0.1 * slub.sample(rows, columns) for slub in self._slubs]
        cloth = torch.maximum(
            raise_threads(warp, weft, thick[0]), raise_threads(weft, warp - 1, thick[1])
        )
        return cloth + 0.03 * self._fibre.sample(rows, columns)


def _draw(size: Size, generator: torch.Generator) -> Tensor:
    return torch.randn((1, 1, *size), generator=generator)


def _smooth(plane: Tensor) -> Tensor:
    """Noise of a cell less on each side, with mean 0 and deviation 1.

    The weights 1, 2, 1 each way: cubic interpolation of white noise is weaker between the cells
    than on them, which shows as a grid.
    """
    plane = F.avg_pool2d(F.avg_pool2d(plane, 2, 1), 2, 1)
    return (plane - plane.mean()) / plane.std()


def raise_threads(across: Tensor, along: Tensor, thick: Tensor) -> Tensor:
    """Height of round threads that go over one and under the next.

    Args:
        across: Place across the threads; whole numbers lie between two of them.
        along: Place along them, in threads of the other kind.
        thick: Their thickness, 1 on average.
    """
    index = across.floor()
    arch = torch.cos(math.pi * (across - index - 0.5))
    return thick * arch + 0.3 * torch.cos(math.pi * (along - 0.5 + index))


def centers(start: int, stop: int) -> Tensor:
    """Middles of pixels in px."""
    return torch.arange(start, stop, dtype=torch.float32) + 0.5
