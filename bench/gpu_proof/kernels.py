"""Kernels grouped by what they are for, by their names."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

TOP = 15

GROUPS = (
    # Our own Triton kernels, whose names are those of their functions in cartoon_dist/gpu.
    ("fused operations", r"^_?(cbam|statistics|normalise|gradient|gradient_sums|pad|padding|fused|mirrored)\w*_kernel"),
    ("all-reduce", r"nccl"),
    ("optimizer", r"multi_tensor_apply|adam"),
    # cuDNN computes in NHWC: it converts NCHW tensors there and back, or pads their channels.
    ("layout copies", r"nchwToNhwc|nhwcToNchw|nhwcAddPadding|nchwAddPadding|convertTensor"),
    ("padding", r"reflection_pad|replication_pad|constant_pad"),
    ("pooling", r"max_?pool|avg_?pool|average_?pool|averagepool|adaptive_average|adaptive_max"),
    ("reductions", r"native::reduce_kernel|cub::.*Reduce|::sum\b|::mean\b"),
    (
        "norms",
        r"batch_norm|instance_norm|group_norm|layer_norm|RowwiseMoments|bn_[fb]w|_norm_|norm_kernel|norm_(forward|backward)",
    ),
    (
        "copies and elementwise",
        r"elementwise|CatArray|Memcpy|Memset|copy_kernel|direct_copy|FillFunctor|index_put|native::index|triton_poi",
    ),
    (
        "convolutions",
        r"conv|xmma|cutlass|cudnn|cask|winograd|implicit|fprop|dgrad|wgrad|gemm|gemv|nvjet|cublas|splitK|fft2d|computeOffsets",
    ),
)
"""Name and pattern; the first match counts, as names of torch's kernels contain those of their operands, and cuDNN's
own copies contain `cudnn`."""
OTHER = "other"


class Kernel(NamedTuple):
    """seconds: of all its launches together."""

    name: str
    seconds: float
    launches: int


def group_of(name: str) -> str:
    """The group of a kernel's name; `other` where no pattern matches."""
    return next((group for group, pattern in GROUPS if re.search(pattern, name, re.IGNORECASE)), OTHER)


def summary(kernels: Iterable[Kernel], *, num_steps: int) -> dict[str, Any]:
    """Milliseconds, shares and launches of a step by group, and the kernels that take longest."""
    by_time = sorted(kernels, key=lambda kernel: kernel.seconds, reverse=True)
    total = sum(kernel.seconds for kernel in by_time)
    groups: dict[str, dict[str, float]] = {name: {"ms": 0.0, "launches": 0.0} for name, _ in GROUPS} | {
        OTHER: {"ms": 0.0, "launches": 0.0}
    }
    for kernel in by_time:
        group = groups[group_of(kernel.name)]
        group["ms"] += kernel.seconds * 1e3 / num_steps
        group["launches"] += kernel.launches / num_steps
    shown = [
        {
            "group": name,
            "ms": round(totals["ms"], 3),
            "share": round(totals["ms"] / 1e3 * num_steps / total, 4) if total else None,
            "launches": round(totals["launches"], 1),
        }
        for name, totals in groups.items()
    ]
    top = [
        {
            "name": kernel.name,
            "group": group_of(kernel.name),
            "ms": round(kernel.seconds * 1e3 / num_steps, 3),
            "launches": round(kernel.launches / num_steps, 1),
        }
        for kernel in by_time[:TOP]
    ]
    return {
        "kernel_ms": round(total * 1e3 / num_steps, 3),
        "launches": round(sum(kernel.launches for kernel in by_time) / num_steps, 1),
        "groups": sorted(shown, key=lambda row: -float(row["ms"] or 0)),
        "top": top,
    }
