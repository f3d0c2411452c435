"""Films: frames out of a file and into one, with the sound as it was; needs impasto[video].

What a file is is decided by its first bytes, never by its name: a playlist that calls itself .mp4
would make the decoder open other files.
"""

import importlib
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from impasto.errors import ConfigError, ImageError, OutputError

#: Suffixes of films that can be written, and the container of each.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".m4v": "mp4", ".mkv": "matroska", ".webm": "webm"}
_CODECS = {"mp4": "libx264", "mov": "libx264", "matroska": "libx264", "webm": "libvpx-vp9"}
#: Of codecs: constant quality, which to the eye loses little.
_QUALITY = {"libx264": {"crf": "18", "preset": "medium"}, "libvpx-vp9": {"crf": "30", "b": "0"}}
#: Frames a second if a file does not say.
_USUAL_RATE = Fraction(25)
#: First bytes that tell a film: where they are, what they are, and the decoder's name for it.
_MAGIC = (
    (4, b"ftyp", "mov,mp4,m4a,3gp,3g2,mj2"),
    (4, b"moov", "mov,mp4,m4a,3gp,3g2,mj2"),
    (0, b"\x1aE\xdf\xa3", "matroska,webm"),
    (8, b"AVI ", "avi"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
    (0, b"FLV\x01", "flv"),
)
#: Brands after `ftyp` that are still pictures.
_PICTURES = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"hevc")


def find_container(path: Path) -> str | None:
    """The decoder's name for what a file holds, by its first bytes; None if it is no film.

    Raises:
        ImageError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(32)
    except OSError as error:
        raise ImageError(f"Cannot read {path}: {error.strerror}.") from error
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURES:
        return None
    for start, mark, name in _MAGIC:
        if head[start : start + len(mark)] == mark:
            return name
    return None


def is_film(path: Path) -> bool:
    """Whether a file is a film that can be read."""
    return find_container(path) is not None


class FilmReader:
    """Frames of a film, one after another. Use it as a context manager.

    Args:
        path: The file.

    Attributes:
        rate: Frames a second.
        count: Frames, as far as the file says; 0 if it does not.
        size: (H, W) in px.

    Raises:
        ConfigError: If the library is missing.
        ImageError: If there is no film in the file.
    """

    def __init__(self, path: Path) -> None:
        self._av = _import_av()
        self._path = path
        container = find_container(path)
        if container is None:
            raise ImageError(f"{path} is no film that can be read; give .mp4, .mov, .mkv or .avi.")
        try:
            self.file = self._av.open(str(path), format=container)
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise ImageError(f"{path} cannot be read as a film: {error}.") from error
        if not self.file.streams.video:
            self.file.close()
            raise ImageError(f"{path} has no picture; give a film.")
        self._stream = self.file.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.rate = Fraction(self._stream.average_rate or _USUAL_RATE)
        self.count = int(self._stream.frames or 0)
        self.size = (int(self._stream.height), int(self._stream.width))

    def __enter__(self) -> "FilmReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    def frames(self) -> Iterator[Tensor]:
        """Each frame, (1, 3, H, W) in [0, 1], upright.

        Raises:
            ImageError: If the film is damaged before its first frame; else it ends there.
        """
        seen = 0
        try:
            for frame in self.file.decode(self._stream):
                turn = round(getattr(frame, "rotation", 0) / 90) % 4
                pixels = torch.from_numpy(frame.to_ndarray(format="rgb24"))
                seen += 1
                yield torch.rot90(pixels.permute(2, 0, 1)[None], turn, (2, 3)).float() / 255
        except self._av.FFmpegError as error:
            if not seen:
                raise ImageError(f"{self._path} is damaged: {error}.") from error


class FilmWriter:
    """Writes frames as a film. Use it as a context manager.

    Args:
        path: The file; its suffix decides the container.
        size: (H, W) of the frames in px; odd sides lose their last row or column.
        rate: Frames a second.
        sound: The film whose sound is copied, without a loss.
        container: In place of the suffix's.

    Raises:
        ConfigError: If the library is missing or the suffix is unknown.
        OutputError: If it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        rate: Fraction,
        sound: Path | None = None,
        container: str | None = None,
    ) -> None:
        self._av = _import_av()
        self._path, self._sound, self._rate = path, sound, float(rate)
        self._height, self._width = size[0] // 2 * 2, size[1] // 2 * 2
        container = container or container_of(path)
        try:
            self._file = self._av.open(str(path), "w", format=container)
            codec = _CODECS[container]
            self._stream = self._file.add_stream(codec, rate=rate, options=_QUALITY[codec])
            self._stream.height, self._stream.width = self._height, self._width
            self._stream.pix_fmt = "yuv420p"
            self._count, self._packet = 0, None
            self._voice, self._listener = self._find_sound()
            self._packets = None
            if self._listener is not None:
                self._packets = self._listener.demux(self._listener.streams.audio[0])
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise OutputError(f"Cannot write {path}: {error}.") from error

    def __enter__(self) -> "FilmWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._file.close()
            if self._listener is not None:
                self._listener.close()

    def add(self, image: Tensor) -> None:
        """Write one frame, (1, 3, H, W) in [0, 1]."""
        kept = image[0, :, : self._height, : self._width].clamp(0, 1)
        samples = (kept * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().contiguous()
        frame = self._av.VideoFrame.from_ndarray(np.asarray(samples), format="rgb24")
        self._write(self._stream.encode(frame))
        self._count += 1
        self._copy_sound(self._count / self._rate)

    def _finish(self) -> None:
        self._write(self._stream.encode())
        self._copy_sound(math.inf)

    def _copy_sound(self, until: float) -> None:
        """Write what sounds before a time in seconds, so that picture and sound lie together."""
        while self._packets is not None:
            packet = self._packet or next(self._packets, None)
            self._packet = None
            if packet is None:
                self._packets = None
            elif packet.dts is None:
                continue
            elif float(packet.dts * packet.time_base) > until:
                self._packet = packet
                return
            else:
                packet.stream = self._voice
                self._write(packet)

    def _find_sound(self) -> tuple[Any, Any]:
        if self._sound is None:
            return None, None
        source = self._av.open(str(self._sound), format=find_container(self._sound))
        if not source.streams.audio:
            source.close()
            return None, None
        try:
            return self._file.add_stream_from_template(source.streams.audio[0]), source
        except (self._av.FFmpegError, ValueError) as error:
            source.close()
            raise OutputError(
                f"{self._path} cannot hold the sound of {self._sound}; choose .mkv."
            ) from error

    def _write(self, packets: Any) -> None:
        try:
            self._file.mux(packets)
        except (self._av.FFmpegError, OSError) as error:
            raise OutputError(f"Cannot write {self._path}: {error}.") from error


def container_of(path: Path) -> str:
    """The container that a file name asks for.

    Raises:
        ConfigError: If the suffix is unknown.
    """
    if path.suffix.lower() not in CONTAINERS:
        raise ConfigError(f"{path} is no name for a film; end it with {', '.join(CONTAINERS)}.")
    return CONTAINERS[path.suffix.lower()]


def _import_av() -> Any:
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise ConfigError("Films need PyAV; install it with: pip install 'impasto[video]'.") from (
            error
        )
