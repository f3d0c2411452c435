"""Programs that are measured: each in a process of its own, started as a user starts it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.report import Row, Watch
from impasto.config import PaintConfig

ROOT = Path(__file__).resolve().parent.parent
_PROBE = Path(__file__).with_name("probe.py")


class ProgramError(RuntimeError):
    """A measured program ended with an error; the text is what it said last."""


class Run(NamedTuple):
    """What one process took.

    Attributes:
        seconds: From its start to its end.
        peak: Largest resident set in bytes.
        work: Seconds of the processor, all threads together.
    """

    seconds: float
    peak: int
    work: float = 0.0


def measure(command: Sequence[str], threads: int | None = None) -> Run:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        threads: That PyTorch may use in it; by default what this process was told.

    Raises:
        ProgramError: If its exit code is not zero.
    """
    told = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-I", str(_PROBE), *command],
        capture_output=True, text=True, check=False, env=os.environ | told,
    )  # fmt: skip
    if done.returncode:
        raise ProgramError(_last_line(done.stderr, done.returncode))
    return Run(**json.loads(done.stdout))


def read_rows(
    module: str,
    order: Mapping[str, Any],
    watch: Watch,
    environment: Mapping[str, str] | None = None,
) -> list[Row]:
    """Run one of our modules as a program that prints a JSON object a line.

    Args:
        module: Such as `benchmarks.runner`; it takes `order` as JSON, its only argument.
        order: What to do.
        watch: Told of lines of the form `{"progress": [done, all]}`, which are no rows.
        environment: Of the process; by default that of this one.

    Returns:
        The other lines, in order.

    Raises:
        ProgramError: If its exit code is not zero.
    """
    surroundings = dict(os.environ if environment is None else environment)
    known = surroundings.get("PYTHONPATH")
    surroundings["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([known] if known else [])])
    command = [sys.executable, "-m", module, json.dumps(order)]
    rows: list[Row] = []
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, text=True, env=surroundings
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            row = json.loads(line)
            if "progress" in row:
                watch.within(*row["progress"])
            else:
                rows.append(row)
        if code := process.wait():
            complaints.seek(0)
            raise ProgramError(_last_line(complaints.read(), code))
    return rows


def say(row: Mapping[str, object]) -> None:
    """Print a row, or progress, for `read_rows` to read in another process."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def imitate_cli() -> dict[str, str]:
    """The environment that `impasto` gives itself before it imports PyTorch.

    Threads that wait by spinning take the processor from one another; see `impasto.cli.main`,
    which likewise leaves alone what the user has chosen.
    """
    environment = dict(os.environ)
    if "OMP_WAIT_POLICY" not in environment:
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
        environment.setdefault("GOMP_SPINCOUNT", "4000")
    return environment


def command_painting(
    photo: Path,
    style: Path,
    output: Path,
    config: PaintConfig,
    *,
    device: str = "auto",
    memory: str | None = None,
) -> list[str]:
    """The command that paints with these settings.

    Args:
        photo: The photograph.
        style: The style picture.
        output: File to write, or to write over.
        config: Settings; those that differ from the defaults become options.
        device: `auto`, `cpu`, `cuda` or `mps`.
        memory: Most memory to take, such as `4GiB`.
    """
    command = [
        sys.executable, "-m", "impasto", "paint", str(photo), str(style), "-o", str(output),
        "--device", device, "--overwrite", "--quiet",
    ]  # fmt: skip
    if memory:
        command += ["--memory", memory]
    for name, value in config.to_dict().items():
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        command += [f"--{name.replace('_', '-')}", text]
    return command


def _last_line(text: str, code: int) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else f"ended with exit code {code}"
