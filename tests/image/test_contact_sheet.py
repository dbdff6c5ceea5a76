"""Where pictures and captions lie on a contact sheet."""

import numpy as np

from cartoon_dist.image.contact_sheet import SheetCell, contact_sheet

RED = np.full((16, 16, 3), (255, 0, 0), np.uint8)
GREY = np.full((16, 16), 77, np.uint8)


def test_pictures_lie_in_rows_with_their_companions() -> None:
    strips = [SheetCell((RED, GREY), ""), SheetCell((RED, GREY[..., None]), ""), SheetCell((GREY, RED), "")]
    sheet = contact_sheet(strips, side=16, columns=2)
    # A gap of 8 around strips of 2 x 16 pixels; under each a line of 18 for the caption.
    assert sheet.shape == (8 + 2 * (16 + 18 + 8), 8 + 2 * (32 + 8), 3)
    assert (sheet[8:24, 8:24] == RED).all()
    assert (sheet[8:24, 24:40] == 77).all()
    assert (sheet[8:24, 48:64] == RED).all()
    assert (sheet[50:66, 8:24] == 77).all()
    assert (sheet[50:66, 24:40] == RED).all()
    assert (sheet[50:66, 40:] == 255).all()  # nothing beside the last one


def test_large_pictures_are_averaged_and_small_ones_repeated() -> None:
    halves = np.zeros((32, 32, 3), np.uint8)
    halves[::2] = 100
    assert (contact_sheet([SheetCell((halves,), "")], side=16, columns=1)[8:24, 8:24] == 50).all()
    tiny = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert (contact_sheet([SheetCell((tiny,), "")], side=4, columns=1)[8:10, 8:10] == tiny[0, 0]).all()


def test_a_caption_is_drawn_under_its_strip_and_no_wider() -> None:
    sheet = contact_sheet(
        [SheetCell((RED, RED), "a very long caption, and 富士 in it"), SheetCell((RED, RED), "")], side=16, columns=2
    )
    assert (sheet[24:42, 8:41] < 128).any()
    assert (sheet[24:42, 42:] == 255).all()
