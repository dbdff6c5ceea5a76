"""Letterboxes and drawn frames: both methods would take the whole picture inside for one salient thing."""

import numpy as np
import numpy.typing as npt

from cartoon_dist.image.decode import Picture

Levels = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]

_MAX_BAR_SHARE = 0.25
"""Share of a side up to which a bar at one of its ends can be a frame's."""
_NEAR_LEVELS, _MIN_NEAR_SHARE = 16, 0.9
"""A line is the frame's when this share of it is within so many grey levels of its colour: JPEG rings along edges."""
_FAR_LEVELS, _MIN_FAR_SHARE = 32, 0.75
"""The picture starts where this share of a line is so many grey levels away from the frame."""
_MIXED_LINES = 2
"""Lines at the edge in which JPEG's halved colours mix frame and picture."""


def content_window(photo: Picture) -> tuple[slice, slice]:
    """Rows and columns of a photo, uint8 RGB (h, w, 3), without its frame; all of them where it has none.

    A frame is bars of one flat colour at opposite sides, each ending in a sudden step along most of its length: a sky
    fades, a wall lies at one side only, and a thing on a plain ground does not fill the box around it.
    """
    rows = _between_bars(photo)
    columns = _between_bars(photo[rows].swapaxes(0, 1))
    if rows == slice(0, photo.shape[0]) and columns == slice(0, photo.shape[1]):
        return rows, columns  # as in most photos
    framed_rows = _has_sharp_step(photo[:, columns], rows)
    framed_columns = _has_sharp_step(photo[rows].swapaxes(0, 1), columns)
    height, width = photo.shape[:2]
    return rows if framed_rows else slice(0, height), columns if framed_columns else slice(0, width)


def _between_bars(lines: Picture) -> slice:
    """Without the bars at both ends, and without the lines in which bar and picture are mixed."""
    longest = int(_MAX_BAR_SHARE * len(lines))
    first = _bar_width(lines[: longest + 1])
    if first == 0:
        return slice(0, len(lines))
    last = _bar_width(lines[::-1][: longest + 1])
    alike = _distance(lines[:1], _colour(lines[-1])).mean() < _NEAR_LEVELS
    start, stop = first + _MIXED_LINES, len(lines) - last - _MIXED_LINES
    found = first <= longest and 0 < last <= longest and alike and start < stop
    return slice(start, stop) if found else slice(0, len(lines))


def _bar_width(lines: Picture) -> int:
    """Number of leading lines (n, m, 3) in the first one's colour; 0 when that is of many, n when all are alike."""
    colour = _colour(lines[0])
    if _not_of_colour(lines[:1], colour).any():  # as in most photos, and the rest need not be looked at
        return 0
    strange = _not_of_colour(lines, colour)
    return int(np.argmax(strange)) if strange.any() else len(lines)


def _has_sharp_step(lines: Picture, kept: slice) -> bool:
    """Whether the first and the last kept line differ from the bar outside along most of their length."""
    first = _distance(lines[kept][:1], _colour(lines[0]))
    last = _distance(lines[kept][-1:], _colour(lines[-1]))
    return min((first > _FAR_LEVELS).mean(), (last > _FAR_LEVELS).mean()) >= _MIN_FAR_SHARE


def _colour(line: Picture) -> Levels:
    return np.median(line, axis=0).astype(np.int16)


def _distance(lines: Picture, colour: Levels) -> Levels:
    """Grey levels between each pixel and the colour, in the channel that differs most: (n, m)."""
    return np.abs(lines - colour).max(axis=2)


def _not_of_colour(lines: Picture, colour: Levels) -> Mask:
    """Which lines (n,) are not of the colour."""
    return (_distance(lines, colour) > _NEAR_LEVELS).mean(axis=1) > 1 - _MIN_NEAR_SHARE
