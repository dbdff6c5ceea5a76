"""What the tests of CBAM's operations run through, on a CPU here and on a GPU in tests/gpu: inputs, and what comes out.

The numbers are few and their products exact in every type, so that the largest value stands in the same places in all
of them, and in several.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from cartoon_dist.gpu.fused_cbam import Attention


class Results(NamedTuple):
    """Outputs of the operations, and the gradients of F, Mc and Ms."""

    average: Tensor
    peak: Tensor
    pooled: Tensor
    result: Tensor
    of_maps: Tensor
    of_channels: Tensor
    of_places: Tensor


def computed(
    shape: tuple[int, int, int, int], dtype: torch.dtype, device: torch.device, *, fused: bool, seed: int = 1
) -> Results:
    """One call of each operation, fused or torch's, and the gradients of the inputs by all outputs together; for the
    same random numbers each time."""
    torch.manual_seed(seed)
    pictures, channels, height, width = shape
    maps = _leaf(torch.randint(-4, 9, shape).clamp(min=0) / 4, dtype, device)
    of_channels = _leaf(torch.tensor([0.25, 0.5, 1.0])[torch.randint(0, 3, (pictures, channels, 1, 1))], dtype, device)
    of_places = _leaf(torch.randint(1, 9, (pictures, 1, height, width)) / 8, dtype, device)
    if fused:
        attention = Attention(maps)
        average, peak = attention.over_places()
        pooled = attention.over_channels(of_channels)
        result = attention.product(of_channels, of_places)
    else:
        average, peak = maps.mean((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
        weighted = of_channels * maps
        pooled = torch.cat([weighted.mean(1, keepdim=True), weighted.amax(1, keepdim=True)], 1)
        result = of_places * weighted
    outputs = [average, peak, pooled, result]
    torch.autograd.backward(outputs, [_placed(torch.randint(-8, 9, one.shape) / 4, dtype, device) for one in outputs])
    leaves = [maps, of_channels, of_places]
    return Results(*(one.detach() for one in outputs), *(leaf.grad for leaf in leaves if leaf.grad is not None))


def _leaf(numbers: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    return _placed(numbers, dtype, device).requires_grad_()


def _placed(numbers: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    return numbers.to(device, dtype).contiguous(memory_format=torch.channels_last)
