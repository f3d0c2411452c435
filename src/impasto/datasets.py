"""Folders of pictures as endless, repeatable batches for training."""

import signal
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from impasto import images
from impasto.batches import Batch, draw_place, hash_numbers
from impasto.errors import ConfigError, ImageError, ImpastoError, MemoryBudgetError
from impasto.pyramid import SMALLEST_SIDE, resize

#: Broken pictures in a row after which a folder is given up.
_MOST_BROKEN = 100
#: Crops are cut from pictures whose short side is up to this much longer.
_LOOSENESS = 1.6

_Item = tuple[Tensor, int, dict[str, str]]


class Crops(Dataset[_Item]):
    """Random crops of a list of pictures, numbered from 0 without an end.

    Args:
        paths: Pictures; broken ones are passed over.
        size: Side of a crop in px.
        seed: Of the choice.
        count: Different crops, after which they come again; 0 for new ones without an end.

    Raises:
        ConfigError: If there is no picture.
    """

    def __init__(self, paths: Sequence[Path], size: int, seed: int, count: int = 0) -> None:
        if not paths:
            raise ConfigError("There is no picture to learn from; choose another folder.")
        self.paths, self.size, self.seed, self.count = list(paths), size, seed, count

    def __getitem__(self, number: int) -> _Item:
        """Crop (3, size, size), its number, and what was broken on the way.

        Raises:
            ConfigError: If hardly any picture can be read.
        """
        broken: dict[str, str] = {}
        kind = number % self.count if self.count else number
        for attempt in range(_MOST_BROKEN):
            path = self.paths[draw_place(len(self.paths), kind, attempt, self.seed)]
            if str(path) in broken:
                continue
            try:
                picture = load_picture(path)
            except ImpastoError as error:
                broken[str(path)] = str(error)
                continue
            generator = torch.Generator().manual_seed(hash_numbers(self.seed, kind, attempt))
            return crop_randomly(picture, self.size, generator)[0], number, broken
        first = next(iter(broken.values()))
        raise ConfigError(f"Hardly any photograph can be read; choose another folder. {first}")


def load_picture(path: Path) -> Tensor:
    """A picture that is worth learning from, (1, 3, H, W).

    Raises:
        ImageError: If it cannot be read, or is hardly more than a line.
    """
    picture = images.load(path).pixels
    height, width = picture.shape[-2:]
    if min(height, width) < SMALLEST_SIDE:
        raise ImageError(
            f"{path.name} is only {width}x{height} px; each side must be at least"
            f" {SMALLEST_SIDE} px."
        )
    return picture


def crop_randomly(picture: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A random square of a picture (1, 3, H, W), mirrored or not, at a random scale."""
    height, width = picture.shape[-2:]
    loose = size * (1 + (_LOOSENESS - 1) * float(torch.rand((), generator=generator)))
    # Never enlarged unless it is too small.
    short = min(max(size, round(loose)), max(size, min(height, width)))
    factor = short / min(height, width)
    if factor != 1:
        scaled = (max(size, round(height * factor)), max(size, round(width * factor)))
        picture = resize(picture, scaled)
    top, left = (
        int(torch.randint(length - size + 1, (), generator=generator))
        for length in picture.shape[-2:]
    )
    piece = picture[..., top : top + size, left : left + size]
    return piece.flip(-1) if torch.rand((), generator=generator) < 0.5 else piece


def stream(
    crops: Crops, batch: int, *, first: int = 0, workers: int = 1, rank: int = 0, ranks: int = 1
) -> Generator[Batch, None, None]:
    """Endless batches; close it to end the processes that decode.

    Args:
        crops: Where they come from.
        batch: Crops in each.
        first: Number of the first batch.
        workers: Processes that decode; 0 decodes in this one.
        rank: Of this process among `ranks` that share the work.
        ranks: See `rank`.

    Raises:
        ConfigError: If hardly any picture can be read.
    """
    loader = DataLoader(
        crops, batch, sampler=_Numbers(batch, first, rank, ranks), num_workers=workers,
        collate_fn=_collate, prefetch_factor=4 if workers else None,
        worker_init_fn=_ignore_signals if workers else None,
    )  # fmt: skip
    batches: Iterator[Batch] = iter(loader)
    failure: Exception | None = None
    try:
        while failure is None:
            try:
                made = next(batches)
            except (ConfigError, RuntimeError) as error:
                failure = _translate(error)
            else:
                yield made
    finally:
        # Its end joins the workers, now and not whenever memory is tidied: that is why no error
        # may be raised from where its frames, and with them the loader, would live on.
        del batches, loader
    raise failure


def _translate(error: Exception) -> Exception:
    """One line for what a worker raised, or for its death."""
    if isinstance(error, ConfigError):
        # It brings the worker's whole traceback along, its message last. Where it was raised it
        # lies in a circle with its own frames, which would keep the loader alive.
        error.__traceback__ = None
        return ConfigError(str(error).strip().rpartition(f"{ConfigError.__name__}: ")[2])
    if "DataLoader worker" in str(error):
        return MemoryBudgetError(
            "A process that decodes photographs has died; choose fewer --workers."
        )
    return error


class _Numbers(Sampler[int]):
    """Numbers of the crops that a process learns from, in order, without an end."""

    def __init__(self, batch: int, first: int, rank: int, ranks: int) -> None:
        self._batch, self._first, self._rank, self._ranks = batch, first, rank, ranks

    def __iter__(self) -> Iterator[int]:
        step = self._first
        while True:
            start = (step * self._ranks + self._rank) * self._batch
            yield from range(start, start + self._batch)
            step += 1


def _ignore_signals(worker: int) -> None:
    """Leave Ctrl-C to the process that trains: it finishes its step, then ends its workers."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _collate(items: Sequence[_Item]) -> Batch:
    broken: dict[str, str] = {}
    for _, _, found in items:
        broken |= found
    pictures = torch.stack([picture for picture, _, _ in items])
    return Batch(pictures, tuple(number for _, number, _ in items), broken)
