"""Removes letterboxes and drawn borders: with them, both methods would mark the whole inner picture as salient."""

import numpy as np
import numpy.typing as npt

from cartoon_dist.image.decode import Picture

Levels = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]

_MAX_BAR_SHARE = 0.25
"""The largest share of a side that a bar at one of its ends may take."""
_NEAR_LEVELS, _MIN_NEAR_SHARE = 16, 0.9
"""A line belongs to a bar when this share of it is within so many grey levels of its colour: JPEG rings along edges."""
_FAR_LEVELS, _MIN_FAR_SHARE = 32, 0.75
"""The picture starts where this share of a line is at least so many grey levels away from the bar."""
_MIXED_LINES = 2
"""Lines at the edge in which JPEG's subsampled colours mix bar and picture."""


def content_window(photo: Picture) -> tuple[slice, slice]:
    """Rows and columns of a photo, uint8 RGB (h, w, 3), without its border; all of them where it has none.

    A border is bars of one flat colour at opposite sides, each ending in a sharp step along most of its length: a sky
    fades, a wall lies at one side only, and an object on a plain background does not fill the box around it.
    """
    rows = _between_bars(photo)
    columns = _between_bars(photo[rows].swapaxes(0, 1))
    if rows == slice(0, photo.shape[0]) and columns == slice(0, photo.shape[1]):
        return rows, columns  # as in most photos
    sharp_rows = _has_sharp_step(photo[:, columns], rows)
    sharp_columns = _has_sharp_step(photo[rows].swapaxes(0, 1), columns)
    height, width = photo.shape[:2]
    return rows if sharp_rows else slice(0, height), columns if sharp_columns else slice(0, width)


def _between_bars(lines: Picture) -> slice:
    """Without the bars at both ends, and without the lines in which bar and picture are mixed."""
    longest = int(_MAX_BAR_SHARE * len(lines))
    first = _bar_width(lines[: longest + 1])
    if first == 0:
        return slice(0, len(lines))
    last = _bar_width(lines[::-1][: longest + 1])
    alike = _distance(lines[:1], _colour(lines[-1])).mean() < _NEAR_LEVELS
    start, stop = first + _MIXED_LINES, len(lines) - last - _MIXED_LINES
    has_bars = first <= longest and 0 < last <= longest and alike and start < stop
    return slice(start, stop) if has_bars else slice(0, len(lines))


def _bar_width(lines: Picture) -> int:
    """Number of leading lines (n, m, 3) in the first one's colour; 0 when it has many, n when all are alike."""
    colour = _colour(lines[0])
    if _not_of_colour(lines[:1], colour).any():  # as in most photos, and the rest need not be looked at
        return 0
    other = _not_of_colour(lines, colour)
    return int(np.argmax(other)) if other.any() else len(lines)


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
