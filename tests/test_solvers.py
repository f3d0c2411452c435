"""Solvers on problems whose solution is known, inside the box at every evaluation."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from impasto.solvers import LBFGS, LEVELS, SGD, Adam, Evaluation, Solver

SHAPE = (1, 3, 4, 5)
MAKERS: dict[str, Callable[[Tensor], Solver]] = {
    "lbfgs": LBFGS,
    "adam": lambda image: Adam(image, learning_rate=5, decay=0.98, decay_steps=3),
    "sgd": lambda image: SGD(image, learning_rate=0.05 * LEVELS**2, decay=0.995, decay_steps=2),
}


def draw(low: float, high: float, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(SHAPE, generator=generator, dtype=dtype)


class Quadratic:
    """(x - c)' A (x - c) / 2; refuses pictures outside the box and counts its evaluations."""

    def __init__(self, centre: Tensor, matrix: Tensor | None = None) -> None:
        self.centre = centre
        identity = torch.eye(centre.numel(), dtype=centre.dtype)
        self.matrix = identity if matrix is None else matrix
        self.count = 0

    def __call__(self, image: Tensor) -> Evaluation:
        assert image.shape == self.centre.shape
        assert image.min() >= 0
        assert image.max() <= 1
        self.count += 1
        away = (image - self.centre).flatten()
        slope = self.matrix @ away
        loss = float(away @ slope) / 2
        return Evaluation(loss, slope.view_as(image), {"content": loss})


def correlated(condition: float, seed: int = 0) -> Tensor:
    """A symmetric positive definite matrix with eigenvalues from 1 to `condition`."""
    count = torch.Size(SHAPE).numel()
    generator = torch.Generator().manual_seed(seed)
    turned, _ = torch.linalg.qr(torch.randn((count, count), generator=generator).double())
    values = torch.logspace(0, torch.tensor(condition).log10().item(), count, dtype=torch.float64)
    return turned @ torch.diag(values) @ turned.T


def run(solver: Solver, evaluate: Callable[[Tensor], Evaluation], steps: int) -> list[Tensor]:
    path = []
    for _ in range(steps):
        solver.step(evaluate)
        path.append(solver.image.clone())
    return path


# --- all of them ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_the_minimum_of_a_separable_bowl_is_its_centre_clamped(name: str) -> None:
    centre = draw(-0.6, 1.6, 1)
    solver = MAKERS[name](draw(0, 1, 2))
    bowl = Quadratic(centre)
    run(solver, bowl, 300 if name != "lbfgs" else 30)
    torch.testing.assert_close(solver.image, centre.clamp(0, 1), rtol=0, atol=1e-3)
    assert solver.image.min() == 0
    assert solver.image.max() == 1


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("start", [0.0, 1.0])
def test_a_corner_of_the_box_is_no_trap(name: str, start: float) -> None:
    solver = MAKERS[name](torch.full(SHAPE, start, dtype=torch.float64))
    bowl = Quadratic(torch.full(SHAPE, 0.4, dtype=torch.float64))
    before = bowl(solver.image).loss
    run(solver, bowl, 60)
    assert bowl(solver.image).loss < 0.1 * before


@pytest.mark.parametrize("name", MAKERS)
def test_what_was_given_is_never_changed(name: str) -> None:
    image, seen = draw(0, 1, 3), []
    before = image.clone()
    bowl = Quadratic(draw(-0.5, 1.5, 4), correlated(10))

    def watch(picture: Tensor) -> Evaluation:
        found = bowl(picture)
        seen.append((picture, picture.clone(), found.gradient, found.gradient.clone()))
        return found

    run(MAKERS[name](image), watch, 8)
    assert torch.equal(image, before)
    for picture, its_copy, gradient, gradients_copy in seen:
        assert torch.equal(picture, its_copy)
        assert torch.equal(gradient, gradients_copy)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("at", [1, 5, 12])
def test_a_restored_solver_goes_on_bit_by_bit(name: str, dtype: torch.dtype, at: int) -> None:
    bowl = Quadratic(draw(-0.3, 1.3, 5, dtype), correlated(30).to(dtype))
    make = MAKERS[name]
    whole = make(draw(0, 1, 6, dtype))
    wanted = run(whole, bowl, 16)

    first = make(draw(0, 1, 6, dtype))
    run(first, bowl, at)
    second = make(first.image)
    second.restore(first.state())
    for found, expected in zip(run(second, bowl, 16 - at), wanted[at:], strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("name", MAKERS)
def test_a_snapshot_does_not_change_as_the_solver_goes_on(name: str) -> None:
    bowl = Quadratic(draw(-0.3, 1.3, 5), correlated(30))
    solver = MAKERS[name](draw(0, 1, 6))
    run(solver, bowl, 3)
    state = solver.state()
    before = {key: tensor.clone() for key, tensor in state.items()}
    other = MAKERS[name](solver.image)
    other.restore(state)
    run(other, bowl, 3)
    run(solver, bowl, 3)
    assert state
    for key, tensor in state.items():
        assert torch.equal(tensor, before[key]), key


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_a_number_is_reported_and_not_followed(name: str, what: str) -> None:
    image = draw(0, 1, 7)

    def broken(picture: Tensor) -> Evaluation:
        gradient = torch.ones_like(picture)
        if what == "gradient":
            gradient[0, 1, 2, 3] = torch.inf
        return Evaluation(torch.nan if what == "loss" else 1.0, gradient, {})

    solver = MAKERS[name](image)
    assert not solver.step(broken).finite
    assert solver.trouble == "not finite"
    assert torch.equal(solver.image, image)


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_trouble_is_forgotten_when_it_is_over(name: str) -> None:
    bowl = Quadratic(draw(0, 1, 8))
    solver = MAKERS[name](draw(0, 1, 7))
    solver.step(lambda image: Evaluation(torch.nan, image, {}))
    reduced = float(solver.state()["rate"][0])
    solver.step(bowl)
    assert solver.trouble == ""
    assert reduced == pytest.approx(float(MAKERS[name](draw(0, 1, 7)).state()["rate"][0]) / 10)


# --- L-BFGS -----------------------------------------------------------------------------------


def test_lbfgs_finds_the_best_picture_in_the_box() -> None:
    # Where pixels depend on each other, clamping the free minimum is wrong: only the conditions
    # of Karush, Kuhn and Tucker tell.
    bowl = Quadratic(draw(-0.6, 1.6, 1), correlated(100))
    solver = LBFGS(draw(0, 1, 2))
    run(solver, bowl, 120)
    image, gradient = solver.image, bowl(solver.image).gradient
    assert (image - (image - gradient).clamp(0, 1)).abs().max() < 1e-3
    held = (image == 0) | (image == 1)
    assert held.any()
    assert (~held).any()
    assert not torch.allclose(image, bowl.centre.clamp(0, 1), atol=0.05)


def test_lbfgs_learns_the_curvature() -> None:
    # Gradient descent would need some thousand steps for a condition number of 1000.
    bowl = Quadratic(draw(0.3, 0.7, 1), correlated(1000))
    solver = LBFGS(draw(0.4, 0.6, 2), history=60)
    start = bowl(solver.image).loss
    run(solver, bowl, 100)
    assert bowl(solver.image).loss < 1e-6 * start


def test_lbfgs_evaluates_once_a_step() -> None:
    bowl = Quadratic(draw(0.2, 0.8, 1))
    solver = LBFGS(draw(0, 1, 2))
    run(solver, bowl, 1)
    assert bowl.count == 2
    run(solver, bowl, 5)
    assert bowl.count == 7


def test_the_two_loop_recursion_is_the_bfgs_formula() -> None:
    bowl = Quadratic(draw(0, 1, 1), correlated(50))
    solver = LBFGS(draw(0.2, 0.8, 2), history=4)
    run(solver, bowl, 7)
    state = solver.state()
    assert len(state["curvatures"]) == 4
    count = torch.Size(SHAPE).numel()
    identity = torch.eye(count, dtype=torch.float64)
    s, y = (
        torch.stack([state[f"{name}.{index}"].flatten() for index in range(4)])
        for name in ("change", "slope_change")
    )
    inverse = (s[-1] @ y[-1]) / (y[-1] @ y[-1]) * identity
    for change, slope in zip(s, y, strict=True):
        rho = 1 / (change @ slope)
        shift = identity - rho * torch.outer(change, slope)
        inverse = shift @ inverse @ shift.T + rho * torch.outer(change, change)
    gradient = draw(-1, 1, 9)
    found = solver._multiply_inverse_hessian(gradient.clone())
    torch.testing.assert_close(found.flatten(), inverse @ gradient.flatten())


def test_the_first_step_moves_pixels_by_so_many_levels() -> None:
    image = draw(0.4, 0.6, 2)
    solver = LBFGS(image, first_step=3)
    solver.step(Quadratic(draw(-9, 9, 1)))
    assert (solver.image - image).abs().mean() * 255 == pytest.approx(3, rel=1e-6)


def test_lbfgs_without_tolerance_never_rises() -> None:
    bowl = Quadratic(draw(-0.6, 1.6, 1), correlated(300))
    solver = LBFGS(draw(0, 1, 2), tolerance=0, first_step=200)
    losses = [solver.step(bowl).loss for _ in range(40)]
    assert all(after <= before for before, after in itertools.pairwise(losses))


def test_lbfgs_tells_the_objective_of_where_it_is() -> None:
    bowl = Quadratic(draw(-0.6, 1.6, 1), correlated(300))
    solver = LBFGS(draw(0, 1, 2))
    for _ in range(10):
        found = solver.step(bowl)
        assert found.loss == bowl(solver.image).loss


def test_lbfgs_backs_out_of_a_region_without_numbers() -> None:
    bowl = Quadratic(torch.full(SHAPE, 0.7, dtype=torch.float64), correlated(5))
    met = []

    def cliff(image: Tensor) -> Evaluation:
        if image.mean() > 0.72:
            met.append(image)
            return Evaluation(torch.nan, torch.full_like(image, torch.nan), {})
        return bowl(image)

    solver = LBFGS(torch.full(SHAPE, 0.1, dtype=torch.float64), first_step=255)
    for _ in range(40):
        assert solver.step(cliff).finite
        assert solver.trouble == ""
    assert met
    torch.testing.assert_close(solver.image, bowl.centre, rtol=0, atol=1e-3)


def test_a_failed_line_search_is_reported_and_starts_afresh() -> None:
    # The slope lies: each way that it points, the loss doubles.
    bowl, lying = Quadratic(draw(0.2, 0.8, 1), correlated(20)), False
    solver = LBFGS(draw(0.2, 0.8, 2))

    def evaluate(image: Tensor) -> Evaluation:
        found = bowl(image)
        return found._replace(loss=found.loss * 2 + 1) if lying else found

    run(solver, evaluate, 5)
    before = solver.image.clone()
    assert solver.state()
    lying = True
    found = solver.step(evaluate)
    assert solver.trouble == "line search failed"
    assert found.loss == bowl(before).loss
    assert torch.equal(solver.image, before)
    assert not solver.state(), "curvature that misled is forgotten"
    lying = False
    solver.step(evaluate)
    assert solver.trouble == ""
    assert bowl(solver.image).loss < bowl(before).loss


def test_curvature_of_another_objective_costs_two_trials_and_no_step() -> None:
    # A shallow bowl's curvature sends every step across a bowl that is a thousand times steeper.
    shallow, steep = Quadratic(draw(0.2, 0.8, 1)), Quadratic(draw(0.4, 0.6, 4), correlated(1000))
    shallow.matrix = shallow.matrix * 0.01
    solver = LBFGS(draw(0.2, 0.8, 2), first_step=0.5)
    run(solver, shallow, 2)
    solver.reconsider()
    before = solver.image.clone()
    solver.step(steep)
    assert solver.trouble == ""
    assert steep(solver.image).loss < steep(before).loss
    assert len(solver.state()["curvatures"]) == 1, "only what is known of the new objective is kept"


def test_lbfgs_surrounded_by_what_is_not_a_number_says_so() -> None:
    start = draw(0.2, 0.8, 2)
    bowl = Quadratic(draw(0, 1, 1))

    def island(image: Tensor) -> Evaluation:
        here = bowl(image)
        return here if torch.equal(image, start) else here._replace(loss=torch.inf)

    solver = LBFGS(start)
    assert solver.step(island).finite
    assert solver.trouble == "not finite"
    assert torch.equal(solver.image, start)


def test_lbfgs_looks_again_after_restoring() -> None:
    # After an objective was exchanged, what is remembered of the old one must not be used.
    solver = LBFGS(draw(0, 1, 2))
    solver.step(Quadratic(torch.zeros(SHAPE, dtype=torch.float64)))
    solver.restore({})
    new = Quadratic(torch.ones(SHAPE, dtype=torch.float64))
    before = new(solver.image).loss
    solver.step(new)
    assert new(solver.image).loss < before


def test_lbfgs_never_follows_curvature_uphill() -> None:
    # Pairs whose curvature is negative, as from a damaged snapshot, turn the step around.
    bowl = Quadratic(draw(0.2, 0.8, 1))
    solver = LBFGS(draw(0.2, 0.8, 2))
    before = bowl(solver.image).loss
    change = draw(-0.1, 0.1, 3)
    solver.restore(
        {
            "change.0": change,
            "slope_change.0": -change,
            "curvatures": -change.square().sum().view(1),
        }
    )
    assert solver.step(bowl).loss < before
    assert solver.trouble == ""


def test_a_flat_objective_moves_nothing() -> None:
    image = draw(0, 1, 2)
    solver = LBFGS(image)
    for _ in range(3):
        found = solver.step(lambda picture: Evaluation(1.0, torch.zeros_like(picture), {}))
        assert found.loss == 1
    assert torch.equal(solver.image, image)


@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_lbfgs_does_not_care_how_large_the_loss_is(size: float) -> None:
    bowl = Quadratic(draw(-0.3, 1.3, 1, torch.float32), correlated(30).float())

    def scaled(image: Tensor) -> Evaluation:
        found = bowl(image)
        return Evaluation(found.loss * size, found.gradient * size, {})

    solver, plain = LBFGS(draw(0, 1, 2, torch.float32)), LBFGS(draw(0, 1, 2, torch.float32))
    run(solver, scaled, 60)
    run(plain, bowl, 60)
    torch.testing.assert_close(solver.image, plain.image, rtol=0, atol=2e-3)


# --- Adam and SGD -----------------------------------------------------------------------------


def follow(optimizer: torch.optim.Optimizer, leaf: Tensor, bowl: Quadratic) -> None:
    leaf.grad = bowl(leaf.detach()).gradient
    optimizer.step()


@pytest.mark.parametrize("decay", [1.0, 0.8])
def test_adam_is_the_adam_of_pytorch_inside_the_box(decay: float) -> None:
    bowl = Quadratic(draw(0.4, 0.6, 1), correlated(10))
    image = draw(0.4, 0.6, 2)
    solver = Adam(image, learning_rate=1.5, decay=decay, decay_steps=4, betas=(0.8, 0.95))
    leaf = image.clone().requires_grad_()
    optimizer = torch.optim.Adam([leaf], lr=1.5 / 255, betas=(0.8, 0.95), eps=1e-15)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 4, decay)
    for _ in range(25):
        loss = bowl(solver.image).loss
        assert solver.step(bowl).loss == loss
        follow(optimizer, leaf, bowl)
        schedule.step()
        torch.testing.assert_close(solver.image, leaf.detach(), rtol=0, atol=1e-9)
    assert not torch.allclose(solver.image, image, atol=0.01)


def test_adam_moves_as_far_for_a_small_loss_as_for_a_large_one() -> None:
    bowl = Quadratic(draw(0.4, 0.6, 1))
    ends = []
    for size in (1e-9, 1.0):
        solver = Adam(draw(0.4, 0.6, 2), learning_rate=1)
        run(solver, lambda x, k=size: Evaluation(0.0, bowl(x).gradient * k, {}), 5)
        ends.append(solver.image)
    torch.testing.assert_close(ends[0], ends[1], rtol=0, atol=2e-4)


@pytest.mark.parametrize("decay", [1.0, 0.8])
def test_sgd_is_the_sgd_of_pytorch_inside_the_box(decay: float) -> None:
    bowl = Quadratic(draw(0.4, 0.6, 1), correlated(10))
    image = draw(0.4, 0.6, 2)
    solver = SGD(image, learning_rate=0.05 * 255**2, decay=decay, decay_steps=4)
    leaf = image.clone().requires_grad_()
    optimizer = torch.optim.SGD([leaf], lr=0.05)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 4, decay)
    for _ in range(25):
        loss = bowl(solver.image).loss
        assert solver.step(bowl).loss == loss
        follow(optimizer, leaf, bowl)
        schedule.step()
        torch.testing.assert_close(solver.image, leaf.detach(), rtol=0, atol=1e-9)
    assert not torch.allclose(solver.image, image, atol=0.01)
