"""Only plain files of a limited size are read."""

import os
import socket
from pathlib import Path

import pytest

from cartoon_dist.files.bounded import (
    open_regular,
    open_to_append,
    read_regular,
    read_regular_text,
    require_regular,
    sha256_of,
)


def test_only_plain_files_of_a_limited_size_are_read(tmp_path: Path) -> None:
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


def test_text_is_appended_at_the_end(tmp_path: Path) -> None:
    for line in ("one\n", "two ä\n"):
        with open_to_append(tmp_path / "a") as file:
            file.write(line)
    assert (tmp_path / "a").read_text(encoding="utf-8") == "one\ntwo ä\n"
