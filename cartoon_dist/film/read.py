"""A film's frames as pictures: upright, sRGB, each with its time."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from cartoon_dist.data.inputs.video import VideoReader, as_rgb
from cartoon_dist.errors import PictureError
from cartoon_dist.film.timecode import timecode
from cartoon_dist.image.decode import Damaged, Picture

_MISSING_FRAMES, _MISSING_SECONDS, _MISSING_SHARE = 2, Fraction(1), Fraction(1, 50)
"""A film may end this much before the duration in its header: max(frames, min(seconds, share of the duration))."""
_MATRIX_ONE = 1 << 16


@dataclass(frozen=True, eq=False)
class FilmFrame:
    """pts: its time, and duration, 0 where the film does not say, in the units of the film's `time_base`."""

    pts: int
    duration: int
    picture: Picture


@dataclass(frozen=True, kw_only=True)
class FilmFacts:
    """What the first frame and the header say.

    width, height, pixel_aspect: of the upright picture. num_frames: perhaps estimated. stream_index: of the video among
    the file's tracks. notices: what a user should know of the colours and the frames.
    """

    width: int
    height: int
    pixel_aspect: Fraction
    time_base: Fraction
    rate: Fraction
    num_frames: int
    stream_index: int
    notices: tuple[str, ...]


class FilmReader:
    """Reads a film's frames in order. damaged: what happens where it is not whole, "skip" stops with an error."""

    def __init__(self, path: Path, *, damaged: Damaged, max_megapixels: float) -> None:
        """Open a film; PictureError when it is none, has no frame, is HDR, or its frames are too large."""
        self._path, self._damaged = path, damaged
        self.num_damaged = 0
        """Frames that were taken although they are damaged, and packets that gave none."""
        self.early_end = ""
        """In words where the film ends before its header says so; known when all frames are read."""
        self._video = VideoReader(path, num_threads=0)
        try:
            first = next(self._video.frames(), None)
            if first is None:
                raise PictureError(f"{path}: no frame of it can be decoded; check the file")
            if first.width * first.height > max_megapixels * 1e6:
                raise PictureError(
                    f"{path}: its frames of {first.width} x {first.height} pixels are more than "
                    f"max_megapixels={max_megapixels:g}"
                )
            self._stored_size = (first.width, first.height)
            self._num_packets_lost = 0
            self.facts = self._facts(first)
        except BaseException:
            self._video.close()
            raise
        self._first: VideoFrame | None = first

    def _facts(self, first: VideoFrame) -> FilmFacts:
        video, path, notices = self._video, self._path, []
        if video.wide_colours.startswith("HDR"):
            raise PictureError(
                f"{path}: its colours are {video.wide_colours}, which no model here was trained on; convert the "
                "film to SDR, BT.709, first: ffmpeg's filters zscale and tonemap do it"
            )
        if video.wide_colours:
            notices.append(f"its colours are {video.wide_colours} and are taken for BT.709, too pale")
        if first.interlaced_frame:
            notices.append(
                "its frames are interlaced and are drawn as they are; ffmpeg's filter bwdif would separate them"
            )
        if not _is_right_angle(_matrix(first)):
            notices.append("it is turned by an angle that is no multiple of 90 degrees, and is drawn as it is stored")
        height, width = _upright(np.empty((first.height, first.width, 0), np.uint8), first).shape[:2]
        aspect = video.pixel_aspect
        return FilmFacts(
            width=width,
            height=height,
            pixel_aspect=aspect if width == first.width or aspect == 1 else 1 / aspect,
            time_base=video.time_base,
            rate=1 / video.frame_seconds,
            num_frames=video.num_frames,
            stream_index=video.stream_index,
            notices=tuple(notices),
        )

    def frames(self, *, after: int | None = None) -> Iterator[FilmFrame]:
        """The frames, all of them or those after the frame of that time, to which the film is wound.

        PictureError where a frame is damaged or of another size, or the film ends early, unless damaged is "take".
        """
        for frame in self._decoded(after):
            pts = frame.pts or 0
            if (frame.width, frame.height) != self._stored_size:
                raise PictureError(
                    f"{self._path}: at {self._time(pts)} its frames change from {self._stored_size[0]} x "
                    f"{self._stored_size[1]} to {frame.width} x {frame.height} pixels; cut the film there"
                )
            self._check(pts, is_corrupt=frame.is_corrupt)
            picture = np.ascontiguousarray(_upright(as_rgb(frame), frame))
            yield FilmFrame(pts, frame.duration or 0, picture)
        self._check(None, is_corrupt=False)
        self._check_end()

    def _decoded(self, after: int | None) -> Iterator[VideoFrame]:
        if after is None:
            if self._first is not None:
                yield self._first
        elif self._first is None or self._first.pts != after:
            self._first = None
            if self._video.frame_at(after) is None:
                raise PictureError(f"{self._path}: has no frame at {self._time(after)} any more; draw it anew")
        self._first = None
        yield from self._video.frames()

    def _check(self, pts: int | None, *, is_corrupt: bool) -> None:
        num_lost = self._video.num_lost - self._num_packets_lost
        self._num_packets_lost = self._video.num_lost
        if not num_lost and not is_corrupt:
            return
        self.num_damaged += num_lost + is_corrupt
        if self._damaged == "skip":
            where = "near its end" if pts is None else f"at {self._time(pts)}"
            raise PictureError(f"{self._path}: {where} it is damaged; damaged=take draws what can be read of it")

    def _check_end(self) -> None:
        expected, decoded = self._video.header_seconds, self._video.decoded_seconds
        allowed = max(_MISSING_FRAMES * self._video.frame_seconds, min(_MISSING_SECONDS, _MISSING_SHARE * expected))
        if expected - decoded <= allowed:
            return
        self.early_end = f"ends early, at {timecode(decoded)} where its header promises {timecode(expected)}"
        if self._damaged == "skip":
            raise PictureError(
                f"{self._path}: {self.early_end}; get the whole film, or damaged=take draws what is there"
            )

    def _time(self, pts: int) -> str:
        return timecode(pts * self._video.time_base)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._video.close()


def _matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """a, b, c, d of how a frame is shown: the pixel at column x, row y goes to column ax + cy, row bx + dy."""
    side_data: Any = frame.side_data  # PyAV's own annotation knows motion vectors alone
    matrix = side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return _MATRIX_ONE, 0, 0, _MATRIX_ONE
    numbers = np.frombuffer(bytes(matrix), np.int32)
    a, b, c, d = (int(numbers[index]) for index in (0, 1, 3, 4))
    return a, b, c, d


def _is_right_angle(matrix: tuple[int, int, int, int]) -> bool:
    a, b, c, d = matrix
    return bool((a and d and not b and not c) or (b and c and not a and not d))


def _upright(picture: Picture, frame: VideoFrame) -> Picture:
    """A stored picture (h, w, n) as it is to be shown; a view."""
    a, b, c, d = matrix = _matrix(frame)
    if not _is_right_angle(matrix):
        return picture
    if b:
        picture, a, d = picture.transpose(1, 0, 2), c, b
    if a < 0:
        picture = picture[:, ::-1]
    return picture[::-1] if d < 0 else picture
