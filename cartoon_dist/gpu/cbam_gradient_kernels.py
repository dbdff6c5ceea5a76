"""Triton: the passes backward of gpu/fused_cbam.py over maps in channels_last, divided as those forward are
(gpu/cbam_kernels.py).

With g the gradient of F'', the one of F' is Ms * g + (of its mean over channels) / channels + (of its largest value) in
equal parts for the channels that have it; the one of F is Mc times that, and the gradients of the mean and of the
largest value of its map likewise.
"""

# Triton reads a kernel's annotations itself; of Python's types it wants none.
# ruff: noqa: ANN001, ANN201, ANN202
# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl

from cartoon_dist.gpu.cbam_kernels import loaded


@triton.jit(do_not_specialize=["num_pixels", "part_pixels"])
def cbam_product_sums_kernel(of_result, maps, of_channels, of_places, of_of_places, partial, num_pixels, part_pixels,
                             CHANNELS: tl.constexpr, BLOCK_PIXELS: tl.constexpr,
                             BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """Of F'' = Ms * Mc * F: the gradient of Ms, and of each part that of Mc -> partial: pictures parts channels."""
    picture = tl.program_id(1)
    columns = tl.arange(0, BLOCK_CHANNELS)[None, :]
    there = columns < CHANNELS
    weights = tl.load(of_channels + picture * CHANNELS + columns, there, 0.0).to(tl.float32)
    whole = picture.to(tl.int64) * num_pixels
    maps += whole * CHANNELS
    of_result += whole * CHANNELS
    sums = tl.zeros([BLOCK_PIXELS, BLOCK_CHANNELS], tl.float32)
    stop = tl.minimum((tl.program_id(0) + 1) * part_pixels, num_pixels)
    for first in range(tl.program_id(0) * part_pixels, stop, BLOCK_PIXELS):
        pixels = first + tl.arange(0, BLOCK_PIXELS)
        mask = (pixels < stop)[:, None] & there
        values, weighted = loaded(maps, pixels, columns, mask, weights, CHANNELS)
        gradient = tl.load(of_result + pixels.to(tl.int64)[:, None] * CHANNELS + columns, mask, 0.0).to(tl.float32)
        attention = tl.load(of_places + whole + pixels, pixels < stop, 0.0).to(tl.float32)[:, None]
        tl.store(of_of_places + whole + pixels, tl.sum(gradient * weighted, 1), pixels < stop)
        sums += gradient * attention * values
    partial += (picture * tl.num_programs(0) + tl.program_id(0)) * CHANNELS
    tl.store(partial + columns, tl.sum(sums, 0)[None, :], there)


@triton.jit(do_not_specialize=["num_pixels", "part_pixels"])
def cbam_channels_sums_kernel(of_pooled, maps, of_channels, pooled, partial, num_pixels, part_pixels,
                              CHANNELS: tl.constexpr, BLOCK_PIXELS: tl.constexpr,
                              BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """Of each part the gradient of Mc by the mean and the largest value over the channels of F'
    -> partial: pictures parts channels."""
    picture = tl.program_id(1)
    columns = tl.arange(0, BLOCK_CHANNELS)[None, :]
    there = columns < CHANNELS
    weights = tl.load(of_channels + picture * CHANNELS + columns, there, 0.0).to(tl.float32)
    whole = picture.to(tl.int64) * num_pixels
    maps += whole * CHANNELS
    sums = tl.zeros([BLOCK_PIXELS, BLOCK_CHANNELS], tl.float32)
    stop = tl.minimum((tl.program_id(0) + 1) * part_pixels, num_pixels)
    for first in range(tl.program_id(0) * part_pixels, stop, BLOCK_PIXELS):
        pixels = first + tl.arange(0, BLOCK_PIXELS)
        mask = (pixels < stop)[:, None] & there
        values, weighted = loaded(maps, pixels, columns, mask, weights, CHANNELS)
        sums += values * _of_channels_pooled(
            of_pooled + 2 * whole, pooled + 2 * whole, pixels, stop, weighted, mask, CHANNELS
        )  # fmt: skip
    partial += (picture * tl.num_programs(0) + tl.program_id(0)) * CHANNELS
    tl.store(partial + columns, tl.sum(sums, 0)[None, :], there)


@triton.jit(do_not_specialize=["num_pixels", "part_pixels"])
def cbam_maps_gradient_kernel(of_result, maps, of_channels, of_places, of_pooled, pooled, of_average, of_peak, peak,
                              counts, of_maps, num_pixels, part_pixels, POOLED: tl.constexpr, PLACES: tl.constexpr,
                              CHANNELS: tl.constexpr, BLOCK_PIXELS: tl.constexpr,
                              BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """The gradient of F by all of its uses. POOLED, PLACES: the poolings over channels and over places are among
    them."""
    picture = tl.program_id(1)
    columns = tl.arange(0, BLOCK_CHANNELS)[None, :]
    there = columns < CHANNELS
    of_map = picture * CHANNELS + columns
    weights = tl.load(of_channels + of_map, there, 0.0).to(tl.float32)
    if PLACES:
        shift = tl.load(of_average + of_map, there, 0.0).to(tl.float32) / num_pixels
        largest = tl.load(peak + of_map, there, 0.0).to(tl.float32)
        share = tl.load(of_peak + of_map, there, 0.0).to(tl.float32) / tl.load(counts + of_map, there, 1.0)
    whole = picture.to(tl.int64) * num_pixels
    maps += whole * CHANNELS
    of_result += whole * CHANNELS
    of_maps += whole * CHANNELS
    stop = tl.minimum((tl.program_id(0) + 1) * part_pixels, num_pixels)
    for first in range(tl.program_id(0) * part_pixels, stop, BLOCK_PIXELS):
        pixels = first + tl.arange(0, BLOCK_PIXELS)
        mask = (pixels < stop)[:, None] & there
        places = pixels.to(tl.int64)[:, None] * CHANNELS + columns
        values, weighted = loaded(maps, pixels, columns, mask, weights, CHANNELS)
        attention = tl.load(of_places + whole + pixels, pixels < stop, 0.0).to(tl.float32)[:, None]
        gradient = tl.load(of_result + places, mask, 0.0).to(tl.float32) * attention
        if POOLED:
            gradient += _of_channels_pooled(
                of_pooled + 2 * whole, pooled + 2 * whole, pixels, stop, weighted, mask, CHANNELS
            )  # fmt: skip
        gradient *= weights
        if PLACES:
            gradient += shift + tl.where(values == largest, share, 0.0)
        tl.store(of_maps + places, gradient, mask)


@triton.jit
def _of_channels_pooled(of_pooled, pooled, pixels, stop, weighted, mask, CHANNELS: tl.constexpr):
    """The gradient of F' at a block of pixels by its mean and its largest value over channels."""
    inside = pixels < stop
    of_average = tl.load(of_pooled + 2 * pixels, inside, 0.0).to(tl.float32)
    of_largest = tl.load(of_pooled + 2 * pixels + 1, inside, 0.0).to(tl.float32)
    largest = tl.load(pooled + 2 * pixels + 1, inside, 0.0).to(tl.float32)
    has_it = mask & (weighted == largest[:, None])
    num_equal = tl.maximum(tl.sum(has_it.to(tl.float32), 1), 1.0)
    return (of_average / CHANNELS)[:, None] + tl.where(has_it, (of_largest / num_equal)[:, None], 0.0)
