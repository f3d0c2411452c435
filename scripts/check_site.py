"""Check that no page of the built site fetches anything from another place.

`python scripts/check_site.py build/site`. Links that a reader may click are left alone.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

_FETCHING_LINKS = {"stylesheet", "icon", "preconnect", "preload", "prefetch", "dns-prefetch"}
_SOURCES = {"src", "srcset", "poster", "data"}
_ELSEWHERE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
_IN_STYLES = re.compile(r"(?:url\(|@import)\s*['\"]?\s*(?:https?:)?//[^)'\"]*", re.IGNORECASE)


class _Fetches(HTMLParser):
    """Collects what a browser fetches by itself from somewhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at the attributes that make a browser fetch."""
        values = {name: value or "" for name, value in attrs}
        asked = [values[name] for name in _SOURCES & values.keys() if tag != "a"]
        if tag == "link" and _FETCHING_LINKS & set(values.get("rel", "").split()):
            asked.append(values.get("href", ""))
        self.found += [one for one in asked if _ELSEWHERE.match(one)]
        self.found += _IN_STYLES.findall(values.get("style", ""))


def find_fetches(path: Path) -> list[str]:
    """Addresses in a page or style sheet that a browser would fetch from elsewhere."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".css":
        return _IN_STYLES.findall(text)
    parser = _Fetches()
    parser.feed(text)
    return parser.found + _IN_STYLES.findall(text)


def main() -> int:
    """Check a folder; returns the exit code."""
    folder = Path(sys.argv[1])
    pages = [path for kind in ("html", "css") for path in sorted(folder.rglob(f"*.{kind}"))]
    if not pages:
        sys.stderr.write(f"There is no site in {folder}; run `make site`.\n")
        return 1
    found = [(path, one) for path in pages for one in find_fetches(path)]
    for path, one in found:
        sys.stderr.write(f"{path} fetches {one}\n")
    sys.stdout.write(f"{len(pages)} pages and style sheets, {len(found)} fetches from elsewhere\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
