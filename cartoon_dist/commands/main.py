"""How every command starts and ends: one place for exit statuses and for what a user sees of an error."""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Never

from cartoon_dist.console import streams
from cartoon_dist.console.escape import escape_line
from cartoon_dist.console.log_handler import log_to_console
from cartoon_dist.console.signals import STOP_SIGNALS
from cartoon_dist.errors import CartoonError, ConfigError, TrainingError

EXIT_DONE = 0
EXIT_USER_ERROR = 2
_MENDABLE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE}
    | {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EMFILE, errno.ENFILE, errno.EMLINK}
)
_MENDABLE_OF_A_FILE = frozenset({errno.ENOENT, errno.EEXIST, errno.ENXIO, errno.ENOTEMPTY, errno.EBUSY, errno.EXDEV})
EXIT_STOPPED = 75
"""Stopped on request after saving: the same command goes on."""
_LAUNCHER = "TORCHELASTIC_RUN_ID"
"""torch's launcher, which is accelerate's too, sets it; it ends all its processes as soon as one has left."""
_TURN_SECONDS = 10.0
"""How long rank 0 may be behind another process: it may still be importing what the others have imported."""


def run_command(main: Callable[[Sequence[str]], int]) -> Never:
    """Call main with the command line and leave with its status; an error the user can mend is one line and status
    2."""
    sys.exit(status_of(main, sys.argv[1:]))


def status_of(main: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """Call main; its status, or that of an error the user can mend, which is told."""
    with streams.safe_streams(), log_to_console():
        try:
            with refusals():
                status = main(words)
                if sys.stdout is not None:  # none where it was closed before the command began
                    sys.stdout.flush()  # the disk behind it may be full
                return status
        except CartoonError as error:
            complain(error)
            return EXIT_USER_ERROR


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the system refuses into an error the user can mend: a full disk, a folder that is read-only, gone, or
    a file. Those who know more of it have said so before."""
    try:
        yield
    except OSError as error:
        if error.errno not in _MENDABLE and not (error.filename and error.errno in _MENDABLE_OF_A_FILE):
            raise
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        raise CartoonError(
            f"{where}the system refuses it ({error.strerror}); make room or choose another place, then give the same "
            "command again"
        ) from error


def leave_at_once(error: CartoonError) -> Never:
    """Tell of the error and end this process from any of its threads: its main one waits for what does not come."""
    complain(error)
    os._exit(EXIT_USER_ERROR)


def complain(error: CartoonError) -> None:
    """Print the error on standard error, on one line that starts with `error:`.

    Of several processes rank 0 speaks; another one only of what may be wrong on its node alone, under its number, or
    where rank 0 has not had the error itself.
    """
    rank = os.environ.get("RANK", "0")
    if rank != "0" and isinstance(error, (ConfigError, TrainingError)):
        if _LAUNCHER not in os.environ:
            return
        _wait_until_ended()
    head = "error: " if rank == "0" else f"process {rank}: "
    print(f"{head}{escape_line(' '.join(str(error).split()))}", file=sys.stderr, flush=True)


def _wait_until_ended() -> None:
    """Leave it to rank 0 to tell of the same error: it would be ended before it has said a word if this process left
    first. Once it has spoken and left, the launcher ends this one here; it returns where rank 0 goes on."""
    if threading.current_thread() is threading.main_thread():
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
    time.sleep(_TURN_SECONDS)
