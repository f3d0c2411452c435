"""The settings of painting in one pass: each default, range and help text exists once, here.

What has the same meaning as for `impasto paint` is taken from `PaintConfig`. Free of PyTorch.
"""

from copy import copy
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from impasto.config import (
    Length,
    PaintConfig,
    Pixels,
    Weight,
    check_size,
    describe_invalid,
    parse_colors,
)
from impasto.errors import ConfigError
from impasto.finishing import parse_finish

#: Where --refine paints: the last size alone, for the fast picture is the coarse work.
_REFINING = {"scales": 1, "detail_steps": 0, "init": "file"}


def _as_for_paint(name: str, **changes: Any) -> Any:
    """A field with the default, the range and the help text that `PaintConfig` has."""
    field = copy(PaintConfig.model_fields[name])
    for key, value in changes.items():
        setattr(field, key, value)
    return field


class FastConfig(BaseModel):
    """Everything that decides what a fast painting looks like, beside pictures and network.

    Raises:
        ConfigError: If a setting is unknown, out of its range, or contradicts another.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Pixels | Literal["photo"] | Length = _as_for_paint("size", default=1024)
    dpi: Annotated[float, Field(ge=10, le=9600)] | None = _as_for_paint("dpi")
    strength: Annotated[float, Field(ge=0, le=2)] = Field(
        1.0,
        description="How far to leave the photograph: 0 not at all, 1 as the network has learnt"
        " it, more exaggerates.",
    )
    style_shares: tuple[Weight, ...] | None = _as_for_paint("style_shares")
    network_size: Pixels | None = Field(
        None,
        description="Long side in pixels at which the network works. Its strokes have a fixed"
        " size in pixels: a smaller number makes them broader, for the result is enlarged. Left"
        " out: the painting's own.",
    )
    style_size: Annotated[int, Field(ge=64, le=2048)] | None = Field(
        None,
        description="Long side in pixels at which a style picture is looked at; left out: as the"
        " network was trained.",
    )
    refine: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0,
        description="Steps of the optimiser that go on from the fast picture, at full size: slower"
        " and nearer to the style.",
    )
    keep_colors: bool = _as_for_paint("keep_colors")
    colors: str = _as_for_paint("colors")
    finish: str = _as_for_paint("finish")
    trim_style: Annotated[float, Field(ge=0, le=0.4)] = _as_for_paint("trim_style")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = _as_for_paint("seed")

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise ConfigError(describe_invalid(error, "fast")) from None

    _check_size = field_validator("size", mode="before")(check_size)

    @model_validator(mode="after")
    def _check_together(self) -> "FastConfig":
        """Check what one field alone cannot."""
        parse_finish(self.finish)
        if "palette" in parse_colors(self.colors):
            raise ConfigError("--colors palette paints nothing; give it to impasto paint.")
        self.for_paint()
        return self

    def for_paint(self) -> PaintConfig:
        """The same wishes for the optimiser, which refines, and for what comes after painting."""
        shared = {
            name: getattr(self, name)
            for name in (
                "size", "dpi", "style_shares", "keep_colors", "colors", "finish", "trim_style",
                "seed",
            )
        }  # fmt: skip
        strength = min(max(self.strength, 0.05), 20)
        return PaintConfig(**shared, **_REFINING, strength=strength, steps=(max(self.refine, 1),))

    def to_dict(self) -> dict[str, Any]:
        """Settings that differ from the defaults, ready for JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)
