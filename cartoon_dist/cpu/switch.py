"""The switch for our own CPU convolutions (winograd.py, narrow_conv.py), which are used where they are faster."""

from collections.abc import Iterator
from contextlib import contextmanager

_enabled = True


def is_enabled() -> bool:
    """Whether our own CPU convolutions may be used."""
    return _enabled


@contextmanager
def disabled() -> Iterator[None]:
    """In this block every convolution is torch's own, as on a GPU: for code that inspects a step's operations."""
    global _enabled
    before, _enabled = _enabled, False
    try:
        yield
    finally:
        _enabled = before
