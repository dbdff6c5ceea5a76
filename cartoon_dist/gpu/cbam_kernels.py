"""Triton: the passes forward of gpu/fused_cbam.py over maps in channels_last.

A pass over places takes a block of channels, as those of gpu/norm_kernels.py do; the others take all channels of a
block of pixels, so that what is summed over channels stays in one program. Sums are in float32 and nothing is added by
atomics, so each run gives the same bits.
"""

# Triton reads a kernel's annotations itself; of Python's types it wants none.
# ruff: noqa: ANN001, ANN201
# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["num_pixels", "part_pixels", "num_parts"])
def cbam_places_kernel(maps, partial, num_pixels, part_pixels, num_parts,
                       CHANNELS: tl.constexpr, BLOCK_PIXELS: tl.constexpr, BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """Of each part of a picture: the sum of each map, its largest value, and how many places have that value
    -> partial: pictures 3 parts channels."""
    part, picture = tl.program_id(1), tl.program_id(2)
    columns = tl.program_id(0) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)[None, :]
    maps += picture.to(tl.int64) * num_pixels * CHANNELS
    start = part * part_pixels
    stop = tl.minimum(start + part_pixels, num_pixels)
    total = tl.zeros([BLOCK_PIXELS, BLOCK_CHANNELS], tl.float32)
    count = tl.zeros([BLOCK_PIXELS, BLOCK_CHANNELS], tl.float32)
    peak = tl.full([BLOCK_PIXELS, BLOCK_CHANNELS], -float("inf"), tl.float32)
    for first in range(start, stop, BLOCK_PIXELS):
        pixels = first + tl.arange(0, BLOCK_PIXELS)
        mask = (pixels < stop)[:, None] & (columns < CHANNELS)
        values = tl.load(maps + pixels.to(tl.int64)[:, None] * CHANNELS + columns, mask, 0.0).to(tl.float32)
        total += values
        values = tl.where(mask, values, -float("inf"))
        larger = tl.maximum(peak, values)
        count = tl.where(larger > peak, 0.0, count) + tl.where(mask & (values == larger), 1.0, 0.0)
        peak = larger
    largest = tl.max(peak, 0)[None, :]
    partial += (picture * 3 * num_parts + part) * CHANNELS
    there = columns < CHANNELS
    tl.store(partial + columns, tl.sum(total, 0)[None, :], there)
    tl.store(partial + num_parts * CHANNELS + columns, largest, there)
    counts = tl.sum(tl.where(peak == largest, count, 0.0), 0)[None, :]
    tl.store(partial + 2 * num_parts * CHANNELS + columns, counts, there)


@triton.jit(do_not_specialize=["num_pixels", "num_parts"])
def cbam_whole_places_kernel(partial, average, peak, counts, num_pixels, num_parts,
                             CHANNELS: tl.constexpr, BLOCK_PARTS: tl.constexpr,
                             BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """The same of whole pictures, the mean in place of the sum: pictures channels each."""
    picture = tl.program_id(1)
    columns = tl.program_id(0) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)[None, :]
    partial += picture * 3 * num_parts * CHANNELS
    total = tl.zeros([1, BLOCK_CHANNELS], tl.float32)
    largest = tl.full([1, BLOCK_CHANNELS], -float("inf"), tl.float32)
    for first in range(0, num_parts, BLOCK_PARTS):
        parts = first + tl.arange(0, BLOCK_PARTS)[:, None]
        there = (parts < num_parts) & (columns < CHANNELS)
        total += tl.sum(tl.load(partial + parts * CHANNELS + columns, there, 0.0), 0)[None, :]
        peaks = tl.load(partial + (num_parts + parts) * CHANNELS + columns, there, -float("inf"))
        largest = tl.maximum(largest, tl.max(peaks, 0)[None, :])
    count = tl.zeros([1, BLOCK_CHANNELS], tl.float32)
    for first in range(0, num_parts, BLOCK_PARTS):
        parts = first + tl.arange(0, BLOCK_PARTS)[:, None]
        there = (parts < num_parts) & (columns < CHANNELS)
        peaks = tl.load(partial + (num_parts + parts) * CHANNELS + columns, there, -float("inf"))
        of_parts = tl.load(partial + (2 * num_parts + parts) * CHANNELS + columns, there, 0.0)
        count += tl.sum(tl.where(peaks == largest, of_parts, 0.0), 0)[None, :]
    places = picture * CHANNELS + columns
    tl.store(average + places, total / num_pixels, columns < CHANNELS)
    tl.store(peak + places, largest, columns < CHANNELS)
    tl.store(counts + places, count, columns < CHANNELS)


@triton.jit(do_not_specialize=["num_pixels", "part_pixels"])
def cbam_channels_kernel(maps, of_channels, pooled, num_pixels, part_pixels,
                         CHANNELS: tl.constexpr, BLOCK_PIXELS: tl.constexpr, BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """The mean and the largest value over the channels of F' -> pooled: pictures pixels 2; F' itself is not written."""
    picture = tl.program_id(1)
    columns = tl.arange(0, BLOCK_CHANNELS)[None, :]
    there = columns < CHANNELS
    weights = tl.load(of_channels + picture * CHANNELS + columns, there, 0.0).to(tl.float32)
    maps += picture.to(tl.int64) * num_pixels * CHANNELS
    pooled += picture.to(tl.int64) * num_pixels * 2
    stop = tl.minimum((tl.program_id(0) + 1) * part_pixels, num_pixels)
    for first in range(tl.program_id(0) * part_pixels, stop, BLOCK_PIXELS):
        pixels = first + tl.arange(0, BLOCK_PIXELS)
        mask = (pixels < stop)[:, None] & there
        _, weighted = loaded(maps, pixels, columns, mask, weights, CHANNELS)
        largest = tl.max(tl.where(mask, weighted, -float("inf")), 1)
        tl.store(pooled + pixels * 2, tl.sum(weighted, 1) / CHANNELS, pixels < stop)
        tl.store(pooled + pixels * 2 + 1, largest, pixels < stop)


@triton.jit(do_not_specialize=["num_pixels", "part_pixels"])
def cbam_product_kernel(maps, of_channels, of_places, result, num_pixels, part_pixels,
                        CHANNELS: tl.constexpr, BLOCK_PIXELS: tl.constexpr, BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """F'' = Ms * F', of the maps F."""
    picture = tl.program_id(1)
    columns = tl.arange(0, BLOCK_CHANNELS)[None, :]
    there = columns < CHANNELS
    weights = tl.load(of_channels + picture * CHANNELS + columns, there, 0.0).to(tl.float32)
    whole = picture.to(tl.int64) * num_pixels
    maps += whole * CHANNELS
    result += whole * CHANNELS
    stop = tl.minimum((tl.program_id(0) + 1) * part_pixels, num_pixels)
    for first in range(tl.program_id(0) * part_pixels, stop, BLOCK_PIXELS):
        pixels = first + tl.arange(0, BLOCK_PIXELS)
        mask = (pixels < stop)[:, None] & there
        _, weighted = loaded(maps, pixels, columns, mask, weights, CHANNELS)
        attention = tl.load(of_places + whole + pixels, pixels < stop, 0.0).to(tl.float32)[:, None]
        tl.store(result + pixels.to(tl.int64)[:, None] * CHANNELS + columns, weighted * attention, mask)


@triton.jit
def loaded(maps, pixels, columns, mask, weights, CHANNELS: tl.constexpr):
    """A block of F, and of F' = Mc * F, rounded to the type of the maps as if it had been written and read again: so
    the same channels of a pixel have the same largest value, forward and backward, as in torch's operations."""
    stored = tl.load(maps + pixels.to(tl.int64)[:, None] * CHANNELS + columns, mask, 0.0)
    values = stored.to(tl.float32)
    return values, (values * weights).to(stored.dtype).to(tl.float32)
