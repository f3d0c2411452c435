"""Paint the pictures that README and docs show, from scikit-image's photographs and our styles.

`python scripts/paint_examples.py [NAME ...]`, about half a minute each on two cores.
"""

import sys
from pathlib import Path

import skimage.data
from PIL import Image

import impasto
from impasto import gallery

FOLDER = Path("docs/pictures")
SIZE = 640
#: Name -> photograph, style, settings that differ from the defaults.
EXAMPLES: dict[str, tuple[str, str, dict[str, object]]] = {
    "coffee-swirling-night": ("coffee", "swirling-night", {}),
    "cat-woodblock-wave": ("cat", "woodblock-wave", {}),
    "astronaut-stained-glass": ("astronaut", "stained-glass", {}),
    "cat-mosaic": ("cat", "mosaic", {"strength": 1.5}),
    "astronaut-pointillist": ("astronaut", "pointillist", {}),
    "coffee-marbling": ("coffee", "marbling", {"strength": 1.5}),
}


def main() -> None:
    """Paint what is named on the command line, or everything."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    photos = {
        "astronaut": skimage.data.astronaut(),
        "cat": skimage.data.chelsea(),
        "coffee": skimage.data.coffee(),
    }
    painter = impasto.Painter()
    for name in sys.argv[1:] or EXAMPLES:
        photo, style, settings = EXAMPLES[name]
        job = painter.prepare(photos[photo], [style], impasto.PaintConfig(size=SIZE, **settings))
        painting = job.collect(list(job.run())[-1])
        painting.save(FOLDER / f"{name}.jpg", quality=88)
        sys.stdout.write(f"{name}: {painting.seconds:.0f} s\n")
        sys.stdout.flush()
    _hang(photos["coffee"], "swirling-night", FOLDER / "coffee-swirling-night.jpg")


def _hang(photo: object, style: str, painting: Path) -> None:
    """Photograph, style and painting side by side, for the head of the README."""
    pictures = [
        Image.fromarray(photo),
        Image.open(gallery.picture_path(style)),
        Image.open(painting),
    ]
    height = 320
    scaled = [
        image.convert("RGB").resize(
            (round(image.width * height / image.height), height), Image.Resampling.LANCZOS
        )
        for image in pictures
    ]
    gap = 8
    wall = Image.new("RGB", (sum(image.width for image in scaled) + 2 * gap, height), "white")
    left = 0
    for image in scaled:
        wall.paste(image, (left, 0))
        left += image.width + gap
    wall.save(FOLDER / "head.jpg", quality=88, subsampling=0)


if __name__ == "__main__":
    main()
