"""A VGG of fewer channels that sees nearly the same: losses at a quarter of the price.

Of each layer those channels are kept from which the others can be told best, and each convolution
becomes the linear map of what is kept below that comes nearest to what it gave before (He, Zhang &
Sun 2017, with a greedy choice in place of their LASSO). It takes half a minute, and no training.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.vgg import VGG
from impasto.leastsquares import BATCH, measure_miss, sample_patches, solve_ridge

#: Channels come in groups that processors are built for.
_GROUP = 8
#: Positions that a convolution is fitted to, about, and what is added to its equations.
_POSITIONS, _RIDGE = 60_000, 1e-4


class Slimmed(NamedTuple):
    """A layer that has been slimmed.

    Attributes:
        layer: Its name.
        channels: How many it has now.
        missed: Share of the variance of their activations that is not met.
    """

    layer: str
    channels: int
    missed: float


@torch.no_grad()
def slim(
    slimmer: VGG, encoder: VGG, layers: Sequence[str], share: float, pictures: Tensor, seed: int = 0
) -> Iterator[Slimmed]:
    """Make a copy of a network slim, a convolution at a time, as deep as the deepest of `layers`.

    Args:
        slimmer: A duplicate of `encoder`, whose weights are replaced. Layers beyond are of no use.
        encoder: The network that it is to see like, in float32.
        layers: Where it will be asked to look.
        share: Of the channels, in (0, 1], that each layer keeps.
        pictures: Shape (B, 3, s, s), values in [0, 1]; fifty of 128 px, photographs and paintings.
        seed: Of the positions that are looked at.
    """
    generator = torch.Generator().manual_seed(seed)
    pad = 0 if encoder.padding == "replicate" else 1
    full = slender = encoder._normalise(pictures.to(encoder.device))
    for name in encoder.layers[: max(encoder.layers.index(layer) for layer in layers) + 1]:
        if name.startswith("pool"):
            full, slender = (encoder._pool(x, name).after for x in (full, slender))
            continue
        weight, bias = (getattr(encoder, f"{name}_{part}") for part in ("weight", "bias"))
        given = _convolve(full, weight, bias, pad)
        full = F.relu(given)
        kept = choose_channels(full, _round(share * len(weight)))
        aim = given[:, kept]
        if name == encoder.layers[0]:
            weight, bias = weight[kept], bias[kept]
        else:
            seen = F.pad(slender, (pad,) * 4)
            weight, bias = solve_ridge(
                sample_patches(seen, aim, weight.shape[-1], _POSITIONS, generator), _RIDGE
            )
            weight = weight.view(len(kept), slender.shape[1], 3, 3)
        for part, tensor in (("weight", weight), ("bias", bias)):
            layout = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
            tensor = tensor.to(slimmer.precision).contiguous(memory_format=layout)
            setattr(slimmer, f"{name}_{part}", tensor)
        slender = F.relu(_convolve(slender, weight, bias, pad))
        yield Slimmed(name, len(kept), measure_miss(slender, full[:, kept]))
        pad = 1


def choose_channels(activations: Tensor, count: int) -> Tensor:
    """Channels from which the others can be told best, in order.

    Greedy, by a pivoted Cholesky factorisation of the second moments: each choice explains most of
    what the choices before it leave. Channels weigh by the root of their size, for those of small
    activations count too where statistics are compared.

    Args:
        activations: Shape (B, C, H, W).
        count: How many to choose.

    Returns:
        Their numbers, (count,).
    """
    rows = activations[..., ::2, ::2].transpose(0, 1).flatten(1)
    left = (rows @ rows.T).cpu().double() / rows.shape[1]
    size = left.diagonal().sqrt().clamp(min=1e-9)
    left = left / torch.outer(size, size).sqrt()
    chosen: list[int] = []
    for _ in range(count):
        gains = left.square().sum(dim=0) / left.diagonal().clamp(min=1e-9)
        gains[chosen] = -1
        best = int(gains.argmax())
        chosen.append(best)
        left = left - torch.outer(left[:, best], left[best]) / left[best, best].clamp(min=1e-9)
    return torch.tensor(sorted(chosen), device=activations.device)


def _round(channels: float) -> int:
    return max(_GROUP, round(channels / _GROUP) * _GROUP)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor, pad: int) -> Tensor:
    """Convolve in parts, for what a convolution lays out beside its result is large."""
    return torch.cat([F.conv2d(part, weight, bias, padding=pad) for part in torch.split(x, BATCH)])
