"""Runs CBAM's kernels on a CPU by Triton's interpreter and compares them with torch's operations in float64.

A process of its own: `TRITON_INTERPRET=1` must be set before Triton is imported. Argument: float32, bfloat16 or
float16.
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from cartoon_dist.gpu import cbam_by_torch, cbam_by_triton, work_split
from cartoon_dist.gpu.cbam_by_torch import PooledPlaces, Used


class Case(NamedTuple):
    """n c y x. relu: zeros are frequent, also as the largest value. levels: so few different numbers, 0 for any."""

    shape: tuple[int, int, int, int]
    relu: bool = True
    levels: int = 0
    pooled: bool = True
    places: bool = True


CASES = (
    Case((2, 8, 7, 5)),
    Case((1, 64, 1, 31)),  # one pixel short of a block
    Case((1, 64, 3, 11), relu=False),  # one more than a block
    Case((5, 16, 9, 8), levels=2),
    Case((1, 96, 6, 7), levels=3),  # a quarter of a program's channels are not there
    Case((3, 12, 5, 9), relu=False, places=False),
    Case((2, 512, 4, 3), levels=2),
    Case((1, 256, 20, 19)),
    Case((1, 3, 61, 33), levels=4),
    Case((2, 1, 4, 2), pooled=False),
    Case((4, 24, 1, 1), relu=False),
    Case((1, 8, 6, 6), pooled=False, places=False),
)


def main(dtype: torch.dtype) -> None:
    """All cases; AssertionError for the first that differs."""
    torch.manual_seed(0)
    for case in CASES:
        _compare(case, dtype)
    # As of a large picture: a program takes several blocks of pixels, and the last of them is not full.
    work_split._PROGRAMS = 4
    for case in (Case((1, 400, 5, 9), levels=2), Case((2, 24, 23, 29))):
        parts = work_split.split_pixels(case.shape[0], case.shape[1], case.shape[2] * case.shape[3])
        assert parts.part_pixels > parts.block_pixels
        assert parts.num_parts > 1
        _compare(case, dtype)


def _compare(case: Case, dtype: torch.dtype) -> None:
    maps = _maps(case, dtype)
    pictures, channels, height, width = case.shape
    pooled_places = _twice(lambda: cbam_by_triton.places(maps))
    for found, expected in zip(pooled_places, cbam_by_torch.places(maps.double()), strict=True):
        _close(found, expected, dtype, what=f"{case} places")
    assert torch.equal(pooled_places[1], maps.amax((2, 3), keepdim=True))
    of_channels = torch.rand(pictures, channels, 1, 1).to(dtype)
    of_places = torch.rand(pictures, 1, height, width).to(dtype)
    weighted = _weighted(maps, of_channels)
    [pooled] = _twice(lambda: (cbam_by_triton.channels(maps, of_channels),))
    expected = torch.cat([weighted.double().mean(1, keepdim=True), weighted.double().amax(1, keepdim=True)], 1)
    _close(pooled, expected, dtype, what=f"{case} channels")
    assert pooled.is_contiguous(memory_format=torch.channels_last)
    [result] = _twice(lambda: (cbam_by_triton.product(maps, of_channels, of_places),))
    _close(result, of_places.double() * weighted.double(), dtype, what=f"{case} product")
    _compare_gradients(case, maps, Used(_random(maps), of_channels, of_places, _random(pooled), pooled), dtype)


def _compare_gradients(case: Case, maps: Tensor, used: Used, dtype: torch.dtype) -> None:
    assert used.of_pooled is not None
    assert used.pooled is not None
    of_of_places, of_of_channels = _twice(
        lambda: cbam_by_triton.product_sums(used.of_result, maps, used.of_channels, used.of_places)
    )
    expected = (used.of_result.double() * _weighted(maps, used.of_channels)).sum(1, keepdim=True)
    _close(of_of_places, expected, dtype, what=f"{case} gradient of Ms")
    expected = (used.of_result.double() * used.of_places * maps).sum((2, 3), keepdim=True)
    _close(of_of_channels, expected, dtype, what=f"{case} gradient of Mc by the product")
    known = (used.of_pooled, maps, used.of_channels, used.pooled)
    found = _twice(lambda: (cbam_by_triton.channels_sums(*known),))
    _close(found[0], _of_channels_pooled(maps, used)[0], dtype, what=f"{case} sums of the poolings over channels")
    average, peak, counts = cbam_by_torch.places(maps)
    places = PooledPlaces(_random(average), _random(peak), peak, counts) if case.places else None
    if not case.pooled:
        used = used._replace(of_pooled=None, pooled=None)
    found = _twice(lambda: (cbam_by_triton.maps_gradient(maps, used, places),))
    _close(found[0], _of_maps(maps, used, places), dtype, what=f"{case} gradient of the maps")


def _of_channels_pooled(maps: Tensor, used: Used) -> tuple[Tensor, Tensor]:
    """By the poolings over channels: the gradients of Mc and of F', by autograd through a float64 F' that is equal
    where the kernels' is."""
    weighted = _weighted(maps, used.of_channels).double().requires_grad_()
    both = torch.cat([weighted.mean(1, keepdim=True), weighted.amax(1, keepdim=True)], 1)
    assert used.of_pooled is not None
    [of_weighted] = torch.autograd.grad(both, weighted, used.of_pooled.double())
    return (of_weighted * maps).sum((2, 3), keepdim=True), of_weighted


def _of_maps(maps: Tensor, used: Used, places: PooledPlaces | None) -> Tensor:
    """The gradient of F by autograd in float64."""
    of_weighted = used.of_places.double() * used.of_result
    if used.of_pooled is not None:
        of_weighted = of_weighted + _of_channels_pooled(maps, used)[1]
    of_maps = used.of_channels * of_weighted
    if places is not None:
        exact = maps.double().requires_grad_()
        pools = [exact.mean((2, 3), keepdim=True), exact.amax((2, 3), keepdim=True)]
        of_maps = of_maps + torch.autograd.grad(pools, exact, [places.of_average.double(), places.of_peak.double()])[0]
    return of_maps


def _maps(case: Case, dtype: torch.dtype) -> Tensor:
    maps = torch.randn(case.shape)
    maps = maps.relu() if case.relu else maps
    maps = (maps * case.levels).round() / case.levels if case.levels else maps
    maps[0, 0] = 0  # a map that is 0 everywhere
    return maps.to(dtype).contiguous(memory_format=torch.channels_last)


def _random(like: Tensor) -> Tensor:
    return torch.randn(like.shape).to(like)


def _weighted(maps: Tensor, of_channels: Tensor) -> Tensor:
    """F' as the kernels have it: the interpreter cuts bfloat16 off, where a GPU and torch round to the nearest."""
    if maps.dtype != torch.bfloat16:
        return of_channels * maps
    return ((of_channels.float() * maps.float()).view(torch.int32) & -0x10000).view(torch.float32).bfloat16()


def _twice(run: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """The same bits each time."""
    first, second = run(), run()
    assert all(map(torch.equal, first, second))
    return first


def _close(found: Tensor, expected: Tensor, dtype: torch.dtype, *, what: str) -> None:
    limit = {torch.float32: 2e-5, torch.float16: 2e-3, torch.bfloat16: 2.0**-6}[dtype]
    apart = float(((found - expected).abs() / (1 + expected.abs())).max())
    assert found.shape == expected.shape, what
    assert apart < limit, f"{what}: {apart}"


if __name__ == "__main__":
    main(getattr(torch, sys.argv[1]))
