"""Solvers that move a picture downhill and never let it leave the colour box [0, 1].

A saved picture is clamped to the box. A solver that wanders outside of it reports losses of a
picture that nobody will ever see, so each iterate here is projected before it is evaluated.

All solvers share one shape: `step(evaluate)` moves `image` once, and `state` / `restore` carry
everything that the next step depends on.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

#: Learning rates are stated on the 0-255 scale, as in the literature.
LEVELS = 255.0


class Evaluation(NamedTuple):
    """An objective at one picture.

    Attributes:
        loss: The total.
        gradient: Of the total by the picture, shape (1, 3, H, W).
        terms: The weighted parts that the total is the sum of.
    """

    loss: float
    gradient: Tensor
    terms: dict[str, float]

    @property
    def finite(self) -> bool:
        """Whether the loss and every entry of the gradient is a number."""
        # Smallest and largest, which a NaN spreads to: no further picture in memory is needed.
        lowest, highest = torch.aminmax(self.gradient)
        return all(map(math.isfinite, (self.loss, float(lowest), float(highest))))


Evaluate = Callable[[Tensor], Evaluation]


class Solver(Protocol):
    """What the painting loop needs of a solver."""

    image: Tensor
    trouble: str

    def step(self, evaluate: Evaluate) -> Evaluation:
        """Move once; return the objective of the new `image`. `trouble` says what went wrong."""

    def state(self) -> dict[str, Tensor]:
        """Everything beside `image` that the next step depends on."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""

    def reconsider(self) -> None:
        """Be told that the objective has changed, but not so much that slopes are forgotten."""

    def forget(self) -> None:
        """Free what is remembered of earlier steps; `image` stays."""


class LBFGS:
    """Limited-memory BFGS inside a box (Liu & Nocedal 1989; projected as in Bertsekas 1982).

    Pixels that press against the box are held, the quasi-Newton step is taken over the others
    and the result is projected. One evaluation a step: a line search starts only if the loss
    rises by more than `tolerance`, and goes back by factors of 0.3; if two trials fail,
    curvature is forgotten and the plain gradient followed.

    Args:
        image: Where to start, shape (1, 3, H, W), in [0, 1].
        history: Curvature pairs that are kept.
        first_step: Mean change of a pixel in the first step, before curvature is known, in
            parts of 255.
        tolerance: Relative rise of the loss that is accepted. A little freedom saves
            evaluations, and half-precision noise needs some.
    """

    def __init__(
        self,
        image: Tensor,
        *,
        history: int = 20,
        first_step: float = 2.0,
        tolerance: float = 0.05,
    ) -> None:
        self.image = image
        self.trouble = ""
        self._pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=history)
        self._first_step = first_step / LEVELS
        self._tolerance = tolerance
        self._now: Evaluation | None = None

    def step(self, evaluate: Evaluate) -> Evaluation:
        """Move once; see `Solver.step`."""
        self.trouble = ""
        if self._now is None:
            self._now = evaluate(self.image)
        now = self._now
        if not now.finite:
            self.trouble = "not finite"
            return now
        curved = bool(self._pairs)
        moved = self._search(evaluate, now, 2 if curved else 6)
        if moved is None and curved:
            # Curvature misleads where the objective has changed; the plain gradient does not.
            self._pairs.clear()
            moved = self._search(evaluate, now, 6)
        if moved is None:
            return now
        image, there = moved
        self._remember(image, there.gradient)
        self.image, self._now = image, there
        return there

    def _choose_direction(self, gradient: Tensor) -> Tensor:
        held = ((self.image <= 0) & (gradient > 0)) | ((self.image >= 1) & (gradient < 0))
        free = gradient.masked_fill(held, 0)
        if self._pairs:
            direction = self._multiply_inverse_hessian(free).masked_fill_(held, 0).neg_()
            if _dot(direction, gradient) < 0:
                return direction
            self._pairs.clear()
            free = torch.where(held, 0, gradient)
        size = float(torch.linalg.vector_norm(free, 1)) / free.numel()
        return free.mul_(-self._first_step / max(size, torch.finfo(free.dtype).tiny))

    def _search(
        self, evaluate: Evaluate, now: Evaluation, trials: int
    ) -> tuple[Tensor, Evaluation] | None:
        direction = self._choose_direction(now.gradient)
        limit = now.loss + self._tolerance * abs(now.loss)
        length, seen_finite = 1.0, False
        for _ in range(trials):
            image = torch.add(self.image, direction, alpha=length).clamp_(0, 1)
            there = evaluate(image)
            seen_finite |= there.finite
            if there.finite and there.loss <= limit:
                self.trouble = ""
                return image, there
            length *= 0.3
        self.trouble = "line search failed" if seen_finite else "not finite"
        return None

    def _remember(self, image: Tensor, gradient: Tensor) -> None:
        assert self._now is not None
        if len(self._pairs) == self._pairs.maxlen:
            self._pairs.popleft()  # before the new one takes its room
        change, slope_change = image - self.image, gradient - self._now.gradient
        curvature = _dot(change, slope_change)
        # Relative, for an absolute bound silently rejects every pair of a well-scaled image.
        if curvature > 1e-6 * math.sqrt(_dot(change, change) * _dot(slope_change, slope_change)):
            self._pairs.append((change, slope_change, curvature))

    def _multiply_inverse_hessian(self, result: Tensor) -> Tensor:
        """The two-loop recursion (Nocedal & Wright 2006, algorithm 7.4), in place."""
        shares: list[float] = []
        for change, slope_change, curvature in reversed(self._pairs):
            share = _dot(change, result) / curvature
            shares.append(share)
            result.sub_(slope_change, alpha=share)
        _, newest, curvature = self._pairs[-1]
        result.mul_(curvature / _dot(newest, newest))
        for (change, slope_change, curvature), share in zip(
            self._pairs, reversed(shares), strict=True
        ):
            result.add_(change, alpha=share - _dot(slope_change, result) / curvature)
        return result

    def state(self) -> dict[str, Tensor]:
        """Curvature pairs; the evaluation is repeated on return."""
        if not self._pairs:
            return {}
        # One tensor each: joined ones would take twice the room, and slices of them need not
        # begin where vector instructions like to, which changes the rounding of their products.
        changes = {f"change.{n}": pair[0] for n, pair in enumerate(self._pairs)}
        slopes = {f"slope_change.{n}": pair[1] for n, pair in enumerate(self._pairs)}
        curvatures = torch.tensor([pair[2] for pair in self._pairs], dtype=torch.float64)
        return changes | slopes | {"curvatures": curvatures}

    def reconsider(self) -> None:
        """See `Solver.reconsider`."""
        self._now = None

    def forget(self) -> None:
        """See `Solver.forget`."""
        self._pairs.clear()
        self._now = None

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See `Solver.restore`."""
        self.forget()
        for n, curvature in enumerate(state["curvatures"].tolist() if state else ()):
            change, slope = state[f"change.{n}"], state[f"slope_change.{n}"]
            device = self.image.device
            self._pairs.append((change.to(device), slope.to(device), curvature))


class Adam:
    """Adam (Kingma & Ba 2015), projected onto the box after each step.

    Args:
        image: Where to start, shape (1, 3, H, W), in [0, 1].
        learning_rate: On the 0-255 scale.
        decay: Factor on the learning rate, applied after every `decay_steps` steps.
        decay_steps: See `decay`.
        betas: Memories of the first and second moment.
    """

    def __init__(
        self,
        image: Tensor,
        *,
        learning_rate: float = 5.0,
        decay: float = 1.0,
        decay_steps: int = 1,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        self.image = image
        self.trouble = ""
        self._rate = _Rate(learning_rate, decay, decay_steps)
        self._betas = betas
        self._first = torch.zeros_like(image)
        self._second = torch.zeros_like(image)

    def step(self, evaluate: Evaluate) -> Evaluation:
        """Move once; see `Solver.step`. The evaluation is of the picture before the move."""
        now = evaluate(self.image)
        self.trouble = "" if now.finite else "not finite"
        if self.trouble:
            self._rate.reduce()
            return now
        rate = self._rate.advance() / LEVELS
        (beta1, beta2), count = self._betas, self._rate.count
        self._first.lerp_(now.gradient, 1 - beta1)
        self._second.lerp_(now.gradient.square(), 1 - beta2)
        root = (self._second / (1 - beta2**count)).sqrt_()
        # Tiny, since an objective without units has gradients of 1e-8 a pixel.
        change = self._first / root.add_(1e-15)
        self.image = (self.image - change * (rate / (1 - beta1**count))).clamp_(0, 1)
        return now

    def state(self) -> dict[str, Tensor]:
        """Moments and the learning rate's clock."""
        # Copies, since a step changes the moments in place.
        return {
            "first": self._first.clone(),
            "second": self._second.clone(),
            "rate": self._rate.state(),
        }

    def reconsider(self) -> None:
        """See `Solver.reconsider`."""

    def forget(self) -> None:
        """See `Solver.forget`."""
        self._first, self._second = torch.zeros(()), torch.zeros(())

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See `Solver.restore`."""
        self._first = state["first"].to(self.image.device).clone()
        self._second = state["second"].to(self.image.device).clone()
        self._rate.restore(state["rate"])


class SGD:
    """Plain gradient descent with a decaying rate, projected onto the box after each step.

    Args:
        image: Where to start, shape (1, 3, H, W), in [0, 1].
        learning_rate: On the 0-255 scale: a gradient of 1 per level moves a pixel by so many
            levels. Its right size depends on the loss and on the number of pixels; None takes
            the one with which the first step moves a pixel by `first_step` on average.
        decay: Factor on the learning rate, applied after every `decay_steps` steps.
        decay_steps: See `decay`.
        first_step: In parts of 255, for a learning rate of None.
    """

    def __init__(
        self,
        image: Tensor,
        *,
        learning_rate: float | None = 100.0,
        decay: float = 0.96,
        decay_steps: int = 1,
        first_step: float = 0.5,
    ) -> None:
        self.image = image
        self.trouble = ""
        self._first_step = first_step
        self._rate = _Rate(learning_rate or 0.0, decay, decay_steps)

    def step(self, evaluate: Evaluate) -> Evaluation:
        """Move once; see `Solver.step`. The evaluation is of the picture before the move."""
        now = evaluate(self.image)
        self.trouble = "" if now.finite else "not finite"
        if self.trouble:
            self._rate.reduce()
            return now
        if not self._rate.start:
            size = float(now.gradient.abs().mean())
            self._rate.start = self._first_step * LEVELS / max(size, 1e-30)
        # Once for the gradient per level, once more from levels back to [0, 1].
        rate = self._rate.advance() / LEVELS**2
        self.image = (self.image - rate * now.gradient).clamp_(0, 1)
        return now

    def state(self) -> dict[str, Tensor]:
        """The learning rate's clock."""
        return {"rate": self._rate.state()}

    def reconsider(self) -> None:
        """See `Solver.reconsider`."""

    def forget(self) -> None:
        """See `Solver.forget`."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See `Solver.restore`."""
        self._rate.restore(state["rate"])


def _dot(one: Tensor, other: Tensor) -> float:
    """Sum of products, piece by piece: exact enough for 10^8 values, and without a copy."""
    pieces = zip(*(torch.split(x.flatten(), 1 << 20) for x in (one, other)), strict=True)
    return float(torch.stack([torch.dot(*pair) for pair in pieces]).double().sum())


class _Rate:
    """A learning rate that falls by a factor every so many steps."""

    def __init__(self, start: float, decay: float, decay_steps: int) -> None:
        self.start, self._decay, self._decay_steps = start, decay, decay_steps
        self.count = 0

    def advance(self) -> float:
        """Count a step and return the rate that it takes."""
        rate: float = self.start * self._decay ** (self.count // self._decay_steps)
        self.count += 1
        return rate

    def reduce(self) -> None:
        """Go on ten times more carefully."""
        self.start /= 10

    def state(self) -> Tensor:
        return torch.tensor([self.start, self.count], dtype=torch.float64)

    def restore(self, state: Tensor) -> None:
        self.start, self.count = float(state[0]), int(state[1])
