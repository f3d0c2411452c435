"""Muon (Jordan et al. 2024): steps of one size in all directions, for networks with little time.

The gradient of a convolution is dominated by a few directions, so a plain step leaves the others
nearly as they are. Muon takes the nearest matrix without a stretch to the averaged gradient: each
direction is learnt at one pace. What has no such matrix, biases and the like, is left to Adam.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

#: Quintic that brings all singular values of a matrix near one in five rounds (Jordan et al. 2024).
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
#: Of Adam's steps: their root mean square in practice. Steps of Muon are given the same, so that
#: one learning rate serves both (Liu et al. 2025, sec. 2.2).
_ADAM_SIZE = 0.2
_SMALLEST = 1e-12
#: Convolutions from or to no more channels than these are of colours.
_COLORS = 4


def orthogonalize(matrix: Tensor) -> Tensor:
    """Bring all singular values of a matrix near one (0.7 to 1.2) and keep its directions.

    The rounds of Newton and Schulz are all polynomials of one small square matrix, so only that one
    goes through them: for 256 x 2304 a third of the work.

    Args:
        matrix: Shape (M, N), float32.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalize(matrix.T).T
    matrix = matrix / matrix.norm().clamp(min=_SMALLEST)
    square = matrix @ matrix.T
    whole = torch.eye(len(square), dtype=square.dtype, device=square.device)
    first, third, fifth = _QUINTIC
    for _ in range(_ROUNDS):
        change = torch.addmm(square, square, square, beta=third, alpha=fifth)
        change.diagonal().add_(first)
        square = change @ square @ change
        whole = change @ whole
    return whole @ matrix


class Muon(torch.optim.Optimizer):
    """Muon for hidden weights, Adam for what else there is.

    Args:
        network: Whose weights learn.
        lr: Learning rate, of both.
        momentum: Memory of the averaged gradient.
        betas: Of Adam.
    """

    def __init__(
        self,
        network: nn.Module,
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        hidden = set(find_hidden(network))
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        groups = [
            {"params": [weight for weight in weights if weight in hidden], "matrices": True},
            {"params": [weight for weight in weights if weight not in hidden], "matrices": False},
        ]
        defaults = {"lr": lr, "momentum": momentum, "betas": betas}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Change the weights by their gradients."""
        for group in self.param_groups:
            change = self._change_matrix if group["matrices"] else self._change_plain
            for weight in group["params"]:
                if weight.grad is not None:
                    change(weight, weight.grad, group)

    def _change_matrix(self, weight: Tensor, slope: Tensor, group: dict[str, Any]) -> None:
        memory = self.state[weight]
        if not memory:
            memory["average"] = torch.zeros_like(weight)
        keep = group["momentum"]
        average = memory["average"].lerp_(slope, 1 - keep)
        ahead = slope.lerp(average, keep).flatten(1)
        size = _ADAM_SIZE * math.sqrt(max(ahead.shape))
        step = orthogonalize(ahead).reshape(weight.shape)
        weight.add_(step, alpha=-group["lr"] * size)

    def _change_plain(self, weight: Tensor, slope: Tensor, group: dict[str, Any]) -> None:
        memory = self.state[weight]
        if not memory:
            memory["step"] = torch.zeros(())
            memory["average"] = torch.zeros_like(weight)
            memory["square"] = torch.zeros_like(weight)
        memory["step"] += 1
        first, second = group["betas"]
        count = memory["step"].item()
        average = memory["average"].lerp_(slope, 1 - first)
        square = memory["square"].mul_(second).addcmul_(slope, slope, value=1 - second)
        size = (square / (1 - second**count)).sqrt_().add_(1e-8)
        weight.addcdiv_(average, size, value=-group["lr"] / (1 - first**count))


def find_hidden(network: nn.Module) -> Iterator[Tensor]:
    """The weights of convolutions from channels to channels: neither in nor out are colours."""
    for module in network.modules():
        if not isinstance(module, nn.Conv2d) or module.groups > 1:
            continue
        if min(module.in_channels, module.out_channels) > _COLORS:
            yield module.weight
