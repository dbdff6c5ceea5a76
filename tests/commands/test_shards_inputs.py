"""What a shard job takes of its inputs and what it says of the rest, as people give them."""

import re
from pathlib import Path

import pytest

from cartoon_dist.commands.main import status_of
from cartoon_dist.commands.shards import cartoons, photos
from tests.running import ROOT

CLUB = ROOT / "shards/samples/cartoons/club.jpg"
TINY = ("image_size=32", "num_workers=1")


@pytest.fixture
def pics(tmp_path: Path) -> Path:
    folder = tmp_path / "pics"
    (folder / "__MACOSX").mkdir(parents=True)
    for name in ("a.jpg", "._a.jpg", "__MACOSX/a.jpg"):
        (folder / name).symlink_to(CLUB)
    for name in ("p.psd", "q.jxl", "r.jxl", "Thumbs.db"):
        (folder / name).touch()
    return folder


WORDS = "not taken: 2 .jxl, 1 .psd, 3 of the system (._a.jpg, Thumbs.db, __MACOSX)"


def test_what_is_not_taken_is_told_by_the_plan_and_by_the_last_line(
    pics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cartoons([str(pics), str(out), *TINY, "--dry-run"]) == 0
    assert WORDS in capsys.readouterr().out.splitlines()
    for end in ("", "; nothing left to do"):
        assert cartoons([str(pics), str(out), *TINY]) == 0
        said = capsys.readouterr()
        assert said.out == f"{out}: 1 cartoon in 1 shard (1 train, 0 test), 0 skipped, {WORDS}{end}\n"
        assert WORDS in said.err.splitlines()


@pytest.mark.parametrize("pattern", ["", "/*", "/**/*.*"])
def test_an_output_inside_the_input_is_never_an_input(
    pics: Path, capsys: pytest.CaptureFixture[str], pattern: str
) -> None:
    out = pics / "s32"
    for _ in range(2):  # the second run finds what the first one wrote
        assert cartoons([f"{pics}{pattern}", str(out), *TINY]) == 0
        assert ": 1 cartoon in 1 shard (1 train, 0 test), 0 skipped" in capsys.readouterr().out
    assert cartoons([f"{pics}{pattern}", f"{pics.parent}/other", *TINY, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "would hold 1 cartoon " in told
    if not pattern.endswith("/*"):  # which names files alone
        assert f"left out {out}: it is a shard folder" in told


def test_videos_in_a_folder_are_told_to_be_named(
    pics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pics / "film.TS").touch()
    assert cartoons([str(pics), str(tmp_path / "out"), *TINY, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "1 .psd, 1 .ts, " in told
    assert "\nvideos are taken when they are named: give the 1 file as inputs too\n" in told
    assert status_of(cartoons, [str(pics / "film.TS"), str(tmp_path / "out")]) == 2
    assert "film.TS: not a video that can be read" in capsys.readouterr().err  # it is taken for one, and is empty


def test_an_output_that_is_an_input_is_refused(pics: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(pics.iterdir())
    assert status_of(cartoons, [str(pics), f"{pics}/../pics/", *TINY]) == 2
    assert "is the folder of the pictures; name another folder to write to" in capsys.readouterr().err
    assert sorted(pics.iterdir()) == before


def test_an_output_that_somebody_keeps_pictures_in_is_refused(
    pics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pics / "sub/deep").mkdir(parents=True)
    (pics / "sub/deep/b.jpg").symlink_to(CLUB)
    for inputs, out, held in ((pics, pics / "sub", "deep/b.jpg"), (f"{pics}/*.jpg", pics, "a.jpg")):
        assert status_of(cartoons, [str(inputs), str(out), *TINY]) == 2
        assert f"error: {out}: holds pictures ({held}); name a new folder to write to" in capsys.readouterr().err
    assert cartoons([str(pics / "sub"), str(tmp_path), *TINY, "--dry-run"]) == 0  # above the pictures there is no harm


def test_maps_inside_the_photos_are_no_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pics = tmp_path / "pics"
    (pics / "maps/deep").mkdir(parents=True)
    (pics / "a.jpg").symlink_to(CLUB)
    for name in ("maps/a.png", "maps/b.tif", "maps/deep/c.tif"):
        (pics / name).write_bytes(b"x")
    assert photos([str(pics), str(tmp_path / "out"), f"saliency.external={pics}/maps", "--dry-run"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert f"left out {pics}/maps: it is the folder of the maps" in told
    assert "of the maps not taken: 2 .tif" in told
    assert "maps: 1 of 1 pictures have one" in told


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("00000.tar", "is a tar; unpack it with 'mkdir pictures && tar -xf "),
        (
            "set",
            "no pictures in it; .*unpack its 2 tars with 'mkdir pictures; for tar in .*; not taken: 2 .tar, 1 .parq",
        ),
        ("a.zip", "is packed; unpack it with 'unzip "),
        ("b.parquet", "is a table, no picture"),
        ("Thumbs.db", "no pictures in it; not taken: 1 of the system"),
    ],
)
def test_what_holds_no_pictures_is_told_what_to_type(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, advice: str
) -> None:
    (tmp_path / "set").mkdir()
    for file in ("00000.tar", "a.zip", "b.parquet", "Thumbs.db", "set/00000.tar", "set/00001.tar", "set/0.parquet"):
        (tmp_path / file).touch()
    assert status_of(photos, [str(tmp_path / name), str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.match(f"error: {tmp_path}/{name}: .*{advice}", said), said
