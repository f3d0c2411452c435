"""Trained fast networks as files: weights in half precision, and a card that says what they are.

A file is safetensors: tensors, and text that says which network they belong to, how it was trained
and on what. Nothing in it can run.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file
from torch import Tensor, nn

from impasto.encoders import Encoder
from impasto.errors import ConfigError, NumericalError, WeightsError
from impasto.files import replacing
from impasto.networks import build_network
from impasto.training import TrainState

_FORMAT = "1"
#: Long side in px at which styles are looked at if a network does not say how it was trained.
_STYLE_SIDE = 384


class Card(BaseModel):
    """What a trained network is.

    Attributes:
        network: Its kind, see `impasto.networks.NETWORKS`.
        arguments: Numbers that it was built with.
        styles: Names of the styles that it holds; empty if it takes any.
        steps: Training steps.
        pictures: Crops that it has seen.
        data: What it was trained on, in words.
        licence: Of the weights.
        recipe: Settings of the training.
        version: Of impasto.
        commit: Of its source, if it ran from there.
        started_from: Name and digest of the trained network that this one went on from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    arguments: dict[str, int] = {}
    styles: tuple[str, ...] = ()
    steps: int = 0
    pictures: int = 0
    data: str = ""
    licence: str = ""
    recipe: dict[str, Any] = {}
    version: str = ""
    commit: str = ""
    started_from: dict[str, str] = {}

    @property
    def style_side(self) -> int:
        """Long side in px at which style pictures are to be looked at: as they were in training."""
        learnt = self.recipe.get("style_size")
        return learnt if isinstance(learnt, int) else _STYLE_SIDE


def save_network(path: Path, weights: dict[str, Tensor], card: Card) -> None:
    """Write a network in half precision; an older file is replaced once the new one is complete.

    Raises:
        OutputError: If it cannot be written.
        NumericalError: If weights are infinite, or would be in half precision.
    """
    halves = {name: tensor.half().contiguous() for name, tensor in weights.items()}
    if not all(bool(tensor.isfinite().all()) for tensor in halves.values()):
        raise NumericalError(f"{path} is not written: its weights have grown beyond all bounds.")
    header = {"impasto": _FORMAT, "card": card.model_dump_json()}
    with replacing(path) as temporary:
        temporary.write_bytes(_pack(halves, header))


def _pack(tensors: dict[str, Tensor], text: dict[str, str]) -> bytes:
    """A safetensors file whose bytes follow from what is in it.

    The library writes the text of a header in an order that is another in each process.
    """
    packed = save(tensors, text)
    end = 8 + int.from_bytes(packed[:8], "little")
    header = json.loads(packed[8:end])
    header["__metadata__"] = text
    told = json.dumps(header, separators=(",", ":")).encode()
    told += b" " * (-len(told) % 8)
    return len(told).to_bytes(8, "little") + told + packed[end:]


def read_card(path: Path) -> Card:
    """What a file says of itself, without its tensors.

    Raises:
        WeightsError: If it is no trained network of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
        if header.get("impasto") != _FORMAT:
            raise WeightsError(f"{path} is no fast network, or of another version of impasto.")
        card = Card.model_validate_json(header["card"])
    except (OSError, SafetensorError, KeyError, ValidationError) as error:
        raise WeightsError(f"{path} is damaged or no fast network.") from error
    # Networks enlarged by repeating pixels before cards told how.
    told = card.arguments
    return card.model_copy(update={"arguments": told | {"smooth": told.get("smooth", 0)}})


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a trained network, in float32.

    Raises:
        WeightsError: If the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} is damaged or no fast network.") from error


def load_network(
    path: Path, find_encoder: Callable[[], Encoder], device: torch.device | None = None
) -> tuple[nn.Module, Card]:
    """A network ready to paint, in float32.

    Args:
        path: The file.
        find_encoder: Gives the encoder that looks at styles; called only if one is needed.
        device: Where it is to be.

    Raises:
        WeightsError: If the file is damaged or its tensors do not fit its card.
    """
    card = read_card(path)
    try:
        network = build_network(card.network, find_encoder, card.arguments)
        network.load_state_dict(read_weights(path))
    except (ConfigError, RuntimeError) as error:
        raise WeightsError(f"{path} does not hold what its card says.") from error
    network.to(device or torch.device("cpu"))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.requires_grad_(False).eval(), card


def save_training(path: Path, state: TrainState, fingerprint: str) -> None:
    """Write everything that training goes on from.

    Args:
        path: The file.
        state: The snapshot.
        fingerprint: Of pictures and settings; going on must present the same.
    """
    parts = {"weights": state.weights, "average": state.average, "optimizer": state.optimizer}
    tensors = {
        f"{part}/{name}": tensor.contiguous()
        for part, found in parts.items()
        for name, tensor in found.items()
    }
    facts = {"step": state.step, "seconds": state.seconds}
    header = {"impasto": _FORMAT, "fingerprint": fingerprint, "facts": json.dumps(facts)}
    with replacing(path) as temporary:
        save_file(tensors, temporary, header)


def load_training(path: Path, fingerprint: str) -> TrainState:
    """Read a snapshot back.

    Raises:
        WeightsError: If the file is damaged, or belongs to other pictures or settings.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        version, owner, facts = header["impasto"], header["fingerprint"], header["facts"]
        step, seconds = (json.loads(facts)[name] for name in ("step", "seconds"))
        told = int(step), float(seconds)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"{path} is damaged; delete it to start afresh.") from error
    if version != _FORMAT or owner != fingerprint:
        raise WeightsError(
            f"{path} belongs to other pictures or settings; repeat those, or delete it."
        )
    parts: dict[str, dict[str, Tensor]] = {"weights": {}, "average": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts.setdefault(part, {})[rest] = tensor
    return TrainState(told[0], parts["weights"], parts["average"], parts["optimizer"], told[1])
