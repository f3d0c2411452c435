"""Softmax smoothing of activations, for networks whose activations have few high peaks.

Residual networks paint badly by their plain activations: a few channels and places hold most of
what is summed. Wang, Li and Vasconcelos 2021 ("Rethinking and Improving the Robustness of Image
Style Transfer", SWAG) put a softmax over all entries of a layer before Gram matrices and content
are compared.

A softmax is e^x divided by the sum of e^x over the whole layer, and both the statistics and that
sum are sums over positions. So here an encoder gives e^x (`Smoothed`), and what the sum makes of it
is done to the moments (`settle`), which is exact in tiles as well. Departures from the paper:

- It is advised for the published forms of the loss only. The default loss, which compares means and
  covariances as shares of the target's own size, painted better without in all that we tried.
- Activations are first divided by a temperature, three times the layer's own spread. The paper
  takes them as they are, which suits networks whose activations are of about 1; where they are
  ten, a softmax is one high peak and the painting falls apart.
- The softmax is multiplied with the number of entries, so that its mean is 1 at any size.
- With the default loss, whose distances are shares of the target's energy, that mean of 1 is taken
  off; it would be nearly all of the energy.
- Where a region has statistics of its own, so has it a softmax.
- The content loss divides painting and photograph by the photograph's sum.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.config import Padding, PaintConfig, Pattern
from impasto.encoders import Encoder
from impasto.losses import LOSS_FORMS
from impasto.statistics import Moments

#: Standard deviations of a layer that make a temperature; found by eye.
_TEMPERATURE = 3.0
#: Cut off here: the square of e^x would leave the range of float32.
_LARGEST = 40.0
#: Side in px of the picture that spread is measured on.
_PROBE = 128


class Smoothed:
    """An encoder that gives e^(x / T) for each activation x, in float32; satisfies `Encoder`.

    Args:
        encoder: The network.
        temperatures: T of each layer; measured once on a picture of coloured clouds if left out,
            so that they depend on the network alone.
    """

    def __init__(self, encoder: Encoder, temperatures: dict[str, float] | None = None) -> None:
        self._encoder = encoder
        self.layers = encoder.layers
        self.architecture = encoder.architecture
        self.temperatures = temperatures or _measure_temperatures(encoder)

    def __call__(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Smoothed activations of some layers for an image of shape (B, 3, H, W) in [0, 1]."""
        found = self._encoder(image, layers)
        return {
            name: (seen.float() / self.temperatures[name]).clamp(max=_LARGEST).exp()
            for name, seen in found.items()
        }

    def stride(self, layer: str) -> int:
        """Pixels between two neighbouring positions of a layer."""
        return self._encoder.stride(layer)

    def reach(self, layer: str) -> int:
        """How many pixels beyond its own a position of a layer sees, at most."""
        return self._encoder.reach(layer)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self._encoder.device

    @property
    def precision(self) -> torch.dtype:
        """Number format that the network computes in."""
        return self._encoder.precision

    def with_precision(self, dtype: torch.dtype) -> "Smoothed":
        """The same network computing in another number format."""
        return Smoothed(self._encoder.with_precision(dtype), self.temperatures)

    def with_padding(self, padding: Padding | Pattern) -> "Smoothed":
        """The same network continuing a picture beyond its border in another way."""
        return Smoothed(self._encoder.with_padding(padding), self.temperatures)


def settle(encoder: Encoder, moments: Moments, config: PaintConfig) -> Moments:
    """Moments of a softmax, times the number of its entries, from those of e^x.

    Args:
        encoder: Where they come from; those of a plain one are given back as they are.
        moments: Mean (B, C) and second moment (B, C, C) of a whole picture or region.
        config: The form of the loss matters.
    """
    if not isinstance(encoder, Smoothed):
        return moments
    level = moments.mean.mean(dim=1)  # (B,): the sum of e^x, divided by the number of entries
    mean, second = moments.mean / level[:, None], moments.second / level[:, None, None] ** 2
    if not _is_centred(config):
        return Moments(mean, second)
    return Moments(mean - 1, second - mean[:, :, None] - mean[:, None, :] + 1)


def find_content_factor(
    encoder: Encoder, config: PaintConfig, energy: float, total: float, count: int
) -> float:
    """What the summed squared difference in a content layer is multiplied with.

    Args:
        encoder: Where the activations come from.
        config: The form of the loss matters.
        energy: Sum of the squares of the photograph's activations.
        total: Their sum.
        count: Their number.
    """
    factor = LOSS_FORMS[config.loss].content_factor
    if not isinstance(encoder, Smoothed):
        return factor(energy, count)
    level = total / count
    settled = energy / level**2 - (count if _is_centred(config) else 0)
    return factor(settled, count) / level**2


@torch.no_grad()
def _measure_temperatures(encoder: Encoder) -> dict[str, float]:
    clouds = _draw_clouds().to(encoder.device)
    found = encoder(clouds, encoder.layers)
    return {
        name: max(_TEMPERATURE * float(seen.float().std()), 1e-6) for name, seen in found.items()
    }


def _draw_clouds() -> Tensor:
    """A picture with shapes of all sizes, (1, 3, 128, 128), always the same."""
    generator = torch.Generator().manual_seed(0)
    total, sides = torch.zeros(1, 3, _PROBE, _PROBE), [2**n for n in range(1, 8)]
    for side in sides:
        noise = torch.rand((1, 3, side, side), generator=generator) - 0.5
        total += F.interpolate(noise, size=(_PROBE, _PROBE), mode="bilinear", align_corners=False)
    clouds: Tensor = 0.5 + total / len(sides) ** 0.5
    return clouds.clamp_(0, 1)


def _is_centred(config: PaintConfig) -> bool:
    return config.loss == "impasto"
