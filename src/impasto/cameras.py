"""What a camera sees, and a window to show it in; needs OpenCV, see impasto[video]."""

import importlib
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from impasto.errors import ConfigError, ImageError

_USUAL_RATE = 25.0
_ESCAPE = 27


class Camera:
    """Frames of a camera. Use it as a context manager.

    Args:
        name: Number of a camera, or a film that takes its place.

    Attributes:
        rate: Frames a second.

    Raises:
        ConfigError: If OpenCV is missing.
        ImageError: If there is no such camera.
    """

    def __init__(self, name: str = "0") -> None:
        cv2 = _import_opencv()
        self._device = cv2.VideoCapture(int(name) if name.isdigit() else name)
        if not self._device.isOpened():
            self._device.release()
            raise ImageError(f"There is no camera {name}; give another with --camera.")
        told = float(self._device.get(cv2.CAP_PROP_FPS) or 0)
        self.rate = Fraction(told if 1 <= told <= 240 else _USUAL_RATE).limit_denominator(1001)

    def __enter__(self) -> "Camera":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._device.release()

    def frames(self) -> Iterator[Tensor]:
        """Each frame, (1, 3, H, W) in [0, 1], until the camera has no more."""
        while True:
            there, samples = self._device.read()
            if not there:
                return
            # OpenCV has blue first.
            pixels = torch.from_numpy(samples[..., ::-1].copy())
            yield pixels.permute(2, 0, 1)[None].float() / 255


class Window:
    """Shows frames until somebody presses q or Escape. Use it as a context manager.

    Raises:
        ConfigError: If this OpenCV has no windows.
    """

    def __init__(self, title: str) -> None:
        self._cv2, self._title = _import_opencv(), title
        try:
            self._cv2.namedWindow(title, self._cv2.WINDOW_NORMAL)
        except self._cv2.error as error:
            raise ConfigError(
                "This OpenCV has no windows; name a film with -o, or install opencv-python in place"
                " of opencv-python-headless."
            ) from error

    def __enter__(self) -> "Window":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cv2.destroyWindow(self._title)

    def show(self, image: Tensor) -> bool:
        """Show (1, 3, H, W) in [0, 1]; False once nobody wants to look any more."""
        samples = (image[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
        self._cv2.imshow(self._title, samples.flip(2).cpu().contiguous().numpy())
        return (self._cv2.waitKey(1) & 0xFF) not in (_ESCAPE, ord("q"))


def _import_opencv() -> Any:
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        raise ConfigError(
            "Cameras need OpenCV; install it with: pip install 'impasto[video]'."
        ) from error
