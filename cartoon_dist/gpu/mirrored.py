"""Triton: pixels that reflection padding copies, forward and backward."""

# Triton reads a kernel's annotations itself; of Python's types it wants none.
# ruff: noqa: ANN001, ANN201, ANN202
# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl


@triton.jit
def mirrored(index, size):
    """The row (or column) that an index before the first or behind the last is a copy of; the border is not doubled."""
    index = tl.abs(index)
    return tl.where(index < size, index, 2 * (size - 1) - index)


@triton.jit
def gathered(of_padded, first, stop, height, width, columns,
             LEFT: tl.constexpr, RIGHT: tl.constexpr, ABOVE: tl.constexpr, BELOW: tl.constexpr,
             CHANNELS: tl.constexpr, BLOCK_PIXELS: tl.constexpr):  # fmt: skip
    """For a block of pixels and channels, the gradients of a pixel's place in the padded maps and its copies, in sum.

    of_padded: one picture, (height + ABOVE + BELOW) (width + LEFT + RIGHT) CHANNELS. first, stop: the block's first
    pixel in the picture without padding, and the one it ends before. The order of the sum is always the same.
    """
    pixels = first + tl.arange(0, BLOCK_PIXELS)
    there = pixels < stop
    y = pixels // width
    x = pixels - y * width
    total = _gathered_row(of_padded, y + ABOVE, x, width, columns, there, LEFT, RIGHT, CHANNELS)
    # Only few blocks have copies in other rows; the others are spared these reads.
    if first // width <= ABOVE:
        copied = there & (y >= 1) & (y <= ABOVE)
        total += _gathered_row(of_padded, ABOVE - y, x, width, columns, copied, LEFT, RIGHT, CHANNELS)
    if (first + BLOCK_PIXELS - 1) // width >= height - 1 - BELOW:
        copied = there & (y >= height - 1 - BELOW) & (y <= height - 2)
        row = ABOVE + 2 * (height - 1) - y
        total += _gathered_row(of_padded, row, x, width, columns, copied, LEFT, RIGHT, CHANNELS)
    return total


@triton.jit
def _gathered_row(of_padded, row, x, width, columns, there,
                  LEFT: tl.constexpr, RIGHT: tl.constexpr, CHANNELS: tl.constexpr):  # fmt: skip
    """Of one padded row for each pixel that is there."""
    start = row.to(tl.int64) * (width + LEFT + RIGHT) + LEFT
    mask = there[:, None] & (columns < CHANNELS)
    total = tl.load(of_padded + (start + x)[:, None] * CHANNELS + columns, mask, 0.0).to(tl.float32)
    if LEFT > 0:
        left = mask & ((x >= 1) & (x <= LEFT))[:, None]
        total += tl.load(of_padded + (start - x)[:, None] * CHANNELS + columns, left, 0.0).to(tl.float32)
    if RIGHT > 0:
        right = mask & ((x >= width - 1 - RIGHT) & (x <= width - 2))[:, None]
        mirror = start + 2 * (width - 1) - x
        total += tl.load(of_padded + mirror[:, None] * CHANNELS + columns, right, 0.0).to(tl.float32)
    return total
