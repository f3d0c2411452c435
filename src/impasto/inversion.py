"""A decoder before any training: each convolution by least squares.

The decoder of AdaIN mirrors its encoder, so that for each of its layers one knows what it should
give: what the encoder saw on the way up. Each convolution is the linear map that comes nearest to
that, given what the ones before it make of the code (greedy, layer by layer). It takes a minute or
two in place of hours of training, which goes on from there with far fewer pictures.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders import Encoder
from impasto.leastsquares import BATCH, fit_bottleneck, fit_convolution, measure_miss
from impasto.networks.adain import AdaIN
from impasto.networks.blocks import Convolution, measure_instance, reflect

#: What each convolution of the decoder should give: an activation, and whether it is pooled first,
#: for the enlargement comes after it. After these the picture itself.
_AIMS = (
    ("relu3_4", True), ("relu3_3", False), ("relu3_2", False), ("relu3_1", False),
    ("relu2_2", True), ("relu2_1", False), ("relu1_2", True), ("relu1_1", False),
)  # fmt: skip
#: Positions that a layer is fitted to, about.
_POSITIONS = 60_000
#: Added to the normal equations, as a share of their mean diagonal.
_RIDGE = 1e-3
#: The same for a predictor.
_PREDICTOR_RIDGE = 1e-2


def fit_decoder(
    network: AdaIN, encoder: Encoder, pictures: Tensor, seed: int = 0
) -> Iterator[float]:
    """Set a decoder's weights by least squares (ridge regression), a convolution at a time.

    Args:
        network: Whose decoder is set.
        encoder: VGG-19 with Oxford's weights.
        pictures: Shape (B, 3, s, s), values in [0, 1]; about a hundred of 128 px.
        seed: Of the positions that are looked at.

    Yields:
        For each convolution the share of its aim's variance that it leaves unexplained, over
        `pictures`.
    """
    generator = torch.Generator().manual_seed(seed)
    aims = _collect_aims(encoder, pictures)
    with torch.no_grad():
        x = torch.cat([network.encode(part) for part in torch.split(pictures, BATCH)])
    for layer in network.decoder:
        aim = next(aims) if isinstance(layer, Convolution) else None
        with torch.no_grad():
            if isinstance(layer, Convolution) and aim is not None:
                _fit(layer, x, aim, generator)
            x = torch.cat([layer(part) for part in torch.split(x, BATCH)])
        if aim is not None:
            yield measure_miss(x, aim)


@torch.no_grad()
def fit_predictor(network: AdaIN, encoder: Encoder, pictures: Tensor) -> float:
    """Set a predictor so that it tells of a style what the decoder would find in it.

    Decoded from its own code, a style has certain means and deviations behind each convolution. A
    photograph that is brought to those is nearer to it, with no training at all.

    Args:
        network: Whose predictor is set.
        encoder: VGG-19 with Oxford's weights.
        pictures: Shape (B, 3, s, s), values in [0, 1]; a few hundred of 192 px: paintings, and
            photographs, which are told of where one is to be painted less strongly.

    Returns:
        Share of the variance of means and deviations, over `pictures`, that is not told.
    """
    predictor = network.predictor
    assert predictor is not None
    codes, aims = [], []
    for part in torch.split(pictures, BATCH):
        seen = encoder(part, network.looks_at)
        codes.append(network.find_code(network.describe_seen(seen, part)))
        found: list[Tensor] = []

        def note(_: int, x: Tensor, found: list[Tensor] = found) -> Tensor:
            found.extend(measured.flatten(1) for measured in measure_instance(x))
            return x

        network.decoder(network.take(seen), note)
        aims.append(torch.cat(found, dim=1))
    aim = torch.cat(aims)
    typical = predictor.divide(aim.mean(0, keepdim=True))
    # An error in a mean is as large as one in the deviation beside it.
    sizes = torch.cat([part.chunk(2, dim=1)[1].repeat(1, 2) for part in typical], dim=1)[0]
    code = predictor.scale(torch.cat(codes))
    return fit_bottleneck(predictor.reduce, predictor.tell, code, aim, sizes, _PREDICTOR_RIDGE)


def _collect_aims(encoder: Encoder, pictures: Tensor) -> Iterator[Tensor]:
    """What each convolution should give, of mean square one; the last the pictures themselves."""
    layers = [layer for layer, _ in _AIMS]
    with torch.no_grad():
        parts = [dict(encoder(part, layers)) for part in torch.split(pictures, BATCH)]
    for layer, pooled in _AIMS:
        aim = torch.cat([part.pop(layer).float() for part in parts])
        aim = F.max_pool2d(aim, 2) if pooled else aim
        yield aim / aim.square().mean().sqrt().clamp(min=1e-12)
    yield pictures


def _fit(layer: Convolution, x: Tensor, aim: Tensor, generator: torch.Generator) -> None:
    """Set a convolution's weights and bias."""
    fit_convolution(layer, reflect(x, layer.border), aim, _POSITIONS, _RIDGE, generator)
