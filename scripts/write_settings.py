"""Write docs/reference/settings.md from `PaintConfig`, or check that it says what is true now."""

import re
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from impasto.config import PaintConfig

PAGE = Path("docs/reference/settings.md")
HEAD = """\
# Settings

Every field of `impasto.PaintConfig`, and so every keyword of `impasto.paint`. On the
[command line](command-line.md) the same names have dashes: `stroke_size` is `--stroke-size`.
What a default of `None` means follows from the preset, the loss or the optimizer. Written by
`make docs`; `make check` compares.

| setting | default | what it does |
|---|---|---|
"""


def render() -> str:
    """The page as it should be."""
    rows = [
        f"| `{name}` | `{_spell(field.default)}` | {_describe(field)} |"
        for name, field in PaintConfig.model_fields.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


def _spell(default: Any) -> str:
    return f'"{default}"' if isinstance(default, str) else repr(default)


def _describe(field: FieldInfo) -> str:
    text = re.sub(r"(?<![\w`])(--[a-z][a-z-]*)", r"`\1`", field.description or "")
    text = re.sub(r"docs/([\w-]+\.md)", r"[\1](../\1)", text).replace("|", r"\|")
    choices = _list_choices(field.annotation)
    if choices and not all(choice in text for choice in choices):
        text += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    return text + _describe_range(field)


def _list_choices(kind: Any) -> list[str]:
    """The words that may be given, also inside optional and repeated settings."""
    if get_origin(kind) is Literal:
        return [str(choice) for choice in get_args(kind)]
    return [choice for part in get_args(kind) for choice in _list_choices(part)]


def _describe_range(field: FieldInfo) -> str:
    limits = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    found = [
        f"{words} {getattr(rule, name):.12g}"
        for name, words in limits.items()
        for rule in _list_rules(field)
        if getattr(rule, name, None) is not None and abs(getattr(rule, name)) < 2**53
    ]
    found = list(dict.fromkeys(found))
    return f" {', '.join(found).capitalize()}." if found else ""


def _list_rules(field: FieldInfo) -> list[Any]:
    """Limits of a setting, also where it is one of several kinds or a list."""

    def walk(kind: Any) -> list[Any]:
        own = list(getattr(kind, "__metadata__", ()))
        rules = [one for rule in own for one in getattr(rule, "metadata", [rule])]
        return rules + [one for part in get_args(kind) for one in walk(part)]

    return [*field.metadata, *walk(field.annotation)]


def main() -> int:
    """Write the page, or with --check compare it; returns the exit code."""
    page = render()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
            sys.stderr.write(f"{PAGE} is not what PaintConfig says; run `make docs`.\n")
            return 1
        return 0
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
