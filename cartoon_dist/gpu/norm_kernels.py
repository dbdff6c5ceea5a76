"""Triton: the two passes forward of gpu/fused_norm.py over maps in channels_last.

A program takes a block of channels of a part of one picture's pixels, in blocks of pixels; neighbouring channels lie
together in memory, so reads are wide. Sums are in float32: each program writes those of its part, and the pass after
it adds the parts in one order. Nothing is added by atomics, so each run gives the same bits.
"""

# Triton reads a kernel's annotations itself; of Python's types it wants none.
# ruff: noqa: ANN001, ANN201, ANN202
# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl

from cartoon_dist.gpu.mirrored import mirrored


@triton.jit(do_not_specialize=["num_pixels", "part_pixels", "num_parts"])
def statistics_kernel(maps, partial, num_pixels, part_pixels, num_parts,
                      CHANNELS: tl.constexpr, BLOCK_PIXELS: tl.constexpr, BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """The mean of each part, and the sum of squared distances from it -> partial: pictures 2 parts channels.

    By Welford's updates in each place of a block, then Chan's sum over the places: no square of a large mean is taken.
    """
    part, picture = tl.program_id(1), tl.program_id(2)
    columns = tl.program_id(0) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)[None, :]
    places = tl.arange(0, BLOCK_PIXELS)
    maps += picture.to(tl.int64) * num_pixels * CHANNELS
    start = part * part_pixels
    stop = tl.minimum(start + part_pixels, num_pixels)
    mean = tl.zeros([BLOCK_PIXELS, BLOCK_CHANNELS], tl.float32)
    distance = tl.zeros([BLOCK_PIXELS, BLOCK_CHANNELS], tl.float32)
    count = 0.0
    for first in range(start, stop, BLOCK_PIXELS):
        pixels = first + places
        mask = (pixels < stop)[:, None] & (columns < CHANNELS)
        values = tl.load(maps + pixels.to(tl.int64)[:, None] * CHANNELS + columns, mask, 0.0).to(tl.float32)
        count += 1.0
        delta = tl.where(mask, values - mean, 0.0)
        mean += delta * (1.0 / count)
        distance += delta * (values - mean)
    # How many values each place has seen.
    counts = tl.maximum((stop - start - places + BLOCK_PIXELS - 1) // BLOCK_PIXELS, 0).to(tl.float32)[:, None]
    centre = tl.sum(mean * counts, 0)[None, :] / (stop - start)
    apart = mean - centre
    distances = tl.sum(distance + counts * apart * apart, 0)[None, :]
    partial += (picture * 2 * num_parts + part) * CHANNELS
    tl.store(partial + columns, centre, columns < CHANNELS)
    tl.store(partial + num_parts * CHANNELS + columns, distances, columns < CHANNELS)


@triton.jit(do_not_specialize=["height", "width", "part_pixels", "num_parts", "written_pixels"])
def normalise_kernel(maps, weight, bias, residual, result, partial, statistics,
                     height, width, part_pixels, num_parts, written_pixels, epsilon, slope,
                     residual_picture, residual_row, residual_pixel,
                     CHANNELS: tl.constexpr, AFFINE: tl.constexpr, RESIDUAL: tl.constexpr, ACTIVATION: tl.constexpr,
                     REFLECT: tl.constexpr, BLOCK_PARTS: tl.constexpr, BLOCK_PIXELS: tl.constexpr,
                     BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """From the parts' statistics the picture's, and by them `written_pixels` of the result, reflected ones counted.

    residual_picture, residual_row, residual_pixel: the strides of the residual. The first program of a picture writes
    the picture's mean and 1/deviation -> statistics: 2 pictures channels.
    """
    picture = tl.program_id(2)
    columns = tl.program_id(0) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)[None, :]
    num_pixels = height * width
    partial += picture * 2 * num_parts * CHANNELS
    mean, deviation = _whole(partial, num_pixels, part_pixels, num_parts, columns, epsilon, CHANNELS, BLOCK_PARTS)
    if tl.program_id(1) == 0:
        statistics += picture * CHANNELS
        tl.store(statistics + columns, mean, columns < CHANNELS)
        tl.store(statistics + tl.num_programs(2) * CHANNELS + columns, deviation, columns < CHANNELS)
    scale, shift = scale_and_shift(deviation, weight, bias, columns, CHANNELS, AFFINE)
    padded_width = width + 2 * REFLECT
    num_padded = (height + 2 * REFLECT) * padded_width
    maps += picture.to(tl.int64) * num_pixels * CHANNELS
    result += picture.to(tl.int64) * num_padded * CHANNELS
    residual += picture.to(tl.int64) * residual_picture
    start = tl.program_id(1) * written_pixels
    stop = tl.minimum(start + written_pixels, num_padded)
    for first in range(start, stop, BLOCK_PIXELS):
        pixels = first + tl.arange(0, BLOCK_PIXELS)
        mask = (pixels < stop)[:, None] & (columns < CHANNELS)
        row = pixels // padded_width
        y = mirrored(row - REFLECT, height).to(tl.int64)
        x = mirrored(pixels - row * padded_width - REFLECT, width)
        values = tl.load(maps + (y * width + x)[:, None] * CHANNELS + columns, mask, 0.0).to(tl.float32)
        values = (values - mean) * scale + shift
        if RESIDUAL:
            place = (y * residual_row + x * residual_pixel)[:, None] + columns
            values += tl.load(residual + place, mask, 0.0).to(tl.float32)
        if ACTIVATION == "relu":
            values = tl.where(values < 0, 0.0, values)
        if ACTIVATION == "leaky_relu":
            values = tl.where(values < 0, values * slope, values)
        tl.store(result + pixels.to(tl.int64)[:, None] * CHANNELS + columns, values, mask)


@triton.jit
def _whole(partial, num_pixels, part_pixels, num_parts, columns, epsilon,
           CHANNELS: tl.constexpr, BLOCK_PARTS: tl.constexpr):  # fmt: skip
    """Mean and 1/deviation of a picture's maps, of those of its parts."""
    mean = tl.zeros_like(columns).to(tl.float32)
    for first in range(0, num_parts, BLOCK_PARTS):
        parts = first + tl.arange(0, BLOCK_PARTS)[:, None]
        there = (parts < num_parts) & (columns < CHANNELS)
        counts = tl.minimum(part_pixels, num_pixels - parts * part_pixels).to(tl.float32)
        means = tl.load(partial + parts * CHANNELS + columns, there, 0.0)
        mean += tl.sum(counts * means, 0)[None, :] / num_pixels
    distance = tl.zeros_like(mean)
    for first in range(0, num_parts, BLOCK_PARTS):
        parts = first + tl.arange(0, BLOCK_PARTS)[:, None]
        there = (parts < num_parts) & (columns < CHANNELS)
        counts = tl.where(there, tl.minimum(part_pixels, num_pixels - parts * part_pixels), 0).to(tl.float32)
        apart = tl.load(partial + parts * CHANNELS + columns, there, 0.0) - mean
        distances = tl.load(partial + (num_parts + parts) * CHANNELS + columns, there, 0.0)
        distance += tl.sum(distances + counts * apart * apart, 0)[None, :]
    return mean, 1.0 / tl.sqrt(distance / num_pixels + epsilon)


@triton.jit
def scale_and_shift(deviation, weight, bias, columns, CHANNELS: tl.constexpr, AFFINE: tl.constexpr):
    """What the distance from the mean is multiplied by, and what is added to it; deviation: 1/deviation."""
    if AFFINE:
        scale = tl.load(weight + columns, columns < CHANNELS, 0.0).to(tl.float32) * deviation
        shift = tl.load(bias + columns, columns < CHANNELS, 0.0).to(tl.float32)
    else:
        scale = deviation
        shift = tl.zeros_like(deviation)
    return scale, shift
