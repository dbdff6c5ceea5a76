"""Noise on what stands still is eased away; what moves is left alone."""

import numpy as np

from cartoon_dist.film.still_parts import StillParts
from tests.film.films import Pixels, moving_shapes


def noisy(picture: Pixels, num: int, *, deviation: float) -> list[Pixels]:
    """A still scene with the noise of a camera."""
    random = np.random.default_rng(3)
    return [(picture + random.normal(0, deviation, picture.shape)).clip(0, 255).astype(np.uint8) for _ in range(num)]


def difference(frames: list[Pixels]) -> float:
    """The mean difference of a frame to the one before, in levels."""
    return float(np.abs(np.diff(np.stack(frames).astype(float), axis=0)).mean())


def test_noise_is_smaller_and_the_picture_stays() -> None:
    still = moving_shapes(1)[0]
    frames = noisy(still, 12, deviation=4)
    easing = StillParts()
    eased = [easing.ease(frame, 0.9 if index else 0.0) for index, frame in enumerate(frames)]
    assert difference(eased[4:]) < 0.35 * difference(frames[4:])
    assert abs(eased[-1].astype(float) - still).mean() < 0.5 * abs(frames[-1].astype(float) - still).mean()


def test_what_moves_is_left_alone() -> None:
    frames = moving_shapes(6)
    easing = StillParts()
    for index, frame in enumerate(frames):
        eased = easing.ease(frame, 0.9 if index else 0.0)
        assert abs(eased.astype(int) - frame)[frame[..., 0] == 250].max() <= 1, "the square walks"


def test_a_weight_of_zero_begins_anew() -> None:
    first, second = noisy(moving_shapes(1)[0], 2, deviation=4)
    easing = StillParts()
    easing.ease(first, 0.0)
    assert (easing.ease(second, 0.0) == second).all()


def test_it_goes_on_from_a_state() -> None:
    frames = noisy(moving_shapes(1)[0], 6, deviation=4)
    whole, first, second = StillParts(), StillParts(), StillParts()
    for frame in frames[:5]:
        whole.ease(frame, 0.9)
        first.ease(frame, 0.9)
    second.restore(first.state())
    assert (second.ease(frames[5], 0.9) == whole.ease(frames[5], 0.9)).all()
