"""Standard output and error made safe: control characters are escaped, and a failed write does not end the command.

A name of a file, a line of another program, a text from a damaged file may hold anything. The reader may be gone
(`| head`), may know ASCII only, or may be a full disk: none of them may undo finished work.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from cartoon_dist.console.escape import escape_lines


class SafeTextStream(io.TextIOWrapper):
    """A stream that escapes control characters and what its encoding lacks, and ignores that its reader has gone.

    carriage_return: whether `\\r` may pass, by which a progress bar on a terminal begins its line again.
    """

    def __init__(self, descriptor: int, original: TextIO, *, carriage_return: bool) -> None:
        binary = os.fdopen(descriptor, "wb", closefd=False)  # on Windows it knows a console, which takes any letter
        flush_lines = getattr(original, "line_buffering", True) or getattr(original, "write_through", True)
        super().__init__(binary, encoding=original.encoding, errors="backslashreplace", line_buffering=flush_lines)
        self._carriage_return = carriage_return

    def write(self, text: str) -> int:
        """Write a text; returns the number of its characters."""
        escaped = "\r".join(map(escape_lines, text.split("\r"))) if self._carriage_return else escape_lines(text)
        try:
            super().write(escaped)
        except OSError as error:
            self._failed(error)
        return len(text)

    def flush(self) -> None:
        """Pass on what is written; where nobody reads any more it is dropped."""
        try:
            super().flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        """Go on without a reader, or without a line for which standard error has no room; raise all other errors."""
        if not isinstance(error, BrokenPipeError):
            if self._carriage_return:
                return
            raise error
        # From now on all goes to /dev/null: also what this process's children write.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        super().flush()


@contextmanager
def safe_streams() -> Iterator[None]:
    """Standard output and error are safe streams within the block, unless something has replaced them already."""
    before = sys.stdout, sys.stderr
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if _writes_to(stream, descriptor):
            stream.flush()
            setattr(sys, name, SafeTextStream(descriptor, stream, carriage_return=descriptor == 2))
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, SafeTextStream):
                try:
                    stream.flush()
                except OSError:  # a full disk, already reported if possible
                    with suppress(OSError):
                        stream.close()  # else Python 3.13 reports it again when it collects the stream
        sys.stdout, sys.stderr = before


def _writes_to(stream: TextIO | None, descriptor: int) -> bool:
    try:
        return stream is not None and stream.fileno() == descriptor
    except (OSError, ValueError):
        return False
