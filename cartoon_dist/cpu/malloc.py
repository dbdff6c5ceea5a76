"""Memory on CPU: keep freed memory for reuse in training and scoring; keep few compiled kernels where pictures of many
sizes are generated."""

import ctypes
import os
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""Parameter numbers of `mallopt` (malloc.h)."""

_KERNEL_CACHE_VARIABLE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
_KERNEL_CACHE_SIZE = "64"
"""More than the generator needs for one size."""


def limit_kernel_cache() -> None:
    """Let oneDNN, torch's convolutions on CPU, cache the kernels of the last picture size only, and not 1,024 kernels.

    For what torch draws on a CPU: half precision, and films with eased statistics; onnxruntime keeps none.

    It compiles kernels for each size of a batch and keeps them with their buffers, which also prevents freed memory
    from going back to the system: 600 pictures of 40 sizes took 1,750 MB where they take 1,090 now, the same
    after 100 as after 600, and no longer. Read once, at a process's first convolution; a value that the
    user has set stays.
    """
    os.environ.setdefault(_KERNEL_CACHE_VARIABLE, _KERNEL_CACHE_SIZE)


def reuse_freed_memory() -> bool:
    """Let glibc reuse freed memory instead of returning it to the system; False where there is nothing to set.

    glibc returns each large block at once, and requests it again, page by page and filled with zeros, for the next
    tensor of that size: at 256 px that is 8 to 14 % of a step's processor time. After this call blocks come from the
    heap, which keeps them. A score by EfficientNet-Lite0 took 19 s so instead of 47. As a heap has gaps the peak of a
    training grows by up to 15 % (docs/performance.md), of a score by a quarter (docs/scores.md). For the rest of the
    process, and only on glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # The last: no block is mapped by itself. The first two: the heap's end is not returned, and grows in large steps.
    return all(mallopt(*setting) == 1 for setting in ((_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26), (_MMAP_MAX, 0)))
