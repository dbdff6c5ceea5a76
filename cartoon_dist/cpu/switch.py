"""Whether convolutions on CPU take ways of our own (winograd.py, narrow_conv.py) where these are faster."""

from collections.abc import Iterator
from contextlib import contextmanager

_taken = True


def taken() -> bool:
    """Whether they do."""
    return _taken


@contextmanager
def left_out() -> Iterator[None]:
    """While every convolution is torch's, as on a GPU: for whoever looks at a step's operations."""
    global _taken
    before, _taken = _taken, False
    try:
        yield
    finally:
        _taken = before
