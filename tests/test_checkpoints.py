"""A checkpoint comes back as it was, or not at all."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from impasto import checkpoints
from impasto.checkpoints import (
    CheckpointError,
    checkpoint_path,
    load_checkpoint,
    save_checkpoint,
)
from impasto.errors import OutputError
from impasto.progress import PaintState
from impasto.solvers import LBFGS, SGD, Adam, Evaluation, Solver


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def equal(one: PaintState, other: PaintState) -> bool:
    def facts(state: PaintState) -> tuple[object, ...]:
        return state.scale, state.step, state.precise, state.failures, state.details_over

    def tensors(state: PaintState) -> dict[str, torch.Tensor]:
        average = {} if state.average is None else {"its average": state.average}
        return {"its image": state.image, **average, **state.solver}

    here, there = tensors(one), tensors(other)
    return (
        facts(one) == facts(other)
        and here.keys() == there.keys()
        and all(tensor.dtype == there[name].dtype for name, tensor in here.items())
        and all(torch.equal(tensor, there[name]) for name, tensor in here.items())
    )


@pytest.fixture
def state() -> PaintState:
    return PaintState(
        scale=2,
        step=17,
        image=draw(1, 3, 5, 6),
        solver={"changes": draw(4, 3, 5, 6, seed=1), "curvatures": draw(4, seed=2).double()},
        average=draw(1, 3, 5, 6, seed=3),
        precise=True,
        failures=2,
        details_over=True,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return checkpoint_path(tmp_path / "painting.png")


def test_it_lies_beside_the_output(tmp_path: Path) -> None:
    found = checkpoint_path(tmp_path / "a.b.png")
    assert found == tmp_path / "a.b.png.resume"
    assert checkpoint_path(tmp_path / "a.b.jpg") != found


def test_a_snapshot_comes_back_bit_by_bit(state: PaintState, path: Path) -> None:
    save_checkpoint(path, state, "abc")
    assert equal(load_checkpoint(path, "abc"), state)


def test_a_snapshot_without_the_optional_parts(path: Path) -> None:
    plain = PaintState(scale=0, step=1, image=draw(1, 3, 2, 2))
    save_checkpoint(path, plain, "abc")
    found = load_checkpoint(path, "abc")
    assert equal(found, plain)
    assert found.average is None
    assert found.solver == {}
    assert found.precise is False


@pytest.mark.parametrize("make", [LBFGS, Adam, SGD])
def test_every_solver_can_be_kept(make: type[Solver], path: Path) -> None:
    centre = draw(1, 3, 4, 5, seed=8)

    def bowl(image: torch.Tensor) -> Evaluation:
        gradient = image - centre
        return Evaluation(float(gradient.square().sum()) / 2, gradient, {})

    solver = make(draw(1, 3, 4, 5))  # type: ignore[call-arg]
    for _ in range(4):
        solver.step(bowl)
    save_checkpoint(path, PaintState(0, 4, solver.image, solver.state()), "abc")
    found = load_checkpoint(path, "abc")
    other = make(found.image)  # type: ignore[call-arg]
    other.restore(found.solver)
    for _ in range(3):
        solver.step(bowl)
        other.step(bowl)
    assert torch.equal(solver.image, other.image)


@pytest.mark.parametrize("taken", [1, 2, 3, 4])
def test_tensors_begin_where_fresh_ones_do(taken: int, path: Path) -> None:
    """Products of tensors at odd addresses are rounded in another order than before."""
    centre = draw(1, 3, 7, 11, seed=8)

    def bowl(image: torch.Tensor) -> Evaluation:
        gradient = (image - centre) * torch.linspace(0.1, 1, 11)
        return Evaluation(float((image - centre).square().sum()) / 2, gradient, {})

    solver = LBFGS(draw(1, 3, 7, 11))
    for _ in range(taken):
        solver.step(bowl)
    save_checkpoint(path, PaintState(0, taken, solver.image, solver.state()), "abc")
    found = load_checkpoint(path, "abc")
    other = LBFGS(found.image)
    other.restore(found.solver)
    tensors = [other.image, *(tensor for pair in other._pairs for tensor in pair[:2])]
    assert len(tensors) == 2 * taken + 1
    assert {tensor.data_ptr() % 64 for tensor in tensors} == {torch.rand(77).data_ptr() % 64}


def test_a_picture_that_is_its_own_average_is_kept(path: Path) -> None:
    # As after the first step of a running average.
    image = draw(1, 3, 5, 6)
    first = PaintState(0, 1, image, average=image)
    save_checkpoint(path, first, "abc")
    assert equal(load_checkpoint(path, "abc"), first)


def test_views_are_kept_as_what_they_show(path: Path) -> None:
    whole = draw(1, 3, 8, 8)
    view = PaintState(0, 1, whole[..., ::2, :].mT, {"first": whole[..., 1:5, :]})
    save_checkpoint(path, view, "abc")
    assert equal(load_checkpoint(path, "abc"), view)


def test_other_pictures_or_settings_are_refused(state: PaintState, path: Path) -> None:
    save_checkpoint(path, state, "abc")
    with pytest.raises(CheckpointError, match="other pictures or settings; repeat those, or"):
        load_checkpoint(path, "abd")


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "header", "gone", "folder"])
def test_a_damaged_file_is_refused_in_one_line(damage: str, state: PaintState, path: Path) -> None:
    save_checkpoint(path, state, "abc")
    data = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "gone":
        path.write_bytes(
            {
                "cut": data[: len(data) // 2],
                "empty": b"",
                "text": b"not a checkpoint",
                "header": data[:20] + b"\xff" * 20 + data[40:],
            }[damage]
        )
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, "abc")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("missing", ["version", "fingerprint", "facts", "image", "all"])
def test_other_files_of_tensors_are_no_checkpoints(
    missing: str, state: PaintState, path: Path
) -> None:
    save_checkpoint(path, state, "abc")
    with safe_open(path, framework="pt") as file:
        header = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header.pop(missing, None)
    tensors.pop(missing, None)
    save_file(tensors, path, None if missing == "all" else header)
    with pytest.raises(CheckpointError, match="is damaged; delete it to start afresh"):
        load_checkpoint(path, "abc")


@pytest.mark.parametrize("facts", ["[]", "{}", '{"scale": 1}', "nonsense", '{"scale": null}'])
def test_facts_that_make_no_sense_are_damage(facts: str, state: PaintState, path: Path) -> None:
    header = {"version": checkpoints._VERSION, "fingerprint": "abc", "facts": facts}
    save_file({"image": state.image}, path, header)
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(path, "abc")


def test_another_version_is_refused(
    state: PaintState, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_VERSION", "999")
    save_checkpoint(path, state, "abc")
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="written by another version"):
        load_checkpoint(path, "abc")


@pytest.mark.parametrize("when", ["before", "half way"])
def test_an_old_checkpoint_survives_a_failed_new_one(
    when: str, state: PaintState, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(path, state, "abc")

    def fail(_: object, file: Path, __: object) -> None:
        if when == "half way":
            Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", fail)
    with pytest.raises(OutputError, match="disk is full"):
        save_checkpoint(path, PaintState(9, 9, draw(1, 3, 2, 2)), "abc")
    assert equal(load_checkpoint(path, "abc"), state)
    assert list(path.parent.iterdir()) == [path]


def test_a_new_checkpoint_replaces_the_old_one_and_leaves_nothing_else(
    state: PaintState, path: Path
) -> None:
    save_checkpoint(path, PaintState(0, 1, draw(1, 3, 9, 9)), "abc")
    save_checkpoint(path, state, "abd")
    assert equal(load_checkpoint(path, "abd"), state)
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_missing_is_told(state: PaintState, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="folder does not exist"):
        save_checkpoint(tmp_path / "none" / "x.resume", state, "abc")


def test_the_file_holds_nothing_that_can_run(state: PaintState, path: Path) -> None:
    save_checkpoint(path, state, "abc")
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert json.loads(header["__metadata__"]["facts"]) == {
        "scale": 2, "step": 17, "precise": True, "failures": 2, "details_over": True
    }  # fmt: skip
