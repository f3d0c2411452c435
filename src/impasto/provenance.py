"""Which source a result was made with."""

import functools
import subprocess
from pathlib import Path


@functools.cache
def find_commit(folder: Path = Path(__file__).parent) -> str:
    """Commit that the package runs from, with `-dirty` after it if files differ.

    Empty if the package is installed, or lies in a folder that Git does not track.

    Args:
        folder: Where the package lies.
    """
    # A folder that is merely inside somebody's repository is none of its commits.
    if not _ask(folder, "ls-files", "--", "."):
        return ""
    return _ask(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _ask(folder: Path, *question: str) -> str:
    try:
        told = subprocess.run(
            ["git", "-C", str(folder), *question], capture_output=True, text=True, check=True,
            timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip()
