"""What every part is told: on which pictures, how large, how often, where."""

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.pictures import Pair
from benchmarks.report import Watch


@dataclass(frozen=True)
class Bench:
    """Where and how something is measured.

    Attributes:
        pair: Photograph and style picture, already at size.
        folder: Where files may be written; it is removed in the end.
        size: Long side in px of what is painted.
        repeats: Runs that a median is taken of.
        device: `auto`, `cpu`, `cuda` or `mps`.
        watch: Told what is being measured.
    """

    pair: Pair
    folder: Path
    size: int = 512
    repeats: int = 3
    device: str = "auto"
    watch: Watch = field(default_factory=Watch)
