"""In what precision losses are averaged."""

import torch
from torch import Tensor


def widened(values: Tensor) -> Tensor:
    """At least float32: under autocast the networks hand out half precision, too coarse for a mean over a batch."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
