"""When a fused operation of this room is taken, and when torch's own operations in its place.

On CUDA, for maps in channels_last, unless its name is switched off (gpu/switch.py) or the GPU or the machine cannot
do it (gpu/triton_support.py). Everywhere else torch's operations run as they always did, to the bit.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from cartoon_dist.gpu.switch import Optimisation, is_enabled
from cartoon_dist.gpu.triton_support import can_run_kernels

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""What the kernels compute on; sums are kept in float32 in all of them."""

_forced = 0


@contextmanager
def forced() -> Iterator[None]:
    """In this block the operations are taken on every device, if only the maps lie in channels_last.

    On a CPU they compute by torch's operations, so a test without a GPU can look at the step that a GPU runs: which
    operations it has, in which order and layout.
    """
    global _forced
    _forced += 1
    try:
        yield
    finally:
        _forced -= 1


def empty_maps(size: tuple[int, ...], like: Tensor) -> Tensor:
    """What a fused operation gives out: maps n c y x in channels_last, of the type and on the device of `like`."""
    return torch.empty(size, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def is_taken(maps: Tensor, name: Optimisation = "fused_norm") -> bool:
    """Whether the fused operation of this name is to run on these maps, n c y x."""
    # Tensors that stand for others (inference/tracing.py) see torch's own functions, which they know.
    if not (maps.is_cuda or _forced) or _has_functions_of_its_own(maps) or not is_enabled(name):
        return False
    if torch.compiler.is_exporting() or maps.dim() != 4 or not maps.is_contiguous(memory_format=torch.channels_last):
        return False
    return bool(_forced) or (maps.dtype in DTYPES and can_run_kernels(maps.device))


def _has_functions_of_its_own(maps: Tensor) -> bool:
    """Whether its class replaces torch's functions. (A mode that only looks on, as `make_fx` has one, does not.)"""
    kind = type(maps)
    return kind is not Tensor and kind.__torch_function__ is not torch._C._disabled_torch_function_impl
