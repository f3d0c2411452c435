"""What the studio promises, and what came of the tests that prove it.

    make studio-safety
    scripts/studio_safety.py --list     only the list

The promises are the table of docs/studio.md; 1 if one of its tests fails or does not exist.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/studio.md"
_ROW = re.compile(r"^\| (?P<status>\d*) ?\| (?P<words>[^|]+) \| (?P<tests>`test_[^|]+) \|$")
_NAME = re.compile(r"`(test_\w+)`")


@dataclass(frozen=True)
class Promise:
    """A row of the table.

    Attributes:
        status: Of the answer; empty where there is none.
        words: What is promised.
        tests: Names of the tests that prove it.
    """

    status: str
    words: str
    tests: tuple[str, ...]


def read_promises(text: str) -> list[Promise]:
    """The rows of a page that name tests."""
    rows = filter(None, map(_ROW.match, text.splitlines()))
    return [
        Promise(row["status"], row["words"], tuple(_NAME.findall(row["tests"]))) for row in rows
    ]


def find_tests(folder: Path) -> dict[str, Path]:
    """Every test of the studio, and the file that it is in."""
    return {
        name: path
        for path in sorted(folder.glob("test_studio_*.py"))
        for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)
    }


def main() -> int:
    """Run the tests of the table, and tell each promise with what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="run nothing")
    options = parser.parse_args()
    promises, there = read_promises(PAGE.read_text("utf-8")), find_tests(ROOT / "tests")
    names = [name for promise in promises for name in promise.tests]
    results = {} if options.list else _run([there[name] for name in names if name in there], names)
    kept = 0
    for promise in promises:
        outcomes = [results.get(name, "exists" if name in there else "lost")
                    for name in promise.tests]  # fmt: skip
        whole = all(outcome in ("passed", "exists") for outcome in outcomes)
        kept += whole
        print(f"{'kept  ' if whole else 'BROKEN'}  {promise.status:3}  {promise.words}")
        for name, outcome in zip(promise.tests, outcomes, strict=True):
            print(f"             {outcome}: {name}")
    print(f"{kept} of {len(promises)} promises, {len(set(names))} tests")
    return 0 if kept == len(promises) else 1


def _run(files: list[Path], names: list[str]) -> dict[str, str]:
    """Outcome by name; of a test with several cases, the worst."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        words = ["-q", "-p", "no:cacheprovider", f"--junitxml={report}", "-k", " or ".join(names)]
        places = sorted({str(path) for path in files})
        subprocess.run([sys.executable, "-m", "pytest", *words, *places], cwd=ROOT, check=False)
        cases = list(ElementTree.parse(report).iter("testcase"))
    results: dict[str, str] = {}
    for case in cases:
        name = case.get("name", "").partition("[")[0]
        outcome = next((child.tag for child in case if child.tag != "system-out"), "passed")
        if results.get(name, "passed") == "passed":
            results[name] = outcome
    return results


if __name__ == "__main__":
    sys.exit(main())
