"""Families: sets of paintings that belong together, and the small file that says how.

The file holds no picture: the styles' names and digests, the settings, how strokes are measured,
and the palette that every painting is drawn toward. It is written once, by the first run.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from impasto.config import PaintConfig
from impasto.errors import ConfigError, ImageError
from impasto.files import describe_os_error, replacing
from impasto.palettes import Palette
from impasto.version import __version__

Strokes = Literal["share", "pixels"]

#: Of what is in the file.
_FORMAT = 1
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Family:
    """What the paintings of a set have in common.

    Attributes:
        name: Of its file, for messages.
        styles: Names and digests of the style pictures, in order.
        settings: Arguments of `PaintConfig` that the first run had.
        strokes: `share`: strokes are as large a part of each picture; `pixels`: they are of one
            size in pixels.
        side: Long side in px of the painting that the strokes were chosen for.
        palette: What colours are drawn toward.
    """

    name: str
    styles: tuple[dict[str, str], ...]
    settings: dict[str, Any]
    strokes: Strokes
    side: int
    palette: Palette

    @classmethod
    def read(cls, path: Path) -> "Family":
        """Read a family's file; anyone may have written it.

        Raises:
            ConfigError: If it cannot be read, or is something else.
        """
        found = _read_json(path)
        if found.get("format") != _FORMAT:
            if isinstance(found.get("format"), int):
                raise ConfigError(f"{path} was written by a newer impasto; update this one.")
            raise _foreign(path)
        try:
            styles = [{key: str(one[key]) for key in ("name", "sha256")} for one in found["styles"]]
            strokes, side = found["strokes"], int(found["side"])
            if strokes not in ("share", "pixels") or not 1 <= side <= 1 << 20 or not styles:
                raise ValueError(strokes)
            palette, settings = Palette.from_dict(found["palette"]), dict(found["settings"])
        except (KeyError, TypeError, ValueError) as error:  # ConfigError is a ValueError
            raise _foreign(path) from error
        try:
            PaintConfig(**settings)
        except ConfigError as error:
            raise ConfigError(f"{path} has settings that make no sense: {error}") from error
        return cls(path.name, tuple(styles), settings, strokes, side, palette)

    def write(self, path: Path) -> None:
        """Write a new file, whole or not at all.

        Raises:
            ConfigError: If there is a file already.
            OutputError: If it cannot be written.
        """
        if path.exists():
            raise ConfigError(f"{path} exists already; a family's file is never replaced.")
        text = json.dumps(
            {
                "format": _FORMAT,
                "impasto": __version__,
                "styles": list(self.styles),
                "settings": self.settings,
                "strokes": self.strokes,
                "side": self.side,
                "palette": self.palette.to_dict(),
            },
            indent=1,
        )
        with replacing(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    def check_styles(self, styles: Sequence[dict[str, str]]) -> None:
        """Refuse other style pictures than the family's.

        Raises:
            ConfigError: If they are others.
        """
        if [one["sha256"] for one in styles] == [one["sha256"] for one in self.styles]:
            return
        own, other = (", ".join(one["name"] for one in x) for x in (self.styles, styles))
        if own == other:
            other = "another picture of that name"
        raise ConfigError(
            f"{self.name} is a family in the style {own}, and this is {other}; name that style,"
            " or another file for a new family."
        )

    def scale_strokes(self, config: PaintConfig, side: int, name: str) -> PaintConfig:
        """The settings for a painting whose long side is `side` px.

        Raises:
            ImageError: If strokes of the family's size are too large or small for it.
        """
        if self.strokes == "share" or side == self.side:
            return config
        given = config.stroke_size if isinstance(config.stroke_size, tuple) else None
        sizes = tuple(one * self.side / side for one in given or config.list_stroke_sizes(1))
        if not all(0.1 <= one <= 8 for one in sizes):
            raise ImageError(
                f"{name} would be painted at {side} px, too far from the {self.side} px that the"
                f" strokes of {self.name} are for; choose another --size."
            )
        return PaintConfig(**(config.model_dump() | {"stroke_size": sizes}))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _foreign(path)
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {describe_os_error(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise _foreign(path) from error
    if not isinstance(found, dict):
        raise _foreign(path)
    return found


def _foreign(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is not a family's file, or is damaged; name another, or a new one for a new"
        " family."
    )
