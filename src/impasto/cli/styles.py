"""`impasto styles`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto import gallery
from impasto.cli.report import write_line
from impasto.cli.tables import write_json, write_table
from impasto.errors import ConfigError, OutputError
from impasto.files import check_writable, replacing


def command(
    name: Annotated[str | None, Parameter(name="NAME", help="One style only.")] = None,
    /,
    *,
    save: Annotated[
        str | None, Parameter(help="Copy the picture of NAME there.", metavar="FILE|FOLDER")
    ] = None,
    sheet: Annotated[
        str | None, Parameter(help="Write one picture of all of them.", metavar="FILE")
    ] = None,
    overwrite: Annotated[
        bool, Parameter(help="Replace what is there already.", negative="", show_default=False)
    ] = False,
    json: Annotated[
        bool, Parameter(help="Tell it as JSON.", negative="", show_default=False)
    ] = False,
) -> int:
    """List the gallery, or copy pictures out of it."""
    picture = None if name is None else gallery.picture_path(name)
    if save is not None:
        if picture is None:
            raise ConfigError("Which style is to be saved? Name it: impasto styles NAME --save.")
        _copy(picture, Path(save), overwrite=overwrite)
    if sheet is not None:
        _write_sheet(Path(sheet), overwrite=overwrite)
    if save is None and sheet is None:
        _list(name, json=json)
    return 0


def _list(name: str | None, *, json: bool) -> None:
    styles = [style for style in gallery.STYLES.values() if name in (None, style.name)]
    if json:
        paths = {style.name: str(gallery.picture_path(style.name)) for style in styles}
        write_json([vars(style) | {"path": paths[style.name]} for style in styles])
    elif name is None:
        rows = [(style.name, style.title, style.description) for style in styles]
        write_table(("name", "picture", "manner"), rows)
    else:
        facts = vars(styles[0]) | {"path": str(gallery.picture_path(name))}
        write_table((), list(facts.items()))


def _copy(picture: Path, target: Path, *, overwrite: bool) -> None:
    """Copy a file as it is, or convert it if another suffix is asked for."""
    if target.is_dir():
        target /= picture.name
    if target.suffix == picture.suffix:
        _check(target, overwrite=overwrite)
        with replacing(target) as temporary:
            temporary.write_bytes(picture.read_bytes())
    else:
        from impasto import images

        images.format_of(target)
        _check(target, overwrite=overwrite)
        images.save(images.load(picture), target)
    write_line(f"Saved {target}.")


def _write_sheet(target: Path, *, overwrite: bool) -> None:
    from PIL import Image

    from impasto import images
    from impasto.gallery.__main__ import make_contact_sheet

    images.format_of(target)
    _check(target, overwrite=overwrite)
    pictures = {}
    for name in gallery.STYLES:
        with Image.open(gallery.picture_path(name)) as file:
            pictures[name] = file.convert("RGB")
    images.save(images.load(make_contact_sheet(pictures)), target)
    write_line(f"Saved {target}.")


def _check(target: Path, *, overwrite: bool) -> None:
    if target.exists() and not target.is_dir() and not overwrite:
        raise OutputError(f"{target} exists already; replace it with --overwrite.")
    check_writable(target)
