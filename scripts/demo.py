"""Paint a real photograph in a style of our own, and say where the picture is."""

import subprocess
import sys
import tempfile
from pathlib import Path

import skimage.data
from PIL import Image

OUTPUT = Path("demo.png")


def main() -> int:
    """Paint scikit-image's coffee cup; returns the exit code of the painter."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "coffee.png"
        Image.fromarray(skimage.data.coffee()).save(photo)
        command = [
            sys.executable, "-m", "impasto", "paint", str(photo), "swirling-night",
            "-o", str(OUTPUT), "--overwrite",
        ]  # fmt: skip
        code = subprocess.run(command, check=False).returncode
    if code == 0:
        sys.stdout.write(f"\nThe painting is {OUTPUT.resolve()}\n")
        sys.stdout.write("Now one of your own: .venv/bin/impasto paint PHOTO STYLE -o OUT.png\n")
        sys.stdout.write("Styles to choose from: .venv/bin/impasto styles\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
