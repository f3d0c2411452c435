"""Style pictures that come with impasto, all painted by the code in this package.

Nothing here needs a download, and nobody holds a right in it: the pictures are CC0. Importing
this module is cheap; only `generate` loads numpy and Pillow.

    >>> from impasto.gallery import picture_path
    >>> picture_path("mosaic").name
    'mosaic.webp'
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from impasto.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["STYLES", "GalleryStyle", "generate", "picture_path"]

_PICTURES = Path(__file__).parent / "pictures"


@dataclass(frozen=True)
class GalleryStyle:
    """A style picture of the gallery.

    Attributes:
        name: What to ask for, such as ``"swirling-night"``; also the file's stem.
        title: What the picture shows.
        description: The manner it gives a photograph, in one line.
        technique: How our code paints it.
    """

    name: str
    title: str
    description: str
    technique: str


@dataclass(frozen=True)
class _Painter:
    """Where a style's code is, and the seed of the shipped picture."""

    module: str
    function: str
    seed: int


_ENTRIES = (
    (
        GalleryStyle(
            "swirling-night",
            "Lighthouse under a turning sky",
            "Thick turning strokes of deep blue with whirling yellow lights",
            "curved bristle strokes along a field of vortices, lit as relief",
        ),
        _Painter("oils", "paint_swirling_night", 1),
    ),
    (
        GalleryStyle(
            "impressionist-garden",
            "A garden at the pond",
            "Short dabs of broken colour: sunlit greens, violet shadows, flowers",
            "three layers of brush strokes from large to small, then single touches",
        ),
        _Painter("daylight", "paint_garden", 1),
    ),
    (
        GalleryStyle(
            "pointillist",
            "Evening bay",
            "Round touches of pure, divided colour that mix in the eye",
            "dots drawn from fifteen pigments by their nearness to the scene",
        ),
        _Painter("daylight", "paint_pointillist", 1),
    ),
    (
        GalleryStyle(
            "cubist",
            "Guitar and bottle",
            "Shaded, interlocking planes of ochre, rust and grey",
            "overlapping planes that are hard along one edge and fade along the other",
        ),
        _Painter("bold", "paint_cubist", 1),
    ),
    (
        GalleryStyle(
            "expressionist",
            "Mountain village",
            "Broad strokes of burning complementary colour, dark outlines",
            "wide dry strokes over flat regions, contours drawn with the brush",
        ),
        _Painter("bold", "paint_expressionist", 1),
    ),
    (
        GalleryStyle(
            "watercolor",
            "Hill town",
            "Transparent washes with dark rims, blooms and the white of the paper",
            "pigment densities with edge darkening, backruns and granulation",
        ),
        _Painter("watercolor", "paint_watercolor", 1),
    ),
    (
        GalleryStyle(
            "ink-wash",
            "Pine before misty peaks",
            "Grey ink from mist to black, dry brush, rice paper, one red seal",
            "ink densities for wet ridges and split-brush strokes on toothed paper",
        ),
        _Painter("ink", "paint_ink_wash", 1),
    ),
    (
        GalleryStyle(
            "linocut",
            "Owl before the moon",
            "Black and cream gouge cuts with one block of glowing orange",
            "tapered gouge marks along the forms, chatter in the cleared ground",
        ),
        _Painter("linocut", "paint_linocut", 1),
    ),
    (
        GalleryStyle(
            "stained-glass",
            "Sunrise window",
            "Luminous cells of streaky glass in dark lead",
            "regions split into cells, leads from their distance field, streaky glass",
        ),
        _Painter("glass", "paint_stained_glass", 1),
    ),
    (
        GalleryStyle(
            "charcoal",
            "Jug, bottle and fruit",
            "Rubbed shadow, broad grainy strokes and white chalk on toned paper",
            "strokes along the forms whose pressure follows the shading, caught by the tooth",
        ),
        _Painter("charcoal", "paint_charcoal", 1),
    ),
    (
        GalleryStyle(
            "hatching",
            "Old oak and ruined tower",
            "Sepia pen lines that cross where the shadow deepens",
            "patches of parallel lines along the forms, four directions by tone",
        ),
        _Painter("pen", "paint_hatching", 1),
    ),
    (
        GalleryStyle(
            "woodblock-wave",
            "Breakers under a red sun",
            "Flat blues and vermilion, a carved dark line, the grain of the block",
            "flat shapes with a key line, printed through wood grain onto paper",
        ),
        _Painter("prints", "paint_woodblock", 1),
    ),
    (
        GalleryStyle(
            "mosaic",
            "Two fish",
            "Marble stones in rows along the contours, sandy joints between",
            "a Voronoi diagram of turned squares, relaxed along the contours",
        ),
        _Painter("tesserae", "paint_mosaic", 1),
    ),
    (
        GalleryStyle(
            "gold-ornament",
            "Bands over gold",
            "Gold leaf with coils, eyes and blossoms in enamel colours",
            "patterns along bent bands, raised and lit as metal and enamel",
        ),
        _Painter("gold", "paint_gold_ornament", 1),
    ),
    (
        GalleryStyle(
            "marbling",
            "Combed feathers",
            "Swirled inks with sharp feathered edges, as on old endpapers",
            "exact inverse maps of ink drops, combs and whirls",
        ),
        _Painter("marbling", "paint_marbling", 1),
    ),
)

STYLES: dict[str, GalleryStyle] = {style.name: style for style, _ in _ENTRIES}
_PAINTERS: dict[str, _Painter] = {style.name: painter for style, painter in _ENTRIES}


def picture_path(name: str) -> Path:
    """Path of a shipped style picture.

    Args:
        name: A key of `STYLES`.

    Raises:
        ConfigError: If there is no such style; the message lists those there are.
    """
    _check_name(name)
    return _PICTURES / f"{name}.webp"


def generate(name: str, size: int = 768, seed: int | None = None) -> NDArray[np.uint8]:
    """Paint a style picture afresh.

    Args:
        name: A key of `STYLES`.
        size: Long side in pixels, 64 to 4096; strokes grow with it.
        seed: Another seed gives another hand; None gives the shipped picture.

    Returns:
        sRGB picture, shape (H, W, 3), 0 to 255. The same arguments give the same picture.

    Raises:
        ConfigError: If there is no such style, or the size is out of range.
    """
    _check_name(name)
    if not 64 <= size <= 4096:
        raise ConfigError(f"size is {size}; a gallery picture can have 64 to 4096 pixels")
    import numpy as np

    painter = _PAINTERS[name]
    module = importlib.import_module(f"impasto.gallery.{painter.module}")
    rng = np.random.default_rng(painter.seed if seed is None else seed)
    picture = getattr(module, painter.function)(size, rng)
    pixels: NDArray[np.uint8] = np.rint(picture * 255).astype(np.uint8)
    return pixels


def _check_name(name: str) -> None:
    if name in STYLES:
        return
    near = difflib.get_close_matches(name.lower().replace("_", "-"), STYLES, 1, 0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(
        f"no gallery style is called {name!r}{hint or '.'} There are: {', '.join(STYLES)}"
    )
