"""Reads frames of video files, with PyAV.

A frame is identified by its presentation time in the units of its stream, so that every process finds the same one.
Workers import this only when a task is a frame.
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

from cartoon_dist.data.inputs.sources import FrameLocation
from cartoon_dist.errors import PictureError
from cartoon_dist.files.bounded import MAX_SHARD_BYTES, require_regular
from cartoon_dist.image.decode import Picture

_EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
_UNSPECIFIED = 2
_HD_LINES = 720
"""A video with this many lines or more that does not name its colour matrix is read as HD (BT.709), as players do."""
_DECODE_AHEAD_SECONDS, _SEEK_BACK_SECONDS = 5, 10
"""A frame at most so far ahead is reached by decoding on, without a seek; a seek that landed behind the frame is tried
again so much earlier."""
_SEEKABLE = frozenset({"mov", "matroska", "mpegts"})
"""Containers in which a frame has the same time and pixels after a seek; others are read from their start."""
_MAX_OPEN_VIDEOS = 4
_HEADER_DURATION_KINDS = frozenset({"mov", "matroska", "avi", "flv", "asf", "mxf"})
"""Containers whose header has the duration; for others FFmpeg estimates it from the data that is there."""
_HDR, _WIDE = {16: "HDR by PQ", 18: "HDR by HLG"}, {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
"""Transfer characteristics and primaries by their codes in ITU-T H.273."""
_ASF_PROPERTIES = bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365")
_ASF_HEADER_BYTES = 1 << 16


class VideoReader:
    """Reads the frames of a video file in order, or from a given time on."""

    def __init__(self, path: Path, *, num_threads: int) -> None:
        """Open a video; PictureError when it cannot be read or has no video stream. num_threads: 0 for one a core."""
        self._path, self._num_threads = path, num_threads
        self.decoded_seconds = Fraction(0)
        """The end of all packets read so far, those of sound and subtitles included."""
        self.num_lost = 0
        """Packets that could not be decoded."""
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
        self._frames = self._decode()

    @property
    def stream_index(self) -> int:
        """The number of the video that is read among all tracks of the file."""
        return self._stream.index

    @property
    def time_base(self) -> Fraction:
        """Seconds of one unit of presentation time."""
        return self._stream.time_base or Fraction(1, 90000)

    @property
    def num_frames(self) -> int:
        """The number of frames, perhaps estimated; 1 when the file does not say."""
        duration, rate = self._container.duration, self._stream.average_rate
        estimated = int(duration / av.time_base * rate) if duration and rate else 1
        return self._stream.frames or max(1, estimated)

    @property
    def frame_seconds(self) -> Fraction:
        """The mean duration of a frame."""
        return 1 / self._stream.average_rate if self._stream.average_rate else Fraction(1, 25)

    @property
    def wide_colours(self) -> str:
        """The name of the video's colour space or transfer when it is not the usual one that frames are read as; else
        ""."""
        context = self._stream.codec_context
        return _HDR.get(context.color_trc, _WIDE.get(context.color_primaries, ""))

    @property
    def header_seconds(self) -> Fraction:
        """The duration in the header; 0 where it has none."""
        kinds = set(self._container.format.name.split(","))
        if not _HEADER_DURATION_KINDS & kinds:
            return Fraction(0)
        duration, rate = self._container.duration, self._stream.average_rate
        seconds = Fraction(duration, av.time_base) if duration else Fraction(0)
        if "avi" in kinds and rate:  # FFmpeg shortens the duration of a truncated file, but not its count of frames
            seconds = max(seconds, self._stream.frames / rate)
        return max(seconds, _asf_header_seconds(self._path)) if "asf" in kinds else seconds

    @property
    def pixel_aspect(self) -> Fraction:
        """Width divided by height of a pixel as it is shown; on DVDs pixels are not square."""
        return self._stream.sample_aspect_ratio or Fraction(1)

    def frames(self) -> Iterator[VideoFrame]:
        """The next frames, each later than the one before; packets that cannot be decoded are skipped."""
        for frame in self._frames:
            if frame.pts is not None and (self._last is None or frame.pts > _pts(self._last)):
                self._last = frame
                yield frame

    def frame_at(self, pts: int) -> VideoFrame | None:
        """The frame of that time, or None when there is none. A frame shortly after the last one costs no seek."""
        if self._last is not None and _pts(self._last) == pts:
            return self._last
        seeks = bool(_SEEKABLE & set(self._container.format.name.split(",")))
        ahead = pts - _pts(self._last) if self._last is not None else 0
        if ahead > 0 and (not seeks or ahead * self.time_base <= _DECODE_AHEAD_SECONDS) and (frame := self._next(pts)):
            return frame
        back = int(_SEEK_BACK_SECONDS / self.time_base)
        for start in (pts, pts - back) if seeks else ():  # some seeks land after the frame
            try:
                self._container.seek(start, stream=self._stream)
            except av.FFmpegError:
                continue
            self._last, self._frames = None, _from_keyframe(self._decode())
            if frame := self._next(pts):
                return frame
        self.close()
        self._open()
        return self._next(pts)

    def close(self) -> None:
        """Close the file."""
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
            except (StopIteration, av.FFmpegError):  # the end, or where the file is truncated
                return
            if packet.pts is not None and not packet.is_corrupt:  # is_corrupt: the last packet of a truncated file
                self.decoded_seconds = max(
                    self.decoded_seconds, (packet.pts + (packet.duration or 0)) * packet.time_base
                )
            if packet.stream.index != self._stream.index:  # stream_index is 0 in the last packet of each track
                continue
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.num_lost += 1
                continue
            yield from (frame for frame in frames if isinstance(frame, VideoFrame))


def read_frame(path: Path, frame: FrameLocation, *, max_megapixels: float) -> Picture:
    """A frame as uint8 RGB (h, w, 3): without its bars, its pixels square, upright. PictureError when it cannot be
    read.

    The video stays open in this process, so that frames read in their order need no seek back.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror})") from None
    video = _open_reader(path, status.st_mtime_ns, status.st_size)
    decoded = video.frame_at(frame.pts)
    if decoded is None:
        raise PictureError("the film has no whole frame at this time")
    if decoded.width * decoded.height > max_megapixels * 1e6:
        raise PictureError(f"{decoded.width} x {decoded.height} pixels are more than max_megapixels={max_megapixels:g}")
    left, top, right, bottom = frame.box
    picture = _square_pixels(as_rgb(decoded)[top:bottom, left:right], video.pixel_aspect)
    return np.ascontiguousarray(np.rot90(picture, decoded.rotation // 90))


def as_rgb(frame: VideoFrame, *, side: int | None = None) -> Picture:
    """A frame as it is stored, uint8 RGB (h, w, 3), or resized to a small square of the given side."""
    unknown = frame.colorspace == _UNSPECIFIED and frame.height >= _HD_LINES
    size = {} if side is None else {"width": side, "height": side}
    interpolation = Interpolation.BICUBIC if side is None else Interpolation.AREA
    reformatted = frame.reformat(
        format="rgb24",
        src_colorspace=Colorspace.ITU709 if unknown else None,
        interpolation=int(interpolation | _EXACT),
        **size,
    )
    return np.asarray(reformatted.to_ndarray(), np.uint8)


def as_grey(frame: VideoFrame) -> Picture:
    """A frame's brightness, uint8 (h, w), black 0 and white 255."""
    return np.asarray(frame.reformat(format="gray", dst_color_range=ColorRange.JPEG).to_ndarray(), np.uint8)


@lru_cache(maxsize=_MAX_OPEN_VIDEOS)
def _open_reader(path: Path, _changed: int, _size: int) -> VideoReader:
    return VideoReader(path, num_threads=1)


def _square_pixels(picture: Picture, aspect: Fraction) -> Picture:
    if aspect == 1:
        return picture
    height, width = picture.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _from_keyframe(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """Without the frames before the first keyframe: they need frames from before the seek."""
    return dropwhile(lambda frame: not frame.key_frame, frames)


def _pts(frame: VideoFrame) -> int:
    return 0 if frame.pts is None else frame.pts


def _asf_header_seconds(path: Path) -> Fraction:
    """The duration in a WMV's header in seconds, which FFmpeg ignores when the file is too short for it."""
    with path.open("rb") as file:
        head = file.read(_ASF_HEADER_BYTES)
    start = head.find(_ASF_PROPERTIES)
    if start < 0 or start + 88 > len(head):
        return Fraction(0)
    duration, _, preroll = struct.unpack_from("<QQQ", head, start + 64)  # in units of 100 ns, and of 1 ms
    return max(Fraction(0), Fraction(duration, 10**7) - Fraction(preroll, 1000))


def _is_cover(stream: VideoStream) -> bool:
    """Music files store their cover as a video of one picture."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _kinds(container: InputContainer) -> str:
    return " and ".join(sorted({stream.type for stream in container.streams})) or "nothing"
