"""How much memory a painting will take, told before it starts."""

import re

import torch

from impasto.config import PaintConfig
from impasto.errors import ConfigError
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


#: Sides of tiles to choose from, in px, and the border around each (see `impasto.tiles`).
_TILES = (2048, 1536, 1024, 768, 512, 384, 256)
_BORDER = 96
#: Values a pixel that the photograph's activations take in relu3_2 and relu4_2.
_CONTENT_VALUES = 24
#: Pictures of full size beside the solver's memory: the photograph, two iterates, two
#: gradients, a direction and one in passing.
_PICTURES = 7


_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def parse_bytes(text: str) -> int:
    """Read an amount of memory such as 4GiB, 900 MB, 4g or 1500000000.

    Raises:
        ConfigError: If it is none, or not positive.
    """
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kmg]?i?)b?\s*", text.lower())
    amount = int(float(found[1]) * _UNITS[found[2]]) if found and found[2] in _UNITS else 0
    if amount <= 0:
        raise ConfigError(f"{text!r} is no amount of memory; write 4GiB or 900MB.")
    return amount


def estimate_memory(
    config: PaintConfig,
    photograph: tuple[int, int],
    precision: torch.dtype,
    tile: int | None = None,
) -> int:
    """Estimate the peak memory of a painting in bytes.

    Args:
        config: Settings; size, pooling, optimizer and history matter most.
        photograph: (H, W) of the photograph.
        precision: Arithmetic of the network.
        tile: Side of the tiles in px; None evaluates the picture as a whole.
    """
    last = plan_painting(config, photograph)[-1]
    pixels = last.size[0] * last.size[1]
    picture = pixels * 3 * 4
    history = limit_history(config.history, pixels, tile)
    kept = 2 * min(history, last.steps) if config.optimizer == "lbfgs" else 2
    originals = 2 * photograph[0] * photograph[1] * 3 * 4
    looked_at = pixels
    if tile is not None:
        looked_at = min(pixels, (tile + 2 * _BORDER) ** 2)
        kept += _PICTURES
        originals += pixels * _CONTENT_VALUES * precision.itemsize
    network = looked_at * _BYTES_PER_PIXEL[config.pooling, precision]
    return _BASE + network + kept * picture + originals


def choose_tile(
    config: PaintConfig, photograph: tuple[int, int], precision: torch.dtype, budget: int
) -> int | None:
    """Largest tiles with which a painting fits `budget` bytes; None if it needs none.

    The smallest tiles are returned if nothing fits; `estimate_memory` tells.
    """
    if estimate_memory(config, photograph, precision) <= budget:
        return None
    for tile in _TILES:
        if estimate_memory(config, photograph, precision, tile) <= budget:
            return tile
    return _TILES[-1]


def limit_history(history: int, pixels: int, tile: int | None) -> int:
    """Curvature pairs that a tiled painting can afford: each is two pictures of full size."""
    if tile is None:
        return history
    return min(history, 4 if pixels <= 1 << 24 else 1)


def suggest_size(
    config: PaintConfig, photograph: tuple[int, int], precision: torch.dtype, budget: int
) -> int:
    """Largest long side in px, in steps of 64, that fits `budget` bytes; 0 if none does."""
    top = max(photograph) if config.size == "photo" else config.size
    for side in range(top // 64 * 64, 0, -64):
        smaller = config.model_copy(update={"size": side, "scales": None, "steps": None})
        tile = choose_tile(smaller, photograph, precision, budget)
        if estimate_memory(smaller, photograph, precision, tile) <= budget:
            return side
    return 0
