"""Convolutions with very few outputs, for the CPU, whose kernels work on 16 outputs at once whether there are or not.

A kernel's rows (or all its places) become outputs of their own, of a kernel one pixel high (or of one pixel), which are
then shifted and added: the same sum in another order.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.cpu import switch

_WIDEST = 4
"""Above so many outputs the plain way is as fast."""


def suits(maps: Tensor, weight: Tensor, stride: tuple[int, ...]) -> bool:
    """Whether a convolution is faster this way; decided by shapes and places alone."""
    few = len(weight) <= _WIDEST and weight.shape[2] > 1
    return switch.taken() and maps.is_cpu and few and tuple(stride) == (1, 1)


def narrow(padded: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Maps n c y x, already padded, by a square kernel c' c k k -> n c' y-k+1 x-k+1."""
    out_channels, in_channels, side, _ = weight.shape
    if out_channels == 1 and in_channels >= 16:  # then even k^2 outputs are few: all shifts are made afterwards
        apart = functional.conv2d(padded, weight.permute(2, 3, 0, 1).reshape(-1, in_channels, 1, 1))
        shifts = (side, side)
    else:
        apart = functional.conv2d(padded, weight.permute(2, 0, 1, 3).reshape(-1, in_channels, 1, side))
        shifts = (side, 1)
    made: Tensor = _Together.apply(apart, shifts)
    return made if bias is None else made + bias.view(-1, 1, 1)


class _Together(torch.autograd.Function):
    """Adds n (r s c) y+r-1 x+s-1 up to n c y x, the maps of each of the r x s places shifted by its place."""

    @staticmethod
    def forward(ctx: Any, apart: Tensor, shifts: tuple[int, int]) -> Tensor:
        ctx.shifts = shifts
        views = _views(apart, shifts)
        made = next(views).clone(memory_format=torch.contiguous_format)
        for view in views:
            made += view
        return made

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        rows, columns = ctx.shifts
        n, c, height, width = gradient.shape
        apart = gradient.new_zeros(n, rows * columns * c, height + rows - 1, width + columns - 1)
        for view in _views(apart, ctx.shifts):
            view.copy_(gradient)
        return apart, None


def _views(apart: Tensor, shifts: tuple[int, int]) -> Iterator[Tensor]:
    """Each place's shifted maps, one at a time: a view made before its neighbour is written to is stale to autograd."""
    rows, columns = shifts
    height, width = apart.shape[2] - rows + 1, apart.shape[3] - columns + 1
    for r in range(rows):
        for s in range(columns):
            places = apart.unflatten(1, (rows, columns, -1))
            yield places[:, r, s, :, r : r + height, s : s + width]
