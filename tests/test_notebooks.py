"""Each notebook runs from top to bottom in a kernel of its own, on tiny pictures."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from slowly import all_slow_but

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SCRIPT = ROOT / "scripts" / "run_notebooks.py"


@pytest.mark.parametrize(
    "path", all_slow_but(NOTEBOOKS[2:3], NOTEBOOKS), ids=lambda path: path.stem
)
def test_it_runs(path: Path, tmp_path: Path) -> None:
    done = _run(path, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    book = json.loads((tmp_path / path.name).read_text(encoding="utf-8"))
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))


def test_a_cell_that_fails_is_a_failure(tmp_path: Path) -> None:
    book = json.loads(NOTEBOOKS[0].read_text(encoding="utf-8"))
    book["cells"] = [{**book["cells"][1], "source": "assert 1 == 2", "outputs": []}]
    path = tmp_path / "broken.ipynb"
    path.write_text(json.dumps(book))
    done = _run(path, tmp_path)
    assert done.returncode == 1
    assert "assert 1 == 2" in done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_stored_is_small_and_clean(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    nbformat.validate(nbformat.reads(text, as_version=4))
    assert len(text) < 400_000
    assert not re.search(r"/(home|root|tmp|Users)/|execution\": \{", text)
    book = json.loads(text)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert book["metadata"] == {"kernelspec": kernel, "language_info": {"name": "python"}}
    outputs = [one for cell in book["cells"] for one in cell.get("outputs", [])]
    assert any("image/jpeg" in one.get("data", {}) for one in outputs)
    assert all(one["output_type"] != "error" for one in outputs)
    assert all(cell["metadata"] == {} for cell in book["cells"])


def _run(path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a notebook in a process of its own, whose warnings are no business of pytest's."""
    environment = {
        **os.environ,
        "IMPASTO_NOTEBOOK_SIZE": "48",
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(SCRIPT), "--out", str(folder), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
