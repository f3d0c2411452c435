"""Training of fast networks: one visible loop, with the losses of the optimiser.

A network learns to paint what `paint` would have optimised: the same statistics, relative to the
same targets. `impasto.stylebooks` keeps what is known of the styles.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from impasto.batches import Batch, draw_share
from impasto.encoders import Encoder
from impasto.errors import NumericalError
from impasto.losses import total_variation
from impasto.muon import Muon
from impasto.networks.blocks import sum_strain
from impasto.sightstore import SightStore
from impasto.statistics import Moments, collect_moments
from impasto.stylebooks import StyleBook
from impasto.teams import ALONE, Team
from impasto.trainconfig import TrainConfig
from impasto.trainlosses import OBJECTIVES, tone_difference, weave_excess
from impasto.tutors import Tutor, compare_paintings

__all__ = ["StyleBook", "TrainConfig", "TrainProgress", "TrainState", "schedule", "train"]

#: Largest length of a step's gradient over all weights.
_LONGEST = 1.0
#: Steps in a row without a finite gradient after which training is given up.
_MOST_BROKEN = 20


@dataclass
class TrainState:
    """Everything that training goes on from.

    Attributes:
        step: Steps done.
        weights: Of the network.
        average: The same, averaged over steps: what is kept in the end.
        optimizer: The optimizer's memory, flat: name -> tensor.
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
        loss: Of this batch, over all processes.
        terms: Its parts: tv, strain, weave, tone, content and style, teacher.
        learning_rate: Of this step.
        seconds: Since the start, earlier sittings included.
        seconds_left: As far as one can tell.
        pictures: Crops a second over all processes, lately.
        state: Takes a snapshot.
        batch: What was learnt from.
        painted: What the network made of it, (B, 3, H, W).
        done: Share of the work that is done, 1 or more after the last step.
        stage: Which of `TrainConfig.parts` it was a step of.
    """

    step: int
    steps: int
    loss: float
    terms: dict[str, float]
    learning_rate: float
    seconds: float
    seconds_left: float
    pictures: float
    state: Callable[[], TrainState]
    batch: Batch
    painted: Tensor
    done: float
    stage: int = 0


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
    team: Team = ALONE,
    room: int = 1 << 30,
    tutor: Tutor | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[TrainProgress]:
    """Train a network; yields an event after each step.

    Without a deadline the same settings give the same weights, interrupted or not; the steps of
    several processes are those of one with all their crops in a batch, to rounding.

    Args:
        network: Called with pictures (B, 3, H, W) and rows of wishes.
        critic: Frozen network of the losses.
        batches: Crops of photographs, beginning with batch number `state.step`.
        book: The styles.
        config: Settings.
        describe: What the network is told of a picture as a style, for `config.identity`.
        state: Snapshot to go on from.
        deadline: Seconds of training, earlier sittings included, by which it is to be done: the
            learning rate falls with the time then.
        team: Processes that train together.
        room: Bytes for what is known of crops that come again; see `TrainConfig.crops`.
        tutor: Another network to learn from; see `TrainConfig.teacher_weight`.
        stop: Asked after each step whether somebody wants an end; one process's word ends all.

    Raises:
        NumericalError: If losses stay infinite or undefined.
    """
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _choose_optimizer(network, config)
    average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    step, spent, broken = 0, 0.0, 0
    if state is not None:
        step, spent = state.step, state.seconds
        network.load_state_dict(state.weights)
        _copy(state.average, average)
        _restore(optimizer, state.optimizer)
    plan = _Plan(critic, config, room)
    clock = _Clock(spent, deadline, config, team)
    done = clock.share(step)
    while done < 1:
        batch = next(batches)
        stage, part, store = plan.find(done)
        rate = part.learning_rate * schedule(step, done, part.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        painted, terms = _compute(network, critic, batch, book, part, describe, store, tutor)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        told = torch.stack([term.detach() for term in terms.values()])
        team.average([*_list_slopes(network), told])
        length = nn.utils.clip_grad_norm_(network.parameters(), _LONGEST)
        sound = math.isfinite(length)
        if sound:
            optimizer.step()
        broken = 0 if sound else broken + 1
        if broken == _MOST_BROKEN:
            raise NumericalError(
                f"No step of the last {broken} had a finite gradient; lower the --learning-rate."
            )
        step += 1
        _average(average, network, min(config.average, (1 + step) / (10 + step)))
        clock.tick(step, len(batch.pictures) * team.ranks)
        done, wanted = team.agree(clock.share(step), float(stop()))
        values = told.tolist()
        yield TrainProgress(
            step, config.steps, sum(values), dict(zip(terms, values, strict=True)), rate,
            clock.seconds, clock.left(step), clock.pace,
            partial(_snapshot, network, average, optimizer, step, clock.seconds),
            batch, painted.detach(), done, stage,
        )  # fmt: skip
        if wanted:
            return


def _choose_optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    if config.optimizer == "muon":
        return Muon(network, config.learning_rate)
    return torch.optim.Adam(network.parameters(), lr=config.learning_rate)


def schedule(step: int, done: float, warmup: int) -> float:
    """Share of the learning rate: a short rise, then half a cosine down to nothing."""
    return min(1.0, (step + 1) / (warmup + 1)) * (1 + math.cos(math.pi * min(done, 1.0))) / 2


class _Plan:
    """Which settings hold when, and what is kept of crops under them."""

    def __init__(self, critic: Encoder, config: TrainConfig, room: int) -> None:
        self._critic, self._config, self._room = critic, config, room
        self._parts = config.parts
        self._store: SightStore | None = None

    def find(self, done: float) -> tuple[int, TrainConfig, SightStore | None]:
        """The stage, its settings and its store, once a share of the work is done."""
        stage = self._config.find_stage(done)
        part = self._parts[stage]
        if part.crops and (self._store is None or self._store.layers != part.content_layers):
            self._store = SightStore(self._critic, part.content_layers, self._room)
        return stage, part, self._store


class _Clock:
    """How much of a training is done, and how fast it goes.

    Its time is that of the last `tick`: writing files between steps counts, but a step is not
    begun at one time and judged at another.
    """

    def __init__(self, spent: float, deadline: float, config: TrainConfig, team: Team) -> None:
        self._began = time.perf_counter() - spent
        self._deadline, self._steps = deadline, config.steps
        self._last, self.seconds, self.pace = time.perf_counter(), spent, 0.0
        self._batch = config.batch * team.ranks

    def tick(self, step: int, pictures: int) -> None:
        now = time.perf_counter()
        rate = pictures / max(now - self._last, 1e-9)
        self.pace = rate if not self.pace else 0.95 * self.pace + 0.05 * rate
        self._last, self.seconds = now, now - self._began

    def share(self, step: int) -> float:
        """What is done, of the steps or of the time, whichever is nearer to its end."""
        timed = self.seconds / self._deadline if self._deadline > 0 else 1.0
        return max(step / self._steps, timed)

    def left(self, step: int) -> float:
        by_steps = (self._steps - step) * self._batch / self.pace
        return max(0.0, min(by_steps, self._deadline - self.seconds))


def _compute(
    network: nn.Module,
    critic: Encoder,
    batch: Batch,
    book: StyleBook,
    config: TrainConfig,
    describe: Callable[[Tensor], Tensor] | None,
    store: SightStore | None,
    tutor: Tutor | None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """What the network paints, and its loss by terms."""
    device = next(network.parameters()).device
    photos = batch.pictures.to(device, memory_format=torch.channels_last)
    kinds = tuple(number % config.crops for number in batch.numbers) if config.crops else None
    taught = config.teacher_weight > 0 and tutor is not None
    # What a tutor has painted once comes again in the same style, that it need not paint anew.
    styles = book.choose(kinds if taught and kinds else batch.numbers, config.seed)
    own = _choose_own(batch.numbers, config) if describe is not None and not taught else []
    with _mixed(device, config):
        wishes = book.wishes(styles)
        if own and describe is not None:
            mine = describe(photos[own]).to(wishes)
            wishes = wishes.index_copy(0, torch.tensor(own, device=device), mine)
        painted = network(photos, wishes).float()
    terms = {"tv": total_variation(painted) * config.tv_weight}
    bodies: list[Tensor] = getattr(network, "bodies", [])
    if bodies and config.strain_weight:
        terms["strain"] = sum_strain(bodies) * config.strain_weight
    bodies.clear()
    if config.weave_weight:
        terms["weave"] = weave_excess(painted, photos) * config.weave_weight
    if config.tone_weight:
        terms["tone"] = tone_difference(painted, photos) * config.tone_weight
    if config.content_weight or config.style_weight:
        seen = None if store is None or kinds is None else store.look(photos, kinds)
        terms |= _criticise(painted, photos, seen, critic, book, styles, own, config)
    if taught and tutor is not None:
        aim = tutor.paint(photos, styles, kinds)
        terms["teacher"] = compare_paintings(painted, aim) * config.teacher_weight
    return painted, terms


def _criticise(
    painted: Tensor,
    photos: Tensor,
    seen: dict[str, Tensor] | None,
    critic: Encoder,
    book: StyleBook,
    styles: Sequence[int],
    own: list[int],
    config: TrainConfig,
) -> dict[str, Tensor]:
    """Content and style, as the critic sees them."""
    layers = {*config.content_layers, *config.style_layers}
    objective = OBJECTIVES[config.objective]
    with torch.no_grad():
        targets = {layer: book.target(layer, styles) for layer in layers & book.layers}
        if own:
            shown = critic(photos[own], set(targets))
            for layer, target in targets.items():
                _replace(target, own, collect_moments(shown[layer]))
        if seen is None:
            seen = critic(photos, config.content_layers)
    found = critic(painted, layers)
    content = sum(
        (objective.content(found[layer], seen[layer], targets.get(layer))
         for layer in config.content_layers),
        torch.zeros((), device=painted.device),
    )  # fmt: skip
    style = torch.zeros((), device=painted.device)
    for layer, weight in zip(config.style_layers, config.style_layer_weights, strict=True):
        actual = collect_moments(found[layer])
        style = style + weight * objective.style(actual, targets[layer])
    return {"content": content * config.content_weight, "style": style * config.style_weight}


def _choose_own(numbers: tuple[int, ...], config: TrainConfig) -> list[int]:
    """Places in the batch of crops that are to be painted in their own style."""
    return [
        place
        for place, number in enumerate(numbers)
        if draw_share(config.seed, number, 2) < config.identity
    ]


def _replace(moments: Moments, places: list[int], others: Moments) -> None:
    moments.mean[places] = others.mean
    moments.second[places] = others.second


def _mixed(device: torch.device, config: TrainConfig) -> AbstractContextManager[Any]:
    """Half precision in the network's convolutions, where a GPU is built for it."""
    if device.type != "cuda" or config.precision == "float32":
        return nullcontext()
    return torch.autocast("cuda", torch.bfloat16)


def _list_slopes(network: nn.Module) -> list[Tensor]:
    """Gradients of all weights: zeros for those without a part, which they may have elsewhere."""
    for parameter in network.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


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


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: dict[str, Tensor]) -> None:
    for name, tensor in target.items():
        tensor.copy_(source[name])


def _restore(optimizer: torch.optim.Optimizer, memory: Mapping[str, Tensor]) -> None:
    """Give an optimizer its memory back, laid out as weights are: others may round otherwise."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    entries: dict[int, dict[str, Tensor]] = {}
    for key, tensor in memory.items():
        index, _, name = key.partition(".")
        if tensor.ndim:
            tensor = torch.empty_like(weights[int(index)]).copy_(tensor)
        entries.setdefault(int(index), {})[name] = tensor.detach()
    optimizer.load_state_dict(optimizer.state_dict() | {"state": entries})
