"""What the terminal is told: plain lines, JSON lines or nothing; `bar.py` has the live bar.

All of them take the same calls. Nobody but the commands knows which one is listening.
"""
# ruff: noqa: D102 - the calls are described once, in `Report`

import json
import math
import os
import sys
import time
import traceback
from typing import IO, TYPE_CHECKING, Any, Protocol

from impasto.errors import ImpastoError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from impasto.api import Painting
    from impasto.cli.start import Start
    from impasto.progress import Progress

_QUIET_SECONDS = 30.0


class Report(Protocol):
    """Someone who is told what happens. Use it as a context manager."""

    def __enter__(self) -> "Report": ...

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> None: ...

    def note(self, text: str) -> None:
        """Something the user should know."""

    def download(self, name: str, done: int, total: int) -> None:
        """Bytes of weights have arrived."""

    def picture(self, index: int, count: int, name: str, left: float | None = None) -> None:
        """The next picture of a folder, from 1, and about how many seconds all the rest take."""

    def start(self, start: "Start") -> None:
        """A painting begins."""

    def progress(self, progress: "Progress") -> None:
        """A step was done."""

    def done(self, painting: "Painting", output: str) -> None:
        """A painting is finished and written."""

    def interrupted(self, output: str, saved: bool, resumable: bool) -> None:
        """A painting was broken off and what there is was written."""

    def failed(self, name: str, error: ImpastoError) -> None:
        """One picture of a folder could not be painted."""

    def summary(self, done: int, skipped: int, failures: "Sequence[tuple[str, str]]") -> None:
        """A folder is finished."""

    def error(self, error: ImpastoError) -> int:
        """It ends here; returns the exit code."""


def open_report(*, json_lines: bool, quiet: bool, stdout_taken: bool) -> Report:
    """Choose who is told.

    Args:
        json_lines: One JSON object a line.
        quiet: Nothing but errors.
        stdout_taken: Whether standard output is for a picture.
    """
    if json_lines:
        return JsonLines(sys.stderr if stdout_taken else sys.stdout)
    if quiet:
        return Silence()
    if sys.stderr.isatty():
        from impasto.cli.bar import Bar

        return Bar()
    return Lines()


class Silence:
    """Says nothing but the last words."""

    def __enter__(self) -> "Silence":
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> None:
        return None

    def note(self, text: str) -> None: ...
    def download(self, name: str, done: int, total: int) -> None: ...
    def picture(self, index: int, count: int, name: str, left: float | None = None) -> None: ...
    def start(self, start: "Start") -> None: ...
    def progress(self, progress: "Progress") -> None: ...
    def done(self, painting: "Painting", output: str) -> None: ...
    def interrupted(self, output: str, saved: bool, resumable: bool) -> None: ...
    def failed(self, name: str, error: ImpastoError) -> None:
        write_line(f"{name}: {error}")

    def summary(self, done: int, skipped: int, failures: "Sequence[tuple[str, str]]") -> None: ...

    def error(self, error: ImpastoError) -> int:
        if debugging():
            traceback.print_exception(error)
        write_line(f"impasto: {error}")
        return error.exit_code


class Lines(Silence):
    """A line at the end of each scale and every half minute; for log files."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._downloading = ""
        self._said: list[str] = []

    def note(self, text: str) -> None:
        self.say(text)

    def say(self, text: str) -> None:
        """Write one line; the live bar writes it above itself."""
        self._last = time.monotonic()
        write_line(text)

    def download(self, name: str, done: int, total: int) -> None:
        if name != self._downloading or time.monotonic() - self._last > _QUIET_SECONDS:
            self._downloading = name
            self.say(f"Fetching {name}: {done / 2**20:.0f} of {total / 2**20:.0f} MiB")

    def picture(self, index: int, count: int, name: str, left: float | None = None) -> None:
        self.say(f"Picture {index} of {count}: {name}{spell_rest(left)}")

    def start(self, start: "Start") -> None:
        for line in start.describe():
            if line not in self._said:  # in a folder the device is the same for all
                self.say(line)
        self._said = start.describe()[:1]

    def progress(self, progress: "Progress") -> None:
        if progress.note:
            self.say(f"Note: {progress.note}.")
        if not progress.terms:  # done at once, and by no loss
            return
        waited = time.monotonic() - self._last > _QUIET_SECONDS
        if progress.step == progress.steps or progress.done or waited:
            left = progress.seconds_left
            more = f", about {spell_time(left)} left" if left and not progress.done else ""
            self.say(
                f"{spell_scale(progress)}: step {progress.step} of {progress.steps},"
                f" loss {progress.loss:.4g}, {spell_time(progress.seconds)}{more}"
            )

    def done(self, painting: "Painting", output: str) -> None:
        height, width = painting.picture.size
        terms = ", ".join(f"{name} {value:.4g}" for name, value in painting.terms.items())
        size, loss = f"{width}x{height} px", f"; loss {painting.loss:.4g} ({terms})"
        self.say(
            f"Painted {_spell_output(output)}: {size} in {painting.seconds:.1f} s"
            f"{loss if terms else ''}."
        )
        if scores := painting.scores:
            self.say(
                f"Edges kept {scores.edges:.2f}, colour distance"
                f" {scores.color_distance_before:.3f} -> {scores.color_distance:.3f}."
            )

    def interrupted(self, output: str, saved: bool, resumable: bool) -> None:
        what = "saved the painting so far as" if saved else "nothing was written"
        what += f" {_spell_output(output)}" if saved or output == "-" else f" as {output}"
        then = "; continue with the same command and --resume" if resumable else ""
        self.say(f"Interrupted: {what}{then}.")

    def failed(self, name: str, error: ImpastoError) -> None:
        pass  # told in the summary

    def summary(self, done: int, skipped: int, failures: "Sequence[tuple[str, str]]") -> None:
        there = f", {skipped} there already" if skipped else ""
        failed = f", {len(failures)} failed:" if failures else "."
        self.say(f"{done} painted{there}{failed}")
        for name, message in failures:
            self.say(f"  {name}: {message}")


class JsonLines(Silence):
    """One JSON object a line, each with its kind as `event`."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def tell(self, event: str, **facts: Any) -> None:
        """Write one event; numbers that are not finite become null, as JSON has no such."""
        text = json.dumps(_finite({"event": event, **facts}), ensure_ascii=False, allow_nan=False)
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def note(self, text: str) -> None:
        self.tell("note", text=text)

    def download(self, name: str, done: int, total: int) -> None:
        self.tell("download", name=name, done=done, total=total)

    def picture(self, index: int, count: int, name: str, left: float | None = None) -> None:
        rest = None if left is None else round(left, 3)
        self.tell("picture", index=index, count=count, name=name, seconds_left=rest)

    def start(self, start: "Start") -> None:
        self.tell("start", **start.to_dict())

    def progress(self, progress: "Progress") -> None:
        self.tell(
            "progress",
            scale=progress.scale + 1,
            scales=progress.scales,
            width=progress.size[1],
            height=progress.size[0],
            step=progress.step,
            steps=progress.steps,
            loss=progress.loss,
            terms=progress.terms,
            seconds=round(progress.seconds, 3),
            seconds_left=round(progress.seconds_left, 3),
        )
        if progress.note:
            self.note(progress.note)

    def done(self, painting: "Painting", output: str) -> None:
        height, width = painting.picture.size
        self.tell(
            "done",
            output=output,
            width=width,
            height=height,
            seconds=round(painting.seconds, 3),
            loss=painting.loss,
            terms=painting.terms,
            **({"scores": painting.scores._asdict()} if painting.scores else {}),
        )

    def interrupted(self, output: str, saved: bool, resumable: bool) -> None:
        self.tell("interrupted", output=output, saved=saved, resumable=resumable)

    def failed(self, name: str, error: ImpastoError) -> None:
        self.tell("failed", name=name, message=str(error), exit_code=error.exit_code)

    def summary(self, done: int, skipped: int, failures: "Sequence[tuple[str, str]]") -> None:
        failed = [{"name": name, "message": message} for name, message in failures]
        self.tell("summary", done=done, skipped=skipped, failed=failed)

    def error(self, error: ImpastoError) -> int:
        self.tell("error", message=str(error), exit_code=error.exit_code)
        return error.exit_code if self._stream is sys.stderr else super().error(error)


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get("IMPASTO_DEBUG", "") not in ("", "0")


def write_line(text: str) -> None:
    """One line on standard error, whatever the text holds."""
    sys.stderr.write(f"{' '.join(text.splitlines())}\n")
    sys.stderr.flush()


def spell_scale(progress: "Progress") -> str:
    """For example "2 of 5, 256x192"."""
    height, width = progress.size
    return f"{progress.scale + 1} of {progress.scales}, {width}x{height}"


def spell_time(seconds: float) -> str:
    """For example "0:42" or "1:02:03"."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def spell_rest(left: float | None) -> str:
    """For example ", about 0:42 for this and the rest"; nothing if that is not known."""
    return "" if left is None else f", about {spell_time(left)} for this and the rest"


def _spell_output(output: str) -> str:
    return "to standard output" if output == "-" else output


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
