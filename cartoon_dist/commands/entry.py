"""How every command starts and ends: one place for exit statuses and for what a user sees of an error."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Never

from cartoon_dist.errors import CartoonError, ConfigError, TrainingError

DONE = 0
MENDABLE = 2
STOPPED = 75
"""Stopped on request after saving: the same command goes on."""


def run(main: Callable[[Sequence[str]], int]) -> Never:
    """Call main with the command line and leave with its status; an error the user can mend is one line and status
    2."""
    sys.exit(status_of(main, sys.argv[1:]))


def status_of(main: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """Call main; its status, or that of an error the user can mend, which is told."""
    try:
        return main(words)
    except CartoonError as error:
        complain(error)
        return MENDABLE


def leave_at_once(error: CartoonError) -> Never:
    """Tell of the error and end this process from any of its threads: its main one waits for what does not come."""
    complain(error)
    os._exit(MENDABLE)


def complain(error: CartoonError) -> None:
    """Print the error on standard error, on one line that starts with `error:`.

    Of several processes rank 0 speaks; another one only of what may be wrong on its node alone, under its number.
    """
    rank = os.environ.get("RANK", "0")
    if rank == "0":
        head = "error: "
    elif isinstance(error, (ConfigError, TrainingError)):
        return
    else:
        head = f"process {rank}: "
    print(f"{head}{' '.join(str(error).split())}", file=sys.stderr, flush=True)
