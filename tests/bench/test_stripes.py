"""The measure of stripes: planted ones are found at their frequency."""

import numpy as np
import pytest

from bench.stripes import against, energies
from cartoon_dist.image.decode import Picture


def noise() -> Picture:
    return np.random.default_rng(0).integers(120, 136, (48, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize(("pixels", "found"), [(1, "nyquist"), (2, "half")])
@pytest.mark.parametrize("direction", [0, 1])
def test_stripes_are_found_at_their_frequency(pixels: int, found: str, direction: int) -> None:
    places = np.indices((48, 64))[direction]
    striped = noise() + (16 * (places // pixels % 2)).astype(np.uint8)[..., None]
    shares = against([striped], [noise()])
    other = "half" if found == "nyquist" else "nyquist"
    assert getattr(shares, found) > 2 * getattr(shares, other)
    assert getattr(shares, found) > 2


def test_a_picture_is_as_striped_as_itself_and_the_median_of_several_counts() -> None:
    assert against([noise()], [noise()]) == pytest.approx((1, 1))
    half = (noise() // 2).astype(np.uint8)
    shares = against([noise(), noise(), half], [noise()] * 3)
    assert shares == pytest.approx((1, 1))


def test_white_noise_has_equal_energy_at_both_and_stripes_their_sum() -> None:
    grey = np.random.default_rng(1).normal(size=(512, 512, 1)).repeat(3, 2)
    found = energies(grey)  # type: ignore[arg-type]
    assert found.half / 512 == pytest.approx(1, rel=0.1)  # Parseval: a deviation of 1 in each of 512 numbers
    assert found.nyquist / 512 == pytest.approx(1, rel=0.15)
