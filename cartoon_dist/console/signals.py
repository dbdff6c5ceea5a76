"""The signals that ask a command to stop, as far as the system has them.

Windows has no SIGUSR2, by which a scheduler tells that time is nearly up, and has SIGBREAK for Ctrl-Break.
"""

import signal

STOP_SIGNALS: tuple[signal.Signals, ...] = tuple(
    signal.Signals[name] for name in ("SIGTERM", "SIGINT", "SIGUSR2", "SIGBREAK") if hasattr(signal, name)
)
"""What a training process hears: it saves, then ends."""


def ignore_signals(*names: str) -> None:
    """Ignore these signals (`SIGINT`, ...) from now on; a name that this system lacks is passed over."""
    for name in names:
        if hasattr(signal, name):
            signal.signal(signal.Signals[name], signal.SIG_IGN)
