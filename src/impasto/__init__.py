"""impasto: neural style transfer. Give it a photograph and a painting, and it paints.

    import impasto
    result = impasto.paint("photo.jpg", "starry_night.jpg", size=768)
    result.save("out.png")

The names below are the public interface. They are loaded on first use, since PyTorch takes a
second to import and `impasto --help` needs none of it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from impasto.version import __version__

if TYPE_CHECKING:
    from impasto.api import Job, Painter, Painting, Placement, paint
    from impasto.config import PaintConfig
    from impasto.errors import ImpastoError
    from impasto.families import Family
    from impasto.fastconfig import FastConfig
    from impasto.fastpainter import FastPainter, fast
    from impasto.images import Picture
    from impasto.progress import PaintState, Progress
    from impasto.scoretables import ScoreRow, ScoreTable
    from impasto.scoring import score

__all__ = [
    "Family",
    "FastConfig",
    "FastPainter",
    "ImpastoError",
    "Job",
    "PaintConfig",
    "PaintState",
    "Painter",
    "Painting",
    "Picture",
    "Placement",
    "Progress",
    "ScoreRow",
    "ScoreTable",
    "__version__",
    "fast",
    "paint",
    "score",
]

_HOMES = {
    "Family": "impasto.families",
    "FastConfig": "impasto.fastconfig",
    "FastPainter": "impasto.fastpainter",
    "ImpastoError": "impasto.errors",
    "Job": "impasto.api",
    "PaintConfig": "impasto.config",
    "PaintState": "impasto.progress",
    "Painter": "impasto.api",
    "Painting": "impasto.api",
    "Picture": "impasto.images",
    "Placement": "impasto.api",
    "Progress": "impasto.progress",
    "fast": "impasto.fastpainter",
    "ScoreRow": "impasto.scoretables",
    "ScoreTable": "impasto.scoretables",
    "paint": "impasto.api",
    "score": "impasto.scoring",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'impasto' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
