"""Reflection padding where no norm comes before it: `cartoon_dist::reflection_pad` on a GPU, for maps in channels_last.

Its backward gathers: each pixel sums the gradients of its mirrored copies, in one order. Elsewhere it is torch's own.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.gpu import padding_by_torch
from cartoon_dist.gpu.fused_operations import empty_maps, is_taken

Edges = tuple[int, int, int, int]
"""Pixels on the left, on the right, above and below."""


def reflection_pad(maps: Tensor, edges: Edges) -> Tensor:
    """Maps n c y x padded by so many pixels on the left, on the right, above and below, reflected at the borders.

    Where the fused operation is not taken, it is built from slices if the backward must be deterministic: the backward
    of torch's own padding adds to a pixel from several threads in any order on CUDA, so torch refuses it there.
    """
    if is_taken(maps) and maps.numel() > 0 and _fits(maps, edges):
        padded: Tensor = _reflection_pad(maps, list(edges))
        return padded
    if not (torch.are_deterministic_algorithms_enabled() and torch.is_grad_enabled() and maps.requires_grad):
        return functional.pad(maps, edges, mode="reflect")
    left, right, above, below = edges
    maps = torch.cat([maps[..., 1 : left + 1].flip(-1), maps, maps[..., -right - 1 : -1].flip(-1)], -1)
    rows = [maps[..., 1 : above + 1, :].flip(-2), maps, maps[..., -below - 1 : -1, :].flip(-2)]
    return torch.cat(rows, -2)


def _fits(maps: Tensor, edges: Edges) -> bool:
    """Whether there are as many pixels to mirror; if not, torch's operation says so. It also cuts, by edges below 0."""
    height, width = maps.shape[2:]
    return min(edges) >= 0 and max(edges[:2]) < width and max(edges[2:]) < height


@torch.library.custom_op("cartoon_dist::reflection_pad", mutates_args=())
def _reflection_pad(maps: Tensor, edges: list[int]) -> Tensor:
    """The padded maps, in channels_last."""
    return padding_by_torch.forward(maps, edges)


@_reflection_pad.register_fake
def _(maps: Tensor, edges: list[int]) -> Tensor:
    left, right, above, below = edges
    pictures, channels, height, width = maps.shape
    return empty_maps((pictures, channels, height + above + below, width + left + right), maps)


@torch.library.custom_op("cartoon_dist::reflection_pad_backward", mutates_args=())
def _reflection_pad_backward(of_padded: Tensor, edges: list[int]) -> Tensor:
    """The gradient of the maps, in channels_last."""
    return padding_by_torch.backward(of_padded, edges)


@_reflection_pad_backward.register_fake
def _(of_padded: Tensor, edges: list[int]) -> Tensor:
    return empty_maps(_inner_size(of_padded, edges), of_padded)


def _inner_size(padded: Tensor, edges: list[int]) -> tuple[int, int, int, int]:
    left, right, above, below = edges
    pictures, channels, height, width = padded.shape
    return pictures, channels, height - above - below, width - left - right


@_reflection_pad.register_kernel("cuda")
def _(maps: Tensor, edges: list[int]) -> Tensor:
    from cartoon_dist.gpu import padding_by_triton

    return padding_by_triton.forward(maps, edges)


@_reflection_pad_backward.register_kernel("cuda")
def _(of_padded: Tensor, edges: list[int]) -> Tensor:
    from cartoon_dist.gpu import padding_by_triton

    return padding_by_triton.backward(of_padded, edges)


def _keep(ctx: Any, inputs: tuple[Tensor, list[int]], output: Tensor) -> None:  # noqa: ARG001
    ctx.edges = inputs[1]


def _backward(ctx: Any, of_padded: Tensor) -> tuple[Tensor, None]:
    return _reflection_pad_backward(of_padded, ctx.edges), None


_reflection_pad.register_autograd(_backward, setup_context=_keep)
