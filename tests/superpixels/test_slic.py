"""SLIC by its properties, with scikit-image's as the measure of how even superpixels can be."""

import cv2
import numpy as np
import pytest
from skimage.color import rgb2lab
from skimage.measure import label as pieces
from skimage.segmentation import slic as skimage_slic

from cartoon_dist.image.decode import decode
from cartoon_dist.superpixels.connectivity import enforce_connectivity
from cartoon_dist.superpixels.lab import rgb_to_lab
from cartoon_dist.superpixels.regions import split_into_superpixels
from cartoon_dist.superpixels.slic import slic
from tests.running import ROOT

PHOTOS = sorted((ROOT / "shards/samples/photos").glob("*.jpg"))[::4]
DEFAULT = {"num_segments": 250, "compactness": 10.0, "blur_pixels": 1.0, "connected": False}


def small(file: object) -> np.ndarray:
    return cv2.resize(decode(file.read_bytes(), max_megapixels=100), (256, 192), interpolation=cv2.INTER_AREA)


def unevenness(labels: np.ndarray, photo: np.ndarray) -> float:
    """Mean squared Lab distance of a pixel to the mean of its superpixel."""
    lab, flat = rgb2lab(photo).reshape(-1, 3), labels.ravel()
    sizes = np.maximum(np.bincount(flat), 1)
    means = np.stack([np.bincount(flat, weights=channel) / sizes for channel in lab.T], axis=1)
    return float(np.square(lab - means[flat]).sum(axis=1).mean())


def test_lab_is_that_of_scikit_image() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    photo[0, 0], photo[0, 1], photo[0, 2:20] = 0, 255, np.arange(18)[:, None]
    np.testing.assert_allclose(rgb_to_lab(photo), rgb2lab(photo), atol=1e-3)


def test_superpixels_are_as_even_and_as_many_as_those_of_scikit_image() -> None:
    ratios = []
    for photo in map(small, PHOTOS):
        ours = split_into_superpixels(photo, **DEFAULT)
        theirs = skimage_slic(photo, n_segments=250, compactness=10, sigma=1, enforce_connectivity=False, start_label=0)
        ratios.append(unevenness(ours.labels, photo) / unevenness(theirs, photo))
        assert 225 <= ours.num <= 275
    assert np.mean(ratios) < 1.1, ratios


@pytest.mark.parametrize("connected", [True, False])
def test_two_colours_are_not_mixed(*, connected: bool) -> None:
    photo = np.full((120, 150, 3), (30, 60, 200), np.uint8)
    y, x = np.mgrid[:120, :150]
    disc = np.hypot(y - 55, x - 80) < 37
    photo[disc] = (220, 180, 40)
    found = split_into_superpixels(photo, num_segments=100, compactness=10, blur_pixels=0, connected=connected)
    inside = np.bincount(found.labels.ravel(), weights=disc.ravel()) / found.sizes()
    assert np.isin(inside, (0, 1)).all()


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 200), (2, 2), (17, 5)])
@pytest.mark.parametrize("flat", [True, False])
def test_any_picture_is_covered(shape: tuple[int, int], *, flat: bool, connected: bool) -> None:
    random = np.random.default_rng(0)
    photo = np.full((*shape, 3), 90, np.uint8) if flat else random.integers(0, 256, (*shape, 3), np.uint8)
    found = split_into_superpixels(photo, **{**DEFAULT, "connected": connected})
    assert found.labels.shape == shape
    assert set(np.unique(found.labels)) == set(range(found.num))


@pytest.mark.parametrize(("shape", "asked"), [((100, 100), 100), ((1, 200), 20), ((200, 1), 20), ((30, 400), 60)])
def test_a_flat_picture_is_cut_into_about_as_many_cells_as_asked(shape: tuple[int, int], asked: int) -> None:
    labels = slic(np.zeros((*shape, 3), np.float32), num_segments=asked, compactness=10)
    assert 0.8 * asked <= len(np.unique(labels)) <= 1.2 * asked


def test_small_pieces_join_the_neighbour_of_the_nearest_colour() -> None:
    labels = np.zeros((6, 8), np.int32)
    labels[:, 4:] = 1
    labels[2, 5] = 0  # cut off from the other zeros, and too small
    labels[0, 0] = 3  # too small, in the corner, where there is nothing before it
    labels[3:, 6:] = 2  # large enough
    labels[5, 3:5] = 4  # too small, and between two
    lab = np.zeros((6, 8, 3), np.float32)
    lab[:, 4:, 0], lab[5, 3:5, 0] = 50, 40
    joined = enforce_connectivity(labels, lab, 4.0)
    assert joined[2, 5] == joined[2, 4] == joined[0, 7] == joined[5, 3]
    assert joined[0, 0] == joined[1, 1] != joined[0, 7]
    assert len(np.unique(joined)) == 3
    assert len(np.unique(enforce_connectivity(labels, lab, 1.0))) == 6


@pytest.mark.parametrize("least", [1, 5, 40, 10_000])
def test_pieces_are_whole_and_none_is_small(least: int) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (25, 31)).astype(np.int32)
    joined = enforce_connectivity(labels, random.random((25, 31, 3), np.float32), float(least))
    _, sizes = np.unique(joined, return_counts=True)
    assert sizes.min() >= min(least, labels.size)
    assert all(pieces(joined == number, connectivity=1).max() == 1 for number in np.unique(joined))
    parted = pieces(labels, connectivity=1, background=-1)
    for there in np.unique(joined):
        assert np.isin(parted, parted[joined == there]).sum() == (joined == there).sum()
