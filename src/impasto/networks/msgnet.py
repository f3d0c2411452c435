"""MSG-Net: many styles in one network by matching Gram matrices (Zhang & Dana 2017).

A siamese encoder looks at photograph and style; the CoMatch layer turns the photograph's
activations so that their correlations become the style's. Departure: reflection at borders in
all layers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.errors import ConfigError
from impasto.networks.blocks import Convolution, Enlargement, Ledger, fit_stride, normalise, squash
from impasto.statistics import gram_matrix


class CoMatch(nn.Module):
    """Turn activations toward a style's second-order statistics (eq. 5).

    Y = Phi^-1[Phi(F)^T W G]^T with a learnt matrix W, F the photograph's activations and G the
    style's Gram matrix.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, channels).uniform_(0.0, 0.02))

    def forward(self, x: Tensor, gram: Tensor) -> Tensor:
        """Turn (B, C, H, W) by Gram matrices (B or 1, C, C)."""
        mixing = (self.weight @ gram).transpose(1, 2)  # (B, C, C)
        batch, channels, height, width = x.shape
        turned = mixing.expand(batch, -1, -1) @ x.flatten(2)  # (B, C, H * W)
        return turned.view(batch, channels, height, width)


class _Unit(nn.Module):
    """Normalise, cut at zero, convolve: the order of residual units of He et al. 2016b."""

    def __init__(self, inputs: int, layer: nn.Module) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, inputs, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, inputs, 1, 1))
        self.layer = layer

    def forward(self, x: Tensor, ledger: Ledger | None) -> Tensor:
        y = F.relu_(normalise(x, ledger, self.scale, self.shift))
        return self.layer(y)  # type: ignore[no-any-return]


class _Bottleneck(nn.Module):
    """A residual unit of three convolutions; `factor` 2 halves the sides, -2 doubles them."""

    def __init__(self, inputs: int, inner: int, factor: int = 1, *, smooth: bool = True) -> None:
        super().__init__()
        outputs = 4 * inner
        middle: nn.Module
        if factor < 0:
            middle = Enlargement(inner, inner, factor=-factor, smooth=smooth)
            self.around: nn.Module = Enlargement(
                inputs, outputs, kernel=1, factor=-factor, smooth=smooth
            )
        else:
            middle = Convolution(inner, inner, 3, factor)
            self.around = Convolution(inputs, outputs, 1, factor)
        if factor == 1 and inputs == outputs:
            self.around = nn.Identity()
        self.units = nn.ModuleList(
            [
                _Unit(inputs, Convolution(inputs, inner, 1)),
                _Unit(inner, middle),
                _Unit(inner, Convolution(inner, outputs, 1)),
            ]
        )

    def forward(self, x: Tensor, ledger: Ledger | None) -> Tensor:
        y = x
        for unit in self.units:
            y = unit(y, ledger)
        return self.around(x) + y  # type: ignore[no-any-return]


class MSGNet(nn.Module):
    """A photograph and a style's Gram matrix in, a painting out.

    Args:
        width: Inner channels of the deep blocks; 128 in the paper, whose activations have four
            times as many.
        blocks: Residual blocks after the CoMatch layer; 6 in the paper.
        smooth: Whether it enlarges bilinearly; 0: by repeating pixels, as in the paper.
    """

    stride = 4
    #: What it is told of a style is itself learnt: it cannot be computed once before training.
    learns_to_describe = True

    def __init__(self, width: int = 128, blocks: int = 6, smooth: int = 1) -> None:
        super().__init__()
        # The innermost layers have an eighth: of a single channel, which PyTorch 2.13 cannot
        # pull back through a convolution with channels last in memory, it dies.
        if width < 16 or width % 8 or blocks < 0:
            raise ConfigError(f"MSG-Net's width is 16, 24, 32 and so on, not {width}.")
        deep = 4 * width
        self.enter = Convolution(3, width // 2, 7)
        self.enter_norm = _Unit(width // 2, nn.Identity())
        self.down = nn.ModuleList(
            [_Bottleneck(width // 2, width // 4, 2), _Bottleneck(width, width, 2)]
        )
        self.comatch = CoMatch(deep)
        self.blocks = nn.ModuleList(_Bottleneck(deep, width) for _ in range(blocks))
        self.up = nn.ModuleList(
            _Bottleneck(*channels, -2, smooth=bool(smooth))
            for channels in ((deep, width // 4), (width, width // 8))
        )
        self.leave = _Unit(width // 2, Convolution(width // 2, 3, 7))

    @property
    def reach(self) -> int:
        """How far around a pixel it looks, in px, once it is known what to normalise by."""
        # Convolutions at full size, at a half, and one for each block at a quarter; enlargements.
        return 15 + 4 * len(self.blocks) + self.stride

    def describe(self, style: Tensor) -> Tensor:
        """Gram matrix of a style (B, 3, H, W) in [0, 1], flat: (B, C * C)."""
        return gram_matrix(self._encode(style, None)).flatten(1)

    def forward(self, image: Tensor, wish: Tensor, ledger: Ledger | None = None) -> Tensor:
        """Paint.

        Args:
            image: Shape (B, 3, H, W), values in [0, 1], any size.
            wish: What `describe` says of the style, which may be mixed linearly.
            ledger: Statistics to normalise by, or to be written.

        Returns:
            Shape (B, 3, H, W); slightly beyond [0, 1] where the picture is black or white.
        """
        height, width = image.shape[-2:]
        x = self._encode(image, ledger)
        channels = x.shape[1]
        x = self.comatch(x, wish.view(-1, channels, channels))
        for block in (*self.blocks, *self.up):
            x = block(x, ledger)
        return squash(self.leave(x, ledger))[..., :height, :width]

    def _encode(self, image: Tensor, ledger: Ledger | None) -> Tensor:
        x = self.enter_norm(self.enter(fit_stride(image, self.stride) * 2 - 1), ledger)
        for block in self.down:
            x = block(x, ledger)
        return x  # type: ignore[no-any-return]
