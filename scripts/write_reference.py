"""Write docs/reference/command-line.md from --help, or check that it says what is true now."""

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path("docs/reference/command-line.md")
LAB = ("reconstruct", "features", "texture", "sweep", "recipe", "compare", "report")
COMMANDS = (
    *("", "paint", "fast", "again", "styles", "mask", "lab", *(f"lab {name}" for name in LAB)),
    *("score", "train", "webcam", "export", "studio", "weights", "doctor"),
)


def render() -> str:
    """The page as it should be."""
    parts = [
        "# Command line",
        "",
        "Written by `make docs` from the commands' own `--help`; `make check` compares.",
    ]
    environment = {**os.environ, "COLUMNS": "96", "NO_COLOR": "1", "TERM": "dumb"}
    for command in COMMANDS:
        words = ["impasto", *command.split(), "--help"]
        done = subprocess.run(
            [sys.executable, "-m", *words],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        help_text = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
        title = " ".join(words[:-1])
        parts += ["", f"## {title}", "", "```text", help_text, "```"]
    return "\n".join(parts) + "\n"


def main() -> int:
    """Write the page, or with --check compare it; returns the exit code."""
    page = render()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text() != page:
            sys.stderr.write(f"{PAGE} is not what --help says; run `make docs`.\n")
            return 1
        return 0
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
