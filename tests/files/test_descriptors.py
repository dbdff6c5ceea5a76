"""Reading at an offset with and without the system's own call for it; folders where none can be opened."""

import os
import threading
from pathlib import Path

import pytest

from cartoon_dist.files import descriptors
from cartoon_dist.files.bounded import open_regular, open_to_append
from cartoon_dist.files.descriptors import open_to_read, read_at


@pytest.mark.parametrize("has_pread", [True, False])
def test_threads_read_from_one_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_pread: bool) -> None:
    if not has_pread:
        monkeypatch.delattr(os, "pread", raising=False)
    content = bytes(range(256)) * 40
    (tmp_path / "file").write_bytes(content)
    descriptor, wrong = open_to_read(tmp_path / "file"), list[int]()

    def read_all(step: int) -> None:
        wrong.extend(at for at in range(0, 9000, step) if read_at(descriptor, 100, at) != content[at : at + 100])

    threads = [threading.Thread(target=read_all, args=(step,)) for step in (7, 11, 13, 17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert read_at(descriptor, 100, len(content) - 3) == content[-3:]
    os.close(descriptor)


def test_a_folder_is_named_as_one_where_none_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open = os.open

    def refuse_folders(path: Path, flags: int, mode: int = 0o777) -> int:
        if path.is_dir():
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, flags, mode)

    monkeypatch.setattr(descriptors, "FOLDERS_CAN_BE_OPENED", False)
    monkeypatch.setattr(os, "open", refuse_folders)
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path, max_bytes=10)


def test_lines_end_alike_on_every_system(tmp_path: Path) -> None:
    with open_to_append(tmp_path / "log") as file:
        file.write("a\n")
    with open_to_append(tmp_path / "log") as file:
        file.write("b\n")
    assert (tmp_path / "log").read_bytes() == b"a\nb\n"
