"""What counts as a border, and what only looks like one."""

import cv2
import numpy as np
import pytest

from cartoon_dist.saliency.border_removal import content_window
from tests.saliency.known_objects import sample_photos

WHOLE = (slice(0, 128), slice(0, 160))


def framed(rows: int, columns: int, colour: int) -> np.ndarray:
    photo = np.full((128, 160, 3), colour, np.uint8)
    window = photo[rows : 128 - rows, columns : 160 - columns]
    window[:] = cv2.resize(sample_photos()[3], (window.shape[1], window.shape[0]), interpolation=cv2.INTER_AREA)
    return photo


@pytest.mark.parametrize(("rows", "columns"), [(20, 0), (0, 25), (8, 8), (3, 12)])
@pytest.mark.parametrize("jpeg", [False, True])
def test_bars_and_frames_are_found_within_two_pixels(rows: int, columns: int, *, jpeg: bool) -> None:
    photo = framed(rows, columns, colour=0)
    if jpeg:
        photo = cv2.imdecode(cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], cv2.IMREAD_COLOR)
    found_rows, found_columns = content_window(photo)
    # What is left over must not hold any of the frame, or MBD sees a step at the border.
    for found, width, side in ((found_rows, rows, 128), (found_columns, columns, 160)):
        assert width <= found.start <= width + 2
        assert side - width - 2 <= found.stop <= side - width


def test_a_bar_at_one_side_is_no_frame() -> None:
    photo = framed(0, 0, colour=0)
    photo[:20] = 0
    assert content_window(photo) == WHOLE


def test_a_round_thing_on_a_plain_ground_is_no_framed_picture() -> None:
    photo = np.full((128, 160, 3), 255, np.uint8)
    cv2.ellipse(photo, (80, 64), (60, 50), 0, 0, 360, (40, 80, 160), -1)
    assert content_window(photo) == WHOLE


def test_a_gradient_fades_and_is_no_frame() -> None:
    fade = 255 - np.abs(np.linspace(-255, 255, 128))
    photo = np.repeat(fade[:, None, None], 160, axis=1).repeat(3, axis=2).astype(np.uint8)
    assert content_window(photo) == WHOLE


def test_one_colour_has_no_frame() -> None:
    assert content_window(np.full((128, 160, 3), 9, np.uint8)) == WHOLE


def test_sample_photos_have_no_frame() -> None:
    for photo in sample_photos():
        assert content_window(photo) == (slice(0, photo.shape[0]), slice(0, photo.shape[1]))


@pytest.mark.parametrize("side", range(1, 20))
def test_something_is_left_of_the_smallest_picture(side: int) -> None:
    photo = np.zeros((side, side, 3), np.uint8)
    quarter = side // 4
    photo[quarter : side - quarter, quarter : side - quarter] = 255
    assert photo[content_window(photo)].size > 0
