"""A contact sheet: many small cells on one page, each with pictures side by side and a caption."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cartoon_dist.image.decode import Picture

_GAP, _CAPTION_HEIGHT = 8, 18
_BACKGROUND, _TEXT_COLOUR = 255, (40, 40, 40)
_FONT, _SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.38


@dataclass(frozen=True)
class SheetCell:
    """Square pictures, RGB or grey, shown side by side over one caption."""

    pictures: Sequence[Picture]
    caption: str


def contact_sheet(cells: Sequence[SheetCell], *, side: int, columns: int) -> Picture:
    """Lay out cells of equally many pictures row by row, each picture `side` pixels wide: uint8 RGB (h, w, 3).

    A caption that is wider than its cell is cut; characters beyond ASCII become question marks.
    """
    width = max(len(cell.pictures) for cell in cells) * side
    rows = -(-len(cells) // columns)
    sheet = np.full(
        (_GAP + rows * (side + _CAPTION_HEIGHT + _GAP), _GAP + columns * (width + _GAP), 3), _BACKGROUND, np.uint8
    )
    for index, cell in enumerate(cells):
        top = _GAP + index // columns * (side + _CAPTION_HEIGHT + _GAP)
        left = _GAP + index % columns * (width + _GAP)
        for position, picture in enumerate(cell.pictures):
            sheet[top : top + side, left + position * side : left + (position + 1) * side] = _resized(picture, side)
        caption = _shortened_to_width(cell.caption.encode("ascii", "replace").decode(), width)
        cv2.putText(
            sheet, caption, (left, top + side + _CAPTION_HEIGHT - 5), _FONT, _SCALE, _TEXT_COLOUR, 1, cv2.LINE_AA
        )
    return sheet


def _resized(picture: Picture, side: int) -> Picture:
    rgb = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) if picture.ndim == 2 or picture.shape[2] == 1 else picture
    how = cv2.INTER_AREA if rgb.shape[0] > side else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(rgb, (side, side), interpolation=how), np.uint8)


def _shortened_to_width(text: str, width: int) -> str:
    fits = text
    while fits and cv2.getTextSize(fits, _FONT, _SCALE, 1)[0][0] > width:
        fits = fits[:-1]
    return fits
