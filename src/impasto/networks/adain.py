"""Any style at once by matching mean and deviation (Huang & Belongie 2017).

The encoder is a frozen VGG-19 up to relu4_1; only the decoder is trained.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.encoders import Encoder
from impasto.networks.blocks import (
    Convolution,
    Ledger,
    convolve_enlarged,
    fit_stride,
    measure_instance,
    normalise,
    reflect,
)

LAYER = "relu4_1"
#: Oxford's activations in relu4_1 are this large in the mean square over natural pictures; the
#: decoder is given activations of size one.
_SCALE = 1 / 400
#: Pixels that a picture is continued by before it is encoded, a multiple of the stride: VGG-19 sees
#: black beyond a border, which the decoder would show as a frame two of its places wide.
_MARGIN = 16


def adaptive_instance_norm(content: Tensor, wish: Tensor, ledger: Ledger | None = None) -> Tensor:
    """Give activations the mean and deviation of a style's (Huang & Belongie 2017, eq. 8).

    Args:
        content: Activations, shape (B, C, H, W).
        wish: Means, then deviations, of the style, (B or 1, 2 C).
        ledger: Statistics of the content to normalise by, or to be written.
    """
    mean, deviation = wish[..., None, None].chunk(2, dim=1)
    return normalise(content, ledger, deviation, mean)


class Decoder(nn.Sequential):
    """From relu4_1 back to a picture: VGG mirrored, with enlargement in place of pooling."""

    def __init__(self) -> None:
        super().__init__(
            Convolution(512, 256, 3), nn.ReLU(), nn.Upsample(scale_factor=2),
            Convolution(256, 256, 3), nn.ReLU(), Convolution(256, 256, 3), nn.ReLU(),
            Convolution(256, 256, 3), nn.ReLU(),
            Convolution(256, 128, 3), nn.ReLU(), nn.Upsample(scale_factor=2),
            Convolution(128, 128, 3), nn.ReLU(),
            Convolution(128, 64, 3), nn.ReLU(), nn.Upsample(scale_factor=2),
            Convolution(64, 64, 3), nn.ReLU(), Convolution(64, 3, 3),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Decode (B, 512, H, W) to (B, 3, 8 H, 8 W)."""
        enlarges = False
        for layer in self:
            if isinstance(layer, nn.Upsample):
                enlarges = True
            elif isinstance(layer, Convolution) and enlarges:
                x, enlarges = convolve_enlarged(layer, x, 2), False
            else:
                x = F.relu_(x) if isinstance(layer, nn.ReLU) else layer(x)
        return x


class AdaIN(nn.Module):
    """A photograph and any style in, a painting out.

    Args:
        encoder: VGG-19; frozen, and not part of the state dict.
    """

    stride = 8
    #: Where VGG-19 looks at a style.
    looks_at = (LAYER,)

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.decoder = Decoder()
        # In a tuple, so that its weights are not counted as this network's.
        self._encoder = (encoder,)

    @property
    def reach(self) -> int:
        """How far around a pixel it looks, in px, once it is known what to normalise by."""
        # The decoder's convolutions at an eighth, a quarter, a half and full size.
        return self._encoder[0].reach(LAYER) + 8 + 16 + 4 + 2 + self.stride

    @property
    def margin(self) -> int:
        """Pixels that a picture is continued by; none in training, where crops are looked at."""
        return 0 if self.training else _MARGIN

    def describe(self, style: Tensor) -> Tensor:
        """What is kept of a style picture (B, 3, H, W) in [0, 1]: mean and deviation, (B, 1024)."""
        (encoder,) = self._encoder
        return self.describe_seen(encoder(style, self.looks_at), style)

    def describe_seen(self, seen: Mapping[str, Tensor], style: Tensor) -> Tensor:
        """The same from what VGG-19 saw in `looks_at`."""
        return torch.cat(measure_instance(seen[LAYER].float() * _SCALE), dim=1).flatten(1)

    def encode(self, image: Tensor) -> Tensor:
        """Activations that the decoder is given, about of size one."""
        (encoder,) = self._encoder
        return encoder(image, [LAYER])[LAYER].float() * _SCALE

    def forward(self, image: Tensor, wish: Tensor, ledger: Ledger | None = None) -> Tensor:
        """Paint.

        Args:
            image: Shape (B, 3, H, W), values in [0, 1], any size.
            wish: What `describe` says of the style. It may be mixed linearly: with other styles'
                (sec. 7.3), or with the photograph's own to paint less strongly (eq. 14).
            ledger: Statistics of the content to normalise by, or to be written.

        Returns:
            Shape (B, 3, H, W); not clamped.
        """
        height, width = image.shape[-2:]
        margin = self.margin
        content = self.encode(reflect(fit_stride(image, self.stride), margin))
        result: Tensor = self.decoder(adaptive_instance_norm(content, wish, ledger))
        return result[..., margin : margin + height, margin : margin + width]
