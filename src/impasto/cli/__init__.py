"""The terminal face: `impasto COMMAND`.

Commands are imported when they are called, and PyTorch when a command needs it: `--help` has
neither. Everything for people goes to standard error; standard output holds only what was asked
for.
"""

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from impasto import errors
from impasto.cli.interruption import NOTHING_WRITTEN, Interrupted
from impasto.cli.report import debugging
from impasto.version import __version__

__all__ = ["app", "main"]

_KINDS = (
    errors.ConfigError,
    errors.ImageError,
    errors.WeightsError,
    errors.MemoryBudgetError,
    errors.OutputError,
    errors.NumericalError,
)
_UNEXPECTED = 70  # EX_SOFTWARE of sysexits.h
_BROKEN_PIPE = 141  # 128 + SIGPIPE, as from any program that a pipe ends


def _describe_exit_codes() -> str:
    lines = ["Exit codes", "  0  done", "  1  some pictures of a folder failed, or a rare error"]
    for kind in _KINDS:
        meaning = str(kind.__doc__).partition("\n")[0].rstrip(".")
        lines.append(f"  {kind.exit_code}  {meaning[0].lower()}{meaning[1:]}")
    lines += [
        f" {_UNEXPECTED}  unexpected error; --debug or IMPASTO_DEBUG=1 shows where",
        "130  interrupted by Ctrl-C (143: terminated); the painting so far is kept",
    ]
    return "\n".join(lines)


app = App(
    name="impasto",
    help="Neural style transfer: paints a photograph in the manner of a painting.\n\n"
    "For example\n"
    "  impasto paint photo.jpg painting.jpg -o out.png\n"
    "  impasto paint photo.jpg mosaic --preset draft      a style of the gallery\n"
    "  impasto paint holiday/ mosaic -o painted/          every picture of a folder",
    version=__version__,
    help_format="plaintext",
    help_epilogue=_describe_exit_codes(),
    suppress_keyboard_interrupt=False,
)
_COMMANDS = {
    "paint": "Paint a photograph in the manner of one or several pictures.\n\n"
    "For example\n"
    "  impasto paint photo.jpg painting.jpg -o out.png --size 1024\n"
    "  impasto paint photo.jpg mosaic marbling --strength 2 --keep-colors\n"
    "  cat photo.jpg | impasto paint - mosaic -o - > out.png\n\n"
    "PHOTO is a picture, a folder of pictures, or - for standard input. A STYLE is a picture, a"
    " name from `impasto styles`, or -. Ctrl-C saves what has been painted so far; the same"
    " command with --resume goes on.",
    "fast": "Paint with a trained network, in one pass: a moment in place of a minute.\n\n"
    "For example\n"
    "  impasto fast photo.jpg painting.jpg -o out.png --network micro\n"
    "  impasto fast holiday/ mosaic -o painted/           every picture of a folder\n"
    "  impasto fast clip.mp4 mosaic -o painted.mp4        every frame of a film\n\n"
    "PHOTO is a picture, a folder of pictures, a film, or - for standard input. A STYLE is a"
    " picture, a name from `impasto styles`, -, or for networks that hold styles one of theirs."
    " --refine N lets the optimiser go on from there.",
    "webcam": "Paint what a camera sees, in a window or as a film.\n\n"
    "For example\n"
    "  impasto webcam mosaic --network-size 384\n"
    "  impasto webcam mosaic -o me.mp4                    Ctrl-C ends",
    "export": "Write a fast network as ONNX, which runs without PyTorch.\n\n"
    "For example\n"
    "  impasto export micro --style mosaic --style painting.jpg -o net.onnx\n"
    "  python -m impasto.onnxpaint net.onnx photo.jpg mosaic -o out.png",
    "again": "Repeat a painting from the settings that lie inside its file.\n\n"
    "For example\n"
    "  impasto again out.png\n"
    "  impasto again out.png --size 2048 -o larger.png\n"
    "  impasto again out.png --dry-run                     shows the command that paints it\n\n"
    "Its photograph and styles are looked for by name beside it, in this folder and in the"
    " gallery, and must be the same to the last pixel; those named with --photo and --style may"
    " differ. Settings given here replace its own.",
    "styles": "List the style pictures that come with impasto, or copy them out.\n\n"
    "For example\n"
    "  impasto styles mosaic --save .\n"
    "  impasto styles --sheet sheet.png",
    "mask": "Find people, faces, sky or colours in a photograph, and write that as a mask.\n\n"
    "For example\n"
    "  impasto mask photo.jpg people -o mask.png\n"
    "  impasto mask photo.jpg sky --overlay -o look.png    the mask over the photograph\n"
    "  impasto mask photo.jpg cluster:1/3                  the darkest of three colour groups\n\n"
    "NAME is people, background, faces, sky, ground, or cluster:K/N, with not- before it for all"
    " but that. Retouch the picture and give it to impasto paint as --mask or --strength-map; or"
    " give the name itself there.",
    "train": "Train a network that paints in one pass, on pictures of your own.\n\n"
    "For example\n"
    "  impasto train johnson --content photos/ --styles mosaic -o mosaic.safetensors --minutes 60\n"
    "  impasto train micro --content photos/ more/ --styles paintings/ -o net.safetensors\n"
    "  impasto train --recipe recipes/micro.toml --steps 2000\n\n"
    "NETWORK is johnson (one style), dumoulin (many in one), or msgnet, adain, ghiasi, micro (any"
    " style). Ctrl-C keeps the network so far; the same command with --resume goes on. torchrun"
    " --nproc-per-node N -m impasto train ... trains on N GPUs.",
    "lab": "Experiments: what layers see and remember, sweeps over settings, and their reports.\n\n"
    "For example\n"
    "  impasto lab reconstruct photo.jpg --layer relu2_1 --layer relu4_2\n"
    "  impasto lab texture mosaic --size 512x256 --seamless straight\n"
    "  impasto lab sweep grid.toml --jobs auto\n"
    "  impasto lab recipe --list",
    "score": "Score results beside two baselines: the photograph itself and the style itself.\n\n"
    "For example\n"
    "  impasto score photo.jpg painting.jpg a.png b.png --explain\n"
    "  impasto score photo.jpg mosaic results/ --csv scores.csv\n"
    "  impasto score --set painted/ --photos holiday/ --styles mosaic\n\n"
    "An arrow points to the better direction. No score is right alone: a copy of the photograph has"
    " the best content, a copy of the style the best style, so both are rows of every table.",
    "studio": "Serve the studio: a page in the browser, and an HTTP API, on this computer.\n\n"
    "For example\n"
    "  impasto studio\n"
    "  impasto studio --port 0 --no-browser\n"
    "  impasto studio --host 0.0.0.0                      for other computers, with a token\n\n"
    "Ctrl-C ends it within ten seconds; paintings under way go on when it starts again. Needs"
    " impasto[studio].",
    "weights": "List, fetch, add, check or delete the weights of the networks.",
    "doctor": "Show what is installed, what will paint, and what is missing.",
}
_USAGES = {
    "paint": "Usage: impasto paint [OPTIONS] PHOTO STYLE...",
    "fast": "Usage: impasto fast [OPTIONS] PHOTO STYLE...",
    "webcam": "Usage: impasto webcam [OPTIONS] STYLE...",
    "export": "Usage: impasto export [OPTIONS] NETWORK",
    "again": "Usage: impasto again [OPTIONS] PAINTING",
    "styles": "Usage: impasto styles [OPTIONS] [NAME]",
    "mask": "Usage: impasto mask [OPTIONS] PHOTO NAME",
    "train": "Usage: impasto train [OPTIONS] [NETWORK]",
    "score": "Usage: impasto score [OPTIONS] PHOTO STYLE RESULT...",
}
for _name, _help in _COMMANDS.items():
    _target = "app" if _name in ("lab", "weights") else "command"
    _usage = {"usage": _USAGES[_name]} if _name in _USAGES else {}
    app.command(f"impasto.cli.{_name}:{_target}", name=_name, help=_help, **_usage)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What to do; by default what the program was called with.

    Returns:
        The exit code.
    """
    # Threads of PyTorch that wait for each other by spinning take the processor from one another
    # as soon as other programs use the same cores: painting then takes five times as long. Those
    # that sleep at once lose a tenth when it is idle; a short spin first has the best of both.
    # Read once, when PyTorch is imported; the count is GNU's, the policy everybody's.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "4000")
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    if "--debug" in tokens:
        tokens.remove("--debug")
        os.environ["IMPASTO_DEBUG"] = "1"
    try:
        code = _run(tokens)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        return _BROKEN_PIPE
    return code


def _run(tokens: list[str]) -> int:
    try:
        with warnings.catch_warnings():
            if not (debugging() or sys.warnoptions):
                warnings.simplefilter("ignore")  # for developers, not for who paints
            return _call(tokens)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt as stop:
        told = stop if isinstance(stop, Interrupted) else Interrupted(130, NOTHING_WRITTEN)
        if str(told):
            _say(str(told))
        return told.exit_code
    except Exception as error:  # noqa: BLE001 - the last stop: whatever it is becomes one line
        if debugging():
            traceback.print_exc()
        message, code = _explain(error)
        _say(message)
        return code


def _call(tokens: list[str]) -> int:
    result = app(
        tokens,
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
        verbose=False,
    )
    return result if isinstance(result, int) else 0


def _explain(error: Exception) -> tuple[str, int]:
    """One line for any error, and its exit code."""
    if isinstance(error, CycloptsError):
        return f"{error} See impasto --help.", errors.ConfigError.exit_code
    if isinstance(error, errors.ImpastoError):
        return str(error), error.exit_code
    # PyTorch reports a full GPU by a class, and full main memory by the text only.
    name = type(error).__name__
    if name in ("MemoryError", "OutOfMemoryError") or "can't allocate memory" in str(error):
        advice = "Out of memory; choose a smaller --size, or close other programs."
        return advice, errors.MemoryBudgetError.exit_code
    text = f"Unexpected error: {name}: {error}; run with --debug to see where."
    return text, _UNEXPECTED


def _say(message: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"impasto: {' '.join(message.split())}\n")
        sys.stderr.flush()


def _silence_stdout() -> None:
    """Let the interpreter flush to nowhere at exit, or it would complain about the pipe too."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
