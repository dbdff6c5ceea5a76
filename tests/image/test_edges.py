"""Edge smoothing against the obvious loop over pixels, on real cartoons."""

import cv2
import numpy as np
import pytest

from cartoon_dist.image.crop import resize_and_crop
from cartoon_dist.image.decode import Picture, decode
from cartoon_dist.image.edges import smooth_edges
from tests.running import ROOT

CARTOONS = ROOT / "shards" / "samples" / "cartoons"


def slowly_smoothed(cartoon: Picture) -> Picture:
    """One pixel after the other, in float64: a weighted 5x5 mean wherever an edge is within 2 pixels."""
    edges = cv2.Canny(cv2.cvtColor(cartoon[..., ::-1].copy(), cv2.COLOR_BGR2GRAY), 100, 200)
    row = np.array([1, 4, 6, 4, 1], np.float64) / 16
    weights = np.outer(row, row)
    mirrored = np.pad(cartoon, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    smoothed = cartoon.copy()
    height, width = edges.shape
    for y in range(height):
        for x in range(width):
            if edges[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].any():
                around = mirrored[y : y + 5, x : x + 5]
                smoothed[y, x] = [int((around[..., c] * weights).sum()) for c in range(3)]
    return smoothed


@pytest.mark.parametrize("name", ["club.jpg", "sylvie-green-smile-uni.jpg", "panorama-3.jpg"])
def test_equals_the_slow_loop_bit_for_bit(name: str) -> None:
    cartoon = resize_and_crop(decode((CARTOONS / name).read_bytes(), max_megapixels=10), size=128).pixels
    smoothed = smooth_edges(cartoon)
    assert (smoothed != slowly_smoothed(cartoon)).sum() == 0
    changed = (smoothed != cartoon).any(-1).mean()
    assert 0.05 < changed < 0.95, "edges were smoothed and the rest was left"


def test_a_flat_cartoon_stays() -> None:
    flat = np.full((32, 32, 3), (200, 30, 90), np.uint8)
    assert np.array_equal(smooth_edges(flat), flat)


def test_truncates_where_rounding_would_differ() -> None:
    step = np.zeros((32, 32, 3), np.uint8)
    step[:, 16:] = 255
    # Across the step the weights left of it sum to 11, 15 and 5, 1 sixteenths of 255: 15.9, 79.7, 175.3, 239.06.
    assert smooth_edges(step)[16, 14:18, 0].tolist() == [15, 79, 175, 239]


def test_truncates_every_sum_on_noise_of_any_shape() -> None:
    # In float64: whole multiples of 1/256, of which int() takes the whole number below.
    random = np.random.default_rng(5)
    for shape in ((3, 40), (41, 3), (33, 47)):
        noise = random.choice(np.uint8([0, 1, 127, 128, 254, 255]), (*shape, 3))
        assert np.array_equal(smooth_edges(noise), slowly_smoothed(noise))


def test_the_input_is_not_touched() -> None:
    cartoon = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    before = cartoon.copy()
    smooth_edges(cartoon)
    assert np.array_equal(cartoon, before)
