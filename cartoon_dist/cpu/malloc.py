"""How memory is kept on CPU: what was freed, where there is training or scoring; what was compiled, where pictures of
many sizes are drawn."""

import ctypes
import os
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""`mallopt`'s names for what it sets (malloc.h)."""

_KERNELS = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
_NUM_KERNELS = "64"
"""More than a drawing has of them."""


def keep_few_kernels() -> None:
    """Let oneDNN, torch's convolutions on CPU, keep the kernels of the last size that was drawn, and not of 1,024.

    It compiles kernels for each size of a batch and keeps them with what they need, which also stands in the way of
    memory that is given back: 600 pictures of 40 sizes took 1,750 MB where they take 1,090 now, the same after 100 as
    after 600, and no longer. Read once, at a process's first convolution; what the user has set stays.
    """
    os.environ.setdefault(_KERNELS, _NUM_KERNELS)


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
