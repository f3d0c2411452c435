"""Pictures by name: files, gallery styles, canvases, scikit-image's photographs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from impasto import gallery
from impasto.errors import ConfigError, ImageError

#: Photographs that scikit-image brings, and who made them.
PHOTOS = {
    "astronaut": "NASA, public domain",
    "cat": "Stéfan van der Walt, CC0",
    "coffee": "Rachel Michetti, CC0",
}
#: What a recipe shows if nothing else is given.
USUAL_PHOTOS = ("coffee", "cat")
USUAL_STYLES = ("swirling-night", "woodblock-wave")


def find_photo(name: str, base: Path, cache: Path) -> str:
    """The path of a photograph.

    Args:
        name: A file, `canvas:512x256`, or one of `PHOTOS`.
        base: Folder that relative names begin at.
        cache: Folder into which scikit-image's photographs are written.

    Raises:
        ImageError: If there is no such file.
        ConfigError: If scikit-image is missing.
    """
    if name.startswith("canvas:"):
        return name
    if (path := base / name).exists():
        return str(path)
    if name in PHOTOS:
        return str(_write_photo(name, cache))
    raise ImageError(f"There is no photograph {path}; give a file, or {', '.join(PHOTOS)}.")


def find_style(name: str, base: Path) -> str:
    """The path of a style picture: a file, or a name of the gallery.

    Raises:
        ImageError: If there is neither.
    """
    if (path := base / name).exists():
        return str(path)
    if path.suffix:
        raise ImageError(f"There is no style picture {path}.")
    return str(gallery.picture_path(name))


def _write_photo(name: str, cache: Path) -> Path:
    path = cache / f"{name}.png"
    if path.exists():
        return path
    try:
        import skimage.data
    except ImportError:
        raise ConfigError(
            f"The photograph {name!r} comes with scikit-image, which is not here: name a file, or"
            " pip install 'impasto[demo]'."
        ) from None
    from PIL import Image

    makers: dict[str, Callable[[], Any]] = {
        "astronaut": skimage.data.astronaut,
        "cat": skimage.data.cat,
        "coffee": skimage.data.coffee,
    }
    cache.mkdir(parents=True, exist_ok=True)
    Image.fromarray(makers[name]()).save(path)
    return path
