"""Any style at once by matching mean and deviation (Huang & Belongie 2017).

The encoder is a frozen VGG-19 up to relu4_1; only the decoder is trained. In the paper the decoder
is told nothing of the style. Departure, with `hidden`: each of its convolutions but the last is
normalised too, to means and deviations that are predicted from what VGG-19 sees of the style in
four layers (as Ghiasi et al. 2017 do for another network).
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.encoders import Encoder
from impasto.errors import ConfigError
from impasto.networks.blocks import (
    Convolution,
    Ledger,
    convolve_enlarged,
    fit_stride,
    measure_instance,
    normalise,
    reflect,
)
from impasto.networks.codes import CODE, LAYERS, write_code
from impasto.networks.grain import choose_origins, draw_field
from impasto.networks.recolor import COLORS, describe_colors, recolor

LAYER = "relu4_1"
#: Means and deviations of its channels.
_TOLD = 2 * 512
#: Oxford's activations in relu4_1 are this large in the mean square over natural pictures; the
#: decoder is given activations of size one.
_SCALE = 1 / 400
#: Pixels that a picture is continued by before it is encoded, a multiple of the stride: VGG-19 sees
#: black beyond a border, which the decoder would show as a frame two of its places wide.
_MARGIN = 16
#: Places between the noise of one convolution and that of the next.
_APART = 61


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
    """From relu4_1 back to a picture: VGG mirrored, with enlargement in place of pooling.

    Args:
        smooth: Whether it enlarges bilinearly, and not by the nearest neighbour as in the paper.
    """

    def __init__(self, *, smooth: bool = True) -> None:
        mode = "bilinear" if smooth else "nearest"
        super().__init__(
            Convolution(512, 256, 3), nn.ReLU(), nn.Upsample(scale_factor=2, mode=mode),
            Convolution(256, 256, 3), nn.ReLU(), Convolution(256, 256, 3), nn.ReLU(),
            Convolution(256, 256, 3), nn.ReLU(),
            Convolution(256, 128, 3), nn.ReLU(), nn.Upsample(scale_factor=2, mode=mode),
            Convolution(128, 128, 3), nn.ReLU(),
            Convolution(128, 64, 3), nn.ReLU(), nn.Upsample(scale_factor=2, mode=mode),
            Convolution(64, 64, 3), nn.ReLU(), Convolution(64, 3, 3),
        )  # fmt: skip

        self.smooth = smooth

    @property
    def convolutions(self) -> list[Convolution]:
        """Its convolutions, in order."""
        return [layer for layer in self if isinstance(layer, Convolution)]

    @property
    def strides(self) -> list[int]:
        """Pixels of the picture that are a place of what each convolution gives, in order."""
        found, stride = [], 8
        for layer in self:
            stride //= 2 if isinstance(layer, nn.Upsample) else 1
            found += [stride] if isinstance(layer, Convolution) else []
        return found

    def forward(self, x: Tensor, finish: Callable[[int, Tensor], Tensor] | None = None) -> Tensor:
        """Decode (B, 512, H, W) to (B, 3, 8 H, 8 W).

        Args:
            x: Activations as in relu4_1, about of size one.
            finish: What is done to what convolution number n gives, but for the last.
        """
        enlarges, number, last = False, 0, len(self) - 1
        for place, layer in enumerate(self):
            if isinstance(layer, nn.Upsample):
                enlarges = True
            elif isinstance(layer, Convolution):
                x = convolve_enlarged(layer, x, 2, smooth=self.smooth) if enlarges else layer(x)
                x = x if finish is None or place == last else finish(number, x)
                enlarges, number = False, number + 1
            else:
                x = F.relu_(x)
        return x


class Predictor(nn.Module):
    """From a style's code to the means and deviations that the decoder is normalised to.

    It is linear, so that codes may be mixed.

    Args:
        hidden: Numbers that a code is reduced to.
        channels: Of each convolution.
        noise: Whether it also tells how strong each channel's noise is.
    """

    #: A code is as long as this, about; divided by it, it is of length one. Adam's steps, which are
    #: the same for all weights, would otherwise change a sum of so many terms at once.
    _LENGTH = 32.0

    def __init__(self, hidden: int, channels: Sequence[int], *, noise: bool = False) -> None:
        super().__init__()
        self._channels = list(channels)
        self.reduce = nn.Linear(CODE, hidden)
        self.tell = nn.Linear(hidden, 2 * sum(channels))
        with torch.no_grad():
            for part in self.divide(self.tell.bias[None]):
                for told, value in zip(part.chunk(2, dim=1), (0.0, 1.0), strict=True):
                    told.fill_(value)
        self.stir = nn.Linear(hidden, sum(channels)) if noise else None
        if self.stir is not None:
            # A network that had no noise goes on as it was.
            nn.init.zeros_(self.stir.weight)
            nn.init.zeros_(self.stir.bias)

    def forward(self, code: Tensor) -> Tensor:
        """Means, then deviations, convolution by convolution: (B, 1920) to (B, 2 C1 + ...)."""
        told: Tensor = self.tell(self.reduce(self.scale(code)))
        return told

    def tell_noise(self, code: Tensor) -> list[Tensor]:
        """How strong noise is, for each convolution: (B, 1920) to (B, C, 1, 1); empty for none."""
        if self.stir is None:
            return []
        told = self.stir(self.reduce(self.scale(code)))[..., None, None]
        return list(torch.split(told, self._channels, dim=1))

    def scale(self, code: Tensor) -> Tensor:
        """A code as the first layer is given it."""
        return code / self._LENGTH

    def divide(self, told: Tensor) -> list[Tensor]:
        """What `forward` gives as a part for each convolution, (B, 2 C)."""
        return list(torch.split(told, [2 * count for count in self._channels], dim=1))


class AdaIN(nn.Module):
    """A photograph and any style in, a painting out.

    Args:
        encoder: VGG-19; frozen, and not part of the state dict.
        hidden: Width of the predictor that tells the decoder of the style; 0 for the paper's
            decoder, which has none.
        smooth: Whether the decoder enlarges bilinearly; 0: by repeating pixels, as in the paper.
        recolors: Whether paintings are given the mean and deviation of the style's colours in the
            end, as `micro` does; 0: not, as in the paper.
        noise: Whether the decoder draws on noise (Karras et al. 2019, sec. 3), as strongly as the
            style wants it, for strokes where a photograph is flat; 0: not. It needs `hidden`.

    Raises:
        ConfigError: If it is to have noise and no predictor.

    Attributes:
        looks_at: Where VGG-19 looks at a style.
    """

    stride = 8

    def __init__(
        self,
        encoder: Encoder,
        hidden: int = 0,
        smooth: int = 1,
        recolors: int = 0,
        noise: int = 0,
    ) -> None:
        super().__init__()
        if noise and not hidden:
            raise ConfigError("What noise adain draws on is told by its predictor; give --hidden.")
        self.decoder = Decoder(smooth=bool(smooth))
        widths = [layer.out_channels for layer in self.decoder.convolutions[:-1]]
        self.predictor = Predictor(hidden, widths, noise=bool(noise)) if hidden else None
        self.looks_at = LAYERS if hidden else (LAYER,)
        self._recolors = bool(recolors)
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
        """What is kept of a style picture (B, 3, H, W) in [0, 1].

        Returns:
            Mean and deviation in relu4_1, (B, 1024); with a predictor the code of the four layers
            after them, (B, 2944); then six numbers for colours if it is to give those.
        """
        (encoder,) = self._encoder
        return self.describe_seen(encoder(style, self.looks_at), style)

    def describe_seen(self, seen: Mapping[str, Tensor], style: Tensor) -> Tensor:
        """The same from what VGG-19 saw in `looks_at`."""
        told = [torch.cat(measure_instance(self.take(seen)), dim=1).flatten(1)]
        told += [] if self.predictor is None else [write_code(seen)]
        told += [describe_colors(style).to(told[0])] if self._recolors else []
        return torch.cat(told, dim=1)

    def find_code(self, wish: Tensor) -> Tensor:
        """Of what `describe` says, the part that the predictor is told, (B, 1920)."""
        return wish[:, _TOLD : _TOLD + CODE]

    def encode(self, image: Tensor) -> Tensor:
        """Activations that the decoder is given, about of size one."""
        (encoder,) = self._encoder
        return self.take(encoder(image, [LAYER]))

    def take(self, seen: Mapping[str, Tensor]) -> Tensor:
        """The same from what VGG-19 saw in relu4_1."""
        return seen[LAYER].float() * _SCALE

    def decode(
        self,
        x: Tensor,
        wish: Tensor,
        ledger: Ledger | None = None,
        origin: tuple[int, int] | Tensor = (0, 0),
    ) -> Tensor:
        """A picture of stylised activations (B, 512, H, W), told of the style if it is to be.

        Args:
            x: See `encode`.
            wish: See `forward`.
            ledger: See `forward`.
            origin: Row and column in px where noise begins, or one for each picture, (B, 2).
        """
        if self.predictor is None:
            return self.decoder(x)  # type: ignore[no-any-return]
        code = self.find_code(wish)
        told, noise = self.predictor.divide(self.predictor(code)), self.predictor.tell_noise(code)
        strides = self.decoder.strides

        def finish(number: int, x: Tensor) -> Tensor:
            x = adaptive_instance_norm(x, told[number], ledger)
            if not noise:
                return x
            field = draw_field(x, _move(origin, strides[number], number * _APART))
            return torch.addcmul(x, noise[number].to(x.dtype), field)

        return self.decoder(x, finish)  # type: ignore[no-any-return]

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
        content = adaptive_instance_norm(content, wish[:, :_TOLD], ledger)
        result = self.decode(content, wish, ledger, self._find_origin(image, ledger))
        if self._recolors:
            result = recolor(result, wish[:, -COLORS:], ledger)
        return result[..., margin : margin + height, margin : margin + width]

    def _find_origin(self, image: Tensor, ledger: Ledger | None) -> tuple[int, int] | Tensor:
        """Where noise begins: at the picture's corner, or anywhere on crops that it learns from."""
        if self.training and ledger is None:
            return choose_origins(image)
        top, left = (0, 0) if ledger is None else ledger.origin
        return top - self.margin, left - self.margin


def _move(origin: tuple[int, int] | Tensor, stride: int, away: int) -> tuple[int, int] | Tensor:
    """An origin in places of a layer, and some places on."""
    if isinstance(origin, tuple):
        return origin[0] // stride + away, origin[1] // stride + away
    return origin // stride + away
