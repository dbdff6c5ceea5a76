"""Lines that a command prints: progress and warnings on standard error, its result on standard output."""

import os
import sys
from collections.abc import Sequence

from tqdm import tqdm

from cartoon_dist.console.escape import escape_line

_NUM_NAMED = 3


def print_message(line: object, *, shown: bool = True) -> None:
    """Print a line on standard error, above a progress bar if there is one; names in it cannot make it two lines.

    Of several processes started by a launcher only rank 0 prints.
    """
    if not shown or os.environ.get("RANK", "0") != "0":
        return
    text = f"{escape_line(line)}\n"
    if getattr(tqdm, "_instances", None):
        tqdm.write(text, file=sys.stderr, end="")
    else:
        sys.stderr.write(text)
        sys.stderr.flush()


def print_result(line: object) -> None:
    """Print a line on standard output, which names what was made; escaped as `print_message` does."""
    print(escape_line(line), flush=True)  # noqa: T201


def pluralize(count: int, noun: str) -> str:
    """`1 shard`, `2 shards`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def first_few(names: Sequence[str]) -> str:
    """The first three names of a list, for a message of one line: `a, b, c, ...`."""
    return ", ".join(names[:_NUM_NAMED]) + (", ..." if len(names) > _NUM_NAMED else "")
