"""One network, one style (Johnson, Alahi & Fei-Fei 2016), and many (Dumoulin et al. 2017).

The layers are those of the papers' supplements. Departures: instance normalisation in place of
batch normalisation (Ulyanov et al. 2016), bilinear enlargement and convolution in place of
fractional strides (Odena et al. 2016), reflection at borders.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.errors import ConfigError, ShapeError
from impasto.networks.blocks import (
    Convolution,
    Enlargement,
    Ledger,
    fit_stride,
    normalise,
    squash,
)


class StyleNormalisation(nn.Module):
    """Conditional instance normalisation (Dumoulin et al. 2017, eq. 5).

    One scale and one shift for each channel and style; a mixture of styles mixes these.
    """

    def __init__(self, styles: int, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(styles, channels))
        self.shift = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: Tensor, shares: Tensor, ledger: Ledger | None) -> Tensor:
        """Normalise (B, C, H, W) by the styles' shares (B or 1, styles)."""
        scale = (shares @ self.scale)[..., None, None]
        shift = (shares @ self.shift)[..., None, None]
        return normalise(x, ledger, scale, shift)


class _Residual(nn.Module):
    """Two convolutions beside a way around them (Gross & Wilber 2016: no ReLU after the sum)."""

    def __init__(self, styles: int, channels: int) -> None:
        super().__init__()
        self.first, self.second = (Convolution(channels, channels, 3) for _ in range(2))
        self.norms = nn.ModuleList(StyleNormalisation(styles, channels) for _ in range(2))

    def forward(self, x: Tensor, shares: Tensor, ledger: Ledger | None) -> Tensor:
        y = F.relu_(self.norms[0](self.first(x), shares, ledger))
        return x + self.norms[1](self.second(y), shares, ledger)  # type: ignore[no-any-return]


class TransformerNet(nn.Module):
    """Image in, painted image out, in one of the styles it was trained on or a mixture of them.

    Args:
        styles: How many styles it holds; 1 is the network of Johnson et al.
        width: Channels at full size; 32 in the paper. Half of it is four times faster.
        blocks: Residual blocks; 5 in the paper.
        smooth: Whether it enlarges bilinearly; 0: by repeating pixels.
    """

    stride = 4

    def __init__(self, styles: int = 1, width: int = 32, blocks: int = 5, smooth: int = 1) -> None:
        super().__init__()
        if min(styles, width, blocks) < 1:
            raise ConfigError("A network needs one style, one channel and one block at least.")
        self.styles = styles
        #: Activations of the last pass while it learns, for `sum_strain`.
        self.bodies: list[Tensor] = []
        wide, deep = 2 * width, 4 * width
        self.down = nn.ModuleList(
            [
                Convolution(3, width, 9),
                Convolution(width, wide, 3, 2),
                Convolution(wide, deep, 3, 2),
            ]
        )
        self.blocks = nn.ModuleList(_Residual(styles, deep) for _ in range(blocks))
        self.up = nn.ModuleList(
            Enlargement(*channels, smooth=bool(smooth))
            for channels in ((deep, wide), (wide, width))
        )
        channels = (width, wide, deep, wide, width)
        self.norms = nn.ModuleList(StyleNormalisation(styles, count) for count in channels)
        self.last = Convolution(width, 3, 9)

    @property
    def reach(self) -> int:
        """How far around a pixel it looks, in px, once it is known what to normalise by."""
        # Convolutions at full size, at a half, and two for each block at a quarter.
        return 14 + 8 * len(self.blocks) + self.stride

    def forward(
        self,
        image: Tensor,
        wish: Tensor,
        ledger: Ledger | None = None,
    ) -> Tensor:
        """Paint.

        Args:
            image: Shape (B, 3, H, W), values in [0, 1], any size.
            wish: Share of each style, (B or 1, styles).
            ledger: Statistics to normalise by, or to be written.

        Returns:
            Shape (B, 3, H, W); slightly beyond [0, 1] where the picture is black or white.

        Raises:
            ShapeError: If shares and styles differ in number.
        """
        rows = self._check(wish)
        height, width = image.shape[-2:]
        x = fit_stride(image, self.stride) * 2 - 1
        norms = iter(self.norms)
        for layer in self.down:
            x = F.relu_(next(norms)(layer(x), rows, ledger))
        bodies = self.bodies if self.training and torch.is_grad_enabled() else []
        bodies.clear()
        for block in self.blocks:
            x = block(x, rows, ledger)
            bodies.append(x)
        for layer in self.up:
            x = layer(x)
            bodies.append(x)
            x = F.relu_(next(norms)(x, rows, ledger))
        return squash(self.last(x))[..., :height, :width]

    def _check(self, wish: Tensor) -> Tensor:
        if wish.ndim != 2 or wish.shape[1] != self.styles:
            raise ShapeError(
                f"Shares of {self.styles} styles have shape (1, {self.styles}), not"
                f" {tuple(wish.shape)}."
            )
        return wish
