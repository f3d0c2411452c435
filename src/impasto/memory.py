"""How much memory a painting will take, told before it starts."""

import torch

from impasto.config import PaintConfig
from impasto.pyramid import plan_painting

#: Peak bytes a pixel of the largest scale: activations, their gradients and scratch space.
#: Measured as the growth of the resident set from 512 to 768 px on x86-64, and rounded up.
_BYTES_PER_PIXEL = {
    ("max", torch.bfloat16): 1750,
    ("average", torch.bfloat16): 1700,
    ("l2", torch.bfloat16): 2000,
    ("max", torch.float32): 3000,
    ("average", torch.float32): 2750,
    ("l2", torch.float32): 3300,
}
#: Python, PyTorch and the weights.
_BASE = 500 * 2**20


def estimate_memory(
    config: PaintConfig, photograph: tuple[int, int], precision: torch.dtype
) -> int:
    """Estimate the peak memory of a painting in bytes.

    Args:
        config: Settings; size, pooling, optimizer and history matter most.
        photograph: (H, W) of the photograph.
        precision: Arithmetic of the network.
    """
    last = plan_painting(config, photograph)[-1]
    pixels = last.size[0] * last.size[1]
    picture = pixels * 3 * 4
    kept = 2 * min(config.history, last.steps) if config.optimizer == "lbfgs" else 2
    originals = 2 * photograph[0] * photograph[1] * 3 * 4
    return _BASE + pixels * _BYTES_PER_PIXEL[config.pooling, precision] + kept * picture + originals


def suggest_size(
    config: PaintConfig, photograph: tuple[int, int], precision: torch.dtype, budget: int
) -> int:
    """Largest long side in px, in steps of 64, that fits `budget` bytes; 0 if none does."""
    top = max(photograph) if config.size == "photo" else config.size
    for side in range(top // 64 * 64, 0, -64):
        smaller = config.model_copy(update={"size": side, "scales": None, "steps": None})
        if estimate_memory(smaller, photograph, precision) <= budget:
            return side
    return 0
