"""The operations of gpu/fused_cbam.py by Triton's kernels, as gpu/cbam_by_torch.py has them."""

import math

import torch
from torch import Tensor

from cartoon_dist.gpu.cbam_by_torch import PooledPlaces, Used
from cartoon_dist.gpu.cbam_gradient_kernels import (
    cbam_channels_sums_kernel,
    cbam_maps_gradient_kernel,
    cbam_product_sums_kernel,
)
from cartoon_dist.gpu.cbam_kernels import (
    cbam_channels_kernel,
    cbam_places_kernel,
    cbam_product_kernel,
    cbam_whole_places_kernel,
)
from cartoon_dist.gpu.work_split import PixelSplit, split, split_pixels

_LAST = torch.channels_last


def places(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and largest value of each map, and how many places have it (float32): n c 1 1 each."""
    maps = _dense(maps)
    pictures, channels, height, width = maps.shape
    parts = split(pictures, channels, height * width)
    partial = maps.new_empty((pictures, 3, parts.num_parts, channels), dtype=torch.float32)
    average, peak = (maps.new_empty((pictures, channels, 1, 1)) for _ in range(2))
    counts = maps.new_empty((pictures, channels, 1, 1), dtype=torch.float32)
    with torch.cuda.device_of(maps):
        cbam_places_kernel[parts.grid](
            maps, partial, height * width, parts.part_pixels, parts.num_parts, CHANNELS=channels, **parts.options
        )
        cbam_whole_places_kernel[(math.ceil(channels / parts.block_channels), pictures)](
            partial,
            average,
            peak,
            counts,
            height * width,
            parts.num_parts,
            CHANNELS=channels,
            BLOCK_PARTS=parts.block_parts,
            BLOCK_CHANNELS=parts.block_channels,
        )
    return average, peak, counts


def channels(maps: Tensor, of_channels: Tensor) -> Tensor:
    """Mean and largest value over the channels of F', n 2 y x in channels_last."""
    maps = _dense(maps)
    pictures, num_channels, height, width = maps.shape
    pooled = torch.empty((pictures, 2, height, width), dtype=maps.dtype, device=maps.device, memory_format=_LAST)
    parts = _parts(maps)
    with torch.cuda.device_of(maps):
        cbam_channels_kernel[parts.grid](
            maps, _dense(of_channels), pooled, height * width, parts.part_pixels, CHANNELS=num_channels, **parts.options
        )
    return pooled


def product(maps: Tensor, of_channels: Tensor, of_places: Tensor) -> Tensor:
    """F'' = Ms * F', in channels_last."""
    maps = _dense(maps)
    _, num_channels, height, width = maps.shape
    result = torch.empty_like(maps, memory_format=_LAST)
    parts = _parts(maps)
    attention = (_dense(of_channels), _dense(of_places))
    with torch.cuda.device_of(maps):
        cbam_product_kernel[parts.grid](
            maps, *attention, result, height * width, parts.part_pixels, CHANNELS=num_channels, **parts.options
        )
    return result


def product_sums(of_result: Tensor, maps: Tensor, of_channels: Tensor, of_places: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of Ms and of Mc by F''."""
    maps = _dense(maps)
    pictures, num_channels, height, width = maps.shape
    parts = _parts(maps)
    of_of_places = maps.new_empty((pictures, 1, height, width))
    partial = _partial(maps, parts)
    known = (_dense(of_result), maps, _dense(of_channels), _dense(of_places))
    with torch.cuda.device_of(maps):
        cbam_product_sums_kernel[parts.grid](
            *known, of_of_places, partial, height * width, parts.part_pixels, CHANNELS=num_channels, **parts.options
        )
    return of_of_places, _summed(partial, maps)


def channels_sums(of_pooled: Tensor, maps: Tensor, of_channels: Tensor, pooled: Tensor) -> Tensor:
    """The gradient of Mc by the poolings over channels."""
    maps = _dense(maps)
    _, num_channels, height, width = maps.shape
    parts = _parts(maps)
    partial = _partial(maps, parts)
    known = (_dense(of_pooled), maps, _dense(of_channels), _dense(pooled))
    with torch.cuda.device_of(maps):
        cbam_channels_sums_kernel[parts.grid](
            *known, partial, height * width, parts.part_pixels, CHANNELS=num_channels, **parts.options
        )
    return _summed(partial, maps)


def maps_gradient(maps: Tensor, used: Used, pooled_places: PooledPlaces | None) -> Tensor:
    """The gradient of F by all of its uses, in channels_last."""
    maps = _dense(maps)
    _, num_channels, height, width = maps.shape
    of_maps = torch.empty_like(maps, memory_format=_LAST)
    parts = _parts(maps)
    of_result, *known = (maps if tensor is None else _dense(tensor) for tensor in used)
    known += [maps] * 4 if pooled_places is None else map(_dense, pooled_places)
    with torch.cuda.device_of(maps):
        cbam_maps_gradient_kernel[parts.grid](
            of_result,
            maps,
            *known,
            of_maps,
            height * width,
            parts.part_pixels,
            POOLED=used.of_pooled is not None,
            PLACES=pooled_places is not None,
            CHANNELS=num_channels,
            **parts.options,
        )
    return of_maps


def _dense(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=_LAST)


def _parts(maps: Tensor) -> PixelSplit:
    pictures, channels, height, width = maps.shape
    return split_pixels(pictures, channels, height * width)


def _partial(maps: Tensor, parts: PixelSplit) -> Tensor:
    """For a sum of each map of each part."""
    return maps.new_empty((maps.shape[0], parts.num_parts, maps.shape[1]), dtype=torch.float32)


def _summed(partial: Tensor, maps: Tensor) -> Tensor:
    """The parts' sums added, n c 1 1 in the type of the maps."""
    return partial.sum(1).to(maps.dtype)[:, :, None, None]
