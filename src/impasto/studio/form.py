"""Forms derived from the settings of the engines, and what may be set by a request.

Nothing is written twice: names, help texts, ranges and defaults come from the models. What opens a
file, or names one, is not among them: a request may set numbers, choices, and the few texts that
are listed here.
"""

import functools
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from impasto.config import GROUPS, PaintConfig, describe_invalid, parse_blend
from impasto.errors import ConfigError
from impasto.fastconfig import FastConfig
from impasto.studio.faults import InvalidError

#: Settings that are texts and name nothing outside the engine; any other text is refused.
TEXTS = frozenset((
    "size", "colors", "finish", "statistic", "init", "backbone", "content_layers", "style_layers",
))  # fmt: skip
#: Settings that mean nothing here.
_IDLE = frozenset(("family_pull",))
#: What a texture has no use for: there is no photograph.
_NO_TEXTURE = frozenset((
    "size", "strength", "keep_colors", "colors", "photoreal", "photoreal_weight", "content_loss",
    "content_layers", "content_layer_weights", "content_weight", "init",
))  # fmt: skip
#: Beyond it a number is not what a browser thinks it is.
_LARGEST = 2**53 - 1
#: As `impasto lab texture` begins.
_FROM_NOISE = {"content_weight": 0.0, "init": "noise"}

Side = Annotated[int, Field(ge=16, le=32768)]


class TextureSize(BaseModel):
    """How large a texture is."""

    model_config = ConfigDict(frozen=True)

    width: Side = Field(512, description="Width of the texture in pixels.")
    height: Side = Field(512, description="Height of the texture in pixels.")


class Asked(NamedTuple):
    """Settings that have been read.

    Attributes:
        config: For the engine.
        canvas: (H, W) of a texture; None for paintings.
    """

    config: PaintConfig | FastConfig
    canvas: tuple[int, int] | None = None


def make_forms(backbones: tuple[str, ...]) -> dict[str, Any]:
    """All forms; `backbones` are networks that there are on this server."""
    return {kind: _make_form(kind, backbones) for kind in ("paint", "fast", "texture")}


def read_settings(kind: str, given: Mapping[str, Any], backbones: tuple[str, ...]) -> Asked:
    """The settings of a request.

    Args:
        kind: paint, fast or texture.
        given: What was sent, by names of the form's fields.
        backbones: Networks that there are on this server.

    Raises:
        InvalidError: If there is no such field, or they make no sense.
    """
    fields = _list_fields(kind)
    for name in given:
        if name not in fields:
            raise InvalidError(f"There is no setting {str(name)[:40]!r} here.")
    _check_plain(dict(given))
    plain = {name: _split(value, fields.get(name, {})) for name, value in given.items()}
    if plain.get("backbone", backbones[0]) not in backbones:
        raise InvalidError(f"backbone: choose of {', '.join(backbones)}.")
    try:
        if kind == "fast":
            return Asked(FastConfig(**plain))
        if kind == "paint":
            return Asked(_check_start(PaintConfig(**plain)))
        names = TextureSize.model_fields
        size = TextureSize(**{name: plain.pop(name) for name in names if name in plain})
        sides = (size.height, size.width)
        return Asked(PaintConfig(**plain, **_FROM_NOISE, size=max(sides)), sides)
    except ValidationError as error:
        raise InvalidError(in_words(describe_invalid(error, "paint"))) from None
    except (ConfigError, TypeError, OverflowError) as error:
        raise InvalidError(in_words(str(error))) from error


def _check_plain(value: Any) -> None:
    """Refuse numbers that are none, and texts that cannot be written."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidError("A number must be finite.")
    if isinstance(value, str) and not value.isprintable():
        raise InvalidError("A text must be printable.")
    if isinstance(value, dict | list):
        for one in value.items() if isinstance(value, dict) else value:
            _check_plain(list(one) if isinstance(one, tuple) else one)


def _check_start(config: PaintConfig) -> PaintConfig:
    if "file" in parse_blend(config.init):
        raise ConfigError("init: a start from a file is for the command line; leave 'file' out.")
    return config


def in_words(text: str) -> str:
    """A message about options of the command line, as one about fields."""
    text = re.sub(r"; see impasto \w+ --help", "", text)
    text = re.sub(r"--([a-z][a-z-]*)", lambda found: found[1].replace("-", " "), text)
    return text if len(text) <= 400 else f"{text[:397]}..."


def _make_form(kind: str, backbones: tuple[str, ...]) -> dict[str, Any]:
    groups: dict[str, dict[str, Any]] = {}
    for name, field in _list_fields(kind).items():
        title = field["group"]
        shown = {key: value for key, value in field.items() if key != "group"}
        if name == "backbone":
            shown |= {"type": "choice", "choices": list(backbones), "default": backbones[0]}
        group = groups.setdefault(
            title, {"title": title, "expert": title.startswith("Expert"), "fields": []}
        )
        group["fields"].append(shown)
    return {"presets": _list_presets() if kind != "fast" else [], "groups": list(groups.values())}


@functools.cache
def _list_fields(kind: str) -> dict[str, dict[str, Any]]:
    """Field by name, in order; each knows its group."""
    model: type[BaseModel] = FastConfig if kind == "fast" else PaintConfig
    title = next(iter(GROUPS.values()))
    fields: dict[str, dict[str, Any]] = {}
    if kind == "texture":
        for name, schema in TextureSize.model_json_schema()["properties"].items():
            fields[name] = _describe(name, schema) | {"group": title}
    for name, schema in model.model_json_schema()["properties"].items():
        title = GROUPS.get(name, title)
        if name in _IDLE or (kind == "texture" and name in _NO_TEXTURE):
            continue
        if is_safe(name, schema):
            fields[name] = _describe(name, schema) | {"group": title}
    return fields


def is_safe(name: str, schema: dict[str, Any]) -> bool:
    """Whether a request may set a field: a number, a choice, or a text that is listed."""
    free = [
        one
        for variant in _variants(schema)
        for one in [variant.get("items", variant)]
        if one.get("type") == "string" and "enum" not in one and "const" not in one
    ]
    return not free or name in TEXTS


def _variants(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]


def _describe(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    variants = _variants(schema)
    kinds = {one.get("type"): one for one in variants}
    order = ("boolean", "integer", "number", "array", "string")
    kind = next(one for one in order if one in kinds)
    main = kinds[kind]
    names = {"array": "list", "string": "choice" if "enum" in main else "text"}
    inner = main.get("items", main)
    choices = inner.get("enum") or [one["const"] for one in variants if "const" in one]
    highest = inner.get("maximum", inner.get("exclusiveMaximum"))
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "help": schema["description"],
        "type": names.get(kind, kind),
        "default": schema.get("default"),
        "minimum": inner.get("minimum", inner.get("exclusiveMinimum")),
        "maximum": None if highest is None else min(highest, _LARGEST),
        "choices": choices or None,
    }


def _list_presets() -> list[dict[str, str]]:
    """The presets, with what their field's help says of each."""
    help_text = str(PaintConfig.model_fields["preset"].description).rstrip(".")
    pairs = [part.partition(": ") for part in help_text.split("; ")]
    return [{"name": name, "help": f"{text[0].upper()}{text[1:]}."} for name, _, text in pairs]


def _split(value: Any, field: dict[str, Any]) -> Any:
    """A list may also come as one text with commas."""
    if field.get("type") == "list" and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()] or None
    return value
