"""Standard output and error as a command leaves them: nothing in them steers a terminal, and none ends the command.

A name of a file, a line of another program, a text out of a damaged file may hold anything. Whoever reads may have gone
(`| head`), may know ASCII only, or may be a full disk: work that is done is not undone by it.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from cartoon_dist.console.escape import on_lines


class Shown(io.TextIOWrapper):
    """A stream that writes out what steers a terminal, escapes what its encoding lacks, and outlives its reader.

    `returns` says whether a carriage return may pass: a bar on a terminal begins its line again by it.
    """

    def __init__(self, number: int, like: TextIO, *, returns: bool) -> None:
        binary = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
        at_once = getattr(like, "line_buffering", True) or getattr(like, "write_through", True)
        super().__init__(binary, encoding=like.encoding, errors="backslashreplace", line_buffering=at_once)
        self._returns = returns

    def write(self, text: str) -> int:
        """Write a text; the number of its characters."""
        shown = "\r".join(map(on_lines, text.split("\r"))) if self._returns else on_lines(text)
        try:
            super().write(shown)
        except OSError as error:
            self._failed(error)
        return len(text)

    def flush(self) -> None:
        """Hand on what is written; where nobody reads any more it is dropped."""
        try:
            super().flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        """Go on without a reader, and without a line on standard error that finds no room; raise what else is wrong."""
        if not isinstance(error, BrokenPipeError):
            if self._returns:
                return
            raise error
        # From now on nothing is read: also not what this process's children write.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        super().flush()


@contextmanager
def shown() -> Iterator[None]:
    """Standard output and error are such streams meanwhile, where they are a process's own."""
    before = sys.stdout, sys.stderr
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if _is_own(stream, number):
            stream.flush()
            setattr(sys, name, Shown(number, stream, returns=number == 2))
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Shown):
                try:
                    stream.flush()
                except OSError:  # a full disk: it has been told of where it can be
                    with suppress(OSError):
                        stream.close()  # else Python 3.13 tells of it again when it collects the stream
        sys.stdout, sys.stderr = before


def _is_own(stream: TextIO | None, number: int) -> bool:
    try:
        return stream is not None and stream.fileno() == number
    except (OSError, ValueError):
        return False
