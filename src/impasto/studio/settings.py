"""The settings of the studio: each default and help text exists once, here. Free of PyTorch."""

import ipaddress
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from impasto.config import describe_invalid
from impasto.errors import ConfigError

Count = Annotated[int, Field(ge=1, le=10_000)]
Bytes = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]

_GALLERY_PIXELS = 1_000_000


def _find_home() -> Path:
    return Path(platformdirs.user_data_dir("impasto", appauthor=False)) / "studio"


class StudioSettings(BaseModel):
    """How the studio listens, what it keeps and what it refuses.

    Raises:
        ConfigError: If a setting is unknown, out of its range, or contradicts another.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(
        "127.0.0.1",
        description="Address to listen at; another than this computer's own needs a token.",
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        7860, description="Port to listen at; 0 takes one that is free."
    )
    names: tuple[str, ...] = Field(
        (), description="Names by which browsers may call the server, beside its address."
    )
    token: str | None = Field(
        None,
        description="Word that lets a browser in, or IMPASTO_TOKEN in the environment; made up if"
        " one is needed and none is given.",
    )
    browser: bool = Field(True, description="Open the page in the browser.")
    data: Path = Field(
        default_factory=_find_home,
        description="Folder of pictures and paintings; by default a folder of the user's data.",
    )
    devices: tuple[str, ...] = Field(
        ("auto",), description="Where it paints, one process for each: auto, cpu, cuda:0 or mps."
    )
    networks: tuple[Path, ...] = Field(
        (), description="Fast networks of your own, files, beside those that come with impasto."
    )
    sketches: bool = Field(
        True, description="Keep a small process for sketches, if there is a fast network."
    )
    max_bytes: Bytes = Field(64 * 2**20, description="Most bytes of a picture that is sent.")
    max_pixels: Bytes = Field(
        50_000_000, description="Most pixels of a picture that is sent; told before decoding."
    )
    max_size: Annotated[int, Field(ge=64, le=32768)] = Field(
        4096, description="Longest side in pixels that may be asked for."
    )
    max_queued: Count = Field(100, description="Most jobs that wait.")
    quota: Bytes = Field(
        10 * 2**30,
        description="Most bytes on the disk; beyond it the oldest finished jobs are removed.",
    )
    patience: Seconds = Field(
        15.0, description="Seconds that a sender may be silent before it is cut off."
    )
    keep_every: Seconds = Field(
        10.0, description="Seconds between checkpoints, from which a broken painting goes on."
    )
    silence: Seconds = Field(
        120.0, description="Seconds without a sign of life after which a process is ended."
    )

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise ConfigError(describe_invalid(error, "studio")) from None

    @model_validator(mode="after")
    def _check_together(self) -> "StudioSettings":
        """Check what one field alone cannot."""
        if not self.devices:
            raise ConfigError("--devices: name at least one, such as auto.")
        if self.token is not None and len(self.token) < 16:
            raise ConfigError("--token: choose 16 characters or more, or leave it out.")
        return self

    @property
    def most_pixels(self) -> int:
        """Of any picture that is painted with: those that were sent, canvases, the gallery's."""
        return max(self.max_pixels, self.max_size**2, _GALLERY_PIXELS)

    @property
    def is_local(self) -> bool:
        """Whether only programs on this computer can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
