"""How much memory a painting will take, told before it starts."""

import re
from dataclasses import dataclass

import torch

from impasto.backbones import find_architecture, find_family
from impasto.config import PaintConfig
from impasto.errors import ConfigError
from impasto.patterns import wraps
from impasto.pyramid import Scale, choose_side, plan_painting
from impasto.statistics import STATISTICS

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
#: The same for networks other than VGG, by architecture or family, in float32 and in bfloat16, and
#: the border of a tile for their default layers. Float32 is measured, with ResNet-34 reckoned from
#: ResNet-18; bfloat16 is two thirds of it, as with VGG.
_OTHERS: dict[str, tuple[int, int, int]] = {
    "resnet18": (700, 470, 112),
    "resnet34": (950, 640, 288),
    "resnet": (1600, 1070, 144),
    "densenet": (1650, 1100, 144),
    "efficientnet": (1200, 800, 128),
}
#: Activations beside their softmax: this much memory of a network at work.
_SMOOTHING = 1.35
#: Python, PyTorch and the weights; in float32 with Winograd's kernels.
_BASE = {torch.bfloat16: 500 * 2**20, torch.float32: 900 * 2**20}
#: The same with networks other than VGG, of which ResNet-50 at twice its width is the largest.
_OTHER_BASE = 650 * 2**20
#: Sides of tiles to choose from, in px, and the border around each (see `impasto.tiles`).
_TILES = (2048, 1536, 1024, 768, 512, 384, 256)
_BORDER = 96
#: Width of a position of the deepest layer that is usual, for statistics that look around tiles.
_DEEPEST = 16
#: Values a pixel that the photograph's activations take in relu3_2 and relu4_2.
_TARGET_VALUES = 24
#: Pictures of full size beside curvature: two iterates, two gradients, a direction, and one in
#: passing.
_PICTURES = 6
#: Computing the photograph's activations anew makes an evaluation this much longer.
_RECOMPUTING = 1.25
#: Continuing a pattern in every layer takes copies: this much memory of a network at work.
_CONTINUING = 1.1
#: Curvature pairs that a picture in tiles makes do with, from more to fewer.
_FEW_PAIRS = (4, 1)
#: Most pixels that the network looks at where nothing is painted; and pictures of full size then.
_LOOK_PIXELS, _UNPAINTED_PICTURES = 512 * 512, 6


@dataclass(frozen=True)
class Frugality:
    """How a picture that would not fit in memory is painted all the same.

    Attributes:
        tile: Side of the tiles in px in which larger scales are evaluated.
        keep_targets: Keep the photograph's activations, or compute them in each evaluation.
        history: Most curvature pairs for scales in tiles; each takes two pictures.
    """

    tile: int
    keep_targets: bool = True
    history: int = _FEW_PAIRS[0]

    @property
    def slowness(self) -> float:
        """Work of an evaluation, in units of one with borderless tiles and all targets kept."""
        borders = (1 + 2 * _BORDER / self.tile) ** 2
        return borders * (1.0 if self.keep_targets else _RECOMPUTING)


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
    frugality: Frugality | None = None,
) -> int:
    """Estimate the peak memory of a painting in bytes.

    Args:
        config: Settings; size, pooling, optimizer and history matter most.
        photograph: (H, W) of the photograph.
        precision: Arithmetic of the network.
        frugality: How memory is saved; None evaluates the picture as a whole.
    """
    return _estimate(
        config, plan_painting(config, photograph)[-1], photograph, precision, frugality
    )


def _estimate(
    config: PaintConfig,
    last: Scale,
    photograph: tuple[int, int],
    precision: torch.dtype,
    frugality: Frugality | None,
) -> int:
    pixels = last.size[0] * last.size[1]
    picture = pixels * 3 * 4
    pairs = config.history
    other = 2 * photograph[0] * photograph[1] * 3 * 4
    if not config.is_painted:
        network = min(pixels, _LOOK_PIXELS) * _count_bytes(config, precision)
        return _find_base(config, precision) + network + _UNPAINTED_PICTURES * picture + other
    looked_at, pictures = pixels, 0
    if frugality is not None:
        pairs = min(pairs, frugality.history)
        border = find_border(config)
        border += _DEEPEST * max(STATISTICS[name].halo for name in config.statistics)
        looked_at = (frugality.tile + 2 * border) ** 2
        if not wraps(config.seamless):  # else tiles see beyond the picture's border
            looked_at = min(pixels, looked_at)
        pictures = _PICTURES
        if frugality.keep_targets:
            other += pixels * _TARGET_VALUES * precision.itemsize
        else:
            pictures += 1
    pictures += 2 * min(pairs, last.steps) if config.optimizer == "lbfgs" else 2
    network = looked_at * _count_bytes(config, precision)
    if config.seamless != "none":
        network = round(network * _CONTINUING)
    for name in config.statistics:
        pixel, fixed = STATISTICS[name].memory
        network += looked_at * pixel + fixed
    return _find_base(config, precision) + network + pictures * picture + other


def _count_bytes(config: PaintConfig, precision: torch.dtype) -> int:
    """Peak bytes that the network takes a pixel."""
    per_pixel = _BYTES_PER_PIXEL[config.pooling, precision]
    if other := _find_other(config):
        exact, half, _ = other
        per_pixel = half if precision == torch.bfloat16 else exact
    return round(per_pixel * _SMOOTHING) if config.smooths else per_pixel


def find_border(config: PaintConfig) -> int:
    """Border of a tile in px, for the backbone's default layers."""
    other = _find_other(config)
    return other[2] if other else _BORDER


def _find_base(config: PaintConfig, precision: torch.dtype) -> int:
    return _OTHER_BASE if _find_other(config) else _BASE[precision]


def _find_other(config: PaintConfig) -> tuple[int, int, int] | None:
    return _OTHERS.get(find_architecture(config.backbone)) or _OTHERS.get(
        find_family(config.backbone)
    )


def choose_frugality(
    config: PaintConfig, photograph: tuple[int, int], precision: torch.dtype, budget: int
) -> Frugality | None:
    """The fastest way to paint within `budget` bytes; None if the picture fits as it is.

    The most frugal way is returned if nothing fits; `estimate_memory` tells.
    """
    last = plan_painting(config, photograph)[-1]
    if _estimate(config, last, photograph, precision, None) <= budget:
        return None
    ways = [
        Frugality(tile, keep_targets, history)
        for history in _FEW_PAIRS
        for tile in _TILES
        for keep_targets in (True, False)
    ]
    fitting = [way for way in ways if estimate_memory(config, photograph, precision, way) <= budget]
    # Curvature saves whole evaluations, so it is given up last.
    return min(fitting, key=lambda way: (-way.history, way.slowness), default=ways[-1])


def suggest_size(
    config: PaintConfig, photograph: tuple[int, int], precision: torch.dtype, budget: int
) -> int:
    """Largest long side in px, in steps of 64, that fits `budget` bytes; 0 if none does."""
    top = choose_side(config, photograph)
    for side in range(top // 64 * 64, 0, -64):
        smaller = config.model_copy(update={"size": side, "scales": None, "steps": None})
        frugality = choose_frugality(smaller, photograph, precision, budget)
        if estimate_memory(smaller, photograph, precision, frugality) <= budget:
            return side
    return 0
