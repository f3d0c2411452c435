"""What MkDocs does beside its plugins: notebooks become pages, equations become MathML.

Both are done when the site is built, so that its pages need neither a script nor a network.
"""

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
_NOTEBOOK_LINK = re.compile(r"\]\(\.\./(notebooks/[\w-]+)\.ipynb\)")
_LINK_TO_DOCS = re.compile(r"\]\(\.\./docs/")
_EQUATION = re.compile(
    r'<(?:span|div) class="arithmatex">\s*\\([\[(])(.*?)\\[\])]\s*</(?:span|div)>', re.DOTALL
)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add a page for each notebook, its pictures, and the notebook itself."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        page, pictures = render_notebook(path.stem, json.loads(text))
        made: dict[str, str | bytes] = {f"notebooks/{path.stem}.md": page, **pictures}
        made[f"notebooks/{path.name}"] = text
        for name, content in made.items():
            files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links between docs/ and notebooks/ at the site's own pages."""
    markdown = _NOTEBOOK_LINK.sub(r"](\1.md)", markdown)
    return _LINK_TO_DOCS.sub("](../", markdown)


def on_page_content(content: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn TeX into MathML, which browsers draw by themselves."""
    return _EQUATION.sub(_draw_equation, content)


def render_notebook(name: str, book: dict[str, Any]) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, and its pictures by the path that they have in the site."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in book["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(_fence(source, "python"))
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/jpeg" in data:
                picture = f"{name}/{len(pictures) + 1}.jpg"
                pictures[f"notebooks/{picture}"] = base64.b64decode(data["image/jpeg"])
                parts.append(f"![What the code above draws]({picture})")
            elif text := "".join(output.get("text", data.get("text/plain", ""))):
                parts.append(_fence(text.rstrip("\n"), "text"))
    title, *rest = parts
    heading, _, text = title.partition("\n")
    download = f"[Download this notebook]({name}.ipynb) to run it yourself."
    return "\n\n".join([heading, download, text, *rest]) + "\n", pictures


def _fence(text: str, language: str) -> str:
    return f"````{language}\n{text}\n````"


def _draw_equation(match: re.Match[str]) -> str:
    bracket, tex = match.groups()
    display = "block" if bracket == "[" else "inline"
    drawn = convert(html.unescape(tex).strip(), display=display)
    return f'<div class="equation">{drawn}</div>' if display == "block" else drawn
