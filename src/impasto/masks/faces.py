"""Faces: OpenCV's cascades, from boxes to soft ellipses with forehead, hair and chin.

Viola and Jones 2001, "Rapid object detection using a boosted cascade of simple features". Each
cascade alone takes patterns in bark and spices for faces, so that they must agree.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from impasto.color import rgb_to_oklab
from impasto.errors import ConfigError
from impasto.masks.libraries import need
from impasto.pyramid import resize

_SIDE = 800  # long side in px that is looked at
_SMALLEST = 0.03  # of a face, as a share of the long side
_LEAST_PX = 24
#: Cascades by a short name.
_CASCADES = {
    "default": "haarcascade_frontalface_default.xml",
    "alt": "haarcascade_frontalface_alt2.xml",
    "profile": "haarcascade_profileface.xml",
}
_EYES = "haarcascade_eye_tree_eyeglasses.xml"
#: Votes that cascades need together: with an eye, without, and from the sides alone.
_SOME, _MANY, _SIDES = 12, 45, 30
#: Share of skin's colours in a face; chroma below which a photograph is grey.
_LEAST_SKIN, _GREY = 0.4, 0.01
#: The ellipse: half axes and centre in widths of the box; and where it has faded away.
_WIDE, _HIGH, _UP, _FADED = 0.62, 0.86, 0.06, 1.35


class Face(NamedTuple):
    """A box around brows and mouth, in shares of width and height of the photograph."""

    left: float
    top: float
    width: float
    height: float


def find_faces(photo: Tensor) -> Tensor | None:
    """Where faces are.

    Args:
        photo: Shape (1, 3, H, W), values in [0, 1].

    Returns:
        Shape (1, 1, H, W), values in [0, 1]; None if there are none.

    Raises:
        ConfigError: If OpenCV is missing, or its version holds no cascades.
    """
    faces = detect_faces(photo)
    return draw_faces(faces, (photo.shape[-2], photo.shape[-1])) if faces else None


def draw_faces(faces: list[Face], size: tuple[int, int]) -> Tensor:
    """Soft ellipses, (1, 1, *size), whose edges are as broad as the faces demand."""
    height, width = size
    y = (torch.arange(height) + 0.5)[:, None]
    x = (torch.arange(width) + 0.5)[None]
    mask = torch.zeros(height, width)
    for face in faces:
        unit = face.width * width
        across = (x - (face.left + face.width / 2) * width) / (_WIDE * unit)
        middle = (face.top + face.height / 2) * height - _UP * unit
        down = (y - middle) / (_HIGH * unit)
        away = (across.square() + down.square()).sqrt()
        share = ((_FADED - away) / (_FADED - 1)).clamp(0, 1)
        mask = torch.maximum(mask, share * share * (3 - 2 * share))
    return mask[None, None]


def detect_faces(photo: Tensor) -> list[Face]:
    """Boxes around faces, largest first; see `find_faces`."""
    height, width = photo.shape[-2:]
    shrink = min(1.0, _SIDE / max(height, width))
    size = max(1, round(height * shrink)), max(1, round(width * shrink))
    small = resize(photo, size)
    grey = (rgb_to_oklab(small)[0, 0].clamp(0, 1) * 255).round().byte().numpy()
    grey = np.ascontiguousarray(grey)
    skin = _find_skin(small)
    boxes = [one[0].box for one in _group(_detect(grey)) if _is_face(one, grey, skin)]
    faces = [Face(x / size[1], y / size[0], w / size[1], h / size[0]) for x, y, w, h in boxes]
    return sorted(faces, key=lambda face: -face.width)


class _Hit(NamedTuple):
    """What one cascade found: its name, a box (x, y, width, height) in px, and its votes."""

    cascade: str
    box: tuple[int, int, int, int]
    votes: int


def _detect(grey: npt.NDArray[np.uint8]) -> list[_Hit]:
    """Ask all cascades, that of profiles also about the mirror image; most votes first."""
    least = max(_LEAST_PX, round(_SMALLEST * max(grey.shape)))
    hits = []
    for name, file in _CASCADES.items():
        cascade = _open(file)
        for mirrored in (False, True) if name == "profile" else (False,):
            seen = np.ascontiguousarray(grey[:, ::-1]) if mirrored else grey
            boxes, votes = cascade.detectMultiScale2(seen, 1.08, 2, minSize=(least, least))
            for box, count in zip(boxes, votes, strict=True):
                x, y, w, h = map(int, box)
                x = grey.shape[1] - x - w if mirrored else x
                hits.append(
                    _Hit(f"{name} mirrored" if mirrored else name, (x, y, w, h), int(count))
                )
    return sorted(hits, key=lambda hit: -hit.votes)


def _open(file: str) -> Any:
    cv2 = need("cv2", "Masks of faces")
    path = Path(cv2.data.haarcascades) / file
    if not path.is_file():
        raise ConfigError(
            f"OpenCV {cv2.__version__} holds no cascades for faces: pip install 'impasto[masks]'."
        )
    return cv2.CascadeClassifier(str(path))


def _group(hits: list[_Hit]) -> list[list[_Hit]]:
    """Hits that lie on one another, each group with its best first."""
    groups: list[list[_Hit]] = []
    for hit in hits:
        home = next((one for one in groups if _overlap(one[0].box, hit.box) > 0.5), None)
        if home is None:
            groups.append([hit])
        else:
            home.append(hit)
    return groups


def _overlap(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """The common part of two boxes, as a share of the smaller."""
    sides = [
        min(one[i] + one[i + 2], other[i] + other[i + 2]) - max(one[i], other[i]) for i in (0, 1)
    ]
    common = max(0, sides[0]) * max(0, sides[1])
    return common / min(one[2] * one[3], other[2] * other[3])


def _is_face(hits: list[_Hit], grey: npt.NDArray[np.uint8], skin: Tensor | None) -> bool:
    """Whether two cascades agree and are sure, or see eyes as well; and the colours with them."""
    votes = {hit.cascade: hit.votes for hit in reversed(hits)}
    total = sum(votes.values())
    sides = votes.get("profile", 0) + votes.get("profile mirrored", 0)
    if len(votes) < 2 or total < _SOME:
        return False
    x, y, w, h = hits[0].box
    if (
        total < _MANY
        and sides < _SIDES
        and not _sees_eyes(grey[y : y + round(0.65 * h), x : x + w])
    ):
        return False
    if skin is None:
        return True
    inside = skin[y + h // 5 : y + h - h // 8, x + w // 5 : x + w - w // 5]
    return float(inside.mean()) >= _LEAST_SKIN


def _sees_eyes(grey: npt.NDArray[np.uint8]) -> bool:
    """Whether there is an eye in the upper part of a face."""
    enlarged = max(1, -(-120 // grey.shape[1]))
    grey = np.kron(grey, np.ones((enlarged, enlarged), np.uint8))
    return len(_open(_EYES).detectMultiScale(grey, 1.05, 3, minSize=(15, 15))) > 0


def _find_skin(small: Tensor) -> Tensor | None:
    """Where colours are such as any skin has, (H, W) of 0 and 1; None for a grey photograph."""
    lightness, green, blue = rgb_to_oklab(small)[0]
    chroma = (green.square() + blue.square()).sqrt()
    if float(chroma.median()) < _GREY:
        return None
    hue = torch.atan2(blue, green).rad2deg()
    skin: Tensor = (hue > 10) & (hue < 90) & (chroma > 0.015) & (lightness > 0.2)
    return skin.float()
