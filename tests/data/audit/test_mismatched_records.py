"""Records of another set in a folder of sound shards: they are named, and no shard is rebuilt by them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cartoon_dist.commands.verify import main
from cartoon_dist.config.shards import IndexSettings
from cartoon_dist.data.audit.adopt import index_folder
from cartoon_dist.data.audit.repair import repair_folder
from cartoon_dist.data.audit.verify import verify_folder
from cartoon_dist.data.build import workers
from cartoon_dist.data.format.manifest import index_path
from cartoon_dist.errors import ShardError
from tests.data.shard_folders import SMALL, build_shards, file_hashes, link_samples

SHARD = "cartoon-000001.tar"
OTHERS = {"another size": "smaller", "fewer pictures": "fewer", "other pictures": "photos of cartoons"}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of three shards, and others whose records are whole: of another size, of its first pictures alone, of
    other pictures by the same settings."""
    place = tmp_path_factory.mktemp("sets")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(workers.os, "sched_getaffinity", lambda _: {0})
        pictures = link_samples(place / "in", 7)
        build_shards(pictures, place / "own")
        build_shards(pictures, place / "smaller", replace(SMALL, image_size=32))
        build_shards(link_samples(place / "first", 4), place / "fewer")
        build_shards(link_samples(place / "photos", 7, "photos"), place / "photos of cartoons")
    return place


@pytest.fixture
def folder(sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda _: {0})
    return Path(shutil.copytree(sets / "own", tmp_path / "out"))


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir() if path.name != ".lock"
    }


def taken(sets: Path, folder: Path, other: str, *names: str) -> dict[str, tuple[bytes, int]]:
    """Put records of another set into the folder; how the folder is then."""
    for name in names:
        shutil.copy(sets / OTHERS[other] / name, folder / name)
    return state(folder)


@pytest.mark.parametrize("other", OTHERS)
def test_a_job_of_another_set_is_named_and_rebuilds_nothing(sets: Path, folder: Path, other: str) -> None:
    before = taken(sets, folder, other, "job.json")
    assert [str(problem) for problem in verify_folder(folder, shown=False)[1]] == [
        "job.json: is of another set than the shards here"
    ]
    for words in ([], ["--mend"]):
        with pytest.raises(ShardError, match=r"move job\.json away, then give the command that built the folder again"):
            main([str(folder), *words])
    (folder / "manifest.json").unlink()  # without it the shards are asked alone
    del before["manifest.json"]
    with pytest.raises(ShardError, match=r"job\.json is of another set than its shards"):
        repair_folder(folder, shown=False)
    assert state(folder) == before


@pytest.mark.parametrize("other", OTHERS)
def test_the_advice_of_the_message_works(sets: Path, folder: Path, other: str) -> None:
    taken(sets, folder, other, "job.json", "manifest.json")
    assert {problem.file for problem in verify_folder(folder, shown=False)[1]} == {"job.json", "manifest.json"}
    with pytest.raises(ShardError, match=r"job\.json and manifest\.json are of another set than its shards"):
        repair_folder(folder, shown=False)
    for name in ("job.json", "manifest.json"):
        (folder / name).unlink()
    before = state(folder)
    assert build_shards(sets / "in", folder).num_new == 0
    assert before.items() <= state(folder).items()
    assert file_hashes(folder) == file_hashes(sets / "own")


@pytest.mark.parametrize("other", OTHERS)
def test_a_manifest_of_another_set_is_written_again(sets: Path, folder: Path, other: str) -> None:
    before = taken(sets, folder, other, "manifest.json")
    assert [str(problem) for problem in verify_folder(folder, shown=False)[1]] == [
        "manifest.json: is not what the indices of the shards say"
    ]
    assert repair_folder(folder, shown=False) == 0
    assert {name for name, content in state(folder).items() if content != before[name]} == {"manifest.json"}
    assert file_hashes(folder) == file_hashes(sets / "own")


@pytest.mark.parametrize("names", [[], ["manifest.json"]])
@pytest.mark.parametrize("other", ["another size", "other pictures"])
def test_an_index_of_another_set_damages_its_own_shard_only(
    sets: Path, folder: Path, other: str, names: list[str]
) -> None:
    before = taken(sets, folder, other, index_path(folder, SHARD).name, *names)
    assert SHARD in {problem.file for problem in verify_folder(folder, shown=False)[1]}
    assert repair_folder(folder, shown=False) == 1
    changed = {name for name, content in state(folder).items() if content != before[name]}
    assert changed <= {SHARD, index_path(folder, SHARD).name, "manifest.json"}
    assert file_hashes(folder) == file_hashes(sets / "own")


def test_damage_beside_a_job_of_another_set_waits_for_the_right_job(sets: Path, folder: Path) -> None:
    (folder / SHARD).write_bytes((folder / SHARD).read_bytes()[:-512])
    before = taken(sets, folder, "another size", "job.json")
    assert {problem.file for problem in verify_folder(folder, shown=False)[1]} == {SHARD, "job.json"}
    with pytest.raises(ShardError, match=r"job\.json is of another set .*; move job\.json away"):
        repair_folder(folder, shown=False)
    assert state(folder) == before


def test_a_job_in_a_set_that_no_job_built(sets: Path, folder: Path) -> None:
    for path in folder.glob("*.json"):
        path.unlink()
    index_folder(folder, IndexSettings(), shown=False)
    before = taken(sets, folder, "another size", "job.json")
    assert [problem.file for problem in verify_folder(folder, shown=False)[1]] == ["job.json"]
    with pytest.raises(ShardError, match=r"job\.json is of another set .*; move job\.json away"):
        repair_folder(folder, shown=False)
    assert state(folder) == before
