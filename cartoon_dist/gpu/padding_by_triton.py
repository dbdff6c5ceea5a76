"""The operations of gpu/fused_padding.py by Triton's kernels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cartoon_dist.gpu.padding_kernels import padding_gradient_kernel, padding_kernel
from cartoon_dist.gpu.work_split import split


def forward(maps: Tensor, edges: Sequence[int]) -> Tensor:
    """The padded maps, in channels_last; edges: pixels on the left, on the right, above and below."""
    maps = maps.contiguous(memory_format=torch.channels_last)
    pictures, channels, height, width = maps.shape
    left, right, above, below = edges
    size = (pictures, channels, height + above + below, width + left + right)
    padded = torch.empty(size, dtype=maps.dtype, device=maps.device, memory_format=torch.channels_last)
    parts = split(pictures, channels, size[2] * size[3])
    with torch.cuda.device_of(maps):
        padding_kernel[parts.grid](maps, padded, height, width, parts.part_pixels, *edges, channels, **parts.options)
    return padded


def backward(of_padded: Tensor, edges: Sequence[int]) -> Tensor:
    """The gradient of the maps, in channels_last."""
    of_padded = of_padded.contiguous(memory_format=torch.channels_last)
    left, right, above, below = edges
    pictures, channels, height, width = of_padded.shape
    height, width = height - above - below, width - left - right
    of_maps = torch.empty(
        (pictures, channels, height, width),
        dtype=of_padded.dtype,
        device=of_padded.device,
        memory_format=torch.channels_last,
    )
    parts = split(pictures, channels, height * width)
    with torch.cuda.device_of(of_padded):
        padding_gradient_kernel[parts.grid](
            of_padded, of_maps, height, width, parts.part_pixels, *edges, channels, **parts.options
        )
    return of_maps
