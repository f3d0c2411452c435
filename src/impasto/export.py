"""Fast networks for other runtimes: ONNX, of any size in, with the styles inside.

What comes out is compared with PyTorch at once, so that its loss is known and not hoped for.
"""

import base64
import copy
import functools
import importlib
import io
import logging
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.encoders.vgg import VGG
from impasto.errors import ConfigError
from impasto.files import replacing
from impasto.networks import FastNetwork, Ledger, find_eye
from impasto.networks.adain import AdaIN
from impasto.networks.blocks import normalise, reflect
from impasto.networks.micro import Brush
from impasto.onnxpaint import FORMAT, OnnxPainter, import_onnxruntime, write_codes
from impasto.trained import Card

Arithmetic = Literal["float32", "float16", "int8"]
_OPSET = 17
#: Weights with fewer numbers stay as they are.
_FEW = 64
#: (H, W) at which a network is traced, and at which it is compared.
_TRACED, _COMPARED = (96, 128), ((104, 80), (200, 264))


class Loss(NamedTuple):
    """How far an exported network is from PyTorch, on the 0-1 scale.

    Attributes:
        most: At one place.
        mean: On average.
    """

    most: float
    mean: float


def export_network(
    network: nn.Module,
    card: Card,
    path: Path,
    codes: Mapping[str, Tensor],
    arithmetic: Arithmetic = "float32",
) -> Loss:
    """Write a network as ONNX, and compare it with what PyTorch makes of the same pictures.

    One with an eye of its own takes that along, as a second network inside of the file, so that it
    paints in any style.

    Args:
        network: A trained network, on the CPU.
        card: What it is.
        path: The file.
        codes: What the network is told of each style that is to lie in the file, (1, K).
        arithmetic: float32; float16 stores weights in half precision and computes in float32;
            int8 also quantises what goes through.

    Raises:
        ConfigError: If a library is missing.
        OutputError: If it cannot be written.
    """
    onnx = _import_onnx()
    import_onnxruntime()
    wish = next(iter(codes.values()), None)
    wish = _make_up_wish(network) if wish is None else wish
    with replacing(path) as temporary:
        _trace(network, wish, temporary)
        if arithmetic == "int8":
            _quantise(temporary)
        model = onnx.load(str(temporary))
        if arithmetic == "float16":
            _halve(onnx, model)
        facts = _list_facts(network, card, codes, arithmetic)
        onnx.helper.set_model_props(model, facts)
        onnx.save(model, str(temporary))
        return compare(network, OnnxPainter(temporary), wish)


def _list_facts(
    network: nn.Module, card: Card, codes: Mapping[str, Tensor], arithmetic: Arithmetic
) -> dict[str, str]:
    """What lies in the file beside the network, as text; its eye too."""
    facts = {
        "impasto": FORMAT,
        "stride": str(cast(FastNetwork, network).stride),
        "card": card.model_dump_json(),
        "styles": write_codes({name: code.numpy() for name, code in codes.items()}),
        "arithmetic": arithmetic,
    }
    if find_eye(network) is not None:
        facts["eye"] = base64.b64encode(_write_eye(network)).decode()
        facts["style_size"] = str(card.style_side)
    return facts


def compare(network: nn.Module, painter: OnnxPainter, wish: Tensor) -> Loss:
    """How far the same network is from PyTorch in ONNX Runtime, over two sizes."""
    most, means = 0.0, []
    for size in _COMPARED:
        image = _draw_picture(size)
        with torch.no_grad():
            wanted = network(image, wish).clamp(0, 1)
        found = torch.from_numpy(painter.run(image.numpy(), wish.numpy())).clamp(0, 1)
        away = (found - wanted).abs()
        most = max(most, float(away.max()))
        means.append(float(away.mean()))
    return Loss(most, sum(means) / len(means))


def _write_eye(network: nn.Module) -> bytes:
    """What looks at styles, as an ONNX network of its own with weights in half precision."""
    onnx, written = _import_onnx(), io.BytesIO()
    axes = {"style": {2: "height", 3: "width"}}
    _write(_Describer(network), {"style": _draw_picture(_TRACED)}, "code", axes, written)
    model = onnx.load_from_string(written.getvalue())
    _halve(onnx, model)
    return bytes(model.SerializeToString())


class _Describer(nn.Module):
    """What a network says of a style."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, style: Tensor) -> Tensor:
        return self.network.describe(style)  # type: ignore[operator, no-any-return]


class _Traceable(nn.Module):
    """The network by pictures whose sides are multiples of its stride."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        if isinstance(network, AdaIN):
            (encoder,) = network._encoder
            self.network._encoder = (_PlainVGG(cast(VGG, encoder)),)  # type: ignore[assignment]
        for module in self.network.modules():
            if isinstance(module, Brush) and module.kernel > 1:
                module.forward = functools.partial(_filter, module)  # type: ignore[method-assign]

    def forward(self, image: Tensor, wish: Tensor) -> Tensor:
        return self.network(image, wish)  # type: ignore[no-any-return]


def _filter(brush: Brush, x: Tensor, wishes: Tensor, ledger: Ledger | None) -> Tensor:
    """What a brush does, by moved copies: the exporter takes no kernels that are computed."""
    count, kernel = brush.channels, brush.kernel
    centre, last = kernel // 2, kernel - 1
    x = normalise(x, ledger)
    y = x + wishes[:, :count, None, None]
    padded = reflect(x, centre)
    for place in range(kernel**2):
        top, left = divmod(place, kernel)
        weight = wishes[:, count + place :: kernel**2, None, None]
        moved = padded[..., top : top - last or None, left : left - last or None]
        y = y + moved * weight
    return y


class _PlainVGG:
    """VGG in plain convolutions: on this processor it may take shortcuts that are no export."""

    def __init__(self, encoder: VGG) -> None:
        self._encoder = encoder

    def __call__(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        encoder, found = self._encoder, {}
        wanted = set(layers)
        x = F.pad((image - encoder.mean) / encoder.std, (1, 1, 1, 1), "replicate")
        for name in encoder.layers:
            if name.startswith("pool"):
                x = F.max_pool2d(x, 2)
            else:
                weight, bias = (getattr(encoder, f"{name}_{part}") for part in ("weight", "bias"))
                x = F.relu(F.conv2d(x, weight, bias, padding=0 if name == "relu1_1" else 1))
            if name in wanted:
                found[name] = x
            if len(found) == len(wanted):
                break
        return found


def _trace(network: nn.Module, wish: Tensor, path: Path) -> None:
    stride = cast(FastNetwork, network).stride
    assert not any(side % stride for side in _TRACED)
    places = {0: "batch", 2: "height", 3: "width"}
    axes = {"image": places, "painting": places}
    _write(
        _Traceable(network), {"image": _draw_picture(_TRACED), "wish": wish}, "painting", axes, path
    )


def _write(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    output: str,
    axes: Mapping[str, Mapping[int, str]],
    path: Path | io.BytesIO,
) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        # The tracer warns of every shape that is compared; those are multiples of the stride.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            path if isinstance(path, io.BytesIO) else str(path),  # type: ignore[arg-type]
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )


def _halve(onnx: Any, model: Any) -> None:
    """Store weights in half precision; they are made float32 again as the file is loaded."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < _FEW:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype("float16"), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _quantise(path: Path) -> None:
    quantization = importlib.import_module("onnxruntime.quantization")
    # It warns by logging of every shape that it leaves as it is.
    silenced = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantization.quantize_dynamic(
                str(path), str(path), weight_type=quantization.QuantType.QUInt8
            )
    finally:
        logging.disable(silenced)


def _make_up_wish(network: nn.Module) -> Tensor:
    """Something to tell a network where no style is given."""
    if hasattr(network, "describe"):
        with torch.no_grad():
            return network.describe(_draw_picture(_TRACED))  # type: ignore[operator, no-any-return]
    styles = int(cast(Any, network).styles)
    return torch.full((1, styles), 1 / styles)


def _draw_picture(size: tuple[int, int]) -> Tensor:
    """Waves and noise, the same each time: (1, 3, H, W) in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand((1, 3, *size), generator=generator)
    rows, columns = (torch.linspace(0, 12, side) for side in size)
    waves = 0.5 + 0.5 * torch.sin(rows[:, None] + columns * torch.tensor([1, 2, 3.0]).view(3, 1, 1))
    return 0.8 * waves[None] + 0.2 * noise


def _import_onnx() -> Any:
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise ConfigError("Export needs onnx; install it with: pip install 'impasto[onnx]'.") from (
            error
        )
