"""Trained fast networks by name: those that come with impasto, and files of one's own."""

from collections.abc import Collection, Sequence
from pathlib import Path

from impasto.errors import WeightsError
from impasto.gallery import STYLES

#: Where the networks lie that come with impasto.
FOLDER = Path(__file__).with_name("nets")
#: What is taken if none is named, the first that is there: these paint in any style.
_USUAL = ("micro", "adain")
#: What holds the styles of the gallery.
_GALLERY = "gallery"
_HOW = "impasto train micro --content PHOTOGRAPHS --styles PAINTINGS"


def list_networks() -> dict[str, Path]:
    """The networks that come with impasto, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}


def find_network(name: str | None, styles: Sequence[object] = ()) -> Path:
    """The file of a network.

    Args:
        name: Of one that comes with impasto, or a file; None for the usual one.
        styles: What is to be painted in; the gallery's own network is the usual one for names of
            its styles.

    Raises:
        WeightsError: If there is none; the message says which there are.
    """
    there = list_networks()
    if name is None and there:
        return there[choose_usual(there, styles)]
    if name is not None and Path(name).is_file():
        return Path(name)
    if name is not None and name in there:
        return there[name]
    known = f"these come with impasto: {', '.join(there)}" if there else "none comes with impasto"
    asked = "No fast network is named" if name is None else f"There is no fast network {name!r}"
    raise WeightsError(
        f"{asked}, and {known}; train one with `{_HOW}`, and give its file with --network FILE."
    )


def choose_usual(names: Collection[str], styles: Sequence[object]) -> str:
    """The network that paints in some styles if none is named, of those that there are."""
    known = bool(styles) and all(isinstance(style, str) and style in STYLES for style in styles)
    return next(one for one in (*[_GALLERY] * known, *_USUAL, *names) if one in names)


def name_network(path: Path) -> str:
    """How a network is called: its name, or the name of its file."""
    return path.stem if list_networks().get(path.stem) == path else path.name
