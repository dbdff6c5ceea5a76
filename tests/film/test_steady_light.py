"""Steady light as a whole, on a still scene with noise: how much less the drawing moves, and nothing with steady=0."""

from contextlib import nullcontext
from fractions import Fraction

import numpy as np

from cartoon_dist.film.draw import SteadyLight
from cartoon_dist.film.read import FilmFrame
from cartoon_dist.inference.load import LoadedModel, load_model
from cartoon_dist.inference.steady import SteadyStatistics
from tests.data.videos import cartoon
from tests.film.films import Pixels
from tests.running import ROOT


def still_scene(num: int = 10) -> list[FilmFrame]:
    """A still picture with the noise of a camera, at 25 frames a second."""
    still, random = cartoon("meadow", 64, 48), np.random.default_rng(5)
    noisy = [(still + random.normal(0, 4, still.shape)).clip(0, 255).astype(np.uint8) for _ in range(num)]
    return [FilmFrame(512 * index, 512, picture) for index, picture in enumerate(noisy)]


def drawn(model: LoadedModel, frames: list[FilmFrame], steady: float, *, size: int = 5) -> list[Pixels]:
    """The drawings of frames, in batches of a size."""
    assert model.generator is not None
    statistics = SteadyStatistics(model.generator) if steady else None
    light = SteadyLight(
        cartoonizer=model.cartoonizer, statistics=statistics, steady=steady, time_base=Fraction(1, 12800)
    )
    with statistics.attached() if statistics else nullcontext():
        return [picture for k in range(0, len(frames), size) for picture in light.begin(frames[k : k + size])()]


def movement(pictures: list[Pixels]) -> float:
    """The mean difference of a frame to the one before, in levels, once the easing has begun."""
    return float(np.abs(np.diff(np.stack(pictures[3:]).astype(float), axis=0)).mean())


def model() -> LoadedModel:
    """A small one with instance norms, saliency and CBAM."""
    file = ROOT / "tests/golden/before_the_house/export.safetensors"
    return load_model(file, weights=None, device="cpu", megapixels=1.0)


def test_a_still_scene_with_noise_moves_less() -> None:
    loaded, frames = model(), still_scene()
    alone, eased = drawn(loaded, frames, 0), drawn(loaded, frames, 0.9)
    assert movement(alone) > 0.05, "noise must show, or nothing is tested"
    assert movement(eased) < 0.6 * movement(alone)
    assert movement(eased) < movement(drawn(loaded, frames, 0.5)) < movement(alone)


def test_with_zero_each_frame_is_drawn_alone() -> None:
    loaded, frames = model(), still_scene(4)
    [first, *_], alone = drawn(loaded, frames, 0.9), drawn(loaded, frames, 0, size=1)
    expected = [loaded.cartoonizer.cartoonize([frame.picture])[0] for frame in frames]
    assert all((one == other).all() for one, other in zip(alone, expected, strict=True))
    assert (first == expected[0]).all(), "a scene begins as it is"


def test_batches_make_no_difference() -> None:
    loaded, frames = model(), still_scene()
    one_by_one, together = (np.stack(drawn(loaded, frames, 0.9, size=size)).astype(int) for size in (1, 10))
    assert np.abs(one_by_one - together).max() <= 1
