"""Shard jobs take TIFF, GIF, AVIF and HEIC; a job that was begun without them goes on as it was begun."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from cartoon_dist import extras
from cartoon_dist.commands.main import status_of
from cartoon_dist.commands.shards import cartoons
from cartoon_dist.commands.verify import main as verify
from cartoon_dist.data.format.reader import Shards
from tests.image.test_pillow_formats import difference, saved, smooth
from tests.running import ROOT

TINY = ("image_size=32", "num_workers=1", "test_fraction=0")
CLUB = ROOT / "shards/samples/cartoons/club.jpg"
LATER = {"b.tif": "TIFF", "c.gif": "GIF", "d.avif": "AVIF", "e.heic": "HEIC"}


@pytest.fixture
def pics(tmp_path: Path) -> Path:
    folder = tmp_path / "pics"
    folder.mkdir()
    shutil.copy(CLUB, folder / "a.jpg")
    return folder


def add_later_kinds(folder: Path) -> None:
    for name, kind in LATER.items():
        (folder / name).write_bytes(saved(kind, smooth(32, 32)))


def test_all_kinds_are_built_and_verified(pics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_later_kinds(pics)
    out = tmp_path / "out"
    assert cartoons([str(pics), str(out), *TINY]) == 0
    assert capsys.readouterr().out == f"{out}: 5 cartoons in 1 shard (5 train, 0 test), 0 skipped\n"
    assert verify([str(out)]) == 0
    shards = Shards(folder=out, domain="cartoon", split="train")
    pictures = [shards.read(index).picture for index in range(5)]
    for picture in pictures[1:]:
        assert difference(picture, smooth(32, 32)) <= 40
    members = json.loads((out / "cartoon-000000.index.json").read_text())["samples"]
    assert ["cartoon.png" in sample["members"] for sample in members[1:]] == [True] * 4  # none is stored as it came


def test_a_job_that_was_begun_without_them_goes_on_so(
    pics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, again = tmp_path / "out", tmp_path / "again"
    assert cartoons([str(pics), str(out), *TINY]) == 0
    whole = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    (out / "cartoon-000000.index.json").unlink()  # as if it had been stopped
    (out / "manifest.json").unlink()
    add_later_kinds(pics)
    capsys.readouterr()
    for end in ("", "; nothing left to do"):
        assert cartoons([str(pics), str(out), *TINY]) == 0
        told = "1 cartoon in 1 shard (1 train, 0 test), 0 skipped, not taken: 1 .avif, 1 .gif, 1 .heic, 1 .tif"
        assert capsys.readouterr().out == f"{out}: {told}{end}\n"
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == whole
    assert cartoons([str(pics), str(again), *TINY]) == 0  # a new job takes all
    assert ": 5 cartoons in 1 shard" in capsys.readouterr().out
    (pics / "d.avif").unlink()  # and is then held to all
    assert status_of(cartoons, [str(pics), str(again), *TINY]) == 2
    assert "begun with other pictures" in capsys.readouterr().err


def test_without_the_library_heic_is_refused_before_anything_is_built(
    pics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_later_kinds(pics)
    monkeypatch.setitem(extras.LIBRARIES, "heic", ("pillow_heif_that_is_not_there",))
    assert status_of(cartoons, [str(pics), str(tmp_path / "out"), *TINY]) == 2
    said = capsys.readouterr().err
    assert "e.heic: pillow-heif is not installed; type: pip install 'cartoon-dist[heic]'; or leave the HEIC" in said
    assert not (tmp_path / "out").exists()
    (pics / "e.heic").unlink()
    assert cartoons([str(pics), str(tmp_path / "out"), *TINY]) == 0


def test_a_large_tiff_is_skipped_by_its_header(pics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (2000, 1000)).save(pics / "big.tif", compression="tiff_lzw")
    assert cartoons([str(pics), str(tmp_path / "out"), *TINY, "max_megapixels=1", "max_broken=1"]) == 0
    assert "2000 x 1000 pixels are more than max_megapixels=1" in capsys.readouterr().err
