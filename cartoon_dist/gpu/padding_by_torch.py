"""The operations of gpu/fused_padding.py by torch's own: how they run on a CPU, where tests force them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cartoon_dist.gpu.norm_by_torch import channels_last


def forward(maps: Tensor, edges: Sequence[int]) -> Tensor:
    """The padded maps, in channels_last; edges: pixels on the left, on the right, above and below."""
    return channels_last(torch.ops.aten.reflection_pad2d(maps, list(edges)))


def backward(of_padded: Tensor, edges: Sequence[int]) -> Tensor:
    """The gradient of the maps, in channels_last."""
    left, right, above, below = edges
    pictures, channels, height, width = of_padded.shape
    # Of which torch's backward asks for the shape alone.
    maps = of_padded.new_empty(()).expand(pictures, channels, height - above - below, width - left - right)
    return channels_last(torch.ops.aten.reflection_pad2d_backward(of_padded, maps, list(edges)))
