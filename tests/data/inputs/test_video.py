"""Frames of videos by their time: the same in any order, upright, with square pixels."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame

from cartoon_dist.data.inputs.sources import FrameLocation
from cartoon_dist.data.inputs.video import VideoReader, as_rgb, read_frame
from cartoon_dist.errors import PictureError
from tests.data.videos import cartoon, pan, write_video

WIDTH, HEIGHT = 96, 64
WHOLE = (0, 0, WIDTH, HEIGHT)
FORMATS = {
    "film.mp4": ("libx264", {"crf": "20", "bf": "3"}),
    "film.avi": ("mpeg4", {"bf": "2"}),
    "film.mkv": ("libx264", {"crf": "20", "x264opts": "open-gop=1:bframes=3"}),
    "film.webm": ("libvpx-vp9", {}),
    "film.mpg": ("mpeg2video", {"bf": "2"}),
    "film.mts": ("libx264", {"crf": "20", "bf": "2"}),
}


def frame(pts: int, box: tuple[int, int, int, int] = WHOLE) -> FrameLocation:
    return FrameLocation(pts, "scene", box, "0")


def read(path: Path, location: FrameLocation, max_megapixels: float = 1.0) -> np.ndarray:
    return read_frame(path, location, max_megapixels=max_megapixels)


@pytest.mark.parametrize("name", FORMATS)
def test_a_frame_is_the_same_in_any_order(tmp_path: Path, name: str) -> None:
    codec, options = FORMATS[name]
    frames = [*pan(cartoon("club", WIDTH, HEIGHT), 150), *pan(cartoon("uni", WIDTH, HEIGHT), 150)]
    path = write_video(tmp_path / name, frames, codec=codec, options=options, keyframe_every=20)
    with VideoReader(path, num_threads=2) as reader:
        in_order = {decoded.pts: as_rgb(decoded) for decoded in reader.frames()}
    assert 295 <= len(in_order) <= 300
    times = sorted(pts for pts in in_order if pts is not None)
    scattered = random.Random(1).sample(times, 40)
    for pts in [*times[5::40], *scattered, *scattered[-1:], times[0], times[-1]]:
        assert np.array_equal(read(path, frame(pts)), in_order[pts]), pts
    for pts in {times[10] + 1, times[0] - 1, 3 * times[-1]} - in_order.keys():
        with pytest.raises(PictureError, match="no whole frame at this time"):
            read(path, frame(pts))
    assert np.array_equal(read(path, frame(times[7])), in_order[times[7]])


def test_frames_in_order_are_read_without_seeking_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "film.mkv", pan(cartoon("club", WIDTH, HEIGHT), 1000), keyframe_every=50)
    num_decoded, decode = 0, VideoReader._decode

    def counted(reader: VideoReader) -> Iterator[VideoFrame]:
        nonlocal num_decoded
        for decoded in decode(reader):
            num_decoded += 1
            yield decoded

    monkeypatch.setattr(VideoReader, "_decode", counted)
    for number in range(500, 600, 20):  # 40 ms a frame in units of a millisecond
        read(path, frame(40 * number))
    assert num_decoded <= 600 - 500 + 50  # from the keyframe before the first one to the last one, once
    num_decoded = 0
    read(path, frame(40 * 990))  # far ahead: from its own keyframe
    assert num_decoded <= 50


def test_bars_are_cut_and_pixels_made_square(tmp_path: Path) -> None:
    picture = cartoon("uni", WIDTH, HEIGHT)
    plain = read(write_video(tmp_path / "a.mp4", [picture] * 5), frame(0, (4, 8, 92, 60)))
    assert plain.shape == (52, 88, 3)
    assert np.abs(plain.astype(int) - picture[8:60, 4:92]).mean() < 8  # colours have half the size
    wide = read(write_video(tmp_path / "b.mp4", [picture] * 5, pixel_aspect=(4, 3)), frame(0, (3, 0, 96, 64)))
    assert wide.shape == (64, 124, 3)  # 93 pixels, each 4/3 wide
    high = read(write_video(tmp_path / "c.mp4", [picture] * 5, pixel_aspect=(8, 9)), frame(0))
    assert high.shape == (72, 96, 3)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (270, 3)])
def test_a_video_is_rotated_upright(tmp_path: Path, degrees: int, turns: int) -> None:
    picture = cartoon("uni", WIDTH, HEIGHT)
    turned = read(write_video(tmp_path / "a.mp4", [picture] * 5, rotation=degrees), frame(0))
    assert np.abs(turned.astype(int) - np.rot90(picture, turns)).mean() < 8  # colours are stored at half the size


def test_frames_that_cannot_be_read_give_the_reason(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [cartoon("uni", WIDTH, HEIGHT)] * 5)
    with pytest.raises(PictureError, match=r"96 x 64 pixels are more than max_megapixels=0\.005"):
        read(path, frame(0), max_megapixels=0.005)
    with pytest.raises(PictureError, match=r"cannot be read .No such file"):
        read(tmp_path / "nowhere.mp4", frame(0))
    path.write_bytes(b"no film any more")
    with pytest.raises(PictureError, match="not a video that can be read"):
        read(path, frame(0))
