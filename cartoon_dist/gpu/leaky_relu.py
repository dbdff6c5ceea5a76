"""A leaky ReLU that keeps its result for the backward, as one in place does, and not its input beside it."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def leaky_relu(maps: Tensor, slope: float) -> Tensor:
    """torch's, to the bit; slope: below 0, not negative, so that the result's sign is that of the input.

    The next convolution keeps the result anyway. In place would do too, but what an instance norm returns is a view:
    autograd then copies it twice.
    """
    if not (torch.is_grad_enabled() and maps.requires_grad):
        return functional.leaky_relu(maps, slope)
    result: Tensor = _LeakyReLU.apply(maps, slope)
    return result


class _LeakyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, slope: float) -> Tensor:
        result = functional.leaky_relu(maps, slope)
        ctx.save_for_backward(result)
        ctx.slope = slope
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        [result] = ctx.saved_tensors
        return torch.ops.aten.leaky_relu_backward(gradient, result, ctx.slope, self_is_result=True), None
