"""Interrupted paintings: saved beside the output, and resumed to the same result.

A checkpoint is a safetensors file: tensors and a few numbers as text, nothing that can run.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from impasto.errors import ImpastoError
from impasto.files import replacing
from impasto.progress import PaintState

_VERSION = "2"

#: What a snapshot holds beside tensors.
_FACTS = {"scale": int, "step": int, "precise": bool, "failures": int, "details_over": bool}


class CheckpointError(ImpastoError):
    """A checkpoint is damaged, or belongs to another painting."""

    exit_code = 2


def checkpoint_path(output: Path) -> Path:
    """Where the checkpoint of an output lies: beside it, with `.resume` behind its name."""
    return output.with_name(f"{output.name}.resume")


def save_checkpoint(path: Path, state: PaintState, fingerprint: str) -> None:
    """Write a snapshot; an older one is replaced only once the new one is complete.

    Args:
        path: The file to write.
        state: The snapshot.
        fingerprint: Identifies pictures and settings; a resume must present the same.

    Raises:
        OutputError: If it cannot be written.
    """
    tensors = {"image": state.image.contiguous()}
    tensors |= {f"solver.{name}": tensor.contiguous() for name, tensor in state.solver.items()}
    if state.average is not None:
        # A copy: after the first step the average is the picture itself, and a file of tensors
        # must not hold one twice.
        tensors["average"] = state.average.clone(memory_format=torch.contiguous_format)
    facts = {name: getattr(state, name) for name in _FACTS}
    header = {"version": _VERSION, "fingerprint": fingerprint, "facts": json.dumps(facts)}
    with replacing(path) as temporary:
        save_file(tensors, temporary, header)


def load_checkpoint(path: Path, fingerprint: str) -> PaintState:
    """Read a snapshot back.

    Raises:
        CheckpointError: If the file is damaged, or was made with other pictures or settings.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
            # Copies, which begin where vector instructions like to: products of tensors at odd
            # places of a file are rounded in another order.
            tensors: dict[str, Tensor] = {n: file.get_tensor(n).clone() for n in file.keys()}  # noqa: SIM118
        version, owner, facts = header["version"], header["fingerprint"], header["facts"]
        known = {name: kind(json.loads(facts)[name]) for name, kind in _FACTS.items()}
        image = tensors.pop("image")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged; delete it to start afresh.") from error
    if version != _VERSION:
        raise CheckpointError(f"{path} was written by another version; delete it to restart.")
    if owner != fingerprint:
        raise CheckpointError(
            f"{path} belongs to other pictures or settings; repeat those, or delete it."
        )
    average = tensors.pop("average", None)
    solver = {name.removeprefix("solver."): tensor for name, tensor in tensors.items()}
    return PaintState(image=image, solver=solver, average=average, **known)
