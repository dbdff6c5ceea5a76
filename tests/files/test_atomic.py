"""Files are replaced atomically."""

import socket
import threading
from pathlib import Path

import pytest

from cartoon_dist.files import atomic
from cartoon_dist.files.atomic import temporary_path, write_atomically, write_if_absent, write_json


def test_writing_replaces_whole_files(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new/a", "old")
    write_atomically(tmp_path / "new/a", b"\x00new")
    assert (tmp_path / "new/a").read_bytes() == b"\x00new"
    write_json(tmp_path / "new/b", {"x": 1})
    assert [path.name for path in sorted((tmp_path / "new").iterdir())] == ["a", "b"]


@pytest.mark.parametrize("name", ["x" * 255, "漢" * 85, "x" * 240])
def test_names_of_any_length_are_written(name: str, tmp_path: Path) -> None:
    write_atomically(tmp_path / name, "one")
    assert write_if_absent(tmp_path / name, "two") is False
    assert [path.read_text() for path in tmp_path.iterdir()] == ["one"]
    assert temporary_path(tmp_path / name) != temporary_path(tmp_path / f"{name[:-1]}y")
    assert len(temporary_path(tmp_path / name, "m" * 64 + ".").name.encode()) <= 255


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "a", "\ud800")
    assert (tmp_path / "a").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_two_machines_and_two_threads_use_different_temporary_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes of two containers often have the same number."""
    names = [temporary_path(tmp_path / "a")]
    other = threading.Thread(target=lambda: names.append(temporary_path(tmp_path / "a")))
    other.start()
    other.join()
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    names.append(temporary_path(tmp_path / "a"))
    assert len(set(names)) == 3


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often replacing a file is still refused, in the first item, and in the second how often it was."""
    really_replace, counts = Path.replace, [0, 0]

    def replace(self: Path, target: Path) -> Path:
        if counts[0] > 0:
            counts[:] = counts[0] - 1, counts[1] + 1
            raise PermissionError(13, "Access is denied", str(target))
        return really_replace(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    return counts


def test_a_folder_of_another_user_is_refused_at_once(tmp_path: Path, refusals: list[int]) -> None:
    refusals[0] = 3
    with pytest.raises(PermissionError):
        write_atomically(tmp_path / "a", "text")
    assert refusals == [2, 1]
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_open_is_waited_for_where_it_cannot_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusals: list[int]
) -> None:
    """Windows refuses while any process has the file open."""
    monkeypatch.setattr(atomic, "_REFUSED_WHILE_OPEN", True)
    monkeypatch.setattr(atomic, "_OPEN_SECONDS", 60)
    refusals[0] = 3
    write_atomically(tmp_path / "a", "text")
    assert refusals == [0, 3]
    monkeypatch.setattr(atomic, "_OPEN_SECONDS", 0)
    refusals[0] = 10**9
    with pytest.raises(PermissionError):
        write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "text"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_folders_that_cannot_be_opened_are_left_to_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "FOLDERS_CAN_BE_OPENED", False)
    write_atomically(tmp_path / "a", "text")
    atomic.sync_folder(tmp_path / "is not there")
    assert (tmp_path / "a").read_text() == "text"
