"""Finds the black bars of a video from many of its frames, as one dark frame gives no evidence."""

import numpy as np
import numpy.typing as npt

from cartoon_dist.image.decode import Picture

Box = tuple[int, int, int, int]
"""Left, top, right, bottom of a part of a picture, in pixels; right and bottom are the first ones outside."""

_BLACK, _MAX_BRIGHT_SHARE = 24, 0.01
"""A line is dark when at most this share of its pixels is brighter than this: compression leaves noise in bars."""
_NEARLY_ALL, _MIN_SHARE = 0.98, 0.5
"""A bar is dark in this share of the frames; a bar with subtitles, opposite to such a bar, in the second share."""
_MAX_BARS_SHARE = 0.5
"""When bars would take more of a side than this, there are none: the video is dark."""
_MIXED_LINES = 2
"""Lines beside a bar in which compression mixes bar and picture."""


class LetterboxDetector:
    """Collects frames of one video, all of one size, and finds the picture area without the bars."""

    def __init__(self) -> None:
        self._dark_rows: npt.NDArray[np.int64] | None = None
        self._dark_columns: npt.NDArray[np.int64] | None = None
        self._num_frames = 0

    def add(self, grey: Picture) -> None:
        """Add a frame, grey (h, w), 0..255; one that is dark all over is ignored."""
        bright = grey > _BLACK
        rows, columns = bright.mean(axis=1) <= _MAX_BRIGHT_SHARE, bright.mean(axis=0) <= _MAX_BRIGHT_SHARE
        if rows.all() or columns.all():
            return
        if self._dark_rows is None or self._dark_columns is None:
            self._dark_rows, self._dark_columns = np.zeros(len(rows), np.int64), np.zeros(len(columns), np.int64)
        self._dark_rows += rows
        self._dark_columns += columns
        self._num_frames += 1

    def box(self, *, width: int, height: int) -> Box:
        """The picture without its bars; all of it where there are none, or no frame could be used."""
        if self._dark_rows is None or self._dark_columns is None:
            return 0, 0, width, height
        top, bottom = _bars(self._dark_rows / self._num_frames)
        left, right = _bars(self._dark_columns / self._num_frames)
        return left, top, width - right, height - bottom


def _bars(dark: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Lines to cut at the start and at the end, given the share of frames in which each line is dark.

    Bars lie on both sides: a night sky is dark only above. Where one is covered by subtitles at times, the other one is
    the evidence.
    """
    mirrored = dark[::-1]
    common = _leading_true((np.maximum(dark, mirrored) >= _NEARLY_ALL) & (np.minimum(dark, mirrored) >= _MIN_SHARE))
    if common == 0:
        return 0, 0
    # The two bars may differ a little in width.
    slack = common + max(2, common // 4)
    start, end = (
        max(common, min(slack, _leading_true(side >= _NEARLY_ALL))) + _MIXED_LINES for side in (dark, mirrored)
    )
    return (start, end) if start + end <= _MAX_BARS_SHARE * len(dark) else (0, 0)


def _leading_true(lines: npt.NDArray[np.bool_]) -> int:
    """Number of leading True values."""
    return len(lines) if lines.all() else int(np.argmin(lines))
