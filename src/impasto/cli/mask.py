"""`impasto mask`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from impasto.cli.options import refuse_options
from impasto.cli.report import open_report, write_line
from impasto.errors import ConfigError, OutputError
from impasto.files import check_writable
from impasto.masknames import MaskName, parse_mask_name

if TYPE_CHECKING:
    from impasto.images import Picture


def command(
    photo: Annotated[str, Parameter(name="PHOTO", help="Picture.", allow_leading_hyphen=True)],
    name: Annotated[str, Parameter(name="NAME", help="What to find.")],
    /,
    *,
    output: Annotated[
        str | None,
        Parameter(
            name=("--output", "-o"),
            help="File to write; by default PHOTO_NAME.png in this folder.",
            metavar="FILE",
        ),
    ] = None,
    overlay: Annotated[
        bool,
        Parameter(
            help="Show it over the photograph: what is not covered is dimmed.",
            negative="",
            show_default=False,
        ),
    ] = False,
    overwrite: Annotated[
        bool, Parameter(help="Replace what is there already.", negative="", show_default=False)
    ] = False,
    offline: Annotated[
        bool, Parameter(help="Never download anything.", negative="", show_default=False)
    ] = False,
    max_pixels: Annotated[
        int, Parameter(help="Refuse larger pictures, before they are decoded.", metavar="N")
    ] = 200_000_000,
) -> int:
    """Write a mask that is found in a photograph as a picture."""
    refuse_options((photo,))
    asked = parse_mask_name(name)
    if asked.kind == "rest":
        raise ConfigError("'rest' is what the masks of a painting leave; name another mask.")
    target = _choose_target(photo, asked, output, overwrite=overwrite)
    from impasto import images

    picture = images.load(photo, max_pixels=max_pixels)
    with open_report(json_lines=False, quiet=False, stdout_taken=False) as report:
        from impasto.api import find_mask

        mask = find_mask(picture, asked, offline=offline, on_download=report.download)
    images.save(_lay_over(picture, mask) if overlay else mask, target)
    share = float(mask.pixels[:, :1].mean())
    write_line(f"Saved {target}; it covers {share:.0%} of {picture.name}.")
    return 0


def _choose_target(photo: str, asked: MaskName, output: str | None, *, overwrite: bool) -> Path:
    from impasto import images

    word = str(asked).replace(":", "-").replace("/", "-")
    stem = "stdin" if photo == "-" else Path(photo).stem
    target = Path(output or f"{stem}_{word}.png")
    images.format_of(target)
    if target.exists() and photo != "-" and Path(photo).exists() and target.samefile(photo):
        raise OutputError(f"{target} would replace the photograph; choose another name.")
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already; replace it with --overwrite.")
    check_writable(target)
    return target


def _lay_over(picture: "Picture", mask: "Picture") -> "Picture":
    """The photograph, dimmed where the mask is black."""
    return replace(picture, pixels=picture.pixels * (0.2 + 0.8 * mask.pixels))
