"""Lines that a command says: progress and warnings on standard error, its result on standard output."""

import os
import sys

from tqdm import tqdm

from cartoon_dist.console.escape import on_a_line


def say(line: object, *, shown: bool = True) -> None:
    """A line on standard error, above a progress bar that stands there; names in it cannot make it two lines.

    Of several processes started by a launcher rank 0 alone speaks.
    """
    if not shown or os.environ.get("RANK", "0") != "0":
        return
    text = f"{on_a_line(line)}\n"
    if getattr(tqdm, "_instances", None):
        tqdm.write(text, file=sys.stderr, end="")
    else:
        sys.stderr.write(text)
        sys.stderr.flush()


def result(line: object) -> None:
    """A line on standard output, which names what was made; otherwise as `say`."""
    print(on_a_line(line), flush=True)  # noqa: T201


def count(number: int, noun: str) -> str:
    """`1 shard`, `2 shards`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
