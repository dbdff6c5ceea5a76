"""Convolutions with very few output channels, for the CPU, whose kernels always compute 16 of them at once.

Each row (or each weight) of the kernel becomes an output channel of its own, of a kernel one pixel high (or of one
pixel); these channels are then shifted and added: the same sum in another order.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.cpu import switch

_MAX_OUT_CHANNELS = 4
"""With more output channels the plain convolution is as fast."""


def is_faster(maps: Tensor, weight: Tensor, stride: tuple[int, ...]) -> bool:
    """Whether a convolution is faster this way; decided by shapes and devices alone."""
    few = len(weight) <= _MAX_OUT_CHANNELS and weight.shape[2] > 1
    return switch.is_enabled() and maps.is_cpu and few and tuple(stride) == (1, 1)


def narrow_convolution(padded: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Maps n c y x, already padded, by a square kernel c' c k k -> n c' y-k+1 x-k+1."""
    out_channels, in_channels, side, _ = weight.shape
    if out_channels == 1 and in_channels >= 16:  # then even k^2 outputs are few: all shifts come afterwards
        partial = functional.conv2d(padded, weight.permute(2, 3, 0, 1).reshape(-1, in_channels, 1, 1))
        shifts = (side, side)
    else:
        partial = functional.conv2d(padded, weight.permute(2, 0, 1, 3).reshape(-1, in_channels, 1, side))
        shifts = (side, 1)
    summed: Tensor = _ShiftedSum.apply(partial, shifts)
    return summed if bias is None else summed + bias.view(-1, 1, 1)


class _ShiftedSum(torch.autograd.Function):
    """Sums n (r s c) y+r-1 x+s-1 to n c y x: the maps of each of the r x s kernel positions, shifted by it."""

    @staticmethod
    def forward(ctx: Any, partial: Tensor, shifts: tuple[int, int]) -> Tensor:
        ctx.shifts = shifts
        views = _shifted_views(partial, shifts)
        summed = next(views).clone(memory_format=torch.contiguous_format)
        for view in views:
            summed += view
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        rows, columns = ctx.shifts
        n, c, height, width = gradient.shape
        partial = gradient.new_zeros(n, rows * columns * c, height + rows - 1, width + columns - 1)
        for view in _shifted_views(partial, ctx.shifts):
            view.copy_(gradient)
        return partial, None


def _shifted_views(partial: Tensor, shifts: tuple[int, int]) -> Iterator[Tensor]:
    """Each kernel position's shifted maps, one at a time: autograd rejects a view made before its neighbour changed."""
    rows, columns = shifts
    height, width = partial.shape[2] - rows + 1, partial.shape[3] - columns + 1
    for r in range(rows):
        for s in range(columns):
            by_position = partial.unflatten(1, (rows, columns, -1))
            yield by_position[:, r, s, :, r : r + height, s : s + width]
