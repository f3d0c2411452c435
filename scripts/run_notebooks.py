"""Run the notebooks from top to bottom and keep their outputs, free of traces of this machine.

`python scripts/run_notebooks.py [NOTEBOOK ...]` refreshes the files in notebooks/; with `--out
FOLDER` they stay as they are and the results go there.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
SECONDS = 900


def run(path: Path, out: Path) -> None:
    """Run one notebook and write it to `out`.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    book = nbformat.read(path, as_version=4)
    transport = "tcp" if sys.platform == "win32" else "ipc"  # ipc: no port of the network is opened
    with tempfile.TemporaryDirectory() as folder:
        kernel = AsyncKernelManager(
            kernel_name="python3", transport=transport, connection_file=f"{folder}/kernel.json"
        )
        client = NotebookClient(
            book, km=kernel, timeout=SECONDS, record_timing=False, coalesce_streams=True
        )
        client.execute(cleanup_kc=True)
    clean(book)
    nbformat.validate(book)
    out.write_text(nbformat.writes(book, indent=1) + "\n", encoding="utf-8")


def clean(book: nbformat.NotebookNode) -> None:
    """Leave source and outputs; versions, times and traces of the machine go.

    Raises:
        ValueError: If a cell wrote to standard error, which readers should not have to see.
    """
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in book.cells:
        cell.metadata = {}
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise ValueError(f"A cell wrote to standard error: {output.text}")
            if "metadata" in output:
                output.metadata = {}
            if "image/jpeg" in output.get("data", {}):
                output.data.pop("text/plain", None)


def main() -> int:
    """Run what is named on the command line, or everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, help="folder for the results")
    given = parser.parse_args()
    for path in given.notebooks or sorted(FOLDER.glob("*.ipynb")):
        out = (given.out or path.parent) / path.name
        run(path, out)
        print(f"{path.name}: {out.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
