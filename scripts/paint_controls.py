"""Paint a contact sheet per control for the docs.

`python scripts/paint_controls.py [--size N] [NAME ...]`: all sheets, or those that are named.

Photographs are scikit-image's, styles our own, and the masks are drawn here.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import skimage.data
from PIL import Image, ImageDraw, ImageFilter, ImageFont

import impasto
from impasto import Placement, gallery, images, shelf
from impasto.api import find_mask
from impasto.config import COLORS, Pattern
from impasto.finishing import parse_finish
from impasto.patterns import make_sheet
from impasto.pyramid import resize
from impasto.statisticnames import STATISTIC_KINDS
from impasto.touches import apply_finish

FOLDER = Path("docs/pictures/controls")
SIZE = 512
WIDTH = 320
GAP = 6
COLUMNS = 4
FINISHES = (
    "contrast:1.4",
    "saturation:0.4",
    "temperature:0.5",
    "sharpen:1",
    "grain:0.5",
    "canvas:0.6",
    "blend:0.5",
)

#: Name of a picture on a sheet -> the picture.
Sheet = dict[str, Image.Image]


def draw_mask(size: tuple[int, int], shapes: list[tuple[float, ...]], soft: float) -> Image.Image:
    """White ellipses on black, given by left, top, right, bottom as shares of the picture."""
    width, height = size
    mask = Image.new("L", size, 0)
    pen = ImageDraw.Draw(mask)
    for left, top, right, bottom in shapes:
        pen.ellipse((left * width, top * height, right * width, bottom * height), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(soft * width))


def invert(mask: Image.Image) -> Image.Image:
    """White where it was black."""
    return mask.point(lambda value: 255 - value)


def paint(photo: Image.Image, styles: list[str], placement: Placement, **settings: Any) -> Any:
    """One painting as a PIL image."""
    options = {"size": SIZE} | settings
    return impasto.paint(photo, styles, placement=placement, **options).to_pil()


def masks() -> Sheet:
    """Two styles, each in its own region with a soft edge."""
    photo = Image.fromarray(skimage.data.coffee())
    cup = draw_mask(photo.size, [(0.29, 0.03, 0.86, 0.97)], 0.01)
    placement = Placement(masks=[cup, invert(cup)])
    return {
        "photograph": photo,
        "mask of the first style": cup,
        "stained-glass and swirling-night": paint(
            photo, ["stained-glass", "swirling-night"], placement
        ),
    }


def strength() -> Sheet:
    """A map of strength that spares the face."""
    photo = Image.fromarray(skimage.data.astronaut())
    face = invert(draw_mask(photo.size, [(0.33, 0.06, 0.55, 0.42)], 0.03))
    return {
        "photograph": photo,
        "strength": face,
        "swirling-night everywhere": paint(photo, ["swirling-night"], Placement()),
        "swirling-night by the map": paint(photo, ["swirling-night"], Placement(strength_map=face)),
    }


def patterns() -> Sheet:
    """Three by three tiles of each kind."""
    photo = Image.fromarray(skimage.data.coffee())
    sheet = {"photograph": photo}
    for kind in get_args(Pattern):
        painting = impasto.paint(photo, "marbling", size=SIZE // 2, seamless=kind)
        sheet[kind] = images.to_pil(make_sheet(painting.picture.pixels, kind))
    return sheet


def scales() -> Sheet:
    """Large shapes and colours of one style, brushwork of another."""
    photo = Image.fromarray(skimage.data.coffee())
    pair = ["stained-glass", "pointillist"]
    return {
        "stained-glass": paint(photo, pair[:1], Placement()),
        "pointillist": paint(photo, pair[1:], Placement()),
        "both, mixed": paint(photo, pair, Placement()),
        "shapes of one, brushwork of the other": paint(
            photo, pair, Placement(), style_scales=("coarse", "fine")
        ),
    }


def found() -> Sheet:
    """Masks by name: a face left alone, and two groups of colours in two styles."""
    photo = Image.fromarray(skimage.data.astronaut())
    night = Image.fromarray(skimage.data.rocket())
    return {
        "protect: what is found": images.to_pil(find_mask(photo, "faces")),
        "swirling-night, faces protected": paint(
            photo, ["swirling-night"], Placement(protect="faces")
        ),
        "mask sky": images.to_pil(find_mask(night, "sky")),
        "sky swirling-night, ground mosaic": paint(
            night, ["swirling-night", "mosaic"], Placement(masks=["sky", "ground"])
        ),
        "the sky in the photograph's colours": paint(
            night,
            ["swirling-night", "mosaic"],
            Placement(masks=["sky", "ground"]),
            colors="photo,style",
        ),
    }


def copies() -> Sheet:
    """Strokes that all run one way, and the same in every direction."""
    photo = Image.fromarray(skimage.data.chelsea())
    return {
        "linocut": paint(photo, ["linocut"], Placement()),
        "mirror": paint(photo, ["linocut"], Placement(), style_augment=("mirror",)),
        "mirror,rotate": paint(photo, ["linocut"], Placement(), style_augment=("mirror", "rotate")),
    }


def family() -> Sheet:
    """A set without and with a family, founded by its first picture."""
    photos = {
        "astronaut": skimage.data.astronaut(),
        "cat": skimage.data.chelsea(),
        "coffee": skimage.data.coffee(),
    }
    painter, kin = impasto.Painter(), None
    sheet: Sheet = {}
    config = impasto.PaintConfig(size=SIZE)
    for name, pixels in photos.items():
        job = painter.prepare(Image.fromarray(pixels), ["marbling"], config)
        kin = kin or job.found_family("family.json")
        for title, one in ((name, job), (f"{name}, family", job.join(kin))):
            *_, last = one.run()
            sheet[title] = one.collect(last).to_pil()
    return sheet


def colors() -> Sheet:
    """One painting in every mode of colour."""
    photo = Image.fromarray(skimage.data.chelsea())
    sheet = {"photograph": photo, "mosaic": Image.open(gallery.picture_path("mosaic"))}
    for mode in COLORS:
        sheet[f"--colors {mode}"] = paint(photo, ["mosaic"], Placement(), colors=mode)
    return sheet


def finish() -> Sheet:
    """One painting and what can be done to it afterwards."""
    photo = Image.fromarray(skimage.data.coffee())
    painting = impasto.paint(photo, "marbling", size=SIZE).picture.pixels
    photograph = resize(images.load(photo).pixels, (painting.shape[-2], painting.shape[-1]))
    sheet = {"marbling": images.to_pil(painting)}
    for text in FINISHES:
        touched = apply_finish(painting, parse_finish(text), photograph=photograph)
        sheet[text] = images.to_pil(touched)
    return sheet


def photoreal() -> Sheet:
    """Photographs in the look of a style: recoloured, both ways of photorealism, and painted."""
    photo, style = Image.fromarray(skimage.data.coffee()), "expressionist"
    ways: dict[str, dict[str, Any]] = {
        "--colors palette": {"colors": "palette"},
        "--photoreal closed-form": {"photoreal": "closed-form"},
        "--photoreal affine": {"photoreal": "affine"},
        "painted": {},
    }
    style_picture = Image.open(gallery.picture_path(style))
    pictures = {name: paint(photo, [style], Placement(), **way) for name, way in ways.items()}
    return {"photograph": photo, style: style_picture, **pictures}


def fast() -> Sheet:
    """A photograph through the networks that come with impasto, weaker, larger and refined."""
    photo, sheet = Image.fromarray(skimage.data.coffee()), {}
    for name in shelf.list_networks():
        painter = impasto.FastPainter(name)
        style = next(iter(painter.card.styles), name if painter.holds_styles else "mosaic")
        ways: tuple[dict[str, Any], ...] = ({}, {"strength": 0.5}, {"network_size": SIZE // 2})
        for way in ways:
            (*_, last) = painter.prepare(
                photo, [style], impasto.FastConfig(**{"size": SIZE} | way)
            ).run()
            words = ", ".join(f"--{option.replace('_', '-')} {way[option]}" for option in way)
            sheet[f"{name}, {style} {words}"] = images.to_pil(last.picture())
    return {"photograph": photo, **sheet}


def statistics() -> Sheet:
    """One pair by every statistic, and by two at a time."""
    photo = Image.fromarray(skimage.data.astronaut())
    kinds = [*STATISTIC_KINDS, "moments,patches"]
    sheet = {kind: paint(photo, ["swirling-night"], Placement(), statistic=kind) for kind in kinds}
    sheet["self-similarity"] = paint(
        photo, ["swirling-night"], Placement(), content_loss="self-similarity"
    )
    return sheet


def backbones() -> Sheet:
    """The same picture through several networks; those that were trained need no download."""
    photo, style = Image.fromarray(skimage.data.astronaut()), "swirling-night"
    looks: dict[str, dict[str, Any]] = {
        "vgg19": {},
        "efficientnet_lite0": {"backbone": "efficientnet_lite0"},
        "the same, --smoothing softmax": {
            "backbone": "efficientnet_lite0", "smoothing": "softmax"
        },
        "vgg19, random": {"weights_file": "random"},
        "resnet50, random": {"backbone": "resnet50", "weights_file": "random"},
        "densenet121, random": {"backbone": "densenet121", "weights_file": "random"},
    }  # fmt: skip
    return {
        name: impasto.paint(photo, style, size=SIZE, **settings).to_pil()
        for name, settings in looks.items()
    }


def layers() -> Sheet:
    """What low and high layers remember: of a photograph its content, of a style its texture."""
    photo, style = Image.fromarray(skimage.data.coffee()), "mosaic"
    canvas = images.name_canvas(SIZE, SIZE)
    common: dict[str, Any] = {"size": SIZE // 2, "loss": "gatys", "scales": 1, "steps": (150,)}
    pictures: Sheet = {}
    for layer in ("relu2_1", "relu4_1", "relu5_1"):
        found = impasto.paint(
            photo, [], content_layers=(layer,), style_weight=0.0, init="noise", **common
        )
        pictures[f"content of {layer}"] = found.to_pil()
    five = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    for count in (1, 3, 5):
        found = impasto.paint(
            canvas, style, style_layers=five[:count], content_weight=0.0, init="noise", **common
        )
        pictures[f"style of {count} layers"] = found.to_pil()
    return {"photograph": photo, **pictures}


SHEETS: dict[str, Callable[[], Sheet]] = {
    "masks": masks,
    "strength": strength,
    "patterns": patterns,
    "scales": scales,
    "copies": copies,
    "family": family,
    "found": found,
    "photoreal": photoreal,
    "colors": colors,
    "finish": finish,
    "fast": fast,
    "statistics": statistics,
    "backbones": backbones,
    "layers": layers,
}


def hang(pictures: Sheet) -> Image.Image:
    """Rows of pictures, each with its name below."""
    names = list(pictures)
    rows = [
        hang_row({name: pictures[name] for name in names[first : first + COLUMNS]})
        for first in range(0, len(names), COLUMNS)
    ]
    size = max(row.width for row in rows), sum(row.height for row in rows)
    wall = Image.new("RGB", size, "white")
    top = 0
    for row in rows:
        wall.paste(row, (0, top))
        top += row.height
    return wall


def hang_row(pictures: Sheet) -> Image.Image:
    """Pictures side by side."""
    scaled = {
        name: image.convert("RGB").resize((WIDTH, round(image.height * WIDTH / image.width)))
        for name, image in pictures.items()
    }
    height = max(image.height for image in scaled.values())
    wall = Image.new("RGB", (len(scaled) * (WIDTH + GAP) - GAP, height + 24), "white")
    pen = ImageDraw.Draw(wall)
    font = ImageFont.load_default(15)
    for place, (name, image) in enumerate(scaled.items()):
        wall.paste(image, (place * (WIDTH + GAP), 0))
        pen.text((place * (WIDTH + GAP) + 2, height + 4), name, fill="black", font=font)
    return wall


def main() -> None:
    """Paint what is named on the command line, or everything."""
    global SIZE
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sheets", nargs="*", metavar="NAME", help=", ".join(SHEETS))
    parser.add_argument("--size", type=int, default=SIZE, help="long side of the paintings in px")
    given = parser.parse_args()
    if unknown := set(given.sheets).difference(SHEETS):
        parser.error(f"no sheet {min(unknown)!r}")
    SIZE = given.size
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in given.sheets or SHEETS:
        pictures = SHEETS[name]()
        hang(pictures).save(FOLDER / f"{name}.jpg", quality=86)
        sys.stdout.write(f"{name}: {', '.join(pictures)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
