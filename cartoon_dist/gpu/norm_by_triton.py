"""The operations of gpu/fused_norm.py by Triton's kernels, forward and backward, as gpu/norm_by_torch.py has them.

The maps lie in channels_last; a gradient or a residual that does not is copied into it, but for a residual whose
channels alone lie together, as in the inner part of padded maps.
"""

import torch
from torch import Tensor

from cartoon_dist.gpu.norm_by_torch import Around, NormInputs
from cartoon_dist.gpu.norm_gradient_kernels import gradient_kernel, gradient_sums_kernel
from cartoon_dist.gpu.norm_kernels import normalise_kernel, statistics_kernel
from cartoon_dist.gpu.work_split import Split, split


def forward(inputs: NormInputs, residual: Tensor | None, around: Around) -> tuple[Tensor, Tensor]:
    """The result in channels_last, and mean and 1/deviation of each map, 2 n c in float32."""
    maps, weight, bias, epsilon = inputs
    maps = _dense(maps)
    pictures, channels, height, width = maps.shape
    if residual is not None and residual.stride(1) != 1 and channels > 1:
        residual = _dense(residual)
    padded = (height + 2 * around.reflect, width + 2 * around.reflect)
    result = torch.empty((pictures, channels, *padded), dtype=maps.dtype, device=maps.device, memory_format=_LAST)
    statistics = maps.new_empty((2, pictures, channels), dtype=torch.float32)
    read, written = (split(pictures, channels, rows * columns) for rows, columns in ((height, width), padded))
    partial = _partial(maps, read)
    strides = (0, 0, 0) if residual is None else (residual.stride(0), residual.stride(2), residual.stride(3))
    with torch.cuda.device_of(maps):
        statistics_kernel[read.grid](
            maps, partial, height * width, read.part_pixels, read.num_parts, CHANNELS=channels, **read.options
        )
        normalise_kernel[written.grid](
            maps,
            maps if weight is None else weight,
            maps if bias is None else bias,
            maps if residual is None else residual,
            result,
            partial,
            statistics,
            height,
            width,
            read.part_pixels,
            read.num_parts,
            written.part_pixels,
            epsilon,
            around.slope,
            *strides,
            CHANNELS=channels,
            AFFINE=weight is not None,
            RESIDUAL=residual is not None,
            ACTIVATION=around.activation,
            REFLECT=around.reflect,
            BLOCK_PARTS=read.block_parts,
            **written.options,
        )
    return result, statistics


def backward(
    of_result: Tensor | None,
    of_inner: Tensor | None,
    inputs: NormInputs,
    result: Tensor | None,
    statistics: Tensor,
    around: Around,
    *,
    with_residual: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of the maps, of weight and bias (2 c) and of the residual; empty where there is none to make."""
    maps, weight, bias, _ = inputs
    maps = _dense(maps)
    pictures, channels, height, width = maps.shape
    parts = split(pictures, channels, height * width)
    of_maps = torch.empty_like(maps, memory_format=_LAST)
    of_residual = torch.empty_like(maps, memory_format=_LAST) if with_residual else maps.new_empty(0)
    of_pictures = statistics.new_empty(statistics.shape if weight is not None else 0)
    partial = _partial(maps, parts)
    known = [maps if tensor is None else _dense(tensor) for tensor in (of_result, of_inner, result)]
    known += [maps, *(maps if parameter is None else parameter for parameter in (weight, bias)), statistics]
    shape = (height, width, parts.part_pixels, parts.num_parts, around.slope)
    kind = {
        "CHANNELS": channels,
        "AFFINE": weight is not None,
        "OF_RESULT": of_result is not None,
        "OF_INNER": of_inner is not None,
        "ACTIVATION": around.activation,
        "KEPT": result is not None,
        "REFLECT": around.reflect,
        "WRITES": with_residual,
        **parts.options,
    }
    with torch.cuda.device_of(maps):
        gradient_sums_kernel[parts.grid](*known, of_residual, partial, *shape, **kind)
        gradient_kernel[parts.grid](
            *known, of_residual, partial, of_maps, of_pictures, *shape, BLOCK_PARTS=parts.block_parts, **kind
        )
    return of_maps, of_pictures.sum(1) if weight is not None else of_pictures, of_residual


_LAST = torch.channels_last


def _dense(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=_LAST)


def _partial(maps: Tensor, parts: Split) -> Tensor:
    """For two sums of each map of each part."""
    return maps.new_empty((maps.shape[0], 2, parts.num_parts, maps.shape[1]), dtype=torch.float32)
