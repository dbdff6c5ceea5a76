"""Frames out of video files: the only place that knows PyAV.

A frame is named by its presentation time in the units of its stream, so that any process finds the same one again.
Workers import this only when they are given a frame.
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import dropwhile
from pathlib import Path
from typing import Self

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream

from cartoon_dist.data.inputs.sources import Frame
from cartoon_dist.errors import PictureError
from cartoon_dist.files.atomic import MAX_SHARD_BYTES, require_regular
from cartoon_dist.image.decode import Picture

_EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
_UNSPECIFIED = 2
_HD_LINES = 720
"""A film that does not say how its colours are coded is taken for HD (BT.709) from so many lines on, as players do."""
_AHEAD_SECONDS, _BACK_SECONDS = 5, 10
"""A frame that comes so soon is reached by decoding on; a seek that landed too late is tried so much earlier."""
_SEEKABLE = frozenset({"mov", "matroska", "mpegts"})
"""Kinds of files in which a frame has the same time and pixels after a seek; others are read from their start."""
_OPEN_FILMS = 4
_PROMISING = frozenset({"mov", "matroska", "avi", "flv", "asf", "mxf"})
"""Kinds of files whose header says how long the film is; of others FFmpeg guesses by what is there."""
_HDR, _WIDE = {16: "HDR by PQ", 18: "HDR by HLG"}, {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
"""Transfers and primaries by the numbers of ITU-T H.273."""
_ASF_PROPERTIES = bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365")
_ASF_HEADER_BYTES = 1 << 16


class Film:
    """A video file that is read from front to back, or from a frame on."""

    def __init__(self, path: Path, *, num_threads: int) -> None:
        """Open a film; PictureError when it cannot be read or holds no pictures. num_threads: 0 for one a core."""
        self._path, self._num_threads = path, num_threads
        self.reached = Fraction(0)
        """Seconds to the end of what was read so far, of sound and subtitles too."""
        self.num_lost = 0
        """Pieces of the film that gave no frame."""
        self._open()

    def _open(self) -> None:
        path = self._path
        try:
            require_regular(path, max_bytes=MAX_SHARD_BYTES)
            self._container: InputContainer = av.open(str(path), metadata_errors="replace")
        except (av.FFmpegError, OSError) as error:
            raise PictureError(f"{path}: not a video that can be read ({error.strerror}); check the file") from None
        # A stream of an unknown kind has no decoder.
        streams = [s for s in self._container.streams.video if s.codec_context and not _is_cover(s)]
        if not streams:
            raise PictureError(f"{path}: no video in it to decode (it holds {_kinds(self._container)}); leave it out")
        self._stream: VideoStream = streams[0]
        self._stream.codec_context.thread_count = self._num_threads
        self._stream.thread_type = "AUTO"
        self._last: VideoFrame | None = None
        self._coming = self._decode()

    @property
    def time_base(self) -> Fraction:
        """Seconds a unit of presentation time."""
        return self._stream.time_base or Fraction(1, 90000)

    @property
    def num_frames(self) -> int:
        """About how many frames there are; 1 when the file does not say."""
        duration, rate = self._container.duration, self._stream.average_rate
        guessed = int(duration / av.time_base * rate) if duration and rate else 1
        return self._stream.frames or max(1, guessed)

    @property
    def frame_seconds(self) -> Fraction:
        """About how long a frame is shown."""
        return 1 / self._stream.average_rate if self._stream.average_rate else Fraction(1, 25)

    @property
    def wide(self) -> str:
        """By what its colours are coded that are not those of usual screens, which frames are taken for; or ""."""
        context = self._stream.codec_context
        return _HDR.get(context.color_trc, _WIDE.get(context.color_primaries, ""))

    @property
    def promised(self) -> Fraction:
        """The seconds that the film lasts by its header; 0 where it does not say."""
        kinds = set(self._container.format.name.split(","))
        if not _PROMISING & kinds:
            return Fraction(0)
        duration, rate = self._container.duration, self._stream.average_rate
        seconds = Fraction(duration, av.time_base) if duration else Fraction(0)
        if "avi" in kinds and rate:  # FFmpeg shortens the duration of one that is cut off, and leaves the count
            seconds = max(seconds, self._stream.frames / rate)
        return max(seconds, _promised_by_asf(self._path)) if "asf" in kinds else seconds

    @property
    def pixel_aspect(self) -> Fraction:
        """The width of a pixel as it is shown, in heights of one; films on DVD are squeezed."""
        return self._stream.sample_aspect_ratio or Fraction(1)

    def frames(self) -> Iterator[VideoFrame]:
        """The frames that come next, each later than the one before; damaged ones are passed over."""
        for frame in self._coming:
            if frame.pts is not None and (self._last is None or frame.pts > _pts(self._last)):
                self._last = frame
                yield frame

    def at(self, pts: int) -> VideoFrame | None:
        """The frame of that time, or None when there is none. Later frames soon after one another cost no seek."""
        if self._last is not None and _pts(self._last) == pts:
            return self._last
        seeks = bool(_SEEKABLE & set(self._container.format.name.split(",")))
        ahead = pts - _pts(self._last) if self._last is not None else 0
        if ahead > 0 and (not seeks or ahead * self.time_base <= _AHEAD_SECONDS) and (found := self._next(pts)):
            return found
        back = int(_BACK_SECONDS / self.time_base)
        for start in (pts, pts - back) if seeks else ():  # some seeks land behind the frame
            try:
                self._container.seek(start, stream=self._stream)
            except av.FFmpegError:
                continue
            self._last, self._coming = None, _from_keyframe(self._decode())
            if found := self._next(pts):
                return found
        self.close()
        self._open()
        return self._next(pts)

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next(self, pts: int) -> VideoFrame | None:
        for frame in self.frames():
            if _pts(frame) >= pts:
                return frame if _pts(frame) == pts else None
        return None

    def _decode(self) -> Iterator[VideoFrame]:
        packets = self._container.demux()
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.FFmpegError):  # the end, or where the file is cut off
                return
            if packet.pts is not None and not packet.is_corrupt:  # the last one of a file that is cut off
                self.reached = max(self.reached, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream_index != self._stream.index:
                continue
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.num_lost += 1
                continue
            yield from (frame for frame in frames if isinstance(frame, VideoFrame))


def read_frame(path: Path, frame: Frame, *, max_megapixels: float) -> Picture:
    """A frame as uint8 RGB (h, w, 3): without its bars, its pixels square, upright. PictureError when it cannot be had.

    The film stays open in this process, and frames asked for in their order are read without going back.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror})") from None
    film = _film(path, status.st_mtime_ns, status.st_size)
    decoded = film.at(frame.pts)
    if decoded is None:
        raise PictureError("the film has no whole frame at this time")
    if decoded.width * decoded.height > max_megapixels * 1e6:
        raise PictureError(f"{decoded.width} x {decoded.height} pixels are more than max_megapixels={max_megapixels:g}")
    left, top, right, bottom = frame.box
    picture = _square_pixels(as_rgb(decoded)[top:bottom, left:right], film.pixel_aspect)
    return np.ascontiguousarray(np.rot90(picture, decoded.rotation // 90))


def as_rgb(frame: VideoFrame, *, side: int | None = None) -> Picture:
    """A frame as it is stored, uint8 RGB (h, w, 3), or squeezed into a small square of the given side."""
    unknown = frame.colorspace == _UNSPECIFIED and frame.height >= _HD_LINES
    size = {} if side is None else {"width": side, "height": side}
    how = Interpolation.BICUBIC if side is None else Interpolation.AREA
    reformatted = frame.reformat(
        format="rgb24", src_colorspace=Colorspace.ITU709 if unknown else None, interpolation=int(how | _EXACT), **size
    )
    return np.asarray(reformatted.to_ndarray(), np.uint8)


def as_grey(frame: VideoFrame) -> Picture:
    """A frame's brightness, uint8 (h, w), black 0 and white 255."""
    return np.asarray(frame.reformat(format="gray", dst_color_range=ColorRange.JPEG).to_ndarray(), np.uint8)


@lru_cache(maxsize=_OPEN_FILMS)
def _film(path: Path, _changed: int, _size: int) -> Film:
    return Film(path, num_threads=1)


def _square_pixels(picture: Picture, aspect: Fraction) -> Picture:
    if aspect == 1:
        return picture
    height, width = picture.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _from_keyframe(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """Without the frames that lean on others before the seek."""
    return dropwhile(lambda frame: not frame.key_frame, frames)


def _pts(frame: VideoFrame) -> int:
    return 0 if frame.pts is None else frame.pts


def _promised_by_asf(path: Path) -> Fraction:
    """The seconds that a WMV's header gives it, which FFmpeg passes over when the file is shorter than it should be."""
    with path.open("rb") as file:
        head = file.read(_ASF_HEADER_BYTES)
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or at + 88 > len(head):
        return Fraction(0)
    duration, _, preroll = struct.unpack_from("<QQQ", head, at + 64)  # in units of 100 ns, and of 1 ms
    return max(Fraction(0), Fraction(duration, 10**7) - Fraction(preroll, 1000))


def _is_cover(stream: VideoStream) -> bool:
    """Music carries its cover as a video of one picture."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _kinds(container: InputContainer) -> str:
    return " and ".join(sorted({stream.type for stream in container.streams})) or "nothing"
