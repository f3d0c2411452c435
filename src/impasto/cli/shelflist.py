"""`impasto fast --list`: the networks that come with impasto."""

from pathlib import Path
from typing import Any

from impasto.cli.report import write_line
from impasto.cli.tables import write_json, write_table
from impasto.errors import WeightsError
from impasto.shelf import list_networks

_COLUMNS = ("name", "network", "paints in", "MB", "licence", "trained on")


def list_shelf(*, json: bool) -> int:
    """Tell which networks there are; returns the exit code."""
    facts = [describe_network(name, path) for name, path in list_networks().items()]
    if json:
        write_json(facts)
    elif not facts:
        write_line("No network comes with this installation; train one, or name a file.")
    else:
        write_table(_COLUMNS, [_make_row(one) for one in facts])
    return 0


def describe_network(name: str, path: Path) -> dict[str, Any]:
    """What a file says of itself; `damaged` is in it if it says nothing."""
    from impasto.trained import read_card

    facts: dict[str, Any] = {"name": name, "path": str(path)}
    try:
        facts["bytes"] = path.stat().st_size
        return facts | read_card(path).model_dump(mode="json")
    except (OSError, WeightsError) as error:
        return facts | {"damaged": str(error)}


def _make_row(facts: dict[str, Any]) -> tuple[str, ...]:
    if "damaged" in facts:
        return (str(facts["name"]), "damaged", "", "", "", "")
    styles = facts["styles"] or ["any style"]
    held = ", ".join(styles) if len(styles) <= 15 else f"{len(styles)} styles"
    size = f"{facts['bytes'] / 1e6:.1f}"
    return (facts["name"], facts["network"], held, size, facts["licence"], facts["data"])
