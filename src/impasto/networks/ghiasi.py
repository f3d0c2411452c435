"""Any style at once by a style-prediction network (Ghiasi et al. 2017).

The transfer network is that of Dumoulin et al.; what they learn for each style is predicted here
from a picture of it. Departure: the paper's predictor stands on an Inception-v3, which would have
to be downloaded; this one stands on the statistics of the VGG-19 that is there anyway.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from impasto.encoders import Encoder
from impasto.networks.blocks import Ledger
from impasto.networks.codes import CODE, LAYERS, describe_style, write_code
from impasto.networks.johnson import TransformerNet


class StylePredictionNet(nn.Module):
    """A photograph and any style in, a painting out.

    Args:
        encoder: VGG-19 with Oxford's weights; frozen, and not part of the state dict.
        bottleneck: Numbers that a style is reduced to; 100 in the paper.
        width: Channels at full size, see `TransformerNet`.
        blocks: Residual blocks.
        smooth: Whether it enlarges bilinearly.
    """

    #: Where VGG-19 looks at a style.
    looks_at = LAYERS

    def __init__(
        self,
        encoder: Encoder,
        bottleneck: int = 100,
        width: int = 32,
        blocks: int = 5,
        smooth: int = 1,
    ) -> None:
        super().__init__()
        # In a tuple, so that its weights are not counted as this network's.
        self._encoder = (encoder,)
        self.reduce = nn.Linear(CODE, bottleneck)
        # Its "styles" are the dimensions of the bottleneck, after one that is always there.
        self.body = TransformerNet(bottleneck + 1, width, blocks, smooth)
        self.stride = self.body.stride
        for name, parameter in self.body.named_parameters():
            if name.endswith(("scale", "shift")):
                nn.init.normal_(parameter[1:], std=0.01)

    @property
    def reach(self) -> int:
        """How far around a pixel it looks, in px, once it is known what to normalise by."""
        return self.body.reach

    def describe(self, style: Tensor) -> Tensor:
        """A style's code, (B, 1920), for pictures (B, 3, H, W) in [0, 1]."""
        return describe_style(self._encoder[0], style)

    def describe_seen(self, seen: Mapping[str, Tensor], style: Tensor) -> Tensor:
        """The same from what VGG-19 saw in `looks_at`."""
        return write_code(seen)

    def forward(self, image: Tensor, wish: Tensor, ledger: Ledger | None = None) -> Tensor:
        """Paint.

        Args:
            image: Shape (B, 3, H, W), values in [0, 1], any size.
            wish: Code of the style, (B or 1, 1920), which may be mixed linearly.
            ledger: Statistics to normalise by, or to be written.

        Returns:
            Shape (B, 3, H, W); slightly beyond [0, 1] where the picture is black or white.
        """
        reduced = self.reduce(wish)
        always = torch.ones_like(reduced[:, :1])
        result: Tensor = self.body(image, torch.cat([always, reduced], dim=1), ledger)
        return result
