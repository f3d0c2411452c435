"""People: a small network's opinion, with the edges of the photograph.

The network is MediaPipe's selfie segmentation (Google, Apache-2.0): 256 x 256 px in, one plane
out. It was made for people near the camera, and takes other things that stand out for people.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.errors import WeightsError
from impasto.masks.edges import follow_edges, sharpen_steps
from impasto.masks.libraries import need
from impasto.pyramid import resize

Segment = Callable[[Tensor], Tensor]
"""Makes of (1, 3, 256, 256) in [0, 1] how likely each place is a person, (1, 1, 256, 256)."""

SIDE = 256
#: A figure counts from this share of the picture and this certainty on.
_LEAST_AREA, _LEAST_PEAK = 0.002, 0.9


def open_network(path: Path) -> Segment:
    """Read the network with OpenCV.

    Raises:
        ConfigError: If OpenCV is missing.
        WeightsError: If the file holds no such network.
    """
    cv2 = need("cv2", "Masks of people")
    try:
        network = cv2.dnn.readNetFromTFLite(str(path))
    except cv2.error as error:
        raise WeightsError(f"{path} is not a network that OpenCV can read.") from error

    def segment(picture: Tensor) -> Tensor:
        network.setInput(np.ascontiguousarray(picture.cpu().numpy()))
        return torch.from_numpy(network.forward().copy()).reshape(1, 1, SIDE, SIDE)

    return segment


def find_people(photo: Tensor, segment: Segment) -> Tensor | None:
    """Where people are.

    Args:
        photo: Shape (1, 3, H, W), values in [0, 1].
        segment: The network, see `open_network`.

    Returns:
        Shape (1, 1, H, W), values in [0, 1]; None if there is nobody.
    """
    found = _drop_specks(_look(photo, segment))
    if found is None:
        return None
    return sharpen_steps(follow_edges(found, photo, 0.012), 0.1, 0.9)


def _look(photo: Tensor, segment: Segment) -> Tensor:
    """The network's plane for a photograph, which is laid into the middle of a square."""
    height, width = photo.shape[-2:]
    shrink = SIDE / max(height, width)
    size = max(1, round(height * shrink)), max(1, round(width * shrink))
    top, left = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    edges = (left, SIDE - size[1] - left, top, SIDE - size[0] - top)
    square = F.pad(resize(photo, size), edges)
    return segment(square)[:, :, top : top + size[0], left : left + size[1]].clamp(0, 1)


def _drop_specks(plane: Tensor) -> Tensor | None:
    """Forget what is small or doubtful; None if nothing is left."""
    from impasto.masks.islands import split_islands

    total = torch.zeros_like(plane)
    for island in split_islands(plane > 0.5):
        if island.sum() >= _LEAST_AREA * plane.numel() and plane[island].max() >= _LEAST_PEAK:
            total = torch.maximum(total, plane * _grow(island))
    return total if float(total.max()) > 0 else None


def _grow(island: Tensor) -> Tensor:
    """The island and its soft shore."""
    return F.max_pool2d(island.float(), 9, 1, 4)
