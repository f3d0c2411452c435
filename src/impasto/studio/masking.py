"""Masks of an order: pictures that were sent, or names of what the photograph is searched for."""

import importlib.util
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from impasto import networkfiles
from impasto.errors import ConfigError
from impasto.masknames import KINDS, SYNONYMS, MaskName, parse_mask_name, parse_protection
from impasto.studio.faults import InvalidError
from impasto.studio.form import in_words

#: Most styles of a painting, and most masks.
MOST = 8
Id = Annotated[str, Field(max_length=120)]
Name = Annotated[str, Field(max_length=40)]
#: What each kind of mask cannot be found without.
_LIBRARIES = {"people": ("cv2", "skimage"), "faces": ("cv2", "skimage"), "sky": ("skimage",)}


class MaskRequest(BaseModel):
    """Where a style goes: the picture of a mask, or a name to find; and the style's number."""

    model_config = ConfigDict(extra="forbid")

    picture: Id | None = None
    find: Name | None = None
    style: Annotated[int, Field(ge=0, lt=MOST)]


class FindRequest(BaseModel):
    """What a picture is to be searched for, such as sky or people."""

    model_config = ConfigDict(extra="forbid")

    find: Name


def check_masks(
    asked: Sequence[MaskRequest], count: int, see: Callable[[str], Any]
) -> list[dict[str, Any]]:
    """Masks in the order of the styles, as they are kept: none, or one for each.

    Args:
        asked: The masks of a request.
        count: Number of its styles.
        see: Looks for the picture of a mask, and raises if there is none.

    Raises:
        InvalidError: If they do not fit the styles, or cannot be found here.
    """
    if not asked:
        return []
    by_style = {mask.style: mask for mask in asked}
    if sorted(by_style) != list(range(count)) or len(asked) != count:
        raise InvalidError(
            f"{len(asked)} masks for {count} styles; give one for each style, or none."
        )
    masks = [by_style[number] for number in range(count)]
    for mask in masks:
        if (mask.picture is None) == (mask.find is None):
            raise InvalidError("A mask is either a picture or a name to find; give one of both.")
        if mask.picture is not None:
            see(mask.picture)
    return [
        mask.model_dump() | {"find": None if mask.find is None else check_name(mask.find)}
        for mask in masks
    ]


def check_protection(names: Sequence[str]) -> list[str]:
    """What is to be found and left alone, such as faces or people:0.3, as it is kept.

    Raises:
        InvalidError: If there is no such mask, or it cannot be found here.
    """
    return _check_names(lambda: parse_protection(names))


def list_names() -> list[dict[str, Any]]:
    """All masks that can be found, and whether they can be here."""
    return [
        {"name": name, "help": text, "ready": _find_lack(name) is None}
        for name, text in KINDS.items()
    ] + [
        {"name": name, "help": f"The same as {same}.",
         "ready": _find_lack(same.removeprefix("not-")) is None}
        for name, same in SYNONYMS.items()
    ]  # fmt: skip


def check_name(text: str) -> str:
    """The name of a mask to be found, as it is kept.

    Raises:
        InvalidError: If there is no such mask, or it cannot be found here.
    """
    (name,) = _check_names(lambda: (parse_mask_name(text),))
    return name


def list_pictures(request: dict[str, Any]) -> list[str]:
    """The pictures that a job looks at, by their ids."""
    masks = [mask["picture"] for mask in request["masks"]]
    named = [request["photo"], *request["styles"], *masks, request["protect"]]
    return [id for id in named if id is not None and ":" not in id]


def _check_names(parse: Callable[[], Sequence[MaskName]]) -> list[str]:
    try:
        found = parse()
    except ConfigError as error:
        raise _refuse(error) from None
    for name in found:
        _check_ready(name.kind)
    return [str(name) for name in found]


def _refuse(error: ConfigError) -> InvalidError:
    return InvalidError(in_words(str(error)).replace("; or name a file.", "."))


def _check_ready(kind: str) -> None:
    if lack := _find_lack(kind):
        raise InvalidError(f"This studio cannot find {kind}: {lack}.")


def _find_lack(kind: str) -> str | None:
    """What there is not; nothing is fetched on a request."""
    libraries = _LIBRARIES.get(kind, ())
    if any(importlib.util.find_spec(library) is None for library in libraries):
        return "it needs pip install 'impasto[masks]'"
    networks = {one.entry.name: one.available for one in networkfiles.inventory()}
    if kind in networks and not networks[kind]:
        return f"it needs impasto weights pull {kind}"
    return None
