"""Files are replaced atomically."""

import socket
import threading
from pathlib import Path

import pytest

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
