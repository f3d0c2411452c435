"""Pages refer to one another and to files that exist, and the site fetches nothing."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
READ_BY_PEOPLE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES]
_FENCED = re.compile(r"^(`{3,})[^\n]*\n.*?^\1\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def test_every_page_is_in_the_navigation() -> None:
    listed = _read_navigation()
    notebooks = {f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")}
    there = {path.relative_to(DOCS).as_posix() for path in PAGES} | notebooks
    assert len(notebooks) == 5
    assert there == set(listed), "mkdocs.yml's nav and the pages in docs/ and notebooks/ differ"
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("page", READ_BY_PEOPLE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = [link for link in _list_links(page) if not _leads_somewhere(page, link)]
    assert not broken


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading, `here`\n\n[one](#a-heading-here) [two](#nowhere) ![three](no.png)\n"
        "[four](page.md#a-heading-here) [five](https://example.org) `[six](code.md)`\n"
        "```\n[seven](fenced.md)\n```\n[![eight](eight.png)](nine.md)\n"
    )
    broken = [link for link in _list_links(page) if not _leads_somewhere(page, link)]
    assert broken == ["#nowhere", "no.png", "nine.md", "eight.png"]


@pytest.mark.parametrize(
    "fetching",
    [
        '<script src="https://cdn.example.org/x.js"></script>',
        '<img src="//example.org/x.png">',
        '<link rel="stylesheet" href="https://fonts.example.org/css">',
        '<p style="background: url(https://example.org/x.png)"></p>',
        "<style>@import 'https://example.org/x.css';</style>",
    ],
)
def test_a_page_that_fetches_from_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetching: str
) -> None:
    check = _load_script("check_site")
    page = tmp_path / "index.html"
    monkeypatch.setattr(sys, "argv", ["check_site.py", str(tmp_path)])
    page.write_text('<a href="https://example.org">may be clicked</a><img src="x.png">')
    assert check.main() == 0
    page.write_text(fetching)
    assert check.main() == 1


def test_no_site_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["check_site.py", str(tmp_path)])
    assert _load_script("check_site").main() == 1


def test_settings_page_says_what_the_configuration_says() -> None:
    script = _load_script("write_settings")
    page = (DOCS / "reference/settings.md").read_text(encoding="utf-8")
    assert page == script.render(), "run `make docs`"
    assert '| `preset` | `"standard"` | draft: a sketch' in page
    assert "At least 0.05, at most 20." in page


def _read_navigation() -> list[str]:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    nav = text.split("\nnav:\n")[1].split("\n\n")[0]
    return re.findall(r": ([\w/.-]+\.md)$", nav, re.MULTILINE)


def _list_links(page: Path) -> list[str]:
    """Targets of all links and pictures, those in code left out."""
    text = _CODE.sub("code", _FENCED.sub("", page.read_text(encoding="utf-8")))
    links = _LINK.findall(text)
    inner = [link for label in re.findall(r"\[(!\[[^\]]*\]\([^)]*\))\]", text)
             for link in _LINK.findall(label)]  # fmt: skip
    return [one for one in dict.fromkeys(links + inner) if not re.match(r"[a-z]+:", one)]


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if not target.exists():
        return False
    return not anchor or anchor in _list_anchors(target)


def _list_anchors(page: Path) -> set[str]:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in headings}


def _load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
