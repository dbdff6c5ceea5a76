"""Triton: the two passes backward of gpu/fused_norm.py over maps in channels_last, divided as those forward are
(gpu/norm_kernels.py). With x the normed map and g the gradient before the activation:
of_maps = weight / deviation * (g - mean(g) - x * mean(g * x))."""

# Triton reads a kernel's annotations itself; of Python's types it wants none.
# ruff: noqa: ANN001, ANN201, ANN202
# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl

from cartoon_dist.gpu.mirrored import gathered
from cartoon_dist.gpu.norm_kernels import scale_and_shift


@triton.jit(do_not_specialize=["height", "width", "part_pixels", "num_parts"])
def gradient_sums_kernel(of_result, of_inner, result, maps, weight, bias, statistics, incoming, partial,
                         height, width, part_pixels, num_parts, slope,
                         CHANNELS: tl.constexpr, AFFINE: tl.constexpr, OF_RESULT: tl.constexpr, OF_INNER: tl.constexpr,
                         ACTIVATION: tl.constexpr, KEPT: tl.constexpr, REFLECT: tl.constexpr, WRITES: tl.constexpr,
                         BLOCK_PIXELS: tl.constexpr, BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """Of each part the sums of g * x and of g -> partial: pictures 2 parts channels.

    WRITES: also g -> incoming, which is the residual's gradient, and spares the next pass the gathering.
    """
    part, picture = tl.program_id(1), tl.program_id(2)
    columns = tl.program_id(0) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)[None, :]
    num_pixels = height * width
    padded = picture.to(tl.int64) * (height + 2 * REFLECT) * (width + 2 * REFLECT) * CHANNELS
    whole = picture.to(tl.int64) * num_pixels * CHANNELS
    mean, deviation = _known(statistics, picture, columns, CHANNELS)
    scale, shift = scale_and_shift(deviation, weight, bias, columns, CHANNELS, AFFINE)
    start = part * part_pixels
    stop = tl.minimum(start + part_pixels, num_pixels)
    products = tl.zeros([BLOCK_PIXELS, BLOCK_CHANNELS], tl.float32)
    sums = tl.zeros([BLOCK_PIXELS, BLOCK_CHANNELS], tl.float32)
    for first in range(start, stop, BLOCK_PIXELS):
        pixels = first + tl.arange(0, BLOCK_PIXELS)
        mask = (pixels < stop)[:, None] & (columns < CHANNELS)
        places = whole + pixels.to(tl.int64)[:, None] * CHANNELS + columns
        distance = tl.load(maps + places, mask, 0.0).to(tl.float32) - mean
        gradient = _before_activation(
            of_result + padded, of_inner + whole, result + padded, distance * scale + shift, first, stop, height, width,
            columns, slope, OF_RESULT, OF_INNER, ACTIVATION, KEPT, REFLECT, CHANNELS, BLOCK_PIXELS
        )  # fmt: skip
        if WRITES:
            tl.store(incoming + places, gradient, mask)
        products += gradient * (distance * deviation)
        sums += gradient
    partial += (picture * 2 * num_parts + part) * CHANNELS
    tl.store(partial + columns, tl.sum(products, 0)[None, :], columns < CHANNELS)
    tl.store(partial + num_parts * CHANNELS + columns, tl.sum(sums, 0)[None, :], columns < CHANNELS)


@triton.jit(do_not_specialize=["height", "width", "part_pixels", "num_parts"])
def gradient_kernel(of_result, of_inner, result, maps, weight, bias, statistics, incoming, partial,
                    of_maps, of_parameters, height, width, part_pixels, num_parts, slope,
                    CHANNELS: tl.constexpr, AFFINE: tl.constexpr, OF_RESULT: tl.constexpr, OF_INNER: tl.constexpr,
                    ACTIVATION: tl.constexpr, KEPT: tl.constexpr, REFLECT: tl.constexpr, WRITES: tl.constexpr,
                    BLOCK_PARTS: tl.constexpr, BLOCK_PIXELS: tl.constexpr, BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """The gradient of the maps, by the parts' sums. The first program of a picture also writes these sums of the whole
    picture, its share in the gradients of weight and bias -> of_parameters: 2 pictures channels."""
    picture = tl.program_id(2)
    columns = tl.program_id(0) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)[None, :]
    num_pixels = height * width
    partial += picture * 2 * num_parts * CHANNELS
    products = tl.zeros([1, BLOCK_CHANNELS], tl.float32)
    sums = tl.zeros([1, BLOCK_CHANNELS], tl.float32)
    for first in range(0, num_parts, BLOCK_PARTS):
        parts = first + tl.arange(0, BLOCK_PARTS)[:, None]
        there = (parts < num_parts) & (columns < CHANNELS)
        products += tl.sum(tl.load(partial + parts * CHANNELS + columns, there, 0.0), 0)[None, :]
        sums += tl.sum(tl.load(partial + (num_parts + parts) * CHANNELS + columns, there, 0.0), 0)[None, :]
    if AFFINE:  # noqa: SIM102
        if tl.program_id(1) == 0:
            of_parameters += picture * CHANNELS
            tl.store(of_parameters + columns, products, columns < CHANNELS)
            tl.store(of_parameters + tl.num_programs(2) * CHANNELS + columns, sums, columns < CHANNELS)
    padded = picture.to(tl.int64) * (height + 2 * REFLECT) * (width + 2 * REFLECT) * CHANNELS
    whole = picture.to(tl.int64) * num_pixels * CHANNELS
    mean, deviation = _known(statistics, picture, columns, CHANNELS)
    scale, shift = scale_and_shift(deviation, weight, bias, columns, CHANNELS, AFFINE)
    stop = tl.minimum((tl.program_id(1) + 1) * part_pixels, num_pixels)
    for first in range(tl.program_id(1) * part_pixels, stop, BLOCK_PIXELS):
        pixels = first + tl.arange(0, BLOCK_PIXELS)
        mask = (pixels < stop)[:, None] & (columns < CHANNELS)
        places = whole + pixels.to(tl.int64)[:, None] * CHANNELS + columns
        distance = tl.load(maps + places, mask, 0.0).to(tl.float32) - mean
        if WRITES:
            gradient = tl.load(incoming + places, mask, 0.0).to(tl.float32)
        else:
            gradient = _before_activation(
                of_result + padded, of_inner + whole, result + padded, distance * scale + shift, first, stop, height,
                width, columns, slope, OF_RESULT, OF_INNER, ACTIVATION, KEPT, REFLECT, CHANNELS, BLOCK_PIXELS
            )  # fmt: skip
        centred = gradient - sums / num_pixels - distance * deviation * (products / num_pixels)
        tl.store(of_maps + places, scale * centred, mask)


@triton.jit
def _known(statistics, picture, columns, CHANNELS: tl.constexpr):
    """Mean and 1/deviation of a picture's maps, from the forward."""
    statistics += picture * CHANNELS
    mean = tl.load(statistics + columns, columns < CHANNELS, 0.0)
    deviation = tl.load(statistics + tl.num_programs(2) * CHANNELS + columns, columns < CHANNELS, 0.0)
    return mean, deviation


@triton.jit
def _before_activation(of_result, of_inner, result, normed, first, stop, height, width, columns, slope,
                       OF_RESULT: tl.constexpr, OF_INNER: tl.constexpr, ACTIVATION: tl.constexpr, KEPT: tl.constexpr,
                       REFLECT: tl.constexpr, CHANNELS: tl.constexpr, BLOCK_PIXELS: tl.constexpr):  # fmt: skip
    """g at each of a block of pixels of one picture.

    normed: what went into the activation; where a residual did too, its result was kept (KEPT), whose sign is the same.
    """
    pixels = first + tl.arange(0, BLOCK_PIXELS)
    mask = (pixels < stop)[:, None] & (columns < CHANNELS)
    gradient = tl.zeros_like(normed)
    if OF_RESULT:
        gradient += gathered(of_result, first, stop, height, width, columns, REFLECT, REFLECT, REFLECT, REFLECT,
                             CHANNELS, BLOCK_PIXELS)  # fmt: skip
    if OF_INNER:
        places = pixels.to(tl.int64)[:, None] * CHANNELS + columns
        gradient += tl.load(of_inner + places, mask, 0.0).to(tl.float32)
    if ACTIVATION != "none":
        known = normed
        if KEPT:
            y = pixels // width
            inner = (y + REFLECT).to(tl.int64) * (width + 2 * REFLECT) + (pixels - y * width + REFLECT)
            known = tl.load(result + inner[:, None] * CHANNELS + columns, mask, 0.0).to(tl.float32)
        if ACTIVATION == "relu":
            gradient = tl.where(known > 0, gradient, 0.0)
        else:
            gradient = tl.where(known > 0, gradient, gradient * slope)
    return gradient
