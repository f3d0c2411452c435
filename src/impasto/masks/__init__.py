"""Masks that are found in a photograph: people, faces, sky, groups of colours.

`MaskFinder` finds what a `MaskName` asks for; each way of finding is a module of its own.
Heavy libraries are imported when a mask needs them.
"""

import functools
from collections.abc import Callable

from torch import Tensor

from impasto import networkfiles
from impasto.downloads import Reporter
from impasto.errors import ImageError
from impasto.masknames import MaskName
from impasto.masks.clusters import find_cluster
from impasto.masks.faces import find_faces
from impasto.masks.libraries import need
from impasto.masks.people import Segment, find_people, open_network
from impasto.masks.sky import find_sky
from impasto.pyramid import resize

__all__ = ["MaskFinder"]

#: Long side in px above which a photograph is looked at smaller: masks are soft enough for that.
_SIDE = 2048
_WORDS = {"people": "people", "faces": "face", "sky": "sky", "cluster": "such colours"}


class MaskFinder:
    """Finds masks in one photograph; each thing is looked for once.

    Args:
        photo: Shape (1, 3, H, W), values in [0, 1].
        label: Name of the photograph, for messages.
        offline: Never download anything.
        progress: Called while a network is fetched.
        segment: Who finds people; by default the published network, fetched when it is needed.
    """

    def __init__(
        self,
        photo: Tensor,
        label: str,
        *,
        offline: bool = False,
        progress: Reporter | None = None,
        segment: Segment | None = None,
    ) -> None:
        self._given, self._label = photo, label
        self._offline, self._progress, self._segment = offline, progress, segment
        self._found: dict[tuple[str, int, int], Tensor | None] = {}

    def find(self, name: MaskName) -> Tensor:
        """The mask of that name.

        Returns:
            Shape (1, 1, H, W), values in [0, 1]; at most 2048 px long.

        Raises:
            ConfigError: If a library is missing.
            ImageError: If the photograph does not hold it.
            WeightsError: If the network cannot be had.
        """
        mask = self.seek(name)
        if mask is None:
            raise ImageError(f"No {_WORDS[name.kind]} found in {self._label}.")
        return mask

    def seek(self, name: MaskName) -> Tensor | None:
        """The mask of that name, or None if the photograph does not hold it; see `find`."""
        key = name.kind, name.number, name.count
        if key not in self._found:
            mask = self._ways[name.kind](name)
            self._found[key] = mask if mask is not None and float(mask.max()) > 0.5 else None
        found = self._found[key]
        return 1 - found if found is not None and name.inverted else found

    @functools.cached_property
    def _photo(self) -> Tensor:
        height, width = self._given.shape[-2:]
        shrink = min(1.0, _SIDE / max(height, width))
        size = max(1, round(height * shrink)), max(1, round(width * shrink))
        return resize(self._given, size).cpu()

    @property
    def _ways(self) -> dict[str, Callable[[MaskName], Tensor | None]]:
        return {
            "people": lambda _: self._find_people(),
            "faces": lambda _: find_faces(self._photo),
            "sky": lambda _: find_sky(self._photo),
            "cluster": lambda name: find_cluster(self._photo, name.number, name.count),
        }

    def _find_people(self) -> Tensor | None:
        if self._segment is None:
            need("cv2", "Masks of people")  # before anything is fetched
            path = networkfiles.locate("people", offline=self._offline, progress=self._progress)
            self._segment = open_network(path)
        return find_people(self._photo, self._segment)
