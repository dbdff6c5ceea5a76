"""Which pictures go to the test set: by scene, by name alone, and as the attribution of the embedded pictures says."""

import csv
import hashlib
import re
from pathlib import Path

import pytest

from cartoon_dist.data.inputs.scenes import pick_test_scenes, read_scenes
from cartoon_dist.errors import ShardError
from tests.running import ROOT

SAMPLES = ROOT / "shards" / "samples"


@pytest.mark.parametrize("kind", ["photos", "cartoons"])
def test_the_embedded_scenes_are_those_of_the_attribution(kind: str) -> None:
    text = (SAMPLES / "ATTRIBUTION.md").read_text(encoding="utf-8")
    attributed = dict(re.findall(rf"^\| {kind}/(\S+) \| (\S+) \|", text, re.MULTILINE))
    assert attributed.keys() == {path.name for path in (SAMPLES / kind).glob("*.jpg")}
    with (SAMPLES / kind / "scenes.csv").open(encoding="utf-8") as lines:
        assert {row["file"]: row["scene"] for row in csv.DictReader(lines)} == attributed
    assert read_scenes(SAMPLES / kind) == attributed


def test_the_split_follows_the_order_of_the_hashes() -> None:
    scenes = [f"scene {number}" for number in range(40)]
    order = sorted(scenes, key=lambda scene: hashlib.sha256(b"7/" + scene.encode()).hexdigest())
    assert pick_test_scenes(scenes, test_fraction=0.1, seed=7) == set(order[:4])
    assert pick_test_scenes(reversed(scenes * 2), test_fraction=0.1, seed=7) == set(order[:4])


@pytest.mark.parametrize(
    ("num_scenes", "fraction", "num_test"),
    [(0, 0.1, 0), (1, 0.5, 0), (2, 0.01, 1), (10, 0.0, 0), (10, 0.1, 1), (10, 0.26, 3), (10, 1.0, 10)],
)
def test_how_many_scenes_are_test_scenes(num_scenes: int, fraction: float, num_test: int) -> None:
    scenes = [str(number) for number in range(num_scenes)]
    assert len(pick_test_scenes(scenes, test_fraction=fraction, seed=0)) == num_test


def test_another_seed_is_another_split() -> None:
    scenes = [str(number) for number in range(100)]
    assert pick_test_scenes(scenes, test_fraction=0.5, seed=0) != pick_test_scenes(scenes, test_fraction=0.5, seed=1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name,place\na.jpg,x\n", "must name file and scene"),
        ("", "must name file and scene"),
        ("file,scene\na.jpg,x\na.jpg,y\n", "line 3 names 'a.jpg' again"),
        ("file,scene\nb.jpg,x\n", "'b.jpg', which is not there"),
        ("file,scene\na.jpg\n", "line 2 lacks"),
    ],
)
def test_a_wrong_scenes_file_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "scenes.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ShardError, match=complaint):
        read_scenes(tmp_path)


def test_quotes_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / 'a "b", c.jpg').touch()
    (tmp_path / "scenes.csv").write_text('\ufefffile,scene\n"a ""b"", c.jpg","one, two"\n', encoding="utf-8")
    assert read_scenes(tmp_path) == {'a "b", c.jpg': "one, two"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_scenes_files_of_spreadsheets_are_read(tmp_path: Path, delimiter: str, encoding: str, end: str) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("ä.jpg", "sub/b.jpg", "c.jpg"):
        (tmp_path / name).touch()
    rows = [("Scene", " File "), ("one", "ä.jpg "), ("", " "), ("two", "sub\\b.jpg"), ("two", "./c.jpg")]
    (tmp_path / "scenes.csv").write_bytes(end.join(delimiter.join(row) for row in rows).encode(encoding))
    assert read_scenes(tmp_path) == {"ä.jpg": "one", "sub/b.jpg": "two", "c.jpg": "two"}


@pytest.mark.parametrize("data", [b"file,scene\ncaf\xe9.jpg,x\n", b'file,scene\n"' + b"a" * 200_000, b"file\0scene"])
def test_a_scenes_file_that_is_no_text_gives_one_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "scenes.csv").write_bytes(data)
    with pytest.raises(ShardError, match=r"scenes\.csv: .*(UTF-8|no CSV)"):
        read_scenes(tmp_path)
