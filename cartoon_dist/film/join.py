"""Joins the segments of a drawn film, and the sound, subtitles and chapters of its source, into one file.

Nothing is encoded here: packets are copied.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from cartoon_dist.errors import PictureError
from cartoon_dist.files.atomic import replace_file, sync_file, sync_folder, temporary_path
from cartoon_dist.film.look import CONTAINERS, FilmLook, configure
from cartoon_dist.film.segments import PartsFolder, SegmentTimes
from cartoon_dist.film.tracks import add_tracks, copied_packets, kept_metadata, marked

_MAX_TIMESCALE = (1 << 31) - 1
_MP4_TIMESCALE = 1000


@dataclass(frozen=True)
class FrameTimes:
    """When each packet of the drawn film is shown and decoded, in the order of decoding, in units of its time base, and
    for how long its frame is shown."""

    pts: Sequence[int]
    dts: Sequence[int]
    durations: Sequence[int]


def join_film(source: Path, target: Path, parts: PartsFolder, look: FilmLook, *, drawn: int) -> tuple[str, ...]:
    """Write the drawn film atomically; the tracks that were left out, in words, each with the reason.

    drawn: the number of the source's video that is drawn. PictureError where the film cannot be written, or the source
    cannot be read.
    """
    temporary = temporary_path(target)
    try:
        with av.open(str(source), metadata_errors="replace") as film:
            left_out = _write(film, temporary, target.suffix.lower(), parts, look, drawn)
        sync_file(temporary)
        replace_file(temporary, target)
    except (av.FFmpegError, OSError) as error:
        raise PictureError(
            f"{target}: cannot be written ({error.strerror}); make room or name another output, then give the same "
            f"command again: {parts.path} holds what is drawn"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)
    return left_out


def _write(
    film: InputContainer, path: Path, suffix: str, parts: PartsFolder, look: FilmLook, drawn: int
) -> tuple[str, ...]:
    times = frame_times([parts.times(number) for number in range(parts.num_segments())], look)
    kind = CONTAINERS[suffix]
    options = _mp4_options(film, times, look) if kind in ("mp4", "mov") else {"avoid_negative_ts": "disabled"}
    with av.open(str(path), "w", format=kind, container_options=options) as output:
        video = output.add_stream(look.encoder, rate=look.rate)
        assert isinstance(video, VideoStream)
        configure(video.codec_context, look)
        video.time_base = look.time_base
        video.metadata.update(kept_metadata(film.streams[drawn].metadata))
        video.disposition = film.streams[drawn].disposition
        tracks = add_tracks(film, output, drawn=drawn)
        output.metadata.update(marked(kept_metadata(film.metadata)))
        output.set_chapters(film.chapters())
        output.start_encoding()
        packets = _drawn_packets(parts, times, look, video)
        for packet in _in_order(packets, copied_packets(film, tracks)):
            output.mux_one(packet)
    return tracks.left_out


def frame_times(segments: Sequence[SegmentTimes], look: FilmLook) -> FrameTimes:
    """The times of all segments, in order.

    Encoders number the decoding of each segment from its own beginning, which would run backwards where segments meet.
    So it is numbered anew: packet i is decoded when frame i - d is shown; no packet comes more than d frames early.
    """
    pts = [time for segment in segments for time in segment.pts]
    shown = sorted(pts)
    rank = {time: index for index, time in enumerate(shown)}
    early = max(index - rank[time] for index, time in enumerate(pts))
    usual = max(1, round(1 / look.rate / look.time_base))
    dts = [shown[0] - usual * before for before in range(early, 0, -1)] + shown[: len(shown) - early]
    # A frame is shown until the next one. What an .mp4 says of a frame's duration is that of its decoding.
    lasting = [*(after - time for time, after in pairwise(shown)), segments[-1].last_duration or usual]
    return FrameTimes(pts, dts, [lasting[rank[time]] for time in pts])


def _drawn_packets(
    parts: PartsFolder, times: FrameTimes, look: FilmLook, video: VideoStream
) -> "Iterator[Packet[VideoStream]]":
    header, index = bytes(video.codec_context.extradata or b""), 0
    for number in range(parts.num_segments()):
        segment = parts.read(number)
        if segment.header != header:
            raise PictureError(
                f"{parts.path}: segment {number} was encoded by another version of the encoder; remove the folder to "
                "draw the film anew"
            )
        for encoded in segment.packets:
            packet: Packet[Any] = Packet(encoded.content)
            packet.stream, packet.time_base, packet.is_keyframe = video, look.time_base, encoded.is_key
            packet.pts, packet.dts, packet.duration = times.pts[index], times.dts[index], times.durations[index]
            index += 1
            yield packet


def _in_order(drawn: "Iterator[Packet[VideoStream]]", copied: "Iterator[Packet[Stream]]") -> "Iterator[Packet[Any]]":
    """The drawn packets between the copied ones, by the time of decoding."""
    waiting = next(drawn, None)
    for packet in copied:
        while waiting is not None and _seconds(waiting) <= _seconds(packet):
            yield waiting
            waiting = next(drawn, None)
        yield packet
    if waiting is not None:
        yield waiting
    yield from drawn


def _seconds(packet: "Packet[Any]") -> Fraction:
    assert packet.dts is not None
    return packet.dts * packet.time_base


def _mp4_options(film: InputContainer, times: FrameTimes, look: FilmLook) -> dict[str, str]:
    """The units in which an .mp4 keeps its times: those of the source where they are a part of a second."""
    options = {"movflags": "+faststart"}
    if look.time_base.denominator <= _MAX_TIMESCALE:
        options["video_track_timescale"] = str(look.time_base.denominator)
    # A track that begins late begins at a whole unit of the film.
    starts = [min(times.pts) * look.time_base]
    starts += [(stream.start_time or 0) * (stream.time_base or Fraction(1)) for stream in film.streams]
    timescale = lcm(_MP4_TIMESCALE, *(start.denominator for start in starts if start > 0))
    if timescale <= _MAX_TIMESCALE:
        options["movie_timescale"] = str(timescale)
    return options
