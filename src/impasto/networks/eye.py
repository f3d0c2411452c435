"""A small eye for styles: a slim VGG-19 that comes with the network, in place of the whole one.

Mean and deviation of a few channels tell a style as well as those of all: the others follow from
them. It needs a fifteenth of VGG-19's multiplications and no file of its own.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.encoders.slimming import Slimmed, slim
from impasto.encoders.vgg import CHANNELS, PREPROCESSING, VGG, list_layers, smallest_side
from impasto.errors import ShapeError
from impasto.networks.codes import LAYERS

_ARCHITECTURE = "vgg19"


class _Layer(NamedTuple):
    name: str
    inputs: int
    outputs: int


class Eye(nn.Module):
    """A frozen VGG-19 of few channels, as deep as styles are looked at.

    Its weights are buffers: nothing that learns. As built they are drawn at random; `take` gives it
    those of a slim VGG-19.

    Args:
        width: Channels at full size, of which VGG-19 has 64; two, four and eight times as many
            at a half, a quarter and an eighth.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self._layers = _list_layers(width)
        for name, inputs, outputs in self._layers:
            if not name.startswith("pool"):
                self.register_buffer(
                    f"{name}_weight", nn.init.kaiming_normal_(torch.empty(outputs, inputs, 3, 3))
                )
                self.register_buffer(f"{name}_bias", torch.zeros(outputs))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Activations where styles are looked at, of pictures (B, 3, H, W) in [0, 1].

        Raises:
            ShapeError: If nothing of a picture is left at an eighth of its size.
        """
        height, width = image.shape[-2:]
        if min(height, width) < (least := smallest_side(LAYERS)):
            raise ShapeError(
                f"A style of {width}x{height} px is too small to be looked at; each side must be at"
                f" least {least} px."
            )
        mean, std = (image.new_tensor(part).view(1, 3, 1, 1) for part in PREPROCESSING["caffe"])
        x, found = F.pad((image - mean) / std, (1, 1, 1, 1), "replicate"), {}
        for name, _, _ in self._layers:
            if name.startswith("pool"):
                x = F.max_pool2d(x, 2)
                continue
            weight, bias = (getattr(self, f"{name}_{part}") for part in ("weight", "bias"))
            x = F.relu_(F.conv2d(x, weight, bias, padding=0 if name == "relu1_1" else 1))
            if name in LAYERS:
                found[name] = x
        return found

    def take(self, slender: VGG) -> None:
        """Take the weights of a slim VGG-19 with as many channels."""
        for name, buffer in self.named_buffers():
            buffer.copy_(getattr(slender, name))


def fit_eye(eye: Eye, encoder: VGG, pictures: Tensor, seed: int = 0) -> Iterator[Slimmed]:
    """Give an eye the weights with which it sees most nearly what VGG-19 sees.

    Args:
        eye: Whose weights are replaced.
        encoder: VGG-19 with Oxford's weights, in float32.
        pictures: Shape (B, 3, s, s), values in [0, 1]; fifty of 128 px, photographs and paintings.
        seed: Of the positions that are looked at.
    """
    slender = encoder.duplicate()
    yield from slim(slender, encoder, LAYERS, eye.width / CHANNELS[0], pictures, seed)
    eye.take(slender)


def count_code(width: int) -> int:
    """Numbers that an eye tells a style in."""
    return 2 * sum(width << block for block in range(len(LAYERS)))


def _list_layers(width: int) -> tuple[_Layer, ...]:
    found, inputs = [], 3
    for name in list_layers(_ARCHITECTURE):
        outputs = inputs if name.startswith("pool") else width << (int(name[4]) - 1)
        found.append(_Layer(name, inputs, outputs))
        inputs = outputs
        if name == LAYERS[-1]:
            break
    return tuple(found)
