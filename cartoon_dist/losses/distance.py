"""The mean distance of two tensors, the heart of several losses."""

from typing import Any

import torch
from torch import Tensor

from cartoon_dist.losses.precision import at_least_float32
from cartoon_dist.tensors import Scalar


def mean_distance(one: Tensor, other: Tensor) -> Scalar:
    """mean |one - other|, of two tensors of a shape; at least in float32.

    The gradients lie in memory as the difference does. torch's own, of a mean, is a full tensor in NCHW.
    """
    distance: Tensor = _MeanAbsolute.apply(at_least_float32(one) - at_least_float32(other))
    return distance


class _MeanAbsolute(torch.autograd.Function):
    """mean |x|."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.abs().mean()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        [values] = ctx.saved_tensors
        signs: Tensor = values.sgn()
        return signs.mul_(gradient / values.numel())
