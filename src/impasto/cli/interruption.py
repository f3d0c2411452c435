"""Ctrl-C and its relatives: finish the step, save, and only then leave."""

import os
import signal
import threading
from types import FrameType, TracebackType

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_FIRST = b"\nimpasto: stopping after this step; press Ctrl-C again to quit at once.\n"

NOTHING_WRITTEN = "interrupted; nothing was written."


class Interrupted(KeyboardInterrupt):
    """The user or the system wants an end. Its text is empty if all has been told already.

    Attributes:
        exit_code: 128 and the number of the signal, as shells count.
    """

    def __init__(self, exit_code: int, message: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Interruption:
    """While it is entered, a signal only sets `exit_code` if there is something to save.

    A second signal, or one that comes while nothing is worth saving, raises `Interrupted`.

    Attributes:
        exit_code: 0, or what to exit with as soon as the step is done.
        worth_saving: Set it once the first step is done.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.exit_code = 0
        self.worth_saving = False
        self._quiet = quiet
        self._before: dict[int, signal.Handlers | object] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is not threading.main_thread():
            return self
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            # What nohup or a shell's & has switched off stays off.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.exit_code:
            raise Interrupted(128 + number, "interrupted at once.")
        if not self.worth_saving:
            raise Interrupted(128 + number, NOTHING_WRITTEN)
        self.exit_code = 128 + number
        if number == signal.SIGINT and not self._quiet:
            os.write(2, _FIRST)  # a stream may be in the middle of a write of its own
