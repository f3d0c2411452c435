"""Fast painting without PyTorch, for small machines: ONNX Runtime, numpy and Pillow.

    painter = OnnxPainter("net.onnx")
    painter.paint(Image.open("photo.jpg"), "mosaic").save("out.png")

The file is written by `impasto export`, on a machine that has PyTorch, and holds what the network
says of some styles; a network with an eye of its own looks at any other style picture itself. On
the command line: python -m impasto.onnxpaint net.onnx photo.jpg painting.jpg.
"""

import argparse
import base64
import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from impasto.errors import ConfigError, ImageError, ImpastoError, OutputError, WeightsError

Planes = npt.NDArray[np.float32]

FORMAT = "1"
#: Short side in px below which the exported network cannot mirror its borders.
SMALLEST = 64
#: Short side in px below which nothing of a style is left where the eye looks deepest.
SMALLEST_STYLE = 8


class OnnxPainter:
    """A network in ONNX Runtime.

    Args:
        path: A file that `impasto export` has written.
        threads: Of the processor; None for all.

    Attributes:
        styles: What the network is told of each style that the file holds, (1, K).

    Raises:
        ConfigError: If ONNX Runtime is missing.
        WeightsError: If the file is not one of ours.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        self._path, self._threads = path, threads
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise WeightsError(f"Cannot read {path}: {error.strerror}.") from error
        self._session = self._open(data)
        facts = self._session.get_modelmeta().custom_metadata_map
        if facts.get("impasto") != FORMAT:
            raise WeightsError(f"{path} was not written by impasto export, or by another version.")
        self.stride = int(facts["stride"])
        self.styles = read_codes(facts["styles"])
        self.style_size = int(facts.get("style_size", 0))
        self._eye = facts.get("eye")

    def describe(self, style: Image.Image) -> Planes:
        """What the network is told of a style picture, (1, K).

        Raises:
            ConfigError: If the network has no eye for styles.
            ImageError: If the picture is too small, or too narrow.
        """
        if self._eye is None:
            raise ConfigError(
                f"{self._path} knows only its own styles; it has no eye for others: write it from"
                " a network that has, such as micro."
            )
        if isinstance(self._eye, str):
            self._eye = self._open(base64.b64decode(self._eye))
        size = min(self.style_size, max(style.size))
        ready = _prepare(style, size, Image.Resampling.BICUBIC)
        if min(ready.size) < SMALLEST_STYLE:
            raise ImageError(
                f"The style is {ready.width}x{ready.height} px as it is looked at; each side must"
                f" be at least {SMALLEST_STYLE} px."
            )
        (code,) = self._eye.run(None, {"style": _to_planes(ready)})
        return np.asarray(code)

    def _open(self, data: bytes) -> Any:
        runtime = import_onnxruntime()
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        if self._threads:
            options.intra_op_num_threads = self._threads
        try:
            return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's own errors have no common name
            raise WeightsError(f"{self._path} is damaged or no ONNX network.") from error

    def run(self, image: Planes, wish: Planes) -> Planes:
        """The network itself.

        Args:
            image: Shape (1, 3, H, W), values in [0, 1], any size from 64 px.
            wish: Shape (1, K).

        Returns:
            Shape (1, 3, H, W), not clamped.
        """
        height, width = image.shape[2:]
        if min(height, width) < SMALLEST:
            raise ImageError(f"Each side must be at least {SMALLEST} px, not {width}x{height}.")
        edges = ((0, 0), (0, 0), (0, -height % self.stride), (0, -width % self.stride))
        padded = np.pad(image, edges, mode="reflect")
        feed = {"image": padded.astype(np.float32), "wish": wish.astype(np.float32)}
        (painted,) = self._session.run(None, feed)
        return np.asarray(painted[:, :, :height, :width])

    def paint(
        self,
        photo: Image.Image,
        style: str | Mapping[str, float] | Planes | Image.Image,
        *,
        size: int | None = None,
        strength: float = 1.0,
    ) -> Image.Image:
        """Paint a picture.

        Args:
            photo: The photograph; what is transparent lies on white.
            style: Name of a style that the file holds, several with their shares, a wish, or a
                style picture, if the network has an eye.
            size: Long side of the result in px; None for the photograph's own.
            strength: 0 to 1; the painting is mixed with the photograph, pixel by pixel.

        Raises:
            ConfigError: If the style or the strength makes no sense.
            ImageError: If the picture is too small.
        """
        if not 0 <= strength <= 1:
            raise ConfigError(f"strength goes from 0 to 1 here, not {strength:g}.")
        content = _prepare(photo, size)
        planes = _to_planes(content)
        painted = self.run(planes, self._find_wish(style))
        mixed = planes + strength * (np.clip(painted, 0, 1) - planes)
        return Image.fromarray(np.round(mixed[0].transpose(1, 2, 0) * 255).astype(np.uint8))

    def _find_wish(self, style: str | Mapping[str, float] | Planes | Image.Image) -> Planes:
        if isinstance(style, np.ndarray):
            return style
        if isinstance(style, Image.Image):
            return self.describe(style)
        shares = {style: 1.0} if isinstance(style, str) else dict(style)
        unknown = [name for name in shares if name not in self.styles]
        if unknown or not sum(shares.values()) > 0:
            added = (
                "a style picture will do" if self._eye else "add some with impasto export --style"
            )
            held = ", ".join(self.styles) or f"none; {added}"
            problem = f"no style {unknown[0]!r}" if unknown else "no shares"
            raise ConfigError(f"The network has {problem}; it holds {held}.")
        total = sum(shares.values())
        mixed = sum(self.styles[name] * (share / total) for name, share in shares.items())
        return np.asarray(mixed, np.float32)


def write_codes(codes: Mapping[str, Planes]) -> str:
    """What is told of styles, as text."""
    return json.dumps(
        {
            name: base64.b64encode(np.asarray(code, np.float32).tobytes()).decode()
            for name, code in codes.items()
        }
    )


def read_codes(text: str) -> dict[str, Planes]:
    """What is told of styles, each (1, K), from text."""
    return {
        name: np.frombuffer(base64.b64decode(code), np.float32)[None]
        for name, code in json.loads(text).items()
    }


def import_onnxruntime() -> Any:
    """ONNX Runtime.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ConfigError(
            "This needs ONNX Runtime; install it with: pip install 'impasto[onnx]'."
        ) from error


def _to_planes(picture: Image.Image) -> Planes:
    """Samples from 0 to 1, (1, 3, H, W)."""
    samples = np.asarray(picture, np.float32).transpose(2, 0, 1)[None]
    return np.divide(samples, 255, dtype=np.float32)


def _prepare(
    photo: Image.Image,
    size: int | None,
    resampling: Image.Resampling = Image.Resampling.LANCZOS,
) -> Image.Image:
    upright = ImageOps.exif_transpose(photo)
    if upright.has_transparency_data:
        layered = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    plain = upright.convert("RGB")
    if size is None or size == max(plain.size):
        return plain
    factor = size / max(plain.size)
    width, height = (max(1, round(side * factor)) for side in plain.size)
    return plain.resize((width, height), resampling)


def main(arguments: Sequence[str] | None = None) -> int:
    """Paint one picture; returns the exit code."""
    parser = argparse.ArgumentParser("impasto.onnxpaint", description=str(__doc__).split("\n")[0])
    parser.add_argument("network", help="file that impasto export has written")
    parser.add_argument("photo")
    parser.add_argument(
        "style",
        help="one of the styles that the file holds; or a picture, for a network with an eye",
    )
    parser.add_argument("-o", "--output", default="out.png")
    parser.add_argument("--size", type=int, help="long side in pixels")
    parser.add_argument("--strength", type=float, default=1.0, help="0 to 1")
    given = parser.parse_args(arguments)
    try:
        painter = OnnxPainter(given.network)
        known = given.style in painter.styles or not Path(given.style).is_file()
        style = given.style if known else _open(given.style)
        painted = painter.paint(_open(given.photo), style, size=given.size, strength=given.strength)
        _save(painted, given.output)
    except ImpastoError as error:
        sys.stderr.write(f"impasto: {error}\n")
        return error.exit_code
    return 0


def _open(path: str) -> Image.Image:
    try:
        picture = Image.open(path)
        picture.load()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ImageError(f"Cannot read {path} as a picture.") from error
    return picture


def _save(picture: Image.Image, path: str) -> None:
    try:
        picture.save(path)
    except (OSError, ValueError) as error:
        raise OutputError(f"Cannot write {path}: {error}.") from error


if __name__ == "__main__":
    sys.exit(main())
