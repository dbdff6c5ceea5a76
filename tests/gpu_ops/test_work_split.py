"""Every pixel and channel has its program, and there are enough programs."""

import pytest

from cartoon_dist.gpu.work_split import MOST_WHOLE_CHANNELS, split, split_pixels


@pytest.mark.parametrize("pictures", [1, 4, 16])
@pytest.mark.parametrize("channels", [1, 3, 8, 64, 96, 512])
@pytest.mark.parametrize("num_pixels", [2, 31, 4096, 65536, 12_000_000])
def test_parts_cover_the_maps_and_none_is_empty(pictures: int, channels: int, num_pixels: int) -> None:
    parts = split(pictures, channels, num_pixels)
    assert parts.num_parts * parts.part_pixels >= num_pixels > (parts.num_parts - 1) * parts.part_pixels
    assert parts.part_pixels % parts.block_pixels == 0
    assert parts.grid[0] * parts.block_channels >= channels
    assert parts.grid[1:] == (parts.num_parts, pictures)
    # What the pass after reads of the parts' sums stays below what it reads of its own part.
    assert parts.num_parts <= max(1, parts.part_pixels / 8)


@pytest.mark.parametrize(("pictures", "channels", "side"), [(4, 256, 64), (8, 64, 256), (1, 64, 256), (12, 128, 128)])
def test_maps_of_the_papers_step_keep_every_multiprocessor_busy(pictures: int, channels: int, side: int) -> None:
    blocks, num_parts, _ = split(pictures, channels, side * side).grid
    assert blocks * num_parts * pictures >= 88  # of the 132 of an H100


@pytest.mark.parametrize("pictures", [1, 5, 600])
@pytest.mark.parametrize("channels", [1, 3, 96, 512, MOST_WHOLE_CHANNELS])
@pytest.mark.parametrize("num_pixels", [1, 31, 4096, 12_000_000])
def test_each_pixel_has_one_program_with_all_of_its_channels(pictures: int, channels: int, num_pixels: int) -> None:
    parts = split_pixels(pictures, channels, num_pixels)
    assert parts.block_channels >= channels
    assert parts.num_parts * parts.part_pixels >= num_pixels > (parts.num_parts - 1) * parts.part_pixels
    assert parts.part_pixels % parts.block_pixels == 0
    assert parts.grid == (parts.num_parts, pictures)
    with pytest.raises(ValueError, match="do not fit into one program"):
        split_pixels(1, MOST_WHOLE_CHANNELS + 1, 1)


@pytest.mark.parametrize(("channels", "side"), [(64, 256), (128, 128), (256, 64)])
def test_joints_of_the_papers_step_keep_every_multiprocessor_busy(channels: int, side: int) -> None:
    num_parts, pictures = split_pixels(8, channels, side * side).grid
    assert num_parts * pictures >= 3 * 132
