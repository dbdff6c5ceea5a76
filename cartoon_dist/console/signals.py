"""The signals that ask a command to stop, as far as the system has them.

Windows has no SIGUSR2, by which a scheduler tells that time is nearly up, and has SIGBREAK for Ctrl-Break.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS: tuple[signal.Signals, ...] = tuple(
    signal.Signals[name] for name in ("SIGTERM", "SIGINT", "SIGUSR2", "SIGBREAK") if hasattr(signal, name)
)
"""What a training process hears: it saves, then ends."""
_AGAIN_SECONDS = 0.01
"""How soon a limit's alarm rings again that was lost."""


def ignore_signals(*names: str) -> None:
    """Ignore these signals (`SIGINT`, ...) from now on; a name that this system lacks is passed over."""
    for name in names:
        if hasattr(signal, name):
            signal.signal(signal.Signals[name], signal.SIG_IGN)


@contextmanager
def time_limit(seconds: float, error: Exception) -> Iterator[None]:
    """Raise the error in the block after so many seconds, also while Python code computes; in a process's main thread.

    Python drops what is raised in a destructor: where the alarm met one, it rings again. Windows has no such alarm:
    there the block takes as long as it takes.
    """
    if sys.platform == "win32" or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise error

    def dropped(unraisable: "sys.UnraisableHookArgs") -> None:
        if unraisable.exc_value is error:
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
        else:
            hook_before(unraisable)

    hook_before, sys.unraisablehook = sys.unraisablehook, dropped
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        sys.unraisablehook = hook_before
