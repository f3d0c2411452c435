"""Any style at once in tens of milliseconds: our own small network.

A style becomes a code: mean and deviation of activations of VGG-19, or of a slim copy that the
network brings with it, its eye. From them a predictor (as in Ghiasi et al. 2017) makes the scales,
shifts and depthwise kernels (as in AdaConv, Chandran et al. 2021) of the painting part. That one
works at an eighth of the picture's side, where a kernel spans a brush stroke, and takes details
from ways around it. Colours need no learning: what it paints is given those of the style by their
statistics in the end.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.encoders import Encoder
from impasto.errors import ConfigError, ShapeError
from impasto.networks.blocks import (
    Convolution,
    Enlargement,
    Ledger,
    fit_stride,
    fold_squares,
    normalise,
    reflect,
    squash,
)
from impasto.networks.codes import CODE, LAYERS, write_code
from impasto.networks.eye import Eye, count_code
from impasto.networks.grain import add_grain
from impasto.networks.recolor import COLORS, describe_colors, recolor

#: Channels at full size of the eye of a network, if nothing else is said.
EYE = 16


class Brush(nn.Module):
    """Normalises, then filters each channel by a kernel that the style has chosen."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.channels, self.kernel = channels, kernel
        self.count = channels * (kernel**2 + 1)

    def locate(self, channels: Tensor) -> Tensor:
        """Which of its wishes are about some channels: their shifts, then their kernels."""
        area = self.kernel**2
        kernels = channels[:, None] * area + torch.arange(area, device=channels.device)
        return torch.cat([channels, self.channels + kernels.flatten()])

    def forward(self, x: Tensor, wishes: Tensor, ledger: Ledger | None) -> Tensor:
        """Paint on (B, C, H, W) as `wishes`, (B, count), say."""
        batch, channels, height, width = x.shape
        shift, kernels = wishes[:, :channels], wishes[:, channels:]
        if self.kernel == 1:
            return normalise(x, ledger, 1 + kernels[..., None, None], shift[..., None, None])
        x = normalise(x, ledger)
        kernels = kernels.reshape(batch * channels, 1, self.kernel, self.kernel)
        centre = torch.zeros_like(kernels)
        centre[..., self.kernel // 2, self.kernel // 2] = 1
        rows = reflect(x, self.kernel // 2).reshape(1, batch * channels, height + 2, width + 2)
        y = F.conv2d(rows, kernels + centre, shift.reshape(-1), groups=batch * channels)
        return y.view(batch, channels, height, width)


class Residual(nn.Module):
    """Two convolutions and their brushes, added to what goes in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (Convolution(channels, channels, 3) for _ in range(2))
        self.brush, self.finish = Brush(channels, 3), Brush(channels, 1)

    def list_brushes(self) -> list[Brush]:
        """In the order of their wishes."""
        return [self.brush, self.finish]

    def forward(self, x: Tensor, wishes: Sequence[Tensor], ledger: Ledger | None) -> Tensor:
        """Paint on (B, C, H, W) as the wishes of both brushes say."""
        y = F.relu_(self.brush(self.first(x), wishes[0], ledger))
        return x + self.finish(self.second(y), wishes[1], ledger)  # type: ignore[no-any-return]


class MicroNet(nn.Module):
    """A photograph and a style's code in, a painting out.

    Args:
        encoder: VGG-19 with Oxford's weights, if that is to look at styles; frozen, and not part of
            the state dict.
        width: Channels at half the picture's side; twice as many at a quarter, thrice at an
            eighth.
        blocks: Residual blocks at an eighth.
        hidden: Width of the predictor.
        eye: Channels at full size of its own eye, a multiple of 8; 0 for none, so that `encoder`
            is needed.
        smooth: Whether it enlarges bilinearly; 0: by repeating pixels.
        grain: Standard deviation, in levels of 255, of the noise that is laid on a photograph, so
            that there is something to make strokes of in flat places.

    Attributes:
        eye: What looks at styles, if not VGG-19.
        looks_at: Where VGG-19 looks at a style; nowhere if the network has an eye.
        code: Numbers that a style is told in.
    """

    stride = 8
    #: Whether it has learnt to paint a photograph in the photograph's own manner. What it makes of
    #: that are blots, where its painting mixed with the photograph looks well: both have the same
    #: edges.
    knows_photographs = False

    def __init__(
        self,
        encoder: Encoder | None = None,
        width: int = 16,
        blocks: int = 4,
        hidden: int = 256,
        eye: int = EYE,
        smooth: int = 1,
        grain: int = 0,
    ) -> None:
        super().__init__()
        if encoder is None and not eye:
            raise ConfigError("Without an eye the network needs VGG-19 to look at styles.")
        self.grain = grain
        # In a tuple, so that its weights are not counted as this network's.
        self._encoder = (None if eye else encoder,)
        self.eye = Eye(eye) if eye else None
        self.looks_at = () if eye else LAYERS
        self.code = (count_code(eye) if eye else CODE) + COLORS
        half, quarter, eighth = width, 2 * width, 3 * width
        # Four pixels become one position of 12 channels: nothing is lost, and nothing computed at
        # full size.
        self.enter = Convolution(12, half, 3)
        self.down = nn.ModuleList(
            [Convolution(half, quarter, 3, 2), Convolution(quarter, eighth, 3, 2)]
        )
        residuals = [Residual(eighth) for _ in range(blocks)]
        self.blocks = nn.ModuleList(residuals)
        bilinear = bool(smooth)
        self.up = nn.ModuleList(
            Enlargement(*channels, smooth=bilinear)
            for channels in ((eighth, quarter), (quarter, half))
        )
        self.around = nn.ModuleList([Convolution(quarter, quarter, 1), Convolution(half, half, 1)])
        self.refine = nn.ModuleList([Convolution(quarter, quarter, 3), Convolution(half, half, 3)])
        brushes = [Brush(half, 1), Brush(quarter, 1), Brush(eighth, 1)]
        brushes += [Brush(quarter, 1), Brush(half, 1), Brush(quarter, 1), Brush(half, 1)]
        self.brushes = nn.ModuleList(brushes)
        self.leave = Enlargement(half, width // 2, smooth=bilinear)
        self.last = Convolution(width // 2, 3, 3)
        brushes += [brush for block in residuals for brush in block.list_brushes()]
        self.counts = [brush.count for brush in brushes]
        asking = nn.Linear(hidden, sum(self.counts))
        self.predictor = nn.Sequential(
            nn.Linear(self.code, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
            asking,
        )  # fmt: skip
        # At first every style asks for the plain normalised activations.
        nn.init.normal_(asking.weight, std=0.01)
        nn.init.zeros_(asking.bias)

    @property
    def reach(self) -> int:
        """How far around a pixel it looks, in px, once it is known what to normalise by."""
        # Three convolutions for each block at an eighth; the others lie nearer to full size.
        return 22 + 24 * len(self.blocks) + self.stride

    def describe(self, style: Tensor) -> Tensor:
        """A style's code, (B, `code`), for pictures (B, 3, H, W): what is seen, and colours."""
        (encoder,) = self._encoder
        seen = self.eye(style) if encoder is None else encoder(style, LAYERS)  # type: ignore[misc]
        return self.describe_seen(seen, style)

    def describe_seen(self, seen: Mapping[str, Tensor], style: Tensor) -> Tensor:
        """The same with what the eye, or VGG-19 in `looks_at`, saw."""
        return torch.cat([write_code(seen), describe_colors(style)], dim=1)

    def forward(self, image: Tensor, wish: Tensor, ledger: Ledger | None = None) -> Tensor:
        """Paint.

        Args:
            image: Shape (B, 3, H, W), values in [0, 1], any size.
            wish: Code of the style, (B or 1, `code`); it may be mixed linearly with other styles'.
            ledger: Statistics to normalise by, or to be written.

        Returns:
            Shape (B, 3, H, W); it may go beyond [0, 1].
        """
        height, width = image.shape[-2:]
        wishes = iter(self.predict(wish, image.shape[0]))
        brushes = iter(self.brushes)

        def paint(x: Tensor) -> Tensor:
            return F.relu_(next(brushes)(x, next(wishes), ledger))

        x = fit_stride(image, self.stride)
        if self.grain:
            x = add_grain(x, self.grain, ledger.origin if ledger is not None else (0, 0))
        x = fold_squares(x * 2 - 1)
        half = paint(self.enter(x))
        quarter = paint(self.down[0](half))
        x = paint(self.down[1](quarter))
        kept = [paint(self.around[0](quarter)), paint(self.around[1](half))]
        outer = [next(wishes), next(wishes)]
        for block in self.blocks:
            x = block(x, [next(wishes), next(wishes)], ledger)
        for up, refine, way in zip(self.up, self.refine, kept, strict=True):
            x = F.relu_(up(x).add_(way))
            x = F.relu_(next(brushes)(refine(x), outer.pop(0), ledger))
        painted = squash(self.last(F.relu_(self.leave(x))))
        # Like all other statistics, those of the colours are taken of the continued picture.
        return recolor(painted, wish[:, -COLORS:], ledger)[..., :height, :width]

    def predict(self, code: Tensor, batch: int) -> Sequence[Tensor]:
        """What a style asks of each brush, in the order of `counts`."""
        if code.ndim != 2 or code.shape[1] != self.code or code.shape[0] not in (1, batch):
            raise ShapeError(f"A style's code has shape (1, {self.code}), not {tuple(code.shape)}.")
        return self.predictor(code).expand(batch, -1).split(self.counts, dim=1)  # type: ignore[no-any-return]
