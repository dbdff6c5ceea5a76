"""Files written whole and read where they end, folders held by one."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.atomic import (
    alone,
    open_regular,
    open_to_append,
    read_regular,
    read_regular_text,
    require_regular,
    sha256_of,
    temporary_name,
    write_first,
    write_json,
    write_whole,
)
from tests.running import environment

HOLD = """
import sys
import threading
from pathlib import Path
from cartoon_dist.files.atomic import alone
with alone(Path(sys.argv[1]), RuntimeError()):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_writing_replaces_whole_files(tmp_path: Path) -> None:
    write_whole(tmp_path / "new/a", "old")
    write_whole(tmp_path / "new/a", b"\x00new")
    assert (tmp_path / "new/a").read_bytes() == b"\x00new"
    write_json(tmp_path / "new/b", {"x": 1})
    assert [path.name for path in sorted((tmp_path / "new").iterdir())] == ["a", "b"]


@pytest.mark.parametrize("name", ["x" * 255, "漢" * 85, "x" * 240])
def test_the_longest_names_are_written(name: str, tmp_path: Path) -> None:
    write_whole(tmp_path / name, "one")
    assert write_first(tmp_path / name, "two") is False
    assert [path.read_text() for path in tmp_path.iterdir()] == ["one"]
    assert temporary_name(tmp_path / name) != temporary_name(tmp_path / f"{name[:-1]}y")
    assert len(temporary_name(tmp_path / name, "m" * 64 + ".").name.encode()) <= 255


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "a", "\ud800")
    assert (tmp_path / "a").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_one_process_at_a_time(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(CheckpointError, match="busy"), alone(tmp_path, CheckpointError("busy")):
            pass
        holder.kill()
        holder.wait()
    with alone(tmp_path, CheckpointError("busy")):
        pass


def test_only_plain_files_that_end_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 42)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    for name, why in (
        ("pipe", "a named pipe, not a plain file"),
        ("zero", "a device, not a plain file"),
        ("huge", "4,398,047 MB are more than the 1,000 bytes that such a file may have"),
        ("socket", "No such device or address|a socket"),
        (".", "Is a directory"),
        ("none", "No such file"),
    ):
        for read in (read_regular, open_regular, require_regular, read_regular_text):
            with pytest.raises(OSError, match=why) as error:
                read(tmp_path / name, max_bytes=1000)
            assert error.value.strerror
    with pytest.raises(OSError, match="a named pipe"):
        sha256_of(tmp_path / "pipe")
    for name, why in (("pipe", "No such device or address"), ("zero", "a device, not a plain file")):
        with pytest.raises(OSError, match=why):
            open_to_append(tmp_path / name)
    # Such a file says that it holds nothing, and goes on as long as it is read.
    with pytest.raises(OSError, match="longer than the 100 bytes"):
        read_regular(Path("/proc/self/smaps"), max_bytes=100)


def test_plain_files_are_read_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\r\ntwo\xc3\xa4\r")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(tmp_path / "link", max_bytes=11) == b"one\r\ntwo\xc3\xa4\r"
    assert read_regular_text(tmp_path / "a", max_bytes=11) == (tmp_path / "a").read_text(encoding="utf-8")
    with pytest.raises(OSError, match="11 bytes are more than the 10 bytes"):
        read_regular(tmp_path / "a", max_bytes=10)


def test_what_is_appended_stands_at_the_end(tmp_path: Path) -> None:
    for line in ("one\n", "two ä\n"):
        with open_to_append(tmp_path / "a") as file:
            file.write(line)
    assert (tmp_path / "a").read_text(encoding="utf-8") == "one\ntwo ä\n"


def test_two_machines_and_two_threads_that_write_one_file_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes of two containers often have the same number."""
    names = [temporary_name(tmp_path / "a")]
    other = threading.Thread(target=lambda: names.append(temporary_name(tmp_path / "a")))
    other.start()
    other.join()
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    names.append(temporary_name(tmp_path / "a"))
    assert len(set(names)) == 3
