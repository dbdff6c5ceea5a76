"""Shard jobs over videos and near-duplicates: names, splits, resuming, repair, the same bytes with any workers."""

import dataclasses
import json
import tarfile
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from cartoon_dist.data.audit.repair import repair_folder
from cartoon_dist.data.audit.verify import verify_folder
from cartoon_dist.data.build.finalize import NearDuplicate
from cartoon_dist.data.build.job import plan_job
from cartoon_dist.data.build.pipeline import BuildResult, build
from cartoon_dist.data.format.manifest import index_path, read_index, read_manifest
from cartoon_dist.data.inputs import frame_selection
from cartoon_dist.errors import PictureError, ShardError
from cartoon_dist.image.perceptual_hash import are_near_duplicates
from tests.data.shard_folders import SAMPLES, SMALL, build_shards, file_hashes, link_samples, link_with_copies
from tests.data.videos import add_bars, cartoon, pan, write_video

SETTINGS = dataclasses.replace(SMALL, samples_per_shard=2)
DEDUP = dataclasses.replace(SETTINGS, dedup=True)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video of three scenes between bars, and two pictures."""
    folder = link_samples(tmp_path_factory.mktemp("place") / "in", 2)
    frames = [
        frame
        for name in ("club", "uni", "meadow")
        for frame in pan(add_bars(cartoon(name, 160, 90), rows=16), 50)  # 2 s each
    ]
    write_video(folder / "My Film.mp4", frames)
    return folder


def run_job(folder: Path, out: Path, settings: object = SETTINGS) -> BuildResult:
    job = plan_job([str(folder / "*.*")], domain="cartoon", settings=settings, folder=out)  # type: ignore[arg-type]
    return build(job, out, settings, shown=False)  # type: ignore[arg-type]


def samples(out: Path) -> list[tuple[str, str]]:
    shards = read_manifest(out).shards
    return [(sample.key, sample.source) for shard in shards for sample in read_index(out, shard.name).samples]


def test_frames_are_named_by_their_time_and_split_by_scene(inputs: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, test_fraction=0.4)
    run_job(inputs, tmp_path / "out", settings)
    assert samples(tmp_path / "out") == [
        ("000000-00h00m00-520s-my-film", "My Film.mp4/00h00m00.520s"),  # the middles of halves of 2 s: 0.5, 1.5
        ("000001-00h00m01-520s-my-film", "My Film.mp4/00h00m01.520s"),
        ("000002-00h00m02-520s-my-film", "My Film.mp4/00h00m02.520s"),
        ("000003-00h00m03-520s-my-film", "My Film.mp4/00h00m03.520s"),
        ("000004-00h00m04-520s-my-film", "My Film.mp4/00h00m04.520s"),
        ("000005-00h00m05-520s-my-film", "My Film.mp4/00h00m05.520s"),
        ("000006-club", "club.jpg"),
        ("000007-concert-1", "concert-1.jpg"),
    ]
    entries = [sample for n in range(4) for sample in read_index(tmp_path / "out", f"cartoon-00000{n}.tar").samples]
    assert [entry.scene for entry in entries][:4] == [
        f"My Film.mp4/scene-00h00m0{second}.000s" for second in (0, 0, 2, 2)
    ]
    assert len({(entry.scene, entry.split) for entry in entries}) == 5
    assert sum(entry.split == "test" for entry in entries) >= 2
    with tarfile.open(tmp_path / "out" / "cartoon-000001.tar") as tar:
        record = json.loads(tar.extractfile("000002-00h00m02-520s-my-film.json").read())  # type: ignore[union-attr]
        stored = tar.extractfile("000002-00h00m02-520s-my-film.cartoon.png").read()  # type: ignore[union-attr]
    assert record["original"] == [160, 86]  # 90 rows but for two mixed ones beside each bar
    picture = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR_RGB)
    shown = np.roll(cartoon("uni", 160, 90), 13 // 2, axis=1)[2:-2]
    expected = cv2.resize(shown, (119, 64), interpolation=cv2.INTER_AREA)[:, 27:91]
    assert np.abs(picture.astype(int) - expected).mean() < 4


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_workers_and_are_repaired(inputs: Path, tmp_path: Path) -> None:
    run_job(inputs, tmp_path / "one")
    run_job(inputs, tmp_path / "two", dataclasses.replace(SETTINGS, num_workers=2))
    assert file_hashes(tmp_path / "one") == file_hashes(tmp_path / "two")
    (tmp_path / "two" / "cartoon-000001.tar").write_bytes(b"")
    index_path(tmp_path / "two", "cartoon-000002.tar").unlink()
    assert repair_folder(tmp_path / "two", shown=False) == 2
    assert file_hashes(tmp_path / "one") == file_hashes(tmp_path / "two")
    assert verify_folder(tmp_path / "two", shown=False)[1] == []


def test_a_video_is_scanned_once(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    run_job(inputs, out)
    before = file_hashes(out)
    with monkeypatch.context() as patch:
        patch.delattr(frame_selection, "choose_frames")
        assert run_job(inputs, out).num_new == 0
        index_path(out, "cartoon-000000.tar").unlink()
        assert run_job(inputs, out).num_new == 1
    assert file_hashes(out) == before
    slower = dataclasses.replace(SETTINGS, video=dataclasses.replace(SETTINGS.video, min_seconds=2.0))
    with pytest.raises(ShardError, match=r"video.min_seconds: 1.0 -> 2.0"):
        run_job(inputs, out, slower)


def test_a_scenes_file_makes_a_video_one_scene(inputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "film.mp4").symlink_to(inputs / "My Film.mp4")
    (folder / "scenes.csv").write_text("file,scene\nfilm.mp4,all of it\n", "utf-8")
    job = plan_job([str(folder / "film.mp4")], domain="cartoon", settings=SETTINGS)
    assert {picture.scene for picture in job.pictures} == {"all of it"}


def test_a_folder_of_videos_is_refused_with_advice(inputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.mp4").symlink_to(inputs / "My Film.mp4")
    with pytest.raises(PictureError, match=r"no pictures in it; .*; name its 1 videos themselves"):
        plan_job([str(folder)], domain="cartoon", settings=SETTINGS)
    assert len(plan_job([str(folder / "*.mp4")], domain="cartoon", settings=SETTINGS).pictures) == 6


def test_chosen_frames_of_a_video_are_no_near_duplicates(tmp_path: Path) -> None:
    frames = [*pan(cartoon("club", 160, 90), 200), *pan(cartoon("uni", 160, 90), 200)]
    film = write_video(tmp_path / "film.mp4", frames)
    (tmp_path / "club.jpg").symlink_to(SAMPLES / "cartoons" / "club.jpg")
    job = plan_job([str(film), str(tmp_path / "club.jpg")], domain="cartoon", settings=SETTINGS)
    near = build(job, tmp_path / "out", SETTINGS, shown=False).finished.near_duplicates
    assert {pair.of for pair in near} <= {"club.jpg"}  # those of the video were dropped when its frames were chosen
    looks = [picture.frame.looks for picture in job.pictures if picture.frame]
    assert 3 <= len(looks) <= 8
    pairs = combinations([int(digits, 16) for digits in looks], 2)
    assert not any(are_near_duplicates(one, other, num_bits=SETTINGS.duplicate_bits) for one, other in pairs)


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    return link_with_copies(tmp_path / "copies")


def test_near_duplicates_are_reported(copies: Path, tmp_path: Path) -> None:
    first = build_shards(copies, tmp_path / "out", SETTINGS)
    of = "a copy.png"  # the first of them by name
    near = tuple(NearDuplicate(name, of) for name in ("club.jpg", "the same.jpg", "zz.jpg"))
    assert first.finished.near_duplicates == near
    assert len(samples(tmp_path / "out")) == 5
    assert build_shards(copies, tmp_path / "out", SETTINGS).finished.near_duplicates == near


@pytest.mark.slow
def test_near_duplicates_are_removed_and_listed(copies: Path, tmp_path: Path) -> None:
    whole = tmp_path / "one"
    one = build_shards(copies, whole, DEDUP)
    assert [source for _, source in samples(whole)] == ["a copy.png", "concert-1.jpg"]
    assert [(skipped.source, skipped.reason) for skipped in one.finished.manifest.skipped] == [
        (name, "near-duplicate of a copy.png") for name in ("club.jpg", "the same.jpg", "zz.jpg")
    ]
    assert one.finished.near_duplicates == ()
    build_shards(copies, tmp_path / "two", dataclasses.replace(DEDUP, num_workers=2))
    assert file_hashes(tmp_path / "two") == file_hashes(whole)
    for number in range(3):  # each shard alone is built again as it was: the others' hashes are in their indices
        index_path(tmp_path / "two", f"cartoon-00000{number}.tar").unlink()
        assert repair_folder(tmp_path / "two", shown=False) == 1
        assert file_hashes(tmp_path / "two") == file_hashes(whole)
