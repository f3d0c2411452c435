"""Training of fast networks: one visible loop, with the losses of the optimiser.

A network learns to paint what `paint` would have optimised: the same statistics, relative to the
same targets. What is known of a style (its statistics, and what the network is told of it) is
computed once.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from impasto.datasets import Batch, hash_numbers
from impasto.encoders import Encoder
from impasto.errors import ConfigError
from impasto.losses import content_relative, style_relative, total_variation
from impasto.statistics import Moments, collect_moments, energy

#: Largest length of a step's gradient over all weights.
_LONGEST = 1.0


class TrainConfig(BaseModel):
    """How a network is trained, beside the pictures.

    Attributes are the fields; weights are those of the optimiser's own losses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=64, le=1024)] = Field(256, description="Side of a crop in px.")
    batch: Annotated[int, Field(ge=1, le=256)] = Field(4, description="Crops a step.")
    steps: Annotated[int, Field(ge=1)] = Field(10_000, description="How many steps.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="Of Adam, at its top.")
    warmup: Annotated[int, Field(ge=0)] = Field(100, description="Steps until that is reached.")
    average: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.999, description="Memory of the averaged weights, which are what is kept."
    )
    content_layers: tuple[str, ...] = ("relu3_2", "relu4_1")
    content_weight: float = 0.12
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    style_layer_weights: tuple[float, ...] = (0.146, 0.487, 0.343, 0.021)
    style_weight: float = 1.0
    tv_weight: float = 0.6
    identity: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="Part of the crops that are to be painted in their own style: unchanged."
    )
    seed: int = 0


class StyleEntry(NamedTuple):
    """What is known of one style.

    Attributes:
        wish: What the network is told of it, (1, K).
        mean: Layer -> means of activations, (1, C).
        second: Layer -> second moments as parts of their mean square, (1, C, C), float16.
        square: Layer -> that mean square, (1,).
    """

    wish: Tensor
    mean: dict[str, Tensor]
    second: dict[str, Tensor]
    square: dict[str, Tensor]


class StyleBook:
    """The styles that a network learns; each is looked at once, when it is first needed.

    Args:
        critic: The network of the losses.
        load: Gives style number n, (1, 3, H, W) in [0, 1], at the size at which it is learnt; or
            None if it cannot be read.
        count: How many there are.
        describe: What the painting network is told of a style and its number, (1, K).
        layers: Where statistics are taken.
    """

    def __init__(
        self,
        critic: Encoder,
        load: Callable[[int], Tensor | None],
        count: int,
        describe: Callable[[Tensor, int], Tensor],
        layers: Sequence[str],
    ) -> None:
        self._critic, self._load, self._describe = critic, load, describe
        self._layers = list(layers)
        self._entries: dict[int, StyleEntry | None] = {}
        self.count = count

    @property
    def broken(self) -> list[int]:
        """Styles that could not be read, so far."""
        return [number for number, entry in self._entries.items() if entry is None]

    def choose(self, batch: int, step: int, seed: int) -> list[int]:
        """Which styles a step learns: the same ones for the same step.

        Raises:
            ConfigError: If hardly any style can be read.
        """
        generator = torch.Generator().manual_seed(hash_numbers(seed, step, 1))
        chosen: list[int] = []
        for _ in range(100 * batch):
            number = int(torch.randint(self.count, (), generator=generator))
            if self._find(number) is not None:
                chosen.append(number)
            if len(chosen) == batch:
                return chosen
        raise ConfigError("Hardly any style picture can be read; choose another folder.")

    def wishes(self, numbers: Sequence[int]) -> Tensor:
        """What the network is told of some styles, (B, K)."""
        return torch.cat([self._need(number).wish for number in numbers])

    def target(self, layer: str, numbers: Sequence[int]) -> Moments:
        """Moments of some styles in a layer."""
        entries = [self._need(number) for number in numbers]
        second = [
            entry.second[layer].float() * entry.square[layer][:, None, None] for entry in entries
        ]
        return Moments(torch.cat([entry.mean[layer] for entry in entries]), torch.cat(second))

    def _need(self, number: int) -> StyleEntry:
        entry = self._find(number)
        assert entry is not None
        return entry

    def _find(self, number: int) -> StyleEntry | None:
        if number not in self._entries:
            picture = self._load(number)
            self._entries[number] = None if picture is None else self._look(picture, number)
        return self._entries[number]

    @torch.no_grad()
    def _look(self, picture: Tensor, number: int) -> StyleEntry:
        mean, second, square = {}, {}, {}
        for layer, features in self._critic(picture, self._layers).items():
            moments = collect_moments(features)
            mean[layer], square[layer] = moments.mean, energy(moments).clamp(min=1e-12)
            # Half precision suffices for parts, and thousands of styles fit in memory.
            second[layer] = (moments.second / square[layer][:, None, None]).half()
        return StyleEntry(self._describe(picture, number), mean, second, square)


@dataclass
class TrainState:
    """Everything that training goes on from.

    Attributes:
        step: Steps done.
        weights: Of the network.
        average: The same, averaged over steps: what is kept in the end.
        optimizer: Adam's memory, flat: name -> tensor.
        seconds: Time spent.
    """

    step: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class TrainProgress:
    """What happened in one step.

    Attributes:
        step: Steps done.
        steps: Steps planned.
        loss: Of this batch.
        terms: Its parts: content, style, tv.
        seconds: Since the start, earlier sittings included.
        pictures: Crops a second, lately.
        state: Takes a snapshot.
        batch: What was learnt from.
        painted: What the network made of it, (B, 3, H, W).
    """

    step: int
    steps: int
    loss: float
    terms: dict[str, float]
    seconds: float
    pictures: float
    state: Callable[[], TrainState]
    batch: Batch
    painted: Tensor


def train(
    network: nn.Module,
    critic: Encoder,
    batches: Iterator[Batch],
    book: StyleBook,
    config: TrainConfig,
    *,
    describe: Callable[[Tensor], Tensor] | None = None,
    state: TrainState | None = None,
    deadline: float = math.inf,
) -> Iterator[TrainProgress]:
    """Train a network; yields an event after each step.

    Args:
        network: Called with pictures (B, 3, H, W) and rows of wishes.
        critic: Frozen network of the losses.
        batches: Crops of photographs, beginning with number `state.step`.
        book: The styles.
        config: Settings.
        describe: What the network is told of a picture as a style, for `config.identity`.
        state: Snapshot to go on from.
        deadline: Seconds of training, earlier sittings included, by which it is to be done: the
            learning rate falls with the time then.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    step, spent = 0, 0.0
    if state is not None:
        step, spent, average = state.step, state.seconds, dict(state.average)
        network.load_state_dict(state.weights)
        _restore(optimizer, state.optimizer)
    began, pace = time.perf_counter() - spent, 0.0
    last = time.perf_counter()
    while step < config.steps and time.perf_counter() - began < deadline:
        batch = next(batches)
        done = max(step / config.steps, (time.perf_counter() - began) / deadline)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(step, done, config.warmup)
        painted, terms = _compute(network, critic, batch, book, config, step, describe)
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        length = nn.utils.clip_grad_norm_(network.parameters(), _LONGEST)
        if bool(torch.isfinite(length)):
            optimizer.step()
        step += 1
        _average(average, network, min(config.average, (1 + step) / (10 + step)))
        now = time.perf_counter()
        rate = len(batch.pictures) / (now - last)
        pace, last = rate if not pace else 0.95 * pace + 0.05 * rate, now
        snapshot = partial(_snapshot, network, average, optimizer, step, now - began)
        yield TrainProgress(
            step, config.steps, loss.item(), {name: term.item() for name, term in terms.items()},
            now - began, pace, snapshot, batch, painted.detach(),
        )  # fmt: skip


def schedule(step: int, done: float, warmup: int) -> float:
    """Share of the learning rate: a short rise, then half a cosine down to nothing."""
    return min(1.0, (step + 1) / (warmup + 1)) * (1 + math.cos(math.pi * min(done, 1.0))) / 2


def _compute(
    network: nn.Module,
    critic: Encoder,
    batch: Batch,
    book: StyleBook,
    config: TrainConfig,
    step: int,
    describe: Callable[[Tensor], Tensor] | None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """What the network paints, and its loss by terms."""
    device = next(network.parameters()).device
    photos = batch.pictures.to(device, memory_format=torch.channels_last)
    styles = book.choose(len(photos), step, config.seed)
    layers = {*config.content_layers, *config.style_layers}
    own = round(config.identity * len(photos)) if describe is not None else 0
    with torch.no_grad():
        seen = critic(photos, layers if own else config.content_layers)
        wishes = book.wishes(styles)
        if own and describe is not None:
            wishes = torch.cat([describe(photos[:own]), wishes[own:]])
    painted = network(photos, wishes)
    found = critic(painted, layers)
    content = sum(
        (content_relative(found[layer], seen[layer]) for layer in config.content_layers),
        torch.zeros((), device=photos.device),
    )
    style = torch.zeros((), device=photos.device)
    for layer, weight in zip(config.style_layers, config.style_layer_weights, strict=True):
        target = book.target(layer, styles)
        if own:
            mine = collect_moments(seen[layer][:own])
            target = Moments(
                torch.cat([mine.mean, target.mean[own:]]),
                torch.cat([mine.second, target.second[own:]]),
            )
        style = style + weight * style_relative(collect_moments(found[layer]), target, 1)
    return painted, {
        "content": content * config.content_weight,
        "style": style * config.style_weight,
        "tv": total_variation(painted) * config.tv_weight,
    }


@torch.no_grad()
def _average(average: dict[str, Tensor], network: nn.Module, memory: float) -> None:
    for name, tensor in network.state_dict().items():
        average[name].lerp_(tensor, 1 - memory)


def _snapshot(
    network: nn.Module,
    average: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    step: int,
    seconds: float,
) -> TrainState:
    found: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    memory = {
        f"{index}.{name}": torch.as_tensor(value).clone()
        for index, entry in found.items()
        for name, value in entry.items()
    }
    return TrainState(
        step=step,
        weights={name: tensor.clone() for name, tensor in network.state_dict().items()},
        average={name: tensor.clone() for name, tensor in average.items()},
        optimizer=memory,
        seconds=seconds,
    )


def _restore(optimizer: torch.optim.Optimizer, memory: Mapping[str, Tensor]) -> None:
    entries: dict[int, dict[str, Tensor]] = {}
    for key, tensor in memory.items():
        index, _, name = key.partition(".")
        entries.setdefault(int(index), {})[name] = tensor
    plan = optimizer.state_dict()
    optimizer.load_state_dict(plan | {"state": entries})
