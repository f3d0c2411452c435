"""`impasto export`: a fast network for ONNX Runtime, which needs no PyTorch."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from impasto.cli.options import refuse_options
from impasto.cli.report import write_line
from impasto.errors import ConfigError, OutputError


def command(
    network: Annotated[
        str,
        Parameter(name="NETWORK", help="Name of a network that comes with impasto, or a file."),
    ],
    /,
    *,
    output: Annotated[
        str | None,
        Parameter(name=("--output", "-o"), help="File to write, ending in .onnx.", metavar="FILE"),
    ] = None,
    style: Annotated[
        list[str] | None,
        Parameter(
            help="A style to lie in the file: a picture, or a name from the gallery; once for each."
            " Networks that hold styles bring theirs; those with an eye, such as micro, need none.",
            metavar="FILE|NAME",
            negative="",
        ),
    ] = None,
    precision: Annotated[
        Literal["float32", "float16", "int8"],
        Parameter(
            help="Of the weights: float32; float16, half as large; int8, a quarter, with a loss.",
            metavar="float32|float16|int8",
            show_choices=False,
        ),
    ] = "float32",
    overwrite: Annotated[
        bool,
        Parameter(help="Replace what is there already.", negative="", show_default=False),
    ] = False,
    quiet: Annotated[
        bool,
        Parameter(
            name=("--quiet", "-q"),
            help="Say nothing unless it fails.",
            negative="",
            show_default=False,
        ),
    ] = False,
) -> int:
    """Write a network as ONNX."""
    refuse_options((network,), "--output", "--style", "--precision", "--overwrite")
    from impasto.shelf import find_network

    path = Path(output or f"{find_network(network).stem}.onnx")
    if path.suffix.lower() != ".onnx":
        raise ConfigError(f"{path} is no name for an ONNX file; end it with .onnx.")
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} exists already; replace it with --overwrite, or choose another name."
        )
    from impasto.export import export_network
    from impasto.fastpainter import FastPainter
    from impasto.networks import find_eye

    painter = FastPainter(network, device="cpu")
    codes = painter.list_codes(style or ())
    loss = export_network(painter.network, painter.card, path, codes, precision)
    if not quiet:
        inside = [*codes]
        if find_eye(painter.network) is not None:
            inside.append("an eye for any style")
        held = ", ".join(inside) or "no style; add some with --style"
        size = path.stat().st_size / 1e6
        write_line(
            f"Wrote {path}: {size:.1f} MB, {precision}, with {held}. On the 0-1 scale it differs"
            f" from PyTorch by {loss.mean:.1g} on average and {loss.most:.1g} at most."
        )
    return 0
