"""What verification finds in a damaged folder, and what repair restores."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cartoon_dist.data.audit.repair import repair_folder
from cartoon_dist.data.audit.verify import Problem, group_by_cause, verify_folder
from cartoon_dist.data.build import workers
from cartoon_dist.data.build.pipeline import lock_shards
from cartoon_dist.data.format.manifest import index_path, read_index, record_bytes
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.errors import ShardError
from tests.data.shard_folders import build_shards, file_hashes, link_samples

SHARD = "cartoon-000001.tar"


@pytest.fixture(autouse=True)
def _one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verified and repaired in this process: test_workers.py and test_shards.py start others."""
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda _: {0})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("whole")
    build_shards(link_samples(place / "in", 7), place / "out")
    return place


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole / "out", tmp_path / "out"))


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def rewrite(path: Path, change: Callable[[dict], object]) -> None:
    """Other content with a right hash of its own: what a mistake in our code would leave, not the disk."""
    values = json.loads(path.read_text())
    change(values)
    path.write_bytes(record_bytes({name: value for name, value in values.items() if name != "own_sha256"}))


def member(folder: Path, name: str) -> tuple[str, int]:
    sample = read_index(folder, SHARD).samples[1]
    return sample.key, sample.members[name][0]


def cut(folder: Path) -> None:
    data = (folder / SHARD).read_bytes()
    (folder / SHARD).write_bytes(data[: len(data) // 2])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (cut, f"{SHARD}: has [0-9]+ bytes where its index says"),
    "cut at the end": (
        lambda folder: (folder / SHARD).write_bytes((folder / SHARD).read_bytes()[:-512]),
        f"{SHARD}: has [0-9]+ bytes where",
    ),
    "flipped in a picture": (
        lambda folder: flip(folder / SHARD, member(folder, "cartoon.png")[1] + 900),
        r"sample '000004-[a-z-]*' has a damaged cartoon.png: the PNG file is damaged",
    ),
    "flipped in a record": (
        lambda folder: flip(folder / SHARD, member(folder, "json")[1] + 14),
        r"sample '000004-[a-z-]*' has a damaged json: its source",
    ),
    "flipped in a header": (
        lambda folder: flip(folder / SHARD, member(folder, "cartoon.png")[1] - 512 + 3),
        f"{SHARD}.*(cannot be read as a tar|not in the tar)",
    ),
    "flipped in the padding": (lambda folder: flip(folder / SHARD, -1), f"{SHARD}: .*sha256 differs"),
    "no tar": (lambda folder: (folder / SHARD).unlink(), f"{SHARD}: cannot be read"),
    "no index": (lambda folder: index_path(folder, SHARD).unlink(), f"{SHARD}: its index: .*cannot be read"),
    "index of another format": (
        lambda folder: rewrite(index_path(folder, SHARD), lambda v: v.update(format=9)),
        f"{SHARD}: its index: .*of format 9, this version reads format 1",
    ),
    "index is not JSON": (lambda folder: index_path(folder, SHARD).write_text("{"), f"{SHARD}: .*not JSON"),
    "index lacks a field": (
        lambda folder: rewrite(index_path(folder, SHARD), lambda v: v.pop("sha256")),
        f"{SHARD}: its index: .*damaged, sha256",
    ),
    "index lists fewer": (
        lambda folder: rewrite(index_path(folder, SHARD), lambda v: v["samples"].pop()),
        "holds samples that its index does not list: 000005-",
    ),
    "index of other settings": (
        lambda folder: rewrite(index_path(folder, SHARD), lambda v: v.update(settings_sha256="0")),
        "built with other settings",
    ),
    "sample without its pair": (
        lambda folder: rewrite(index_path(folder, SHARD), lambda v: v["samples"][1]["members"].pop("smoothed.png")),
        r"sample '000004-[a-z-]*' has no smoothed.png",
    ),
    "shards swapped": (
        lambda folder: shutil.copy(folder / "cartoon-000000.tar", folder / SHARD),
        r"sample '000003-[a-z0-9-]*' is not in the tar",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_and_repaired_to_the_same_bytes(folder: Path, whole: Path, kind: str) -> None:
    damage, expected = DAMAGE[kind]
    damage(folder)
    _, problems = verify_folder(folder, shown=False)
    assert any(re.search(expected, str(problem)) for problem in problems), problems
    assert {problem.file for problem in problems} >= {SHARD}
    assert repair_folder(folder, shown=False) == 1
    assert file_hashes(folder) == file_hashes(whole / "out")
    assert verify_folder(folder, shown=False)[1] == []


def test_a_whole_folder_has_no_findings(folder: Path) -> None:
    manifest, problems = verify_folder(folder, shown=False)
    assert problems == []
    assert sum(shard.num_samples for shard in manifest.shards) == 7
    assert repair_folder(folder, shown=False) == 0


def test_a_shard_missing_from_the_manifest_is_found(folder: Path, whole: Path) -> None:
    rewrite(folder / "manifest.json", lambda values: values["shards"].pop())
    assert "manifest.json: is not what the indices of the shards say" in str(verify_folder(folder, shown=False)[1][0])
    repair_folder(folder, shown=False)
    assert file_hashes(folder) == file_hashes(whole / "out")


def test_sizes_are_compared_with_the_manifest(folder: Path) -> None:
    rewrite(folder / "manifest.json", lambda values: values.update(image_size=32))
    assert [str(problem) for problem in verify_folder(folder, shown=False)[1]] == [
        "manifest.json: is not what the indices of the shards say"  # that job and shards agree on
    ]
    (folder / "job.json").unlink()
    assert "64 x 64 pixels where the set has 32 x 32" in str(verify_folder(folder, shown=False)[1][0])


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda folder: shutil.rmtree(folder), "no such folder; build it with"),
        (lambda folder: (folder / "manifest.json").unlink(), "its build was not finished"),
        (lambda folder: [path.unlink() for path in folder.glob("*.json")], "without a manifest.json.*--index"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], "no manifest.json; give a folder"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "damaged.*--mend"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff\0"), "not JSON.*--mend"),
        (lambda folder: rewrite(folder / "manifest.json", lambda v: v.update(format=2)), "of format 2"),
        (lambda folder: rewrite(folder / "manifest.json", lambda v: v.update(shards=3)), "damaged, shards"),
    ],
)
def test_without_a_manifest_there_is_one_error(folder: Path, damage: Callable[[Path], object], complaint: str) -> None:
    damage(folder)
    with pytest.raises(ShardError, match=complaint):
        verify_folder(folder, shown=False)


def test_a_damaged_manifest_is_rebuilt_from_the_indices(folder: Path, whole: Path) -> None:
    (folder / "manifest.json").write_text("{")
    flip(folder / SHARD, 2000)
    assert repair_folder(folder, shown=False) == 1
    assert file_hashes(folder) == file_hashes(whole / "out")


def test_repair_needs_the_pictures(folder: Path) -> None:
    rewrite(folder / "job.json", lambda values: values.update(root="/nowhere"))
    (folder / SHARD).unlink()
    with pytest.raises(ShardError, match="3 pictures of the shards to build are gone or changed: "):
        repair_folder(folder, shown=False)
    assert index_path(folder, SHARD).exists()


def test_repair_needs_the_job(folder: Path) -> None:
    (folder / "job.json").unlink()
    assert "job.json: " in str(verify_folder(folder, shown=False)[1][0])
    with pytest.raises(ShardError, match=r"has lost its job.json; give the command that built the folder again"):
        repair_folder(folder, shown=False)


def test_a_set_of_an_older_version_is_read_and_brought_up_to_date(folder: Path, whole: Path) -> None:
    for path in folder.glob("*.json"):
        values = json.loads(path.read_text())
        del values["own_sha256"]
        path.write_text(json.dumps(values))
    assert len(Shards(folder=folder, domain="cartoon", split=None)) == 7
    assert sum("carries no hash of itself" in str(problem) for problem in verify_folder(folder, shown=False)[1]) == 5
    assert repair_folder(folder, shown=False) == 3
    assert file_hashes(folder) == file_hashes(whole / "out")


def test_repair_does_not_wait_for_another_job(folder: Path) -> None:
    with lock_shards(folder), pytest.raises(ShardError, match="another job is writing there"):
        repair_folder(folder, shown=False)


def test_many_problems_of_one_cause_share_a_line() -> None:
    sizes = [
        Problem("s.tar", f"k{n}", f"has a damaged photo.png: {n} x 48 pixels where it is 64 x 64") for n in range(9)
    ]
    few = [Problem(f"{n}.tar", None, "cannot be read") for n in range(3)]
    first, *others = group_by_cause([few[0], *sizes, *few[1:]])
    assert [first, *others[:2]] == ["0.tar: cannot be read", "1.tar: cannot be read", "2.tar: cannot be read"]
    assert others[2:] == [f"{sizes[0]}; the like 8 times more: s.tar: 'k1', s.tar: 'k2', s.tar: 'k3', ..."]
