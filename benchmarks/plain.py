"""A training loop for one style as tutorials write it: what `impasto train` is compared with.

Float32, channels first, `nn.InstanceNorm2d`, reflection padding, enlargement before convolution,
VGG-19 by layers and autograd, Gram matrices and `F.mse_loss`, Adam.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
CONTENT_LAYERS = ("relu3_2", "relu4_1")
#: Weights of both losses; no number depends on them.
_CONTENT, _STYLE = 1.0, 1e-4


def _convolve(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    padding = nn.ReflectionPad2d(kernel // 2)
    return nn.Sequential(padding, nn.Conv2d(inputs, outputs, kernel, stride))


def _norm(channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(channels, affine=True)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _convolve(channels, channels, 3), _norm(channels), nn.ReLU(),
            _convolve(channels, channels, 3), _norm(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)  # type: ignore[no-any-return]


def make_network(width: int, blocks: int) -> nn.Module:
    """The layers of our `johnson`, plainly."""
    wide, deep = 2 * width, 4 * width
    layers: list[nn.Module] = [
        _convolve(3, width, 9), _norm(width), nn.ReLU(),
        _convolve(width, wide, 3, 2), _norm(wide), nn.ReLU(),
        _convolve(wide, deep, 3, 2), _norm(deep), nn.ReLU(),
        *(_Residual(deep) for _ in range(blocks)),
        nn.Upsample(scale_factor=2), _convolve(deep, wide, 3), _norm(wide), nn.ReLU(),
        nn.Upsample(scale_factor=2), _convolve(wide, width, 3), _norm(width), nn.ReLU(),
        _convolve(width, 3, 9), nn.Sigmoid(),
    ]  # fmt: skip
    return nn.Sequential(*layers)


class PlainVGG(nn.Module):
    """VGG-19 up to relu4_1.

    Args:
        state: Oxford's weights.
        mean: Of each channel, subtracted.
        deviation: Of each channel, divided by.
    """

    def __init__(self, state: Mapping[str, Tensor], mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.mean, self.deviation = mean, deviation
        self.names: list[str] = []
        layers: list[nn.Module] = []
        for block, count in enumerate((2, 2, 4, 1), 1):
            for number in range(1, count + 1):
                weight = state[f"features.{len(layers)}.weight"]
                layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
                layer.weight.data, layer.bias.data = (  # type: ignore[union-attr]
                    weight, state[f"features.{len(layers)}.bias"],
                )  # fmt: skip
                layers += [layer, nn.ReLU()]
                self.names += ["", f"relu{block}_{number}"]
            layers.append(nn.MaxPool2d(2))
            self.names.append("")
        self.layers = nn.ModuleList(layers[:-1])
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Activations of all layers."""
        x = (x - self.mean) / self.deviation
        found = {}
        for name, layer in zip(self.names, self.layers, strict=False):
            x = layer(x)
            found[name] = x
        return found


def gram(x: Tensor) -> Tensor:
    """Gram matrices (B, C, C) of activations, by the number of values."""
    batch, channels, height, width = x.shape
    rows = x.reshape(batch, channels, -1)
    return rows @ rows.transpose(1, 2) / (channels * height * width)


def make_step(
    vgg: PlainVGG, style: Tensor, width: int, blocks: int, *, keeps_style: bool
) -> Callable[[Tensor], None]:
    """A training step on crops (B, 3, s, s).

    Args:
        vgg: Of the losses.
        style: Picture (1, 3, s, s).
        width: Of the network.
        blocks: Of the network.
        keeps_style: Look at the style once, and not in each step.
    """
    network = make_network(width, blocks)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def look() -> Sequence[Tensor]:
        with torch.no_grad():
            seen = vgg(style)
        return [gram(seen[layer]) for layer in STYLE_LAYERS]

    kept = look() if keeps_style else None

    def step(photos: Tensor) -> None:
        optimizer.zero_grad()
        targets = kept or look()
        painted = network(photos)
        with torch.no_grad():
            seen = vgg(photos)
        found = vgg(painted)
        content = sum(F.mse_loss(found[layer], seen[layer]) for layer in CONTENT_LAYERS)
        terms = [
            F.mse_loss(gram(found[layer]), target.expand(len(photos), -1, -1))
            for layer, target in zip(STYLE_LAYERS, targets, strict=True)
        ]
        loss = _CONTENT * content + _STYLE * torch.stack(terms).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step
