"""MBD: the scan against plain Python and against the true barrier distance; margins and shape by hand."""

import heapq

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from cartoon_dist.saliency.margins import border_strips, boundary_contrast_author, boundary_contrast_public
from cartoon_dist.saliency.mbd import INVERSE, RASTER, barrier_distance, mbd
from cartoon_dist.saliency.reconstruction import by_dilation, by_erosion
from tests.saliency.known_objects import scenes
from tests.saliency.slow_mbd import SLOW, slow_reconstruction, slow_scan

Floats = npt.NDArray[np.float64]


def true_barrier(brightness: Floats) -> Floats:
    """Least max - min over all paths: for each lowest level allowed, the least highest level that lets one through."""
    height, width = brightness.shape
    found = np.full(brightness.shape, np.inf)
    for low in np.unique(brightness):
        highest = np.full(brightness.shape, np.inf)
        edge = [(y, x) for y in range(height) for x in range(width) if y in (0, height - 1) or x in (0, width - 1)]
        queue = [(brightness[place], *place) for place in edge if brightness[place] >= low]
        heapq.heapify(queue)
        while queue:
            high, y, x = heapq.heappop(queue)
            if high < highest[y, x]:
                highest[y, x] = high
                for to in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                    if 0 <= to[0] < height and 0 <= to[1] < width and brightness[to] >= low:
                        heapq.heappush(queue, (max(high, brightness[to]), *to))
        found = np.minimum(found, highest - low)
    return found


@pytest.mark.parametrize("passes", [(RASTER, INVERSE, RASTER), (INVERSE, RASTER, INVERSE), (RASTER,) * 2])
@pytest.mark.parametrize("shape", [(31, 45), (3, 3), (40, 4)])
def test_scan_agrees_with_plain_python(shape: tuple[int, int], passes: tuple[int, ...]) -> None:
    brightness = np.random.default_rng(1).random(shape)
    found = barrier_distance(brightness.astype(np.float32), passes=passes)
    np.testing.assert_allclose(found, slow_scan(brightness, passes), atol=1e-6)


def test_three_passes_come_near_the_true_barrier_from_above() -> None:
    photo = next(scenes(count=1, seed=2)).photo[::5, ::5].mean(axis=2).round()
    ours, exact = barrier_distance(photo, passes=(INVERSE, RASTER, INVERSE)), true_barrier(photo)
    assert (ours >= exact).all()
    assert (ours - exact).mean() < 0.03 * exact.max()


@pytest.mark.parametrize("variant", ["public", "author"])
@pytest.mark.parametrize("seed", [3, 4])
def test_the_whole_agrees_with_the_slow_one(variant: str, seed: int) -> None:
    photo = cv2.resize(next(scenes(count=1, seed=seed)).photo, (300, 120), interpolation=cv2.INTER_AREA)
    ours, theirs = mbd(photo, variant=variant), SLOW[variant](photo)
    assert np.abs(ours - theirs).max() < 0.02
    assert ours.std() > 0.03


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (40, 53)])
@pytest.mark.parametrize("seed", range(3))
def test_reconstruction_agrees_with_spreading_a_pixel_at_a_time(shape: tuple[int, int], seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.integers(0, 9, shape).astype(np.float32)
    lower, higher = mask - random.integers(0, 4, shape), mask + random.integers(0, 4, shape)
    np.testing.assert_array_equal(by_dilation(lower, mask), slow_reconstruction(lower, mask))
    np.testing.assert_array_equal(by_erosion(higher, mask), -slow_reconstruction(-higher, -mask))


def test_reconstruction_follows_a_spiral() -> None:
    spiral = np.zeros((41, 41), np.float32)
    for turn in range(0, 20, 4):
        spiral[turn, turn : 41 - turn] = spiral[turn : 41 - turn, 40 - turn] = spiral[40 - turn, turn : 41 - turn] = 1
        spiral[turn + 2 : 41 - turn, turn] = 1
        spiral[turn + 2, turn : turn + 5] = 1
    seed = np.zeros_like(spiral)
    seed[0, 0] = 1
    np.testing.assert_array_equal(by_dilation(seed, spiral), slow_reconstruction(seed, spiral))


def test_a_ring_is_a_barrier_for_what_it_encloses() -> None:
    brightness = np.full((9, 9), 10.0)
    brightness[2:7, 2:7] = 60
    brightness[3:6, 3:6] = 10
    found = barrier_distance(brightness, passes=(RASTER, INVERSE, RASTER))
    assert (found[2:7, 2:7] == 50).all()
    assert found.sum() == 50 * 25


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (9, 1)])
def test_all_border_is_no_barrier(shape: tuple[int, int]) -> None:
    assert not barrier_distance(np.random.default_rng(0).random(shape), passes=(RASTER, INVERSE)).any()


def test_strips_lie_along_the_four_sides_of_a_photo_that_is_not_square() -> None:
    marked = np.zeros((20, 40, 3))
    marked[:2] += (1, 0, 0)
    marked[-2:] += (2, 0, 0)
    marked[:, :4] += (0, 1, 0)
    marked[:, -4:] += (0, 2, 0)
    top, bottom, left, right = border_strips(marked)
    assert (len(top), len(bottom), len(left), len(right)) == (80, 80, 80, 80)
    assert set(top[:, 0]) == {1}
    assert set(bottom[:, 0]) == {2}
    assert set(left[:, 1]) == {1}
    assert set(right[:, 1]) == {2}


@pytest.mark.parametrize("unlike", [boundary_contrast_public, boundary_contrast_author])
def test_margins_of_one_colour_have_no_inverse_and_still_count(unlike: object) -> None:
    photo = np.full((30, 50, 3), 20.0)
    photo[10:20, 20:30] = (90, 10, 40)
    found = unlike(photo)
    assert (found[10:20, 20:30] == 1).all()
    assert found.sum() == pytest.approx(100)


def test_margins_forgive_a_thing_that_touches_one_side() -> None:
    photo = np.full((40, 40, 3), 20.0)
    photo[30:, 10:30] = 80
    found = boundary_contrast_public(photo)
    assert found[30:, 10:30].min() == 1
    assert found[:20].max() == 0


def test_margin_distance_is_mahalanobis() -> None:
    random = np.random.default_rng(3)
    photo = random.normal(50, 10, (10, 10, 3))
    maps = []
    for strip in (photo[:1], photo[-1:], photo[:, :1], photo[:, -1:]):
        flat = strip.reshape(-1, 3)
        inverse = np.linalg.inv(np.cov(flat, rowvar=False) + np.eye(3))
        offset = photo - flat.mean(axis=0)
        away = np.sqrt(np.einsum("yxi,ij,yxj->yx", offset, inverse, offset))
        maps.append((away - away.min()) / (away.max() - away.min()))
    total = np.sum(maps, axis=0) - np.max(maps, axis=0)
    np.testing.assert_allclose(boundary_contrast_public(photo), (total - total.min()) / np.ptp(total), atol=1e-5)


@pytest.mark.parametrize("variant", ["public", "author"])
def test_a_disc_in_the_middle_is_found_with_its_outline(variant: str) -> None:
    y, x = np.mgrid[:100, :150]
    disc = np.hypot(y - 50, x - 75) < 25
    photo = np.where(disc[..., None], (200, 80, 30), (60, 100, 140)).astype(np.uint8)
    saliency = mbd(photo, variant=variant)
    assert saliency.dtype == np.float32
    assert (saliency[disc] > 0.5).mean() > 0.97
    assert (saliency[~disc] < 0.1).mean() > 0.95


def test_author_evens_specks_out_and_public_keeps_them() -> None:
    photo = np.full((150, 150, 3), 60, np.uint8)
    photo[50:100, 50:100] = 200
    photo[20:24, 70:74] = 200  # wider than the median, narrower than the opening
    public, author = mbd(photo, variant="public")[20:24, 70:74], mbd(photo, variant="author")[20:24, 70:74]
    assert public.mean() > 0.25
    assert author.mean() < 0.05
