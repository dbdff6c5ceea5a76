"""The command on films: frames, times, sound, subtitles and chapters; killed, stopped, damaged, without room."""

import os
import signal
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.film.films import moving_shapes, shown_frames, tracks, uneven, write_film
from tests.running import LIMIT_SECONDS, ROOT, script, started, wait_for, with_little_room

MODEL = ROOT / "tests/golden/before_the_house/export.safetensors"
DRAW = "launch/cartoonize.py"
FAST = ("crf=10", "preset=ultrafast", "device=cpu")


def draw(film: Path, drawn: Path, *words: str, status: int = 0) -> str:
    """Draw a film; what the command said on standard error."""
    done = script(DRAW, MODEL, film, drawn, *FAST, *words)
    assert done.returncode == status, done.stderr
    if status == 0:
        assert done.stdout.splitlines()[-1].startswith(f"{drawn}: ")
        assert not drawn.with_name(f"{drawn.name}.parts").exists()
    return done.stderr


def chapters(path: Path) -> list[tuple[Fraction, Fraction, str]]:
    """Beginning, end in seconds, and name."""
    with av.open(str(path)) as film:
        return [
            (one["start"] * (one["time_base"] or 0), one["end"] * (one["time_base"] or 0), one["metadata"]["title"])
            for one in film.chapters()
        ]


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), [(".mp4", ".mp4"), (".mkv", ".mkv"), (".mp4", ".mov")])
def test_times_sound_subtitles_and_chapters_are_those_of_the_source(source: str, target: str, tmp_path: Path) -> None:
    film = write_film(tmp_path / f"film{source}", moving_shapes(45), ticks=uneven(45))
    drawn = tmp_path / f"drawn{target}"
    said = draw(film, drawn, "segment=20")
    assert "left out" not in said
    before, after = shown_frames(film), shown_frames(drawn)
    assert [time for time, _ in after] == [time for time, _ in before]
    assert any(np.abs(a.astype(int) - b).mean() > 3 for (_, a), (_, b) in zip(before, after, strict=True)), "not drawn"
    for kind in ("audio", "subtitle"):
        assert [(track.codec, track.packets) for track in tracks(drawn, kind)] == [
            (track.codec, track.packets) for track in tracks(film, kind)
        ]
        assert tracks(film, kind)[0].packets
    assert chapters(drawn) == chapters(film)
    assert len(chapters(film)) == 2
    with av.open(str(drawn)) as opened:
        assert opened.metadata["title"] == "Shapes"
        assert target == ".mov" or opened.streams.audio[0].language == "deu"
        context = opened.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)


@pytest.mark.slow
def test_what_a_container_cannot_hold_is_named_and_its_times_are_milliseconds(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", moving_shapes(12), ticks=uneven(12))
    said = draw(film, tmp_path / "drawn.webm")
    assert "left out audio track 1 aac deu: a webm file cannot hold it" in said
    assert "left out subtitle track 2 mov_text" in said
    times = [time for time, _ in shown_frames(tmp_path / "drawn.webm")]
    assert times == [Fraction(round(time * 1000), 1000) for time, _ in shown_frames(film)]


@pytest.mark.slow
def test_odd_sizes_long_pixels_and_turned_films(tmp_path: Path) -> None:
    odd = write_film(
        tmp_path / "odd.mp4", moving_shapes(4, width=47, height=31), pixel_format="yuv444p", pixel_aspect=Fraction(4, 3)
    )
    draw(odd, tmp_path / "odd-drawn.mp4")
    with av.open(str(tmp_path / "odd-drawn.mp4")) as opened:
        video = opened.streams.video[0]
        assert (video.width, video.height, video.pix_fmt) == (47, 31, "yuv444p")
        assert video.sample_aspect_ratio == Fraction(4, 3)
    turned = write_film(tmp_path / "turned.mp4", moving_shapes(4), rotation=90, pixel_aspect=Fraction(4, 3))
    draw(turned, tmp_path / "turned-drawn.mp4", "steady=0")
    with av.open(str(tmp_path / "turned-drawn.mp4")) as opened:
        video = opened.streams.video[0]
        assert (video.width, video.height, video.pix_fmt) == (32, 48, "yuv420p"), "the pixels are turned"
        assert video.sample_aspect_ratio == Fraction(3, 4)
        assert next(opened.decode(video=0)).rotation == 0


@pytest.mark.slow
def test_killed_and_typed_again_it_gives_the_same_film(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", moving_shapes(60, width=128, height=96), ticks=uneven(60))
    undisturbed, killed = tmp_path / "undisturbed.mp4", tmp_path / "killed.mp4"
    draw(film, undisturbed, "segment=8")
    with started(ROOT / DRAW, MODEL, film, killed, *FAST, "segment=8") as child:
        wait_for(tmp_path / "killed.mp4.parts/000001.safetensors", child)
        child.kill()
    assert not killed.exists()
    done = script(DRAW, MODEL, film, killed, *FAST, "segment=8", "steady=0.5")
    assert done.returncode == 2
    assert "steady 0.9" in done.stderr, done.stderr
    draw(film, killed, "segment=8")
    for kind in ("video", "audio", "subtitle"):
        assert tracks(killed, kind) == tracks(undisturbed, kind)


@pytest.mark.slow
def test_stopped_it_says_that_the_same_command_goes_on(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", moving_shapes(60, width=128, height=96), sound=False, subtitles=False)
    drawn = tmp_path / "drawn.mp4"
    with started(ROOT / DRAW, MODEL, film, drawn, *FAST, "segment=4") as child:
        wait_for(tmp_path / "drawn.mp4.parts/000000.safetensors", child)
        os.kill(child.pid, signal.SIGTERM)
        _, said = child.communicate(LIMIT_SECONDS)
        assert child.returncode == 75, said
        assert "the same command goes on" in said
    draw(film, drawn, "segment=4")
    assert len(shown_frames(drawn)) == 60


@pytest.mark.slow
def test_damaged_films(tmp_path: Path) -> None:
    """One that ends in the middle, one without frames, and HDR; no traceback and nothing left behind."""
    film = write_film(tmp_path / "film.mkv", moving_shapes(60))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(film.read_bytes()[: film.stat().st_size * 2 // 3])
    said = draw(cut, tmp_path / "drawn.mkv", status=2)
    assert "damaged=take" in said.splitlines()[-1]
    assert "ends early" in draw(cut, tmp_path / "taken.mkv", "damaged=take")
    assert 10 < len(shown_frames(tmp_path / "taken.mkv")) < 60
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"no film at all" * 100)
    assert "not a video that can be read" in draw(empty, tmp_path / "none.mp4", status=2)
    hdr = write_film(tmp_path / "hdr.mp4", moving_shapes(3), colours={"color_trc": 16, "color_primaries": 9})
    said = draw(hdr, tmp_path / "none.mp4", status=2)
    assert "HDR by PQ" in said.splitlines()[-1]
    assert not (tmp_path / "none.mp4.parts").exists()


@pytest.mark.slow
def test_without_room_it_stops_with_one_line(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", moving_shapes(40, width=96, height=64))
    done = with_little_room(DRAW, str(MODEL), str(film), str(tmp_path / "drawn.mp4"), *FAST, kibibytes=8)
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "room" in errors[0]
    assert not (tmp_path / "drawn.mp4").exists()


@pytest.mark.slow
def test_names_that_do_not_fit(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", moving_shapes(3), sound=False, subtitles=False)
    assert "no name of a film" in draw(film, tmp_path / "drawn.avi", status=2)
    assert "codec=h264" in draw(film, tmp_path / "drawn.webm", "codec=h264", status=2)
    assert "the film itself" in draw(film, film, status=2)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_a_drawing_is_drawn_anew_and_no_other_film_is_replaced(suffix: str, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mkv", moving_shapes(2), sound=False, subtitles=False)
    drawn = tmp_path / f"drawn{suffix}"
    write_film(tmp_path / "other.mkv", moving_shapes(2), sound=False, subtitles=False).rename(drawn)
    before = drawn.read_bytes()
    assert "not drawn by this program" in draw(film, drawn, status=2)
    assert drawn.read_bytes() == before
    drawn.unlink()
    draw(film, drawn)
    draw(film, drawn)
    with av.open(str(drawn)) as opened:
        [comment] = [text for name, text in opened.metadata.items() if name.lower() == "comment"]
        assert comment == "made by a test (drawn by cartoon-dist)"


@pytest.mark.slow
def test_without_a_model_the_built_in_one_draws_beside_the_film(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", moving_shapes(2), sound=False, subtitles=False)
    done = script(DRAW, film, *FAST)
    assert done.returncode == 0, done.stderr
    drawn = tmp_path / "film-cartoon.mp4"
    assert done.stdout.splitlines()[-1] == f"{drawn}: 2 frames drawn by the built-in model"
    assert len(shown_frames(drawn)) == 2
