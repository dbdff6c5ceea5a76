"""One process holds a folder, a range or a file at a time; a killed one holds nothing."""

import errno
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cartoon_dist.errors import CheckpointError
from cartoon_dist.files import lock_files, locks
from cartoon_dist.files.locks import lock_file, lock_folder, lock_range
from tests.running import environment

HOLD = """
import sys
from pathlib import Path
from cartoon_dist.files import locks
how, path, span = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
if how == "other systems":
    locks._byte_locks = lambda: None
    locks.FOLDERS_CAN_BE_OPENED = False
refusal = RuntimeError("busy")
parts = [range(*map(int, span.split("-")))] if "-" in span else [None]
if span == "folder":
    held = locks.lock_folder(path, refusal)
elif span == "file":
    held = locks.lock_file(path, RuntimeError)
else:
    held = locks.lock_range(path, parts[0], refusal)
with held:
    print("held", flush=True)
    sys.stdin.read()
"""
BUSY = CheckpointError("busy")


@pytest.fixture(params=["this system", "other systems"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Locks as Linux has them, and as they are where bytes of a file cannot be locked, nor a folder opened."""
    if request.param == "other systems":
        monkeypatch.setattr(locks, "_byte_locks", lambda: None)
        monkeypatch.setattr(locks, "FOLDERS_CAN_BE_OPENED", False)
    return str(request.param)


@contextmanager
def holder(system: str, path: Path, what: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lock; it is killed at the end."""
    command = [sys.executable, "-c", HOLD, system, str(path), what]
    with subprocess.Popen(
        command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def is_free(path: Path, span: range | None) -> bool:
    """Whether a range can be locked now."""
    try:
        with lock_range(path, span, BUSY):
            return True
    except CheckpointError:
        return False


def test_one_process_at_a_time_in_a_folder(tmp_path: Path, system: str) -> None:
    with holder(system, tmp_path, "folder"), pytest.raises(CheckpointError, match="busy"), lock_folder(tmp_path, BUSY):
        pass
    with lock_folder(tmp_path, BUSY), pytest.raises(CheckpointError, match="busy"), lock_folder(tmp_path, BUSY):
        pass
    left = [".folder.lock"] if system == "other systems" else []
    assert [path.name for path in tmp_path.iterdir()] == left


def test_ranges_that_overlap_exclude_one_another(tmp_path: Path, system: str) -> None:
    path = tmp_path / ".lock"
    with holder(system, path, "4-8"):
        assert not any(is_free(path, span) for span in (None, range(4, 8), range(7, 9), range(5), range(5, 6)))
        assert all(is_free(path, span) for span in (range(4), range(8, 100), range(4, 4)))
        with lock_range(path, range(4), BUSY), lock_range(path, range(8, 12), BUSY):
            assert not is_free(path, range(3, 4))
    assert is_free(path, None)
    assert [left.name for left in tmp_path.iterdir()] == [".lock"]


def test_all_of_a_folder_excludes_each_range(tmp_path: Path, system: str) -> None:
    path = tmp_path / ".lock"
    with holder(system, path, "all"):
        assert not is_free(path, range(1000, 1001))
        assert not is_free(path, None)
    assert is_free(path, range(2, 5))
    assert [left.name for left in tmp_path.iterdir()] == [".lock"]


def test_other_files_of_such_names_are_no_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_byte_locks", lambda: None)
    for name in (".lock.old", ".lock.1-x", ".lock.-3", ".lock.0-4"):  # the last one is of a killed process
        (tmp_path / name).touch()
    assert is_free(tmp_path / ".lock", range(3, 5))
    assert sorted(left.name for left in tmp_path.iterdir()) == [".lock", ".lock.-3", ".lock.1-x", ".lock.old"]


def test_whoever_waits_for_a_file_is_told_who_has_it(tmp_path: Path, system: str) -> None:
    path = tmp_path / "scores.json"
    with holder(system, path, "file") as process:
        said = f"scores.json: process {process.pid} on "
        with pytest.raises(CheckpointError, match=said), lock_file(path, CheckpointError, seconds=0):
            pass
    with lock_file(path, CheckpointError, seconds=0):
        assert [lock.name for lock in tmp_path.iterdir()] == [".scores.json.lock"]
    assert list(tmp_path.iterdir()) == []


def test_the_holder_is_named_beyond_the_byte_that_is_locked(tmp_path: Path) -> None:
    """On Windows others cannot read the first byte, which is the locked one."""
    with lock_file(tmp_path / "scores.json", CheckpointError):
        assert (tmp_path / ".scores.json.lock").read_bytes().startswith(b" process ")


def test_without_locks_nothing_is_protected_and_all_goes_on(
    tmp_path: Path, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object, **__: object) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock_files, "lock_descriptor", no_locks)
    monkeypatch.setattr(fcntl, "fcntl", no_locks)
    path = tmp_path / ".lock"
    with lock_range(path, None, BUSY), lock_folder(tmp_path, BUSY), lock_file(tmp_path / "file", CheckpointError):
        assert is_free(path, range(3))
        with lock_folder(tmp_path, BUSY):
            pass
    assert system
