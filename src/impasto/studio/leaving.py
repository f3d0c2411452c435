"""How a process learns at once that it is to leave, or that whoever started it is gone."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def watch_parent(leave: Callable[[bool], None]) -> None:
    """Have `leave` called on SIGTERM, and on Linux when the process that started this one ends.

    Elsewhere the end of standard input tells that as well. For the main thread, before there are
    others: they must not take the signal.

    Args:
        leave: Called in a thread of its own, once; told whether the parent is gone.
    """
    if not hasattr(signal, "sigwait"):
        return
    parent = os.getppid()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    def wait() -> None:
        signal.sigwait([signal.SIGTERM])
        leave(os.getppid() != parent)

    threading.Thread(target=wait, daemon=True).start()


class StoppedError(BaseException):
    """Raised in a thread that nobody waits for; no `except Exception` keeps it."""


def interrupt(thread: int) -> None:
    """Raise `StoppedError` in a thread, between two of its steps in Python.

    What runs in C is not interrupted: the thread notices when that is through.

    Args:
        thread: Its `threading.get_ident()`.
    """
    raised = ctypes.py_object(StoppedError)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
