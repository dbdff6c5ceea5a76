"""How the C library keeps memory that was freed, for processes that train or score on CPU."""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""`mallopt`'s names for what it sets (malloc.h)."""


def keep_freed_memory() -> bool:
    """Let what is freed be used again instead of going back to the system; whether there was anything to set.

    glibc gives each large block back at once, and takes it anew, page by page and filled with zeros, for the next
    tensor of that size: at 256 px that is 8 to 14 % of a step's processor time. From here on blocks come out of the
    heap, which keeps them. A score by EfficientNet-Lite0 took 19 s so instead of 47. As a heap has gaps the peak of a
    training grows by up to 15 % (docs/performance.md), of a score by a quarter (docs/scores.md). For good, and only on
    glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # The last: no block is mapped by itself. The first two: the heap's end is not given back, and grows in large steps.
    return all(mallopt(*setting) == 1 for setting in ((_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26), (_MMAP_MAX, 0)))
