"""Files of tensors: read without running code, told apart by their names and shapes."""

import hashlib
import pickle
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from impasto.backbones import ARCHITECTURES
from impasto.encoders.architectures import list_weights
from impasto.encoders.densenet import modernise
from impasto.errors import WeightsError

State = dict[str, Tensor]

#: What classifies, and is not needed: a name that begins so.
_HEADS = ("classifier.", "features.norm5.", "fc.", "_conv_head.", "_bn1.", "_fc.")


def read_file(path: Path) -> State:
    """Read the tensors of a safetensors or PyTorch file; never runs code from it.

    Args:
        path: Its content, not its name, decides how it is read.

    Returns:
        Name -> tensor, taken out of a nested "state_dict" and without a "module." prefix.

    Raises:
        WeightsError: If it is missing, damaged, or holds anything but tensors and plain data.
    """
    return read_with_header(path)[0]


def identify(state: Mapping[str, Tensor]) -> str:
    """Tell the architecture of a state dict from the names and shapes of its convolutional part.

    Raises:
        WeightsError: If it is none of `impasto.backbones.ARCHITECTURES`.
    """
    found = {name: tuple(tensor.shape) for name, tensor in _features(state).items()}
    expected = {name: layer_shapes(name) for name in ARCHITECTURES}
    for architecture, shapes in expected.items():
        if found == shapes:
            return architecture
    common = {name: len(found.items() & shapes.items()) for name, shapes in expected.items()}
    nearest = max(expected, key=lambda name: (common[name], -len(expected[name])))
    if not any(name in expected[nearest] for name in found):
        raise WeightsError(
            "These are not the weights of a network that is known: there is no features.0.weight,"
            f" only {', '.join(repr(name[:40]) for name in sorted(state)[:3]) or 'nothing'}."
        )
    names = dict.fromkeys([*expected[nearest], *sorted(found)])  # as the network runs them
    odd = next(name for name in names if found.get(name) != expected[nearest].get(name))
    raise WeightsError(
        f"These weights are none of {', '.join(expected)}: for {nearest}, {odd} should be "
        f"{expected[nearest].get(odd, 'absent')}, but is {found.get(odd, 'absent')}."
    )


def layer_shapes(architecture: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the convolutional part, in the order of the layers."""
    return list_weights(architecture)


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, whatever file they come from."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).numpy().data)
    return digest.hexdigest()


def convolutional(state: Mapping[str, Tensor]) -> tuple[State, str]:
    """Take the convolutional part out of a state dict.

    Returns:
        It, in float32 under torchvision's names, and its architecture.

    Raises:
        WeightsError: If it is of no known architecture, or has values that are not finite.
    """
    architecture = identify(state)
    features = _features(state)
    result = {}
    for name in layer_shapes(architecture):
        tensor = features[name].detach()
        if tensor.device.type != "cpu" or not tensor.is_floating_point():
            raise WeightsError(f"These weights cannot be used: {name} holds no real numbers.")
        result[name] = tensor.float().contiguous()
        if not torch.isfinite(result[name]).all():
            raise WeightsError(f"These weights cannot be used: {name} is not finite everywhere.")
    return result, architecture


def decode_codebooks(codes: State, architecture: str) -> State:
    """Replace each weight's 8-bit code by its entry in the layer's table of 256 values.

    The codes' layers are called block1_conv1 ... block5_conv4; their first takes B, G, R.
    """
    names = [name.removesuffix("_b") for name in codes if name.endswith("_b")]
    targets = [name.removesuffix(".bias") for name in layer_shapes(architecture) if "bias" in name]
    state = {}
    for name, target in zip(names, targets, strict=True):
        indices = codes[f"{name}_W_q"]  # (outputs, inputs, 3, 3), uint8
        weight = codes[f"{name}_W_table"].index_select(0, indices.flatten().int())
        state[f"{target}.weight"] = weight.view(indices.shape)
        state[f"{target}.bias"] = codes[f"{name}_b"].clone()
    state["features.0.weight"] = state["features.0.weight"].flip(1)  # to R, G, B
    return state


def read_with_header(path: Path) -> tuple[State, dict[str, str]]:
    """Like `read_file`, with the free text that a safetensors file carries in its header.

    The tensors of a safetensors file are mapped, not copied: do not overwrite the file in
    place while they are in use (replacing it by renaming is harmless).
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
        if path.suffix == ".safetensors" or _is_safetensors(start, path.stat().st_size):
            return _read_safetensors(path)
    except OSError as error:
        raise WeightsError(f"Cannot read {path}: {error.strerror or error}.") from error
    return _flatten(_load(path), path), {}


def write(path: Path, state: State, header: dict[str, str]) -> None:
    """Write a safetensors file."""
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path, header)


def _is_safetensors(start: bytes, size: int) -> bool:
    """Whether a file begins with the length of its header (8 bytes) and that header, JSON."""
    return len(start) == 9 and start[8:] == b"{" and struct.unpack("<Q", start[:8])[0] < size


def _read_safetensors(path: Path) -> tuple[State, dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return _flatten(state, path), dict(file.metadata() or {})
    except SafetensorError as error:
        raise WeightsError(f"{path} is damaged or no safetensors file: {error}.") from error


def _load(path: Path) -> object:
    """Read a PyTorch file with the unpickler that knows only tensors and plain data."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is an error a moment later
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"Refused to read {path}: it is no PyTorch file, or holds more than tensors, such "
            f"as code (torch.load(weights_only=True) gave up). Save its state_dict() alone."
        ) from error
    except Exception as error:
        # A damaged file can fail anywhere in there: EOFError, KeyError, OSError, RuntimeError ...
        raise WeightsError(
            f"{path} is damaged or no PyTorch file ({type(error).__name__})."
        ) from error


def _flatten(data: object, path: Path) -> State:
    """Unwrap what training scripts put around a state dict."""
    if isinstance(data, Mapping) and isinstance(data.get("state_dict"), Mapping):
        data = data["state_dict"]
    if not isinstance(data, Mapping) or not data:
        raise WeightsError(f"{path} holds no named tensors.")
    for name, tensor in data.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise WeightsError(
                f"{path} is no state dict: {str(name)[:80]!r} is not a named tensor."
            )
    prefix = "module." if all(name.startswith("module.") for name in data) else ""
    return {name.removeprefix(prefix): tensor for name, tensor in data.items()}


def _features(state: Mapping[str, Tensor]) -> State:
    """The convolutional part, under torchvision's names; without batch counters."""
    # Saved from model.features
    bare = bool(state) and all(name.partition(".")[0].isdigit() for name in state)
    return {
        f"features.{name}" if bare else modernise(name): tensor
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked") and not name.startswith(_HEADS)
    }
