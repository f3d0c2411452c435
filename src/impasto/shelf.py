"""Trained fast networks by name: those that come with impasto, and files of one's own."""

from pathlib import Path

from impasto.errors import WeightsError

#: Where the networks lie that come with impasto.
FOLDER = Path(__file__).with_name("nets")
#: What is taken if none is named and it is there: paints in any style.
_USUAL = "micro"
_HOW = "impasto train micro --content PHOTOGRAPHS --styles PAINTINGS"


def list_networks() -> dict[str, Path]:
    """The networks that come with impasto, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}


def find_network(name: str | None) -> Path:
    """The file of a network.

    Args:
        name: Of one that comes with impasto, or a file; None for the usual one.

    Raises:
        WeightsError: If there is none; the message says which there are.
    """
    there = list_networks()
    if name is None and there:
        return there.get(_USUAL, next(iter(there.values())))
    if name is not None and Path(name).is_file():
        return Path(name)
    if name is not None and name in there:
        return there[name]
    known = f"these come with impasto: {', '.join(there)}" if there else "none comes with impasto"
    asked = "No fast network is named" if name is None else f"There is no fast network {name!r}"
    raise WeightsError(
        f"{asked}, and {known}; train one with `{_HOW}`, and give its file with --network FILE."
    )


def name_network(path: Path) -> str:
    """How a network is called: its name, or the name of its file."""
    return path.stem if list_networks().get(path.stem) == path else path.name
