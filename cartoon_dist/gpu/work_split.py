"""How maps in channels_last are divided among a kernel's programs: by their shape alone, so that nothing is tried out
while a step is recorded."""

import math
from typing import NamedTuple

_NUM_WARPS = 8
_BLOCK = 2048
"""Numbers of a block: 8 a thread, which in half precision are one read of 16 bytes. With 16 the gathering kernels need
so many registers that one program alone fits on a multiprocessor."""
_MOST_CHANNELS = 64
_PROGRAMS = 512
"""About four on each multiprocessor of an H100."""
_MOST_PARTS = 512
MOST_WHOLE_CHANNELS = _BLOCK
"""Of a pixel in one program."""


class Split(NamedTuple):
    """Blocks of pixels x channels; each program takes one block of channels of `part_pixels` pixels of a picture."""

    block_pixels: int
    block_channels: int
    part_pixels: int
    num_parts: int
    grid: tuple[int, int, int]

    @property
    def options(self) -> dict[str, int]:
        """What each kernel is started with."""
        return _options(self.block_pixels, self.block_channels)

    @property
    def block_parts(self) -> int:
        """So many parts are summed at once."""
        return min(64, power_of_two(self.num_parts))


def split(num_pictures: int, channels: int, num_pixels: int) -> Split:
    """For so many pixels a picture.

    The pass after sums over all parts in each of its programs: so there are at most as many as keep these reads well
    below those of a part's pixels.
    """
    block_channels = min(_MOST_CHANNELS, power_of_two(channels))
    block_pixels = _BLOCK // block_channels
    channel_blocks = math.ceil(channels / block_channels)
    wanted = math.ceil(_PROGRAMS / (num_pictures * channel_blocks))
    num_parts = max(1, min(wanted, _MOST_PARTS, math.isqrt(num_pixels // 8), math.ceil(num_pixels / block_pixels)))
    part_pixels = math.ceil(num_pixels / num_parts / block_pixels) * block_pixels
    num_parts = math.ceil(num_pixels / part_pixels)
    return Split(block_pixels, block_channels, part_pixels, num_parts, (channel_blocks, num_parts, num_pictures))


class PixelSplit(NamedTuple):
    """Blocks of pixels with all of their channels; each program takes `part_pixels` pixels of a picture."""

    block_pixels: int
    block_channels: int
    part_pixels: int
    grid: tuple[int, int]

    @property
    def num_parts(self) -> int:
        """Of each picture."""
        return self.grid[0]

    @property
    def options(self) -> dict[str, int]:
        """What each kernel is started with."""
        return _options(self.block_pixels, self.block_channels)


def split_pixels(num_pictures: int, channels: int, num_pixels: int) -> PixelSplit:
    """For passes that sum over the channels of each pixel. ValueError for more than `MOST_WHOLE_CHANNELS`."""
    if channels > MOST_WHOLE_CHANNELS:
        raise ValueError(f"{channels} channels do not fit into one program, {MOST_WHOLE_CHANNELS} do")
    block_channels = power_of_two(channels)
    block_pixels = _BLOCK // block_channels
    num_blocks = math.ceil(num_pixels / block_pixels)
    part_pixels = math.ceil(num_blocks / math.ceil(_PROGRAMS / num_pictures)) * block_pixels
    return PixelSplit(block_pixels, block_channels, part_pixels, (math.ceil(num_pixels / part_pixels), num_pictures))


def _options(block_pixels: int, block_channels: int) -> dict[str, int]:
    return {"BLOCK_PIXELS": block_pixels, "BLOCK_CHANNELS": block_channels, "num_warps": _NUM_WARPS}


def power_of_two(number: int) -> int:
    """The least that is not below it."""
    return 1 << (number - 1).bit_length()
