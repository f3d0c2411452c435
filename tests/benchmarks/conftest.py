"""Benchmarks are no part of the package: they lie at the root, which need not be on the path."""

import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from benchmarks.bench import Bench  # noqa: E402
from benchmarks.pictures import Pair, prepare_pair  # noqa: E402


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The default photograph and style at 48 px."""
    return prepare_pair(tmp_path_factory.mktemp("pair"), None, None, 48)


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children of several test processes would fight for the cores."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def bench(pair: Pair, tmp_path: Path) -> Bench:
    """One run of everything, on the CPU."""
    return Bench(pair, tmp_path, size=48, repeats=1, device="cpu")
