"""Small videos for tests: the embedded cartoons shown one after another, with bars, in any format."""

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from tests.data.shard_folders import SAMPLES

Pixels = npt.NDArray[np.uint8]
RATE = 25
EXACT = {"crf": "1", "preset": "ultrafast"}


def cartoon(name: str, width: int, height: int) -> Pixels:
    """An embedded cartoon, resized."""
    stored = cv2.imread(str(SAMPLES / "cartoons" / f"{name}.jpg"), cv2.IMREAD_COLOR_RGB)
    assert stored is not None
    return np.asarray(cv2.resize(stored, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def add_bars(picture: Pixels, *, rows: int = 0, columns: int = 0) -> Pixels:
    """A picture between black bars of this many rows or columns."""
    return np.pad(picture, ((rows, rows), (columns, columns), (0, 0)))


def pan(picture: Pixels, num_frames: int) -> list[Pixels]:
    """A slow pan: one pixel every second frame."""
    return [np.roll(picture, frame // 2, axis=1) for frame in range(num_frames)]


def write_video(
    path: Path,
    frames: Sequence[Pixels],
    *,
    codec: str = "libx264",
    keyframe_every: int = 12,
    options: dict[str, str] | None = None,
    rotation: int = 0,
    pixel_aspect: tuple[int, int] = (1, 1),
) -> Path:
    """Encode frames, RGB, at 25 a second."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = keyframe_every
        stream.options = (EXACT if codec == "libx264" else {}) if options is None else options
        if pixel_aspect != (1, 1):
            from fractions import Fraction

            stream.codec_context.sample_aspect_ratio = Fraction(*pixel_aspect)
        if rotation:
            stream.set_display_rotation(rotation)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_with_longer_sound(path: Path, frames: Sequence[Pixels], *, seconds: int) -> Path:
    """A video whose sound lasts this many seconds, whatever the number of frames."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        pictures, sound = container.add_stream("mpeg4", rate=RATE), container.add_stream("aac", rate=44100)
        pictures.width, pictures.height, pictures.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(pictures.encode())
        _write_silence(container, sound, seconds * 44100 // 1024)
    return path


def move_index_first(path: Path) -> None:
    """Rewrite an .mp4 with its index before its frames, so that it can be read when it is truncated."""
    other = path.with_name(f"first-{path.name}")
    with av.open(str(path)) as video, av.open(str(other), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream_from_template(video.streams.video[0])
        for packet in video.demux(video.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    other.replace(path)


def write_sound(path: Path) -> Path:
    """A file with sound alone."""
    with av.open(str(path), "w") as container:
        _write_silence(container, container.add_stream("aac", rate=44100), 20)
    return path


def _write_silence(container: av.container.OutputContainer, stream: av.AudioStream, num_blocks: int) -> None:
    for block in range(num_blocks):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate, frame.pts = 44100, block * 1024
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
