"""The list of what the studio promises names tests that exist, and all that prove its safety."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("safety", ROOT / "scripts/studio_safety.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["safety"] = module
    spec.loader.exec_module(module)
    return module


def test_every_promise_has_tests_that_exist() -> None:
    safety = _load()
    promises = safety.read_promises((ROOT / "docs/studio.md").read_text("utf-8"))
    rows = (ROOT / "docs/studio.md").read_text("utf-8").partition("| promise |")[2].count("`test_")
    assert len(promises) >= 30
    assert sum(len(promise.tests) for promise in promises) == rows, "a row is not read"
    lost = {name for promise in promises for name in promise.tests} - set(
        safety.find_tests(ROOT / "tests")
    )
    assert not lost


def test_every_test_of_safety_proves_a_promise() -> None:
    safety = _load()
    promises = safety.read_promises((ROOT / "docs/studio.md").read_text("utf-8"))
    named = {name for promise in promises for name in promise.tests}
    there = safety.find_tests(ROOT / "tests")
    unnamed = {name for name, path in there.items() if path.stem == "test_studio_safety"} - named
    assert not unnamed


def test_a_row_is_read() -> None:
    text = (
        "| 413 | not more than `--most` | `test_a`, `test_b` |\n| | promise | test |\n| | x | y |"
    )
    (promise,) = _load().read_promises(text)
    assert (promise.status, promise.words) == ("413", "not more than `--most`")
    assert promise.tests == ("test_a", "test_b")
