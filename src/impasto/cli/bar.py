"""The live bar of a terminal."""
# ruff: noqa: D102 - the calls are described once, in `Report`

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Live

from impasto.cli.report import Lines, spell_rest, spell_scale, spell_time
from impasto.errors import ImpastoError

if TYPE_CHECKING:
    from types import TracebackType

    from impasto.api import Painting
    from impasto.cli.start import Start
    from impasto.progress import Progress

_OPENING = "Getting ready"


class Bar(Lines):
    """One line that moves; everything else is written above it."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self._console = console or Console(stderr=True)
        self._live = Live(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[facts]}", markup=False),
            console=self._console,
            transient=True,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._work: list[int] = []

    def __enter__(self) -> "Bar":
        self._live.start()
        self.show(_OPENING, 0, None, "")  # importing PyTorch takes a second or two
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def download(self, name: str, done: int, total: int) -> None:
        facts = f"{done / 2**20:.0f} of {total / 2**20:.0f} MiB"
        self.show(f"Fetching {name}", done, total, facts)
        if done >= total:
            self._hide(f"Fetching {name}")

    def picture(self, index: int, count: int, name: str, left: float | None = None) -> None:
        facts = f"picture {index} of {count}: {name}{spell_rest(left)}"
        self.show("Folder", index - 1, count, facts)

    def start(self, start: "Start") -> None:
        self._hide(_OPENING)
        super().start(start)
        self._work = [scale.steps * scale.size[0] * scale.size[1] for scale in start.plan]
        self.show("Painting", 0, sum(self._work), "first step")

    def progress(self, progress: "Progress") -> None:
        if progress.note:
            self.say(f"Note: {progress.note}.")
        pixels = progress.size[0] * progress.size[1]
        work = sum(self._work[: progress.scale]) + progress.step * pixels
        left = spell_time(progress.seconds_left) if progress.seconds_left else "-:--"
        facts = (
            f"{spell_scale(progress)}  step {progress.step}/{progress.steps}"
            f"  loss {progress.loss:.4g}  {spell_time(progress.seconds)}, {left} left"
        )
        self.show("Painting", work, sum(self._work), facts)

    def done(self, painting: "Painting", output: str) -> None:
        self._hide("Painting")
        super().done(painting, output)

    def error(self, error: ImpastoError) -> int:
        self._live.stop()
        return super().error(error)

    def show(self, name: str, done: int, total: int | None, facts: str) -> None:
        """Draw one line; it replaces the opening one."""
        if name != _OPENING:
            self._hide(_OPENING)
        if name not in self._tasks:
            self._tasks[name] = self._live.add_task(name, total=total, facts=facts)
        self._live.update(self._tasks[name], completed=done, total=total, facts=facts)

    def _hide(self, name: str) -> None:
        if name in self._tasks:
            self._live.remove_task(self._tasks.pop(name))
