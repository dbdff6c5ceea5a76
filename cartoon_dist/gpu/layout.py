"""How maps and weights lie in memory: on a GPU channel by channel of each pixel (channels_last, NHWC), as its
convolutions want them, elsewhere plane after plane (NCHW).

Only strides differ: a tensor n c y x is the same to whoever reads its values, and checkpoints hold no strides.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cartoon_dist.gpu import fused_operations, switch
from cartoon_dist.gpu.triton_support import can_run_kernels

WIDE_ENOUGH = 8
"""A GPU's convolutions are fast from so many channels on."""
_forced = False


def is_channels_last(device: torch.device) -> bool:
    """Whether maps and weights lie in NHWC on this device: not where the fused operations cannot run, as torch's own
    norm and padding hand NCHW back."""
    wanted = _forced or (device.type == "cuda" and can_run_kernels(device))
    return wanted and switch.is_enabled("channels_last")


def pads_channels(device: torch.device) -> bool:
    """Whether a convolution from or to few channels is computed with `WIDE_ENOUGH` of them on this device."""
    return (device.type == "cuda" or _forced) and switch.is_enabled("padded_channels")


def memory_format(device: torch.device) -> torch.memory_format:
    """The memory format of maps and weights on this device."""
    return torch.channels_last if is_channels_last(device) else torch.contiguous_format


def laid_out(tensor: Tensor) -> Tensor:
    """Maps or a weight n c y x in the memory format of their device; other tensors as they are."""
    return tensor.contiguous(memory_format=memory_format(tensor.device)) if tensor.dim() == 4 else tensor


def lies_channels_last(maps: Tensor) -> bool:
    """Whether these maps lie in NHWC and not in NCHW; with one channel, or one pixel, both are the same."""
    return maps.is_contiguous(memory_format=torch.channels_last) and not maps.is_contiguous()


def placed(
    network: nn.Module, device: torch.device, dtype: torch.dtype, *, compute_dtype: torch.dtype | None
) -> nn.Module:
    """The network on the device, in this precision and in the device's memory format.

    compute_dtype: of autocast, if it is on. A network that is not trained keeps its weights in it, to the bit what
    autocast would make of them at every use.
    """
    network.to(device=device, dtype=dtype, memory_format=memory_format(device))  # type: ignore[call-overload]
    weights = list(network.parameters())
    if compute_dtype is not None and not any(weight.requires_grad for weight in weights):
        for weight in weights:
            weight.data = weight.data.to(compute_dtype)
    return network


@contextmanager
def forced() -> Iterator[None]:
    """In this block every device is treated as a GPU, with the fused operations too: for tests, and for checks of a
    GPU's step on a CPU."""
    global _forced
    before, _forced = _forced, True
    try:
        with fused_operations.forced():
            yield
    finally:
        _forced = before
