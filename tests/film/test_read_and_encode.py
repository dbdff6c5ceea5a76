"""From a file to pictures and back: upright, in the right colours, at the right times."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.film.draw import SegmentEncoder, segment_length
from cartoon_dist.film.join import frame_times, join_film
from cartoon_dist.film.look import FilmLook, choose_codec, choose_crf
from cartoon_dist.film.read import FilmFrame, FilmReader
from cartoon_dist.film.segments import PartsFolder, SegmentTimes
from tests.film.films import moving_shapes, shown_frames, uneven, write_film


def look(**changes: object) -> FilmLook:
    """H.264 of 48 x 32 pixels."""
    facts = {"width": 48, "height": 32, "time_base": Fraction(1, 12800), "rate": Fraction(25)}
    encoder = {"pixel_aspect": Fraction(1), "codec": "h264", "crf": 1, "preset": "medium"}
    return FilmLook(**(facts | encoder | changes))  # type: ignore[arg-type]


def read(path: Path) -> list[FilmFrame]:
    """All frames of a film."""
    with FilmReader(path, damaged="skip", max_megapixels=1) as reader:
        return list(reader.frames())


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_pictures_are_upright(rotation: int, *, mirrored: bool, tmp_path: Path) -> None:
    """A rotation is counter-clockwise and the mirror follows it, as in PyAV's `set_display_rotation`."""
    frames = moving_shapes(1)
    film = write_film(tmp_path / "film.mp4", frames, rotation=rotation, mirrored=mirrored, sound=False, subtitles=False)
    expected = np.rot90(frames[0], rotation // 90)
    expected = expected[:, ::-1] if mirrored else expected
    with FilmReader(film, damaged="skip", max_megapixels=1) as reader:
        assert (reader.facts.height, reader.facts.width) == expected.shape[:2]
        [frame] = reader.frames()
    assert frame.picture.shape == expected.shape
    assert np.abs(frame.picture.astype(int) - expected).mean() < 6


@pytest.mark.parametrize(
    "colours",
    [
        {"colorspace": Colorspace.ITU709, "color_primaries": ColorPrimaries.BT709, "color_trc": ColorTrc.BT709},
        {"color_range": ColorRange.JPEG},
        {},
    ],
)
def test_colours_are_the_same_after_drawing(colours: dict[str, int], tmp_path: Path) -> None:
    """The pictures of any source go into a BT.709 film and come out of it again."""
    film = write_film(tmp_path / "film.mp4", moving_shapes(9), ticks=uneven(9), colours=colours)
    before = read(film)
    drawn = join([[frame] for frame in before], tmp_path / "drawn.mp4", film)
    after = read(drawn)
    assert [frame.pts for frame in after] == [frame.pts for frame in before]
    for one, other in zip(before, after, strict=True):
        assert np.abs(one.picture.astype(int) - other.picture).mean() < 3
        below = slice(20, None)  # at the square's edges colour has half the resolution
        assert np.abs(one.picture[below].mean((0, 1)) - other.picture[below].mean((0, 1))).max() < 0.7


def join(segments: list[list[FilmFrame]], target: Path, source: Path, time_base: Fraction = Fraction(1, 12800)) -> Path:
    """A film of these segments, as they are."""
    parts, shape = PartsFolder(target), look(time_base=time_base)
    with parts.opened({}):
        for number, frames in enumerate(segments):
            encoder = SegmentEncoder(shape)
            encoder.add(frames, [frame.picture for frame in frames])
            parts.write(number, encoder.finish(), {})
        assert join_film(source, target, parts, shape, drawn=0) == ()
    return target


@pytest.mark.parametrize("cuts", [[50], [1, 2, 3, 50], [20, 50]])
def test_segments_of_any_length_with_frames_out_of_order_have_the_times_of_the_source(
    cuts: list[int], tmp_path: Path
) -> None:
    film = write_film(tmp_path / "film.mp4", moving_shapes(50), ticks=uneven(50))
    frames = read(film)
    begins = [0, *cuts[:-1]]
    drawn = join([frames[a:b] for a, b in zip(begins, cuts, strict=True)], tmp_path / "drawn.mp4", film)
    assert [time for time, _ in shown_frames(drawn)] == [time for time, _ in shown_frames(film)]
    with av.open(str(drawn)) as opened, av.open(str(film)) as source:
        assert opened.streams.video[0].duration == source.streams.video[0].duration


def test_decoding_is_numbered_over_all_segments() -> None:
    """I P B B, twice, at uneven times: dts never decrease and never exceed pts."""
    times = frame_times([SegmentTimes((0, 30, 10, 20), 7), SegmentTimes((40, 900, 50, 60), 0)], look())
    assert list(times.pts) == [0, 30, 10, 20, 40, 900, 50, 60]
    assert all(before < after for before, after in zip(times.dts, times.dts[1:], strict=False))
    assert all(dts <= pts for dts, pts in zip(times.dts, times.pts, strict=True))
    assert list(times.durations) == [10, 10, 10, 10, 10, 512, 10, 840]


def test_it_goes_on_after_a_frame(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", moving_shapes(30), ticks=uneven(30))
    frames = read(film)
    with FilmReader(film, damaged="skip", max_megapixels=1) as reader:
        later = list(reader.frames(after=frames[17].pts))
    assert [frame.pts for frame in later] == [frame.pts for frame in frames[18:]]
    assert all((a.picture == b.picture).all() for a, b in zip(later, frames[18:], strict=True))


def test_frames_that_are_too_large(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", moving_shapes(2), sound=False, subtitles=False)
    with pytest.raises(PictureError, match=r"48 x 32 pixels are more than max_megapixels=0.001"):
        FilmReader(film, damaged="skip", max_megapixels=0.001)


def test_segments_are_shorter_where_frames_are_larger() -> None:
    assert segment_length(look()) == 240
    assert segment_length(look(width=1280, height=720)) == 108
    assert segment_length(look(width=3840, height=2160)) == 48


def test_which_codec_fits_which_container() -> None:
    assert choose_codec(None, ".mp4") == "h264"
    assert choose_codec(None, ".webm") == "vp9"
    assert choose_codec("vp9", ".mkv") == "vp9"
    with pytest.raises(ConfigError, match=r"a .webm cannot hold it"):
        choose_codec("h264", ".webm")


def test_qualities() -> None:
    assert choose_crf(None, "h264") == 18
    assert choose_crf(60, "vp9") == 60
    with pytest.raises(ConfigError, match="the largest is 51"):
        choose_crf(60, "h264")


def test_only_an_odd_side_has_colour_at_full_resolution() -> None:
    assert look().pixel_format == "yuv420p"
    assert look(width=47).pixel_format == "yuv444p"
    assert look(width=47, codec="vp9").pixel_format == "yuv420p"


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("film.mkv", "libx264", "yuv420p10le"),
        ("film.ts", "libx264", "yuv420p"),
        ("film.avi", "mpeg4", "yuv420p"),
        ("film.mov", "prores_ks", "yuv422p10le"),
    ],
)
def test_ten_bits_and_other_containers(name: str, codec: str, pixel_format: str, tmp_path: Path) -> None:
    """A film from a camera or from television, not beginning at 0, joined in an .mp4 at the same times."""
    film, frames = tmp_path / name, moving_shapes(9)
    with av.open(str(film), "w") as container:
        video = container.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = 48, 32, pixel_format
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(video.encode())
    before = read(film)
    assert len(before) == 9
    with FilmReader(film, damaged="skip", max_megapixels=1) as reader:
        unit = reader.facts.time_base
    drawn = join([before[:5], before[5:]], tmp_path / "drawn.mp4", film, time_base=unit)
    assert [time for time, _ in shown_frames(drawn)] == [frame.pts * unit for frame in before]
