"""Random damage to a real set: verification misses none of it and never fails itself, and repair restores the bytes."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cartoon_dist.data.audit.repair import repair_folder
from cartoon_dist.data.audit.verify import verify_folder
from cartoon_dist.data.build import workers
from cartoon_dist.data.build.job import RESTORE_HINT
from cartoon_dist.data.format.manifest import LOCK
from cartoon_dist.errors import ShardError
from tests.data.shard_folders import SMALL, build_shards, file_hashes, link_samples

NUM_DAMAGES, EVERY_MENDED = 200, 20


def flip(path: Path, chance: random.Random, _: Path) -> None:
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def flip_header(path: Path, chance: random.Random, _: Path) -> None:
    """In one of the 512-byte blocks that describe a member (a small picture's tar is mostly headers and padding)."""
    data = bytearray(path.read_bytes())
    starts = [at for at in range(0, len(data) - 512, 512) if data[at + 257 : at + 262] == b"ustar"]
    data[chance.choice(starts or [0]) + chance.randrange(512 if starts else len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut(path: Path, chance: random.Random, _: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.choice([0, len(data) - 1, len(data) - 512, chance.randrange(len(data))])])


def zero(path: Path, chance: random.Random, _: Path) -> None:
    data = bytearray(path.read_bytes())
    at, length = chance.randrange(len(data)), chance.choice([16, 512, 4096])
    data[at : at + length] = bytes(len(data[at : at + length]))
    path.write_bytes(data)


def lengthen(path: Path, chance: random.Random, _: Path) -> None:
    path.write_bytes(path.read_bytes() + chance.choice([b"\n", bytes(512), b"x" * 700]))


def swap(path: Path, _: random.Random, other: Path) -> None:
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def copy_over(path: Path, _: random.Random, other: Path) -> None:
    path.write_bytes(other.read_bytes())


def rename(path: Path, _: random.Random, __: Path) -> None:
    path.rename(path.with_name(f"{path.name}.moved"))


def rename_over(path: Path, _: random.Random, other: Path) -> None:
    path.rename(other)


Damage = Callable[[Path, random.Random, Path], None]
DAMAGES: list[Damage] = [flip, flip, flip_header, cut, zero, lengthen, swap, copy_over, rename, rename_over]


@pytest.fixture(autouse=True)
def _one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verified and repaired in this process: test_workers.py and test_shards.py start others."""
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda _: {0})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    inputs = link_samples(folder / "in", 6)
    for number in range(2):
        (inputs / f"{number}.png").touch()  # left out, and so lines of by an index that has no tar
    build_shards(inputs, folder / "out", LENIENT)
    return folder


LENIENT = replace(SMALL, samples_per_shard=2, max_broken=1.0)


def harm(folder: Path, whole: dict[str, bytes], chance: random.Random) -> str:
    """Damage the folder until something is other than it was, and say how."""
    while True:
        path = folder / chance.choice(sorted(whole))
        like = [name for name in whole if name != path.name and name.split(".", 1)[1] == path.name.split(".", 1)[1]]
        other = folder / chance.choice(sorted(like) or sorted(whole.keys() - {path.name}))
        damage = chance.choice(DAMAGES)
        damage(path, chance, other)
        if set_files(folder) != whole:
            return f"{damage.__name__} {path.name} {other.name}"


def set_files(folder: Path) -> dict[str, bytes]:
    """The files of the set, without its lock file."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LOCK}


def restore(folder: Path, whole: dict[str, bytes]) -> None:
    for path in folder.iterdir():
        if path.name not in {*whole, LOCK}:
            path.unlink()
    for name, data in whole.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


def test_no_damage_is_missed_and_all_is_repaired(place: Path) -> None:
    folder, before = place / "out", file_hashes(place / "out")
    whole = set_files(folder)
    assert len(whole) == 9  # 3 tars, 4 indices, manifest and job
    assert verify_folder(folder, shown=False)[1] == []
    kinds, missed = set(), []
    for seed in range(NUM_DAMAGES):
        what = harm(folder, whole, random.Random(seed))
        kinds.add(what.split()[0])
        try:
            lines = [str(problem) for problem in verify_folder(folder, shown=False)[1]]
        except ShardError as error:
            lines = [str(error)]
        if not lines:
            missed.append((seed, what))
        assert all("\n" not in line for line in lines), (seed, what)
        if seed % EVERY_MENDED == 0:
            repair(place)
            assert {name: h for name, h in file_hashes(folder).items() if name in before} == before, (seed, what)
        restore(folder, whole)
    assert missed == []
    assert kinds == {damage.__name__ for damage in DAMAGES}


@pytest.mark.parametrize("damage", [flip, cut, swap, rename])
@pytest.mark.parametrize(
    "name", ["job.json", "manifest.json", "cartoon-000001.index.json", "cartoon-000000.index.json"]
)
def test_each_record_is_repaired(place: Path, name: str, damage: Damage) -> None:
    """cartoon-000000 is the shard without samples: the pictures that cannot be read sort first."""
    folder = place / "out"
    whole = set_files(folder)
    damage(folder / name, random.Random(1), folder / "cartoon-000002.index.json")
    repair(place)
    (folder / f"{name}.moved").unlink(missing_ok=True)
    now = set_files(folder)
    restore(folder, whole)
    assert now == whole


def repair(place: Path) -> None:
    """As the messages advise: --mend, and where job.json is lost the building command first."""
    lines = ""
    try:
        repair_folder(place / "out", shown=False)
    except ShardError as error:
        lines = str(error)
    if lines:
        assert RESTORE_HINT in lines
        build_shards(place / "in", place / "out", LENIENT)
        repair_folder(place / "out", shown=False)
    assert verify_folder(place / "out", shown=False)[1] == []
