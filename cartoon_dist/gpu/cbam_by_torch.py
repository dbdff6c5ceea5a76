"""The operations of gpu/fused_cbam.py by torch's own: how they run on a CPU, where tests force them. Forward values are
those of CBAM's plain operations, to the bit.

maps: F, n c y x. of_channels: Mc, n c 1 1. of_places: Ms, n 1 y x. pooled: the mean and the largest value over the
channels of F' = Mc * F, n 2 y x. Gradients are called `of_` what they are the gradient of.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from cartoon_dist.gpu.norm_by_torch import channels_last


class Used(NamedTuple):
    """How F was used after its poolings over places: what the gradient of F is made of.

    of_pooled, pooled: None where no gradient came by the poolings over channels.
    """

    of_result: Tensor
    of_channels: Tensor
    of_places: Tensor
    of_pooled: Tensor | None
    pooled: Tensor | None


class PooledPlaces(NamedTuple):
    """How the maps were pooled over places: the gradients of mean and largest value, the largest value, and how many
    places have it; n c 1 1 each."""

    of_average: Tensor
    of_peak: Tensor
    peak: Tensor
    counts: Tensor


def places(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and largest value of each map, and how many places have it (float32): n c 1 1 each."""
    peak = maps.amax((2, 3), keepdim=True)
    counts = (maps == peak).sum((2, 3), keepdim=True, dtype=torch.float32)
    return maps.mean((2, 3), keepdim=True), peak, counts


def channels(maps: Tensor, of_channels: Tensor) -> Tensor:
    """Mean and largest value over the channels of F', n 2 y x in channels_last."""
    weighted = of_channels * maps
    return channels_last(torch.cat([weighted.mean(1, keepdim=True), weighted.amax(1, keepdim=True)], 1))


def product(maps: Tensor, of_channels: Tensor, of_places: Tensor) -> Tensor:
    """F'' = Ms * F', in channels_last."""
    return channels_last(of_places * (of_channels * maps))


def product_sums(of_result: Tensor, maps: Tensor, of_channels: Tensor, of_places: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of Ms and of Mc by F''."""
    of_weighted = of_places * of_result
    of_of_places = (of_result * (of_channels * maps)).sum(1, keepdim=True)
    return of_of_places, (of_weighted * maps).sum((2, 3), keepdim=True)


def channels_sums(of_pooled: Tensor, maps: Tensor, of_channels: Tensor, pooled: Tensor) -> Tensor:
    """The gradient of Mc by the poolings over channels."""
    return (_of_pooled(of_pooled, of_channels * maps, pooled) * maps).sum((2, 3), keepdim=True)


def maps_gradient(maps: Tensor, used: Used, pooled_places: PooledPlaces | None) -> Tensor:
    """The gradient of F by all of its uses, in channels_last."""
    of_weighted = used.of_places * used.of_result
    if used.of_pooled is not None and used.pooled is not None:
        of_weighted = of_weighted + _of_pooled(used.of_pooled, used.of_channels * maps, used.pooled)
    of_maps = used.of_channels * of_weighted
    if pooled_places is not None:
        of_average, of_peak, peak, counts = pooled_places
        share = (of_peak / counts).to(maps.dtype)
        of_maps = of_maps + of_average / (maps.shape[2] * maps.shape[3]) + (maps == peak) * share
    return channels_last(of_maps)


def _of_pooled(of_pooled: Tensor, weighted: Tensor, pooled: Tensor) -> Tensor:
    """The gradient of F' by its mean over channels, and by its largest value: in equal parts for all that have it."""
    of_average, of_peak = of_pooled.split(1, 1)
    has_it = weighted == pooled[:, 1:]
    return of_average / weighted.shape[1] + has_it * (of_peak / has_it.sum(1, keepdim=True).clamp(min=1))
