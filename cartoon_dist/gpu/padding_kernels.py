"""Triton: reflection padding of maps in channels_last, and its gradient; divided as the passes of gpu/norm_kernels.py
are."""

# Triton reads a kernel's annotations itself; of Python's types it wants none.
# ruff: noqa: ANN001, ANN201
# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl

from cartoon_dist.gpu.mirrored import gathered, mirrored


@triton.jit(do_not_specialize=["height", "width", "part_pixels"])
def padding_kernel(maps, padded, height, width, part_pixels,
                   LEFT: tl.constexpr, RIGHT: tl.constexpr, ABOVE: tl.constexpr, BELOW: tl.constexpr,
                   CHANNELS: tl.constexpr, BLOCK_PIXELS: tl.constexpr, BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """part_pixels: of the padded maps, for each program."""
    picture = tl.program_id(2).to(tl.int64)
    columns = tl.program_id(0) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)[None, :]
    padded_width = width + LEFT + RIGHT
    num_padded = (height + ABOVE + BELOW) * padded_width
    maps += picture * (height * width) * CHANNELS
    padded += picture * num_padded * CHANNELS
    stop = tl.minimum((tl.program_id(1) + 1) * part_pixels, num_padded)
    for first in range(tl.program_id(1) * part_pixels, stop, BLOCK_PIXELS):
        pixels = first + tl.arange(0, BLOCK_PIXELS)
        mask = (pixels < stop)[:, None] & (columns < CHANNELS)
        row = pixels // padded_width
        source = mirrored(row - ABOVE, height).to(tl.int64) * width
        source += mirrored(pixels - row * padded_width - LEFT, width)
        values = tl.load(maps + source[:, None] * CHANNELS + columns, mask, 0.0)
        tl.store(padded + pixels.to(tl.int64)[:, None] * CHANNELS + columns, values, mask)


@triton.jit(do_not_specialize=["height", "width", "part_pixels"])
def padding_gradient_kernel(of_padded, of_maps, height, width, part_pixels,
                            LEFT: tl.constexpr, RIGHT: tl.constexpr, ABOVE: tl.constexpr, BELOW: tl.constexpr,
                            CHANNELS: tl.constexpr, BLOCK_PIXELS: tl.constexpr,
                            BLOCK_CHANNELS: tl.constexpr):  # fmt: skip
    """part_pixels: of the maps without padding, for each program."""
    picture = tl.program_id(2).to(tl.int64)
    columns = tl.program_id(0) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)[None, :]
    of_padded += picture * (height + ABOVE + BELOW) * (width + LEFT + RIGHT) * CHANNELS
    of_maps += picture * (height * width) * CHANNELS
    stop = tl.minimum((tl.program_id(1) + 1) * part_pixels, height * width)
    for first in range(tl.program_id(1) * part_pixels, stop, BLOCK_PIXELS):
        pixels = first + tl.arange(0, BLOCK_PIXELS)
        mask = (pixels < stop)[:, None] & (columns < CHANNELS)
        gradient = gathered(of_padded, first, stop, height, width, columns, LEFT, RIGHT, ABOVE, BELOW,
                            CHANNELS, BLOCK_PIXELS)  # fmt: skip
        tl.store(of_maps + pixels.to(tl.int64)[:, None] * CHANNELS + columns, gradient, mask)
