"""Layers found by least squares: the linear map that comes nearest to what is wanted."""

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Pictures whose patches are laid out at a time.
BATCH = 8


def sample_patches(
    x: Tensor,
    aim: Tensor,
    kernel: int,
    positions: int,
    generator: torch.Generator,
    stride: int = 1,
) -> Iterator[tuple[Tensor, Tensor]]:
    """What a convolution sees and should give at random places, as equations.

    Args:
        x: What it sees, with the border that it needs, (B, C, H + k - 1, W + k - 1) if the stride
            is 1.
        aim: What it should give, (B, K, H, W).
        kernel: Its side k.
        positions: Equations in all, about.
        generator: Of the places.
        stride: From one place to the next.

    Yields:
        Patches with a one beside them, (N, C * k * k + 1), and what they should become, (N, K).
    """
    places = aim.shape[-2] * aim.shape[-1]
    kept = min(places, max(1, positions // len(x)))
    for part, wanted in zip(torch.split(x, BATCH), torch.split(aim, BATCH), strict=True):
        chosen = torch.randperm(places, generator=generator)[:kept].to(x.device)
        patches = F.unfold(part, kernel, stride=stride)  # (b, C * k * k, places)
        rows = patches[..., chosen].transpose(1, 2).flatten(0, 1)
        yield (
            torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1),
            wanted.flatten(2)[..., chosen].transpose(1, 2).flatten(0, 1),
        )


def solve_ridge(equations: Iterable[tuple[Tensor, Tensor]], ridge: float) -> tuple[Tensor, Tensor]:
    """Weights and bias that come nearest, by ridge regression.

    Args:
        equations: As `sample_patches` yields them, one batch at least.
        ridge: Added to the normal equations, as a share of their mean diagonal.

    Returns:
        Shapes (K, C * k * k) and (K,).
    """
    normal, right = torch.zeros(()), torch.zeros(())
    device = normal.device
    for rows, wanted in equations:
        device = rows.device
        normal = normal + (rows.T @ rows).cpu().double()
        right = right + (rows.T @ wanted).cpu().double()
    normal.diagonal().add_(ridge * normal.diagonal().mean())
    solved = torch.cholesky_solve(right, torch.linalg.cholesky(normal)).float().to(device)
    return solved[:-1].T.contiguous(), solved[-1].contiguous()


def fit_convolution(
    layer: nn.Conv2d,
    x: Tensor,
    aim: Tensor,
    positions: int,
    ridge: float,
    generator: torch.Generator,
) -> None:
    """Set a convolution's weights and bias to those that come nearest.

    Args:
        layer: Whose weights are set, with a square kernel.
        x: What it sees, with the border that it needs.
        aim: What it should give, (B, K, H, W).
        positions: Equations in all, about.
        ridge: See `solve_ridge`.
        generator: Of the places that are looked at.
    """
    side, stride = layer.kernel_size[0], layer.stride[0]
    weight, bias = solve_ridge(sample_patches(x, aim, side, positions, generator, stride), ridge)
    layer.weight.copy_(weight.reshape(layer.weight.shape))
    if layer.bias is not None:
        layer.bias.copy_(bias)


def fit_bottleneck(
    first: nn.Linear, second: nn.Linear, x: Tensor, aim: Tensor, sizes: Tensor, ridge: float
) -> float:
    """Set two linear layers, with few numbers between them, by reduced-rank regression.

    The best map without a bottleneck is found by ridge regression; of what it gives the strongest
    directions are kept (Izenman 1975, "Reduced-rank regression for the multivariate linear model").

    Args:
        first: Its bias is set so that the numbers between are zero on average; they are of length
            one.
        second: What comes after it, nothing between. Of numbers beyond the rank of what is to be
            told it takes nothing, but can learn to.
        x: What is seen, (N, K).
        aim: What is to be told, (N, M).
        sizes: What is a large error in each number, (M,).
        ridge: See `solve_ridge`.

    Returns:
        Share of the variance of `aim`, in `sizes`, that is not met.
    """
    seen, wanted = x.double(), (aim / sizes).double()
    middle, mean = seen.mean(0), wanted.mean(0)
    seen, wanted = seen - middle, wanted - mean
    # As many equations as pictures; far fewer than unknowns.
    alike = seen @ seen.T
    alike.diagonal().add_(ridge * alike.diagonal().mean().clamp(min=1e-12))
    weight = seen.T @ torch.linalg.solve(alike, wanted)  # (K, M)
    _, _, directions = torch.linalg.svd(seen @ weight, full_matrices=False)
    kept = directions[: first.out_features]
    into = weight @ kept.T
    length = (seen @ into).square().sum(1).mean().sqrt().clamp(min=1e-12)
    rank = len(kept)
    nn.init.zeros_(second.weight)
    first.weight[:rank].copy_((into / length).T)
    first.bias[:rank].copy_(-(middle @ into) / length)
    second.weight[:, :rank].copy_(kept.T * length * sizes[:, None])
    second.bias.copy_(mean * sizes)
    missed = seen @ into @ kept - wanted
    return float(missed.square().sum() / wanted.square().sum().clamp(min=1e-12))


def measure_miss(found: Tensor, aim: Tensor) -> float:
    """Share of the variance of (B, K, H, W) that is not met."""
    spread = (aim - aim.mean(dim=(0, 2, 3), keepdim=True)).square().sum().clamp(min=1e-12)
    return float((found - aim).square().sum() / spread)
