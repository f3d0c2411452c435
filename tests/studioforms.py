"""What the stand-in studio can do: one field of each type, as `GET /options` describes them."""

from typing import Any

MOST_BYTES = 4_000_000


def _field(name: str, kind: str, default: Any, help: str, **more: Any) -> dict[str, Any]:
    label = name.replace("_", " ").capitalize()
    limits = {"minimum": None, "maximum": None, "choices": None} | more
    return {"name": name, "label": label, "type": kind, "default": default, "help": help} | limits


_PRESETS = [
    {"name": "draft", "help": "a sketch in seconds"},
    {"name": "standard", "help": "the everyday quality"},
    {"name": "fine", "help": "three times the work"},
]
_SIZE = _field("size", "text", 512, "Long side in pixels, 'photo', or the size of a print.")
_STRENGTH = _field(
    "strength", "number", 1.0, "How far to leave the photograph: 0.3 keeps nearly every detail, 1"
    " is balanced, 3 lets the painting take over.", minimum=0.05, maximum=20,
)  # fmt: skip
_LOOK = [
    _SIZE,
    _field("preset", "choice", "standard", "How long.", choices=["draft", "standard", "fine"]),
    _STRENGTH,
    _field("stroke_size", "number", 1.0, "Size of the strokes.", minimum=0.1, maximum=8),
    _field("keep_colors", "boolean", False, "Keep the photograph's colours; as --colors photo."),
    _field("seed", "integer", 0, "Seed of all random numbers.", minimum=0, maximum=2**63),
]
_EXPERT = [
    _field("loss", "choice", "impasto", "Form of the losses.",
           choices=["impasto", "gatys", "johnson", "tutorial"]),
    _field("pooling", "choice", "max", "How a network shrinks.", choices=["max", "average", "l2"]),
    _field("style_layers", "list", None, "Layers whose statistics must match the painting."),
    _field("style_shares", "list", None, "Share of each style picture."),
    _field("tv_weight", "number", None, "Weight of total variation.", minimum=0),
    _field("trim_style", "number", 0.015, "Border that is ignored.", minimum=0, maximum=0.4),
    _field("history", "integer", 20, "Curvature pairs.", minimum=1, maximum=200),
]  # fmt: skip
OPTIONS: dict[str, Any] = {
    "kinds": {
        "paint": {"presets": _PRESETS, "groups": [
            {"title": "What it looks like", "expert": False, "fields": _LOOK},
            {"title": "Expert: objective", "expert": True, "fields": _EXPERT},
        ]},
        "fast": {"presets": [], "groups": [
            {"title": "What it looks like", "expert": False, "fields": [_SIZE, _STRENGTH]}]},
        "texture": {"presets": _PRESETS, "groups": [
            {"title": "What it looks like", "expert": False, "fields": [_SIZE, *_LOOK[1:2]]}]},
    },
    "masks": [
        {"name": "sky", "help": "The sky above a landscape.", "ready": True},
        {"name": "people", "help": "Whoever stands out.", "ready": False},
        {"name": "rest", "help": "What no other mask covers.", "ready": True},
    ],
    "networks": [{"name": "micro", "kind": "micro", "holds_styles": False, "styles": []}],
    "limits": {"bytes": MOST_BYTES, "pixels": 50_000_000, "queued": 5, "size": 4096},
}  # fmt: skip
