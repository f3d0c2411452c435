"""What is written down about a training: a file of JSON lines, and TensorBoard's."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from impasto.errors import ConfigError, OutputError
from impasto.files import describe_os_error
from impasto.training import TrainProgress

#: Steps whose mean makes a line.
_EVERY = 10


class Log:
    """A line for each ten steps: their mean losses, pictures a second, the learning rate.

    Args:
        path: The file; None for none.
        step: Where training goes on; lines of later steps are dropped, 0 begins the file anew.

    Raises:
        OutputError: If it cannot be written.
    """

    def __init__(self, path: str | None, step: int = 0) -> None:
        self._path, self._file = path, None
        self._sums: dict[str, float] = {}
        self._count = 0
        if path is None:
            return
        try:
            kept = _read_until(Path(path), step) if step else ""
            self._file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - closed by close
            self._file.write(kept)
        except OSError as error:
            raise self._explain(error) from error

    def add(self, progress: TrainProgress) -> None:
        """Take note of a step.

        Raises:
            OutputError: If it cannot be written.
        """
        if self._file is None:
            return
        self._count += 1
        for name, value in {"loss": progress.loss, **progress.terms}.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        if progress.step % _EVERY and progress.done < 1:
            return
        line = {
            "step": progress.step,
            **{name: _shorten(total / self._count) for name, total in self._sums.items()},
            "pictures_per_second": _shorten(progress.pictures),
            "learning_rate": _shorten(progress.learning_rate),
            "seconds": round(progress.seconds, 3),
        }
        self._sums, self._count = {}, 0
        try:
            self._file.write(f"{json.dumps(line)}\n")
            self._file.flush()
        except OSError as error:
            raise self._explain(error) from error

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _explain(self, error: OSError) -> OutputError:
        return OutputError(f"Cannot write {self._path}: {describe_os_error(error)}.")


class Board:
    """TensorBoard's files.

    Args:
        folder: Where they go.

    Raises:
        ConfigError: If TensorBoard is not installed.
    """

    def __init__(self, folder: str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                "--tensorboard needs TensorBoard: pip install 'impasto[train]'."
            ) from None
        self._writer: Any = SummaryWriter(folder)

    def add(self, progress: TrainProgress) -> None:
        """Draw a step."""
        values = {
            "loss": progress.loss,
            **{f"terms/{name}": value for name, value in progress.terms.items()},
            "pictures per second": progress.pictures,
            "learning rate": progress.learning_rate,
        }
        for name, value in values.items():
            self._writer.add_scalar(name, value, progress.step)

    def show(self, sheet: Tensor, step: int) -> None:
        """Show a sheet of samples, (1, 3, H, W)."""
        self._writer.add_image("samples", sheet[0], step)

    def close(self) -> None:
        """End the files."""
        self._writer.close()


def _read_until(path: Path, step: int) -> str:
    """The lines of the steps up to `step`; what is broken is dropped."""
    if not path.exists():
        return ""
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(f"{line}\n")
        except (ValueError, KeyError, TypeError):
            continue
    return "".join(kept)


def _shorten(value: float) -> float | None:
    """Six digits; JSON has no numbers that are not finite."""
    return float(f"{value:.6g}") if abs(value) < float("inf") else None
