"""Which frames of a video are chosen: cuts, spacing, bars and near-duplicates, on videos whose cuts are known."""

import contextlib
import os
import random
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from cartoon_dist.config.shards import VideoSettings
from cartoon_dist.console.log_handler import log_to_console
from cartoon_dist.data.inputs.frame_selection import DamagePolicy, choose_frames, evenly_spaced, scene_starts, timecode
from cartoon_dist.data.inputs.sources import ChosenFrame
from cartoon_dist.data.inputs.video import read_frame
from cartoon_dist.errors import PictureError
from tests.data.videos import (
    add_bars,
    cartoon,
    move_index_first,
    pan,
    write_sound,
    write_video,
    write_with_longer_sound,
)

SKIP, TAKE = (DamagePolicy(damaged=damaged, max_broken=0.1) for damaged in ("skip", "take"))


@pytest.fixture(autouse=True)
def _print_log_records() -> Iterator[None]:
    """Warnings are printed as a command prints them."""
    with log_to_console():
        yield


def warnings(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")]


def chosen(path: Path, policy: DamagePolicy = SKIP, **settings: float) -> tuple[ChosenFrame, ...]:
    return choose_frames(path, VideoSettings(**settings), policy, duplicate_bits=3, num_threads=1, shown=True)  # type: ignore[arg-type]


def test_cuts_are_found_and_each_scene_gives_frames_from_its_middle(tmp_path: Path) -> None:
    # 25 frames a second: scenes of 1.0, 2.4 and 0.4 seconds that begin at frames 0, 25 and 85.
    frames = [
        *pan(add_bars(cartoon("club", 160, 90), rows=16), 25),
        *pan(add_bars(cartoon("uni", 160, 90), rows=16), 60),
        *pan(add_bars(cartoon("meadow", 160, 90), rows=16), 10),
    ]
    selected = chosen(write_video(tmp_path / "film.mp4", frames))
    # Scene 2 has two parts of 1.2 s with middles at 1.6 and 2.8 s; scene 3's middle is at 3.6 s, frame 90.
    # Scene 1's is at 0.5 s: the first frame from there on is frame 13, at 0.52 s.
    assert [(item.timecode, item.frame.scene) for item in selected] == [
        ("00h00m00.520s", "scene-00h00m00.000s"),
        ("00h00m01.600s", "scene-00h00m01.000s"),
        ("00h00m02.800s", "scene-00h00m01.000s"),
        ("00h00m03.600s", "scene-00h00m03.400s"),
    ]
    assert {item.frame.box for item in selected} == {(0, 18, 160, 104)}
    assert [item.frame.pts for item in selected] == [512 * frame for frame in (13, 40, 70, 90)]  # units of 1/12800 s
    few = chosen(tmp_path / "film.mp4", max_per_scene=1)
    assert [item.timecode for item in few] == ["00h00m00.520s", "00h00m02.200s", "00h00m03.600s"]
    none_cut = chosen(tmp_path / "film.mp4", scene_threshold=255.0, min_seconds=9.0)
    assert [item.timecode for item in none_cut] == ["00h00m01.920s"]  # the middle of 3.8 s is 1.9 s, before frame 48


def test_near_duplicates_and_flat_frames_are_dropped(tmp_path: Path) -> None:
    still, other = cartoon("club", 160, 120), cartoon("uni", 160, 120)
    black = np.zeros_like(still)
    film = write_video(tmp_path / "film.mkv", [*[still] * 75, *[other] * 25, *[black] * 25, *[still] * 25])
    selected = chosen(film)
    assert [item.frame.scene for item in selected] == ["scene-00h00m00.000s", "scene-00h00m03.000s"]
    with pytest.raises(PictureError, match="every frame of it is flat"):
        chosen(write_video(tmp_path / "black.mp4", [black] * 9))


def test_a_pan_is_no_cut(tmp_path: Path) -> None:
    picture = cartoon("concert-1", 320, 120)
    pan = [np.ascontiguousarray(picture[:, 6 * frame : 6 * frame + 80]) for frame in range(40)]
    assert {item.frame.scene for item in chosen(write_video(tmp_path / "pan.mp4", pan))} == {"scene-00h00m00.000s"}


def test_the_same_video_gives_the_same_frames(tmp_path: Path) -> None:
    frames = [*pan(cartoon("club", 96, 64), 30), *pan(cartoon("uni", 96, 64), 30)]
    for codec, name in (("libx264", "a.mp4"), ("mpeg4", "b.avi"), ("libvpx-vp9", "c.webm"), ("ffv1", "d.mkv")):
        film = write_video(tmp_path / name, frames, codec=codec)
        assert chosen(film) == chosen(film)
        assert [item.timecode for item in chosen(film)] == ["00h00m00.600s", "00h00m01.800s"]


@pytest.mark.parametrize(
    ("differences", "starts"),
    [
        ([0, 1, 1, 40, 1, 1], [0, 3]),
        ([0, 1, 1, 14, 1, 1], [0]),  # below the threshold
        ([0, 40, 41, 39, 40, 42, 40], [0]),  # steadily much: a pan
        ([0, 40, 1, 1], [0, 1]),
        ([0, 1, 1, 40], [0, 3]),
        ([0, 1, 40, 1, 1, 50, 1], [0]),  # a flash
        ([0, 1, 40, 1, 1, 1, 1, 50, 1], [0, 2, 7]),
        ([0, 0, 20, 0, 0, 21, 0, 0, 20], [0]),  # drawn on threes
        ([0, 9, 9, 9, 40, 9, 9], [0, 4]),  # a cut within movement
        ([0], [0]),
    ],
)
def test_where_scenes_begin(differences: list[float], starts: list[int]) -> None:
    assert scene_starts(differences, threshold=15.0) == starts


@pytest.mark.parametrize(
    ("num_frames", "max_frames", "min_seconds", "expected"),
    [
        # 5 frames a second; the first frame from the middle of each part on.
        (10, 4, 1.0, [3, 8]),  # 2 s: two parts, 0.5 and 1.5 s
        (50, 4, 1.0, [7, 19, 32, 44]),  # 10 s: four parts, 1.25, 3.75, 6.25 and 8.75 s
        (3, 4, 1.0, [2]),  # 0.6 s: 0.3 s
        (1, 4, 1.0, [0]),
        (10, 4, 0.1, [2, 4, 7, 9]),  # 2 s: four parts, 0.25, 0.75, 1.25 and 1.75 s
    ],
)
def test_frames_are_evenly_spaced(num_frames: int, max_frames: int, min_seconds: float, expected: list[int]) -> None:
    seconds = [frame / 5 for frame in range(num_frames)]
    assert evenly_spaced(seconds, num_frames / 5, max_frames, min_seconds) == expected


def test_time_codes() -> None:
    assert timecode(0, Fraction(1, 25)) == "00h00m00.000s"
    assert timecode(1_601_601, Fraction(1, 1000)) == "00h26m41.601s"
    assert timecode(90_000 * 3_725 + 45, Fraction(1, 90_000)) == "01h02m05.000s"  # half a millisecond, to the even one
    assert timecode(12_800 * 59 + 12_799, Fraction(1, 12_800)) == "00h01m00.000s"


def test_files_that_are_no_video_give_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no film" * 99)
    whole = write_video(tmp_path / "film.mp4", pan(cartoon("uni", 64, 48), 20)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    write_sound(tmp_path / "sound.mp4")
    for name, complaint in (
        ("empty.mp4", "not a video that can be read"),
        ("text.mp4", "not a video that can be read"),
        ("cut.mp4", "not a video that can be read"),
        ("sound.mp4", r"no video in it to decode .it holds audio."),
        ("nowhere.mp4", r"not a video that can be read .No such file"),
    ):
        with pytest.raises(PictureError, match=complaint) as error:
            chosen(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "libx264"), ("b.avi", "mpeg4"), ("c.wmv", "wmv2"), ("d.flv", "libx264"), ("e.mp4", "libx264")],
)
def test_a_truncated_video_is_refused_unless_damaged_is_take(
    tmp_path: Path, name: str, codec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [*pan(cartoon("club", 96, 64), 50), *pan(cartoon("uni", 96, 64), 50)]
    film = write_video(tmp_path / name, frames, codec=codec, keyframe_every=10)
    if name == "e.mp4":
        move_index_first(film)
    assert len({item.frame.scene for item in chosen(film)}) == 2
    film.write_bytes(film.read_bytes()[: film.stat().st_size * 4 // 10])
    complaint = rf"{name}: ends early, at 00h00m0[01]\.\d\d0s where its header promises 00h00m04\.000s"
    with pytest.raises(PictureError, match=complaint + "; get the whole film, or take what is there with damaged=take"):
        chosen(film)
    assert warnings(capsys) == []
    assert {item.frame.scene for item in chosen(film, TAKE)} == {"scene-00h00m00.000s"}
    [line] = warnings(capsys)
    assert re.search(rf"{complaint}; what is there is taken$", line)


def test_a_video_without_its_last_frames_is_refused(tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mkv", pan(cartoon("club", 96, 64), 125), keyframe_every=10)
    whole = film.read_bytes()
    film.write_bytes(whole[: len(whole) * 95 // 100])
    with pytest.raises(PictureError, match=r"ends early, at 00h00m04\.\d\d0s where its header promises 00h00m05.000s"):
        chosen(film)


def test_sound_longer_than_the_frames_is_accepted(tmp_path: Path) -> None:
    assert chosen(write_with_longer_sound(tmp_path / "film.mkv", pan(cartoon("club", 96, 64), 25), seconds=4))


def test_damaged_frames_are_skipped_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = write_video(tmp_path / "film.mkv", pan(cartoon("club", 96, 64), 100), keyframe_every=10)
    with av.open(str(film)) as container:
        offset = next(packet.pos + packet.size // 2 for packet in container.demux() if packet.pts == 1720)
    data = bytearray(film.read_bytes())
    data[offset : offset + 40] = bytes(40)
    film.write_bytes(data)
    assert chosen(film)
    [line] = warnings(capsys)
    assert re.search(r"film\.mkv: \d of 100 frames are damaged, the first at 00h00m01\.720s; they are passed", line)
    with pytest.raises(PictureError, match=r"frames are damaged.*, more than max_broken=0; raise it"):
        chosen(film, DamagePolicy(damaged="skip", max_broken=0.0))
    assert chosen(film, TAKE)


def test_wide_colours_give_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for coded, warning in (
        ("bt709:transfer=bt709", ""),
        ("bt2020:transfer=smpte2084", "HDR by PQ"),
        ("smpte432", "Display P3"),
    ):
        options = {"preset": "ultrafast", "x264-params": f"colorprim={coded}"}
        assert chosen(write_video(tmp_path / "film.mkv", pan(cartoon("club", 96, 64), 9), options=options))
        assert [warning in line for line in warnings(capsys)] == [True] * bool(warning)


def test_pipes_and_devices_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.mkv").symlink_to("/dev/zero")
    for name, reason in (("pipe.mp4", "a named pipe"), ("zero.mkv", "a device")):
        with pytest.raises(PictureError, match=f"{name}: not a video that can be read .{reason}, not a plain file"):
            chosen(tmp_path / name)


def test_frames_of_another_size_are_skipped(tmp_path: Path) -> None:
    first = write_video(tmp_path / "a.mts", pan(cartoon("club", 96, 64), 30))
    second = write_video(tmp_path / "b.mts", pan(cartoon("uni", 128, 96), 90))
    (tmp_path / "both.mts").write_bytes(first.read_bytes() + second.read_bytes())
    selected = chosen(tmp_path / "both.mts")
    assert {item.frame.box for item in selected} == {(0, 0, 96, 64)}
    assert {item.frame.scene for item in selected} == {"scene-00h00m00.000s"}


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("b.mkv", "libx264"), ("c.avi", "mpeg4")])
def test_a_randomly_damaged_video_gives_frames_or_one_line(tmp_path: Path, name: str, codec: str) -> None:
    whole = write_video(tmp_path / name, pan(cartoon("club", 64, 48), 30), codec=codec).read_bytes()
    for seed in range(40):
        chance, data = random.Random(seed), bytearray(whole)
        for _ in range(chance.choice([1, 10, 60])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        damaged = tmp_path / f"{seed}-{name}"
        damaged.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
        try:
            frames = [item.frame for item in chosen(damaged, TAKE)]
        except PictureError as error:
            assert "\n" not in str(error)  # noqa: PT017 (most of them raise nothing)
            continue
        for frame in frames:
            with contextlib.suppress(PictureError):
                assert read_frame(damaged, frame, max_megapixels=1.0).dtype == np.uint8
