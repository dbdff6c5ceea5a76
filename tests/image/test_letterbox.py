"""Where the bars of a film end, worked by hand on small frames."""

import numpy as np
import pytest

from cartoon_dist.image.letterbox import Box, LetterboxDetector

HEIGHT, WIDTH = 100, 160
WHOLE = (0, 0, WIDTH, HEIGHT)


def frame(seed: int, *, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0) -> np.ndarray:
    """Noise of 60..255 between bars of 0..20, as compression leaves them."""
    chance = np.random.default_rng(seed)
    grey = chance.integers(0, 21, (HEIGHT, WIDTH), np.uint8)
    inside = grey[top : HEIGHT - bottom, left : WIDTH - right]
    inside[:] = chance.integers(60, 256, inside.shape, np.uint8)
    return grey


def box(*frames: np.ndarray) -> Box:
    letterbox = LetterboxDetector()
    for grey in frames:
        letterbox.add(grey)
    return letterbox.box(width=WIDTH, height=HEIGHT)


@pytest.mark.parametrize(
    ("bars", "expected"),
    [
        ({}, WHOLE),
        ({"top": 12, "bottom": 12}, (0, 14, 160, 86)),  # two mixed lines beside each bar go with it
        ({"top": 12, "bottom": 14}, (0, 14, 160, 84)),
        ({"left": 20, "right": 20}, (22, 0, 138, 100)),
        ({"top": 10, "bottom": 10, "left": 20, "right": 20}, (22, 12, 138, 88)),
        ({"top": 12}, WHOLE),  # dark above only: a night sky
        ({"top": 30, "bottom": 30}, WHOLE),  # more than half: a dark film
    ],
)
def test_bars_are_measured(bars: dict[str, int], expected: Box) -> None:
    assert box(*(frame(seed, **bars) for seed in range(5))) == expected


def test_a_bar_is_dark_in_nearly_all_frames() -> None:
    dark_scene = [frame(seed, top=40) for seed in range(90)]
    assert box(*dark_scene, *(frame(seed, top=12, bottom=12) for seed in range(10))) == WHOLE
    assert box(*(frame(seed, top=12, bottom=12) for seed in range(99)), frame(0)) == (0, 14, 160, 86)


def test_subtitles_in_a_bar_do_not_hide_it() -> None:
    frames = [frame(seed, top=12, bottom=12) for seed in range(10)]
    for grey in frames[:4]:
        grey[-8:-4, 40:120] = 255
    assert box(*frames) == (0, 14, 160, 86)


def test_black_frames_tell_nothing() -> None:
    black = np.full((HEIGHT, WIDTH), 16, np.uint8)
    assert box(*[black] * 50, *(frame(seed, top=12, bottom=12) for seed in range(3))) == (0, 14, 160, 86)
    assert box(black) == box() == WHOLE
