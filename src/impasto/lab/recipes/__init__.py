"""Recipes: the experiments of the documents that impasto was made from, as sweep files."""

from pathlib import Path

from impasto.errors import ConfigError
from impasto.lab.sweeps import Sweep, read_sweep

_FOLDER = Path(__file__).parent


def list_recipes() -> tuple[str, ...]:
    """Names of all recipes."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def read_recipe(name: str) -> Sweep:
    """The recipe of this name.

    Raises:
        ConfigError: If there is none.
    """
    path = _FOLDER / f"{name}.toml"
    if name not in list_recipes():
        raise ConfigError(f"There is no recipe {name!r}; there are {', '.join(list_recipes())}.")
    return read_sweep(path)
