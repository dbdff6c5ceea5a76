"""Superpixels: each question asked of them once more, pixel by pixel."""

import numpy as np
import pytest
from skimage.measure import label as pieces

from cartoon_dist.superpixels.regions import Superpixels, split_into_superpixels

LABELS = np.array([[0, 0, 1, 1], [0, 2, 2, 1], [3, 2, 2, 1], [3, 3, 3, 1]])
BY_HAND = Superpixels(labels=LABELS, num=4)


def photo(height: int = 90, width: int = 120) -> np.ndarray:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (height // 30, width // 30, 3))
    return np.clip(coarse.repeat(30, 0).repeat(30, 1) + random.normal(0, 8, (height, width, 3)), 0, 255).astype(
        np.uint8
    )


def test_means_sizes_and_centres() -> None:
    values = np.random.default_rng(0).random((4, 4, 2))
    for number in range(4):
        inside = number == LABELS
        np.testing.assert_allclose(BY_HAND.means(values)[number], values[inside].mean(axis=0))
        np.testing.assert_allclose(BY_HAND.centres()[number], np.argwhere(inside).mean(axis=0))
        assert BY_HAND.sizes()[number] == inside.sum()


def test_neighbours_share_a_side_not_a_corner() -> None:
    np.testing.assert_array_equal(
        BY_HAND.neighbours().astype(int), [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]]
    )
    corners = Superpixels(labels=np.array([[0, 1], [2, 3]]), num=4)
    assert not corners.neighbours()[0, 3]
    assert not corners.neighbours()[1, 2]
    assert corners.neighbours()[0, 1]


def test_border_is_a_band() -> None:
    labels = np.arange(49).reshape(7, 7)
    grid = Superpixels(labels=labels, num=49)
    for band in (1, 2, 3):
        expected = set(labels.ravel()) - set(labels[band : 7 - band, band : 7 - band].ravel())
        assert set(np.flatnonzero(grid.on_border(band_pixels=band))) == expected
    assert BY_HAND.on_border(band_pixels=1).tolist() == [True, True, False, True]
    assert grid.on_border(band_pixels=4).all()


def test_paint_undoes_means_of_what_is_even() -> None:
    values = np.array([0.5, 0.1, 0.9, 0.3])
    np.testing.assert_allclose(BY_HAND.means(BY_HAND.paint(values)[..., None])[:, 0], values)


@pytest.mark.parametrize("connected", [True, False])
def test_split_numbers_without_gaps_and_follows_colours(*, connected: bool) -> None:
    picture = photo()
    found = split_into_superpixels(picture, num_segments=80, compactness=10, blur_pixels=1, connected=connected)
    assert found.labels.shape == (90, 120)
    assert set(np.unique(found.labels)) == set(range(found.num))
    assert 40 <= found.num <= 120
    assert np.abs(found.paint(found.means(picture)[:, 0]) - picture[..., 0]).mean() < 15
    again = split_into_superpixels(picture, num_segments=80, compactness=10, blur_pixels=1, connected=connected)
    np.testing.assert_array_equal(found.labels, again.labels)


def test_connected_superpixels_are_one_piece_each() -> None:
    found = split_into_superpixels(photo(), num_segments=80, compactness=5, blur_pixels=0, connected=True)
    assert all(pieces(found.labels == number, connectivity=1).max() == 1 for number in range(found.num))


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (3, 3)])
def test_more_superpixels_than_pixels_cannot_be(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    found = split_into_superpixels(picture, num_segments=250, compactness=10, blur_pixels=1, connected=False)
    assert 1 <= found.num <= picture[..., 0].size
    assert found.neighbours().shape == (found.num, found.num)
