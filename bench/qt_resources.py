"""Reads the files out of a Qt resource file (.rcc), in which `bench.permissive_pictures` finds photos."""

import struct
import zlib
from pathlib import Path

_DIRECTORY, _ZLIB, _ZSTD = 2, 1, 4
_MAX_FILES = 100_000


def read_resources(path: Path) -> dict[str, bytes]:
    """The files in a resource file by their paths in it; those packed by zstd are left out.

    The format: a header with the offsets of a tree, of the data and of the names; a node of the tree is a folder with
    the number and the index of its first child, or a file with its data's offset. ValueError when it is none.
    """
    content = path.read_bytes()
    if content[:4] != b"qres":
        raise ValueError(f"{path}: is no Qt resource file")
    version, tree, data, names = struct.unpack(">IIII", content[4:20])
    node_bytes = 14 if version < 2 else 22
    found: dict[str, bytes] = {}
    waiting = [(0, "")]  # (node, path of its folder)
    for _ in range(_MAX_FILES):
        if not waiting:
            return found
        node, folder = waiting.pop()
        offset = tree + node * node_bytes
        name_offset, flags = struct.unpack_from(">IH", content, offset)
        name = folder + (_name(content, names + name_offset) if node else "")
        if flags & _DIRECTORY:
            num_children, first = struct.unpack_from(">II", content, offset + 6)
            waiting += [(child, f"{name}/" if node else "") for child in range(first, first + num_children)]
        elif not flags & _ZSTD:
            (data_offset,) = struct.unpack_from(">I", content, offset + 10)
            found[name] = _data(content, data + data_offset, compressed=bool(flags & _ZLIB))
    raise ValueError(f"{path}: has more than {_MAX_FILES} files")


def _name(content: bytes, offset: int) -> str:
    (num_characters,) = struct.unpack_from(">H", content, offset)
    return content[offset + 6 : offset + 6 + 2 * num_characters].decode("utf-16-be")


def _data(content: bytes, offset: int, *, compressed: bool) -> bytes:
    (num_bytes,) = struct.unpack_from(">I", content, offset)
    stored = content[offset + 4 : offset + 4 + num_bytes]
    # Compressed data begin with their unpacked length.
    return zlib.decompress(stored[4:]) if compressed else stored
