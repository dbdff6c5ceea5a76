"""Resource files from outside: damaged, endless or vast ones are refused in one line, whatever they claim."""

import struct
import zlib
from pathlib import Path

import pytest

from bench import qt_resources
from bench.qt_resources import read_resources

NODE = ">IHII"
"""Offset of the name, flags, then of a folder the number of its children and the first, of a file 0 and its data."""
FILE, FOLDER, PACKED = 0, 2, 1


def resource(nodes: list[tuple[int, int, int, int]], *, names: bytes = b"", data: bytes = b"") -> bytes:
    """A resource file of version 1 of these nodes."""
    tree = b"".join(struct.pack(NODE, *node) for node in nodes)
    start = 20
    offsets = struct.pack(">IIII", 1, start, start + len(tree), start + len(tree) + len(data))
    return b"qres" + offsets + tree + data + names


def name(text: str) -> bytes:
    return struct.pack(">HI", len(text), 0) + text.encode("utf-16-be")


def stored(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def packed(content: bytes, *, claimed: int) -> bytes:
    return stored(struct.pack(">I", claimed) + zlib.compress(content))


def refusal(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "a.rcc"
    path.write_bytes(content)
    with pytest.raises(ValueError) as raised:
        read_resources(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_a_folder_in_itself(tmp_path: Path) -> None:
    loop = resource([(0, FOLDER, 1, 1), (0, FOLDER, 1, 1)], names=name("again"))
    assert "in itself" in refusal(tmp_path, loop)


def test_a_folder_of_four_milliards_of_files(tmp_path: Path) -> None:
    assert "a folder of 4294967295 files" in refusal(tmp_path, resource([(0, FOLDER, 2**32 - 1, 1)]))


def test_a_tree_outside_of_the_file(tmp_path: Path) -> None:
    assert "damaged" in refusal(tmp_path, b"qres" + struct.pack(">IIII", 1, 2**31, 0, 0))
    assert "damaged" in refusal(tmp_path, b"qres\0")


def test_a_file_that_ends_too_early(tmp_path: Path) -> None:
    cut = resource([(0, FOLDER, 1, 1), (0, FILE, 0, 0)], data=struct.pack(">I", 100) + b"short", names=name("a"))
    assert "ends too early" in refusal(tmp_path, cut)


@pytest.mark.parametrize("claimed", [10, 10_000_000])
def test_what_unpacks_to_more_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claimed: int) -> None:
    monkeypatch.setattr(qt_resources, "_MAX_UNPACKED", 1 << 20)
    bomb = resource(
        [(0, FOLDER, 1, 1), (0, PACKED, 0, 0)], data=packed(bytes(10_000_000), claimed=claimed), names=name("a")
    )
    assert "more than 1 MB" in refusal(tmp_path, bomb)


def test_the_limit_is_for_all_files_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qt_resources, "_MAX_UNPACKED", 1 << 20)
    half = packed(bytes(600_000), claimed=600_000)
    names = name("a") + name("b")
    nodes = [(0, FOLDER, 2, 1), (0, PACKED, 0, 0), (len(name("a")), PACKED, 0, len(half))]
    assert "more than 1 MB" in refusal(tmp_path, resource(nodes, data=half + half, names=names))


def test_a_path_without_end(tmp_path: Path) -> None:
    nodes = [(0, FOLDER, 1, index + 1) for index in range(100)]
    assert "characters" in refusal(tmp_path, resource([*nodes, (0, FILE, 0, 0)], names=name("x" * 100)))
