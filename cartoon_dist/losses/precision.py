"""The precision in which losses are computed."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """At least float32: under autocast the networks return half precision, too coarse for a mean over a batch."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def without_autocast(device: torch.device) -> AbstractContextManager[None]:
    """A block in which matrix products keep the precision of their inputs: autocast would use half precision."""
    if not torch.amp.is_autocast_available(device.type) or not torch.is_autocast_enabled(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
