"""Put a trained network among those that come with impasto, its card completed from its recipe.

python scripts/ship_network.py micro micro2.safetensors --recipe recipes/micro.toml --commit HASH \
    --before micro0.safetensors micro1.safetensors

Trained in several sittings, each of which went on from the one before, a network has seen what all
of them have: name the earlier files with --before.
"""

import argparse
import sys
from pathlib import Path

from impasto.shelf import FOLDER
from impasto.trainconfig import read_recipe
from impasto.trained import read_card, read_weights, save_network


def ship(
    name: str, file: Path, recipe: Path, commit: str, before: list[Path], folder: Path = FOLDER
) -> Path:
    """Write the network; returns where.

    Raises:
        ImpastoError: If a file is no trained network, or the recipe no recipe.
    """
    card, told = read_card(file), read_recipe(recipe)
    earlier = [read_card(path) for path in before]
    ours = {path.name for path in before}
    changes = {
        "steps": card.steps + sum(one.steps for one in earlier),
        "pictures": card.pictures + sum(one.pictures for one in earlier),
        "data": told.get("data") or card.data,
        "licence": told.get("licence") or card.licence,
        "commit": commit or card.commit,
        "started_from": {} if card.started_from.get("name") in ours else card.started_from,
    }
    folder.mkdir(exist_ok=True)
    target = folder / f"{name}.safetensors"
    save_network(target, read_weights(file), card.model_copy(update=changes))
    return target


def main() -> int:
    """Ship a network; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("name", help="What it is to be called.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--commit", default="", help="Of the source that trained it.")
    parser.add_argument("--before", type=Path, nargs="*", default=[], help="Earlier sittings.")
    told = parser.parse_args()
    target = ship(told.name, told.file, told.recipe, told.commit, told.before)
    card = read_card(target)
    missing = [name for name in ("data", "steps", "commit", "licence") if not getattr(card, name)]
    print(f"{target}: {target.stat().st_size:,} bytes, {card.steps} steps, {card.commit}")
    for name in missing:
        print(f"Its card does not say: {name}.", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
