"""What an experiment is: a list of runs, each with pictures, settings and its place in a grid.

Free of PyTorch, so that a plan can be read and checked at once.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from impasto.config import PaintConfig
from impasto.errors import ConfigError, ImpastoError

#: Settings that the lab itself understands, beside those of `PaintConfig`.
ROWS, WEIGHTS = "rows", "weights"


@dataclass(frozen=True)
class Run:
    """One painting of an experiment.

    Attributes:
        name: What it is called, unique in its experiment.
        labels: Axis -> value, by which it finds its place in the grid.
        photo: Path of the photograph, or a canvas.
        styles: Paths of the style pictures; none for a reconstruction of content.
        settings: Arguments of `PaintConfig`; `rows`, the height in px instead of a size; and
            `weights`, a file of weights for the network, or "random".
        snapshots: Steps after which the picture so far is kept as well.
        caption: What it shows, for people.
    """

    name: str
    labels: dict[str, str]
    photo: str
    styles: tuple[str, ...]
    settings: dict[str, Any]
    snapshots: tuple[int, ...] = ()
    caption: str = ""

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Run":
        """Read what `to_dict` wrote."""
        lists = {name: tuple(found[name]) for name in ("styles", "snapshots")}
        return cls(**{**found, **lists})

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    def with_weights(self, weights: str) -> "Run":
        """The same with other weights, unless it has some of its own."""
        return replace(self, settings={WEIGHTS: weights, **self.settings})

    def configure(self, photo_size: tuple[int, int]) -> PaintConfig:
        """The settings, checked, for a photograph of (H, W).

        Raises:
            ConfigError: If they make no sense.
        """
        settings = dict(self.settings)
        settings.pop(WEIGHTS, None)
        rows = settings.pop(ROWS, None)
        if rows is not None:
            if not isinstance(rows, int) or rows < 1 or "size" in settings:
                raise ConfigError(f"rows is a height in px in place of size, not {rows!r}.")
            height, width = photo_size
            settings["size"] = max(rows, round(width * rows / height))
        return PaintConfig(**settings)

    @property
    def weights(self) -> str | None:
        """Weights in place of the published ones."""
        found = self.settings.get(WEIGHTS)
        return None if found is None else str(found)

    @property
    def key(self) -> str:
        """Identifies settings and pictures: what has one key need not be run twice."""
        facts = {
            "photo": digest(self.photo),
            "styles": [digest(style) for style in self.styles],
            "settings": self.settings,
            "weights": digest(self.weights or ""),
            "snapshots": self.snapshots,
        }
        text = json.dumps(facts, sort_keys=True, default=list)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def stem(self) -> str:
        """Name of its files, without folder and suffix."""
        return f"{slug(self.name)}-{self.key[:8]}"


@dataclass(frozen=True)
class Experiment:
    """Runs that belong together.

    Attributes:
        title: Of the report.
        description: What is asked, and where it comes from.
        runs: In the order in which they are run and shown.
        axes: Axis -> its values, in order; empty for a plain list.
        source: The document whose experiment it is, if any.
    """

    title: str
    description: str
    runs: tuple[Run, ...]
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        """Check that there is something to do, and no name twice."""
        if not self.runs:
            raise ConfigError("There is nothing to run: give a grid, variants or runs.")
        names = [run.name for run in self.runs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ConfigError(f"Two runs are called {twice!r}; give each a name of its own.")


def digest(source: str) -> str:
    """What identifies a picture: the digest of its file, or the name of a canvas."""
    try:
        return hashlib.sha256(Path(source).read_bytes()).hexdigest()
    except OSError:
        return source


def slug(text: str) -> str:
    """A text as part of a file name."""
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-.")[:80] or "run"


def explain(error: Exception) -> str:
    """One line for what went wrong."""
    if isinstance(error, ImpastoError):
        return " ".join(str(error).split())
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def spell(value: object) -> str:
    """A setting's value as a label."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(spell, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
