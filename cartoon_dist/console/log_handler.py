"""What library code logs, printed by a command as its own lines are.

The rooms that are no commands log through `logging`, so that a program that imports them decides what becomes of it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from cartoon_dist.console.messages import print_message

_PACKAGE_LOGGER = "cartoon_dist"


class ConsoleHandler(logging.Handler):
    """Prints each record on standard error, one line each; that of a warning begins with `warning: `."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record. What fails is raised, as for a command's own lines: `logging` would print a traceback."""
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        print_message(f"{prefix}{record.getMessage()}")


@contextmanager
def log_to_console() -> Iterator[None]:
    """Within the `with` block the package's records are printed, once, whatever handlers other libraries install."""
    logger = logging.getLogger(_PACKAGE_LOGGER)
    if any(isinstance(handler, ConsoleHandler) for handler in logger.handlers):
        yield  # a command that calls another
        return
    handler, propagate = ConsoleHandler(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
