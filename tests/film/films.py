"""Small films for tests: moving shapes with sound, subtitles and chapters, made by PyAV."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.packet import Packet

Pixels = npt.NDArray[np.uint8]
SOUND_RATE = 44100
SUBTITLES = {".mp4": "mov_text", ".mov": "mov_text", ".mkv": "subrip"}
TICKS = (0, 512, 1024, 1300, 2048, 2560, 3840, 4096, 4700, 5120)
"""Times of frames that are not evenly spaced, in units of 1/12800 s, repeated every 6144 units."""


def moving_shapes(num_frames: int, *, width: int = 48, height: int = 32) -> list[Pixels]:
    """A bright square that walks over a slanted background, and another colour in every second of it."""
    rows, columns = np.mgrid[:height, :width]
    frames = []
    for index in range(num_frames):
        frame = np.stack([rows * 5, columns * 4, rows + columns], -1).clip(0, 255).astype(np.uint8)
        left = (index * 2) % (width - 8)
        frame[8:16, left : left + 8] = (250, 60 + index % 100, 20)
        frames.append(frame)
    return frames


def write_film(
    path: Path,
    frames: Sequence[Pixels],
    *,
    ticks: Sequence[int] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    pixel_aspect: Fraction = Fraction(1),
    pixel_format: str = "yuv420p",
    sound: bool = True,
    subtitles: bool = True,
    colours: dict[str, int] | None = None,
) -> Path:
    """Encode frames, RGB, at 25 a second or at the given times of 1/12800 s, with sound, subtitles and two chapters."""
    times = list(ticks) if ticks else [512 * index for index in range(len(frames))]
    options = {"video_track_timescale": "12800"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", container_options=options) as film:
        video: Any = film.add_stream("libx264", rate=25)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt, video.options = pixel_format, {"crf": "10", "preset": "veryfast"}
        video.codec_context.time_base = video.time_base = Fraction(1, 12800)
        video.codec_context.sample_aspect_ratio = pixel_aspect
        for name, value in (colours or {}).items():
            setattr(video.codec_context, name, value)
        if rotation or mirrored:
            video.set_display_rotation(rotation, hflip=mirrored)
        audio: Any = film.add_stream("aac", rate=SOUND_RATE) if sound else None
        words = film.add_mux_stream(SUBTITLES[path.suffix]) if subtitles else None
        film.metadata.update({"title": "Shapes", "comment": "made by a test"})
        seconds = times[-1] / 12800
        film.set_chapters(_chapters(seconds))
        if audio is not None:
            audio.metadata["language"] = "deu"
        film.start_encoding()
        for frame, pts in zip(frames, times, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = pts, Fraction(1, 12800)
            film.mux(video.encode(picture))
        film.mux(video.encode())
        if audio is not None:
            _write_sound(film, audio, seconds)
        if words is not None:
            _write_subtitles(film, words, path.suffix)
    return path


def uneven(num_frames: int) -> list[int]:
    """Times of frames at a variable rate."""
    return [TICKS[index % len(TICKS)] + 6144 * (index // len(TICKS)) for index in range(num_frames)]


def _chapters(seconds: float) -> list[Any]:
    middle, end = round(seconds * 500), round(seconds * 1000)
    return [
        {"id": number, "start": start, "end": stop, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
        for number, (start, stop, title) in enumerate([(0, middle, "Out"), (middle, end, "Back")])
    ]


def _write_sound(film: Any, stream: Any, seconds: float) -> None:
    for block in range(int(seconds * SOUND_RATE / 1024) + 2):
        wave = np.sin(np.arange(block * 1024, (block + 1) * 1024) * 0.06, dtype=np.float64)
        frame = av.AudioFrame.from_ndarray(
            np.stack([wave, wave]).astype(np.float32) / 3, format="fltp", layout="stereo"
        )
        frame.rate, frame.pts = SOUND_RATE, block * 1024
        film.mux(stream.encode(frame))
    film.mux(stream.encode())


def _write_subtitles(film: Any, stream: Any, suffix: str) -> None:
    for number, text in enumerate((b"one", b"two, later")):
        content = len(text).to_bytes(2, "big") + text if SUBTITLES[suffix] == "mov_text" else text
        packet: Any = Packet(content)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = 100 + 300 * number
        packet.duration = 200
        film.mux_one(packet)


@dataclass(frozen=True)
class Track:
    """A track as it lies in a file. packets: bytes, pts, dts, in seconds."""

    kind: str
    codec: str
    language: str | None
    packets: list[tuple[bytes, Fraction | None, Fraction | None]]


def tracks(path: Path, kind: str) -> list[Track]:
    """The tracks of a kind: audio, subtitle, video, data, attachment."""
    found = []
    with av.open(str(path)) as film:
        indices = [stream.index for stream in film.streams if stream.type == kind]
    for index in indices:
        with av.open(str(path)) as film:
            stream: Any = film.streams[index]
            packets = [
                (bytes(packet), _seconds(packet.pts, packet), _seconds(packet.dts, packet))
                for packet in film.demux(stream)
                if packet.size
            ]
            codec = stream.codec_context.name if stream.codec_context else ""
            found.append(Track(kind, codec, stream.language, packets))
    return found


def _seconds(time: int | None, packet: Any) -> Fraction | None:
    return None if time is None else time * packet.time_base


def shown_frames(path: Path) -> list[tuple[Fraction, Pixels]]:
    """Each frame of a film, RGB as it is stored, with its time in seconds."""
    with av.open(str(path)) as film:
        return [
            (
                (frame.pts or 0) * (frame.time_base or Fraction(1)),
                np.asarray(frame.to_ndarray(format="rgb24"), np.uint8),
            )
            for frame in film.decode(video=0)
        ]
