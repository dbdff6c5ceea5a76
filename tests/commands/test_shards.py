"""The shard commands as people type them, in processes of their own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.videos import cartoon, pan, write_sound, write_video
from tests.running import LIMIT_SECONDS, ROOT, script, wait_for

SAMPLES = ROOT / "shards" / "samples"
CARTOONS = str(SAMPLES / "cartoons")


def run(name: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return script(f"shards/{name}", *words, cwd=Path.cwd())


def last_line(text: str) -> str:
    return text.rstrip("\n").rpartition("\n")[2]


@pytest.mark.slow
def test_photos_are_built_verified_and_found_finished(tmp_path: Path) -> None:
    out = tmp_path / "photos"
    words = [SAMPLES / "photos", out, "image_size=32", "num_workers=2", "samples_per_shard=12"]
    made = run("photos.py", *words)
    assert (made.returncode, last_line(made.stdout)) == (
        0,
        f"{out}: 24 photos in 2 shards (22 train, 2 test), 0 skipped",
    )
    assert "24/24 photos (100 %)" in made.stderr
    assert "\nrate: 24 prepared in " in made.stderr
    assert "\nflat labels: 0 of 24 (0 %): " in made.stderr
    assert made.stderr.endswith(f"\ncontact sheet: {out}/contact-sheet.png\n")
    checked = run("verify.py", out)
    assert checked.returncode == 0, checked.stderr
    assert last_line(checked.stdout).startswith(f"{out}: 24 photos in 2 shards, ")
    again = run("photos.py", *words)
    assert again.returncode == 0
    assert last_line(again.stdout).endswith("0 skipped; nothing left to do")


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = run("cartoons.py", CARTOONS, out, "samples_per_shard=10", "--dry-run")
    assert told.returncode == 0
    assert "samples_per_shard: 10" in told.stdout
    assert "saliency.variant: " in told.stdout
    assert f"pictures: 22 under {CARTOONS}, in 6 scenes" in told.stdout
    assert last_line(told.stdout).startswith(f"{out}: would hold 22 cartoons in 3 shards (")
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([CARTOONS], "give pictures and, last, the folder"),
        (["nowhere", "out"], "nowhere: no such file or folder"),
        ([str(ROOT / "cartoon_dist"), "out"], "no pictures in it"),
        ([CARTOONS, "out", "image_size=many", "cut=tile"], "image_size: Input should be a valid integer"),
        ([CARTOONS, str(ROOT / "pyproject.toml")], "a file; the last path is the folder"),
    ],
)
def test_mistakes_are_one_line_and_status_2(words: list[str], complaint: str) -> None:
    failed = run("cartoons.py", *words)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert len(failed.stderr.splitlines()) == 1
    assert failed.stderr.startswith("error: ")
    assert complaint in failed.stderr


def test_broken_pictures_are_named_and_settings_without_effect_warned_about(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "club.jpg").symlink_to(SAMPLES / "cartoons" / "club.jpg")
    (tmp_path / "in" / "broken one.jpg").write_bytes(b"\xff\xd8 no more")
    words = ["image_size=32", "num_workers=1", "max_broken=0.5", "saliency.variant=author", "flat_below=3"]
    made = run("cartoons.py", tmp_path / "in", tmp_path / "out", *words)
    assert made.returncode == 0
    assert "warning: saliency.variant has no effect on cartoons" in made.stderr
    assert "warning: flat_below has no effect with crop=resize" in made.stderr
    assert "skipped broken one.jpg: the JPEG file is cut off" in made.stderr
    assert "\nskipped: 1, mostly: 1 x the JPEG file is cut off\n" in made.stderr
    assert last_line(made.stdout) == f"{tmp_path}/out: 1 cartoon in 1 shard (1 train, 0 test), 1 skipped"


def test_labels_of_others_are_named_by_a_dry_run_and_leave_the_variant_without_effect(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    words = [f"saliency.external={tmp_path}/maps", "saliency.variant=author", "--dry-run"]
    told = run("photos.py", SAMPLES / "photos", tmp_path / "out", *words)
    assert told.returncode == 0
    assert f'saliency.external: "{tmp_path}/maps"' in told.stdout
    assert "maps: 0 of 24 pictures have one" in told.stdout
    assert told.stderr == "warning: saliency.variant has no effect with saliency.external\n"
    failed = run("photos.py", SAMPLES / "photos", tmp_path / "out", f"saliency.external={tmp_path}/no")
    assert failed.returncode == 2
    assert failed.stderr.startswith(f"error: {tmp_path}/no: no such folder; saliency.external names")


@contextlib.contextmanager
def begun(inputs: Path, out: Path) -> Iterator[subprocess.Popen[str]]:
    """A build with two workers, given once its first shard is marked complete and many are still to come."""
    inputs.mkdir()
    for number in range(40):
        (inputs / f"{number:03d}.jpg").symlink_to(SAMPLES / "cartoons" / "uni.jpg")
    command = [sys.executable, str(ROOT / "shards" / "cartoons.py"), str(inputs), str(out), *BEGUN]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as build:
        wait_for(out / "cartoon-000000.index.json", build)
        yield build


BEGUN = ["image_size=64", "num_workers=2", "samples_per_shard=2"]


@pytest.mark.slow
def test_a_killed_build_goes_on_and_leaves_no_worker_behind(tmp_path: Path) -> None:
    inputs, out = tmp_path / "in", tmp_path / "out"
    with begun(inputs, out) as build:
        os.kill(build.pid, signal.SIGKILL)
        # The workers hold the pipe as well: its end is read only when all of them are gone.
        build.communicate(timeout=LIMIT_SECONDS)
    assert 1 <= len(list(out.glob("*.index.json"))) < 20
    assert not (out / "manifest.json").exists()
    made = run("cartoons.py", inputs, out, *BEGUN, "num_workers=1")
    assert (made.returncode, last_line(made.stdout).split(": ")[1][:24]) == (0, "40 cartoons in 20 shards")
    assert run("verify.py", out).returncode == 0


@pytest.mark.slow
def test_a_terminated_build_says_that_it_can_go_on(tmp_path: Path) -> None:
    with begun(tmp_path / "in", tmp_path / "out") as build:
        build.terminate()
        out, err = build.communicate(timeout=LIMIT_SECONDS)
    assert (build.returncode, out) == (75, "")
    assert last_line(err).endswith("out: stopped; finished shards are kept, the same command goes on")
    assert not list((tmp_path / "out").glob("*.part"))


@pytest.mark.slow
def test_a_film_becomes_shards(tmp_path: Path) -> None:
    frames = [*pan(cartoon("club", 96, 64), 30), *pan(cartoon("uni", 96, 64), 60)]
    film, out = write_video(tmp_path / "film.mp4", frames), tmp_path / "out"
    words = [film, out, "image_size=32", "num_workers=2", "video.max_per_scene=1"]
    told = run("cartoons.py", *words, "--dry-run")
    assert f"pictures: 2 under {tmp_path}, in 2 scenes" in told.stdout
    made = run("cartoons.py", *words)
    assert made.returncode == 0, made.stderr
    assert last_line(made.stdout) == f"{out}: 2 cartoons in 1 shard (1 train, 1 test), 0 skipped"
    assert f"look through {film}: 90/90 frames (100 %)" in made.stderr
    again = run("cartoons.py", *words)
    assert last_line(again.stdout).endswith("nothing left to do")
    assert "look through" not in again.stderr
    assert run("verify.py", out).returncode == 0


def test_what_is_no_film_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.mkv").touch()
    for film, complaint in (
        (tmp_path / "empty.mkv", "not a video that can be read"),
        (write_sound(tmp_path / "sound.mp4"), "no video in it to decode (it holds audio); leave it out"),
    ):
        failed = run("cartoons.py", CARTOONS, film, tmp_path / "out")
        assert (failed.returncode, failed.stdout) == (2, "")
        assert failed.stderr.startswith(f"error: {film}: ")
        assert complaint in failed.stderr
        assert len(failed.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    seen = run("cartoons.py", SAMPLES / "cartoons/uni.jpg", tmp_path / "out", "video.min_seconds=2", "image_size=32")
    assert "warning: video.min_seconds has no effect without a video" in seen.stderr


def test_near_duplicates_are_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "in" / name).symlink_to(SAMPLES / "cartoons" / "uni.jpg")
    told = run("cartoons.py", tmp_path / "in", tmp_path / "out", "image_size=32", "num_workers=1")
    assert "\nnear-duplicates: 1 (b.jpg ~ a.jpg); dedup=true, into a new folder, leaves them out\n" in told.stderr
    told = run("cartoons.py", tmp_path / "in", tmp_path / "one", "image_size=32", "num_workers=1", "dedup=true")
    assert last_line(told.stdout) == f"{tmp_path}/one: 1 cartoon in 1 shard (1 train, 0 test), 1 skipped"
    assert "skipped b.jpg: near-duplicate of a.jpg" in told.stderr
    assert run("verify.py", tmp_path / "one").returncode == 0


@pytest.mark.parametrize("name", ["photos.py", "cartoons.py", "verify.py"])
def test_help_shows_how_to_call(name: str) -> None:
    told = run(name, "--help")
    assert told.returncode == 0
    assert f"shards/{name}" in told.stdout
    assert "OUT" in told.stdout
