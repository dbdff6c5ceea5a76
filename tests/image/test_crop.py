"""Squares out of pictures: sizes, centres, grids, and what passes through."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartoon_dist.errors import PictureError
from cartoon_dist.image.crop import resize_and_crop, tile


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (height, width, 3), np.uint8)


def test_a_picture_of_the_right_size_is_untouched() -> None:
    picture = noise(64, 64)
    crop = resize_and_crop(picture, size=64)
    assert crop.untouched
    assert np.array_equal(crop.pixels, picture)


def test_the_centre_is_cut_without_scaling_when_the_short_side_fits() -> None:
    picture = noise(64, 101)
    crop = resize_and_crop(picture, size=64)
    assert not crop.untouched
    assert (crop.left, crop.top, crop.scaled) == (18, 0, (101, 64))
    assert np.array_equal(crop.pixels, picture[:, 18:82])


def test_shrinking_by_two_is_the_mean_of_four() -> None:
    picture = noise(128, 128)
    means = picture.reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(resize_and_crop(picture, size=64).pixels - means).max() <= 0.5


def test_enlarging_is_cubic() -> None:
    picture = noise(20, 20)
    expected = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_CUBIC)
    assert np.array_equal(resize_and_crop(picture, size=64).pixels, expected)


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 150), width=st.integers(1, 150))
def test_any_picture_gives_a_square_or_is_refused(height: int, width: int) -> None:
    if max(height, width) > 32 * min(height, width):
        with pytest.raises(PictureError, match="strip"):
            resize_and_crop(noise(height, width), size=16)
        return
    crop = resize_and_crop(noise(height, width), size=16)
    assert crop.pixels.shape == (16, 16, 3)
    assert min(crop.scaled) == 16
    assert crop.left + 16 <= crop.scaled[0]
    assert crop.top + 16 <= crop.scaled[1]


def test_tiles_lie_side_by_side_in_a_centred_grid() -> None:
    picture = noise(70, 150)
    crops = tile(picture, size=32, scales=[70 / 32], flat_below=0)
    corners = [(crop.top, crop.left) for crop in crops]
    assert corners == [(3 + 32 * row, 11 + 32 * column) for row in range(2) for column in range(4)]
    for crop in crops:
        assert np.array_equal(crop.pixels, picture[crop.top : crop.top + 32, crop.left : crop.left + 32])


def test_no_scale_but_the_first_enlarges() -> None:
    sizes = {min(crop.scaled) for crop in tile(noise(40, 40), size=32, scales=[1, 1.25, 1.5], flat_below=0)}
    assert sizes == {32, 40}
    sizes = {min(crop.scaled) for crop in tile(noise(10, 10), size=32, scales=[1, 2], flat_below=0)}
    assert sizes == {32}


def test_flat_tiles_are_dropped() -> None:
    picture = noise(32, 64)
    picture[:, :32] = 128
    picture[::2, :32] = 134  # deviates by 3 from its mean
    assert [crop.left for crop in tile(picture, size=32, scales=[1], flat_below=3.5)] == [32]
    assert [crop.left for crop in tile(picture, size=32, scales=[1], flat_below=2.5)] == [0, 32]
