"""The styles that a network learns: each is looked at once, when it is first needed."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from impasto.batches import draw_place
from impasto.encoders import Encoder
from impasto.errors import ConfigError
from impasto.statistics import Moments, collect_moments, covariance

#: Bytes of what is known of styles.
_ROOM = 1 << 30
#: Styles in a row that cannot be read, after which the folder is given up.
_MOST_BROKEN = 100


class StyleEntry(NamedTuple):
    """What is known of one style.

    Attributes:
        wish: What the network is told of it, (1, K); or the picture that it describes by itself,
            (1, 3, H, W), 8 bits.
        mean: Layer -> means of activations, (1, C).
        spread: Layer -> upper triangle of their covariance as parts of its largest entry,
            (1, C * (C + 1) / 2), float16. Half precision suffices for it: unlike that of second
            moments, its error is no larger where a style is nearly flat.
        scale: Layer -> that largest entry, (1,).
    """

    wish: Tensor
    mean: dict[str, Tensor]
    spread: dict[str, Tensor]
    scale: dict[str, Tensor]

    @property
    def size(self) -> int:
        """In bytes."""
        parts = (self.mean, self.spread, self.scale)
        tensors = [self.wish, *(tensor for part in parts for tensor in part.values())]
        return sum(tensor.nbytes for tensor in tensors)


class StyleBook:
    """What is known of styles, by their numbers.

    Args:
        critic: The network of the losses.
        load: Gives style number n, (1, 3, H, W) in [0, 1], at the size at which it is learnt; or
            None if it cannot be read.
        count: How many there are.
        describe: What the painting network is told of a style and its number, (1, K). Or, with
            `learner`, the picture that the network itself describes, all of one size.
        layers: Where statistics are taken.
        learner: Makes descriptions of pictures, by weights that are being learnt.
        looks_at: Layers of the critic from which, and from the picture, `describe_seen` tells what
            `describe` would, so that each style is looked at once.
        describe_seen: See `looks_at`.
        room: Bytes to take; beyond them the oldest are forgotten, and looked at anew when needed.
    """

    def __init__(
        self,
        critic: Encoder,
        load: Callable[[int], Tensor | None],
        count: int,
        describe: Callable[[Tensor, int], Tensor],
        layers: Sequence[str],
        *,
        learner: Callable[[Tensor], Tensor] | None = None,
        looks_at: Sequence[str] = (),
        describe_seen: Callable[[Mapping[str, Tensor], Tensor], Tensor] | None = None,
        room: int = _ROOM,
    ) -> None:
        self._critic, self._load, self._describe = critic, load, describe
        self._learner, self._room, self._taken = learner, room, 0
        self._looks_at, self._describe_seen = frozenset(looks_at), describe_seen
        self._entries: dict[int, StyleEntry] = {}
        self.layers = frozenset(layers)
        self.broken: set[int] = set()
        self.count = count

    def choose(self, numbers: Sequence[int], seed: int) -> list[int]:
        """Which style each crop is painted in: the same for the same crop.

        Raises:
            ConfigError: If hardly any style can be read.
        """
        return [self._choose(number, seed) for number in numbers]

    def wishes(self, styles: Sequence[int]) -> Tensor:
        """What the network is told of some styles, (B, K); differentiable if that is learnt."""
        told = torch.cat([self._need(style).wish for style in styles])
        return told if self._learner is None else self._learner(told.float() / 255)

    def target(self, layer: str, styles: Sequence[int]) -> Moments:
        """Moments of some styles in a layer."""
        entries = [self._need(style) for style in styles]
        mean = torch.cat([entry.mean[layer] for entry in entries])
        parts = torch.cat([entry.spread[layer] for entry in entries]).float()
        parts = parts * torch.cat([entry.scale[layer] for entry in entries])[:, None]
        rows, columns = _list_places(mean)
        second = mean.new_empty(len(entries), mean.shape[1], mean.shape[1])
        second[:, rows, columns] = parts
        second[:, columns, rows] = parts
        # Number by number: how a product of matrices is rounded depends on how many there are.
        return Moments(mean, second.addcmul_(mean[:, :, None], mean[:, None, :]))

    def _choose(self, number: int, seed: int) -> int:
        for attempt in range(_MOST_BROKEN):
            style = draw_place(self.count, number, attempt, seed, 1)
            if self._find(style) is not None:
                return style
        raise ConfigError("Hardly any style picture can be read; choose another folder.")

    def _need(self, style: int) -> StyleEntry:
        entry = self._find(style)
        assert entry is not None
        return entry

    def _find(self, style: int) -> StyleEntry | None:
        if style in self.broken:
            return None
        if style not in self._entries:
            picture = self._load(style)
            if picture is None:
                self.broken.add(style)
                return None
            self._keep(style, self._look(picture, style))
        return self._entries[style]

    def _keep(self, style: int, entry: StyleEntry) -> None:
        self._taken += entry.size
        while self._entries and self._taken > self._room:
            self._taken -= self._entries.pop(next(iter(self._entries))).size
        self._entries[style] = entry

    @torch.no_grad()
    def _look(self, picture: Tensor, style: int) -> StyleEntry:
        mean, spread, scale = {}, {}, {}
        seen = self._critic(picture, self.layers | self._looks_at)
        for layer in self.layers:
            moments = collect_moments(seen[layer])
            found = covariance(moments)
            rows, columns = _list_places(moments.mean)
            mean[layer] = moments.mean
            scale[layer] = found.abs().amax(dim=(1, 2)).clamp(min=1e-12)
            spread[layer] = (found[:, rows, columns] / scale[layer][:, None]).half()
        tells = self._describe_seen
        told = self._describe(picture, style) if tells is None else tells(seen, picture)
        if self._learner is not None:
            told = (told * 255).round().to(torch.uint8)
        return StyleEntry(told, mean, spread, scale)


def _list_places(mean: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of the upper triangle of a covariance."""
    channels = mean.shape[1]
    rows, columns = torch.triu_indices(channels, channels, device=mean.device)
    return rows, columns
