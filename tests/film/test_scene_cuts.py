"""A scene begins at a cut; not with noise, a pan or a lamp that is dimmed."""

import numpy as np
import pytest

from cartoon_dist.film.scene_cuts import SceneCuts
from tests.data.videos import cartoon
from tests.film.films import Pixels


def begins(frames: list[Pixels]) -> list[int]:
    """The frames with which scenes begin."""
    cuts = SceneCuts()
    return [index for index, frame in enumerate(frames) if cuts.begins_scene(frame)]


def pan(picture: Pixels, num: int, *, columns: int) -> list[Pixels]:
    """So many columns a frame."""
    return [np.roll(picture, index * columns, axis=1) for index in range(num)]


def test_cuts_between_drawn_scenes() -> None:
    names = ("meadow", "uni", "club")
    assert begins([cartoon(name, 96, 54) for name in names for _ in range(5)]) == [0, 5, 10]


@pytest.mark.parametrize("columns", [1, 4])
def test_a_pan_is_one_scene(columns: int) -> None:
    """Of a very fast one, the whole width in a second, the beginning looks like a cut."""
    assert begins(pan(cartoon("meadow", 96, 54), 20, columns=columns)) in ([0], [0, 1])


def test_noise_and_dimming_are_one_scene() -> None:
    still, random = cartoon("meadow", 96, 54).astype(float), np.random.default_rng(1)
    frames = [
        (still * (1 - index / 40) + random.normal(0, 10, still.shape)).clip(0, 255).astype(np.uint8)
        for index in range(20)
    ]
    assert begins(frames) == [0]


def test_it_goes_on_from_a_state() -> None:
    frames = [cartoon(name, 96, 54) for name in ("meadow", "uni") for _ in range(3)]
    first, second = SceneCuts(), SceneCuts()
    for frame in frames[:2]:
        first.begins_scene(frame)
    second.restore(first.state())
    assert [second.begins_scene(frame) for frame in frames[2:]] == [False, True, False, False]
