"""A photo made smaller: its sides, and its colours."""

import numpy as np
import pytest

from cartoon_dist.image.shrink import shrink


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [
        ((600, 900), 300, (200, 300)),
        ((900, 600), 300, (300, 200)),
        ((90, 60), 300, (90, 60)),
        ((900, 600), None, (900, 600)),
        ((1, 900), 300, (1, 300)),
    ],
)
def test_photos_are_made_smaller_and_never_larger(
    size: tuple[int, int], long_side: int | None, expected: tuple[int, int]
) -> None:
    photo = np.full((*size, 3), 77, np.uint8)
    small = shrink(photo, long_side)
    assert small.shape == (*expected, 3)
    assert (small == 77).all()


def test_a_smaller_photo_holds_the_means_of_its_pixels() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    means = photo.reshape(4, 2, 6, 2, 3).mean((1, 3))
    assert np.abs(shrink(photo, 6) - means).max() <= 0.5
