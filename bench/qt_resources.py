"""Reads the files out of a Qt resource file (.rcc), in which GCompris keeps its pictures."""

import struct
import zlib
from pathlib import Path

_DIRECTORY, _ZLIB, _ZSTD = 2, 1, 4
_MAX_FILES = 100_000
_MAX_DEPTH_BYTES = 4096
_MAX_UNPACKED = 512 << 20
"""Of all files in one resource file together."""


def read_resources(path: Path) -> dict[str, bytes]:
    """The files in a resource file by their paths in it; those packed by zstd are left out.

    The format: a header with the offsets of a tree, of the data and of the names; a node of the tree is a folder with
    the number and the index of its first child, or a file with its data's offset. ValueError when it is none, when it
    is damaged, or when it holds more than such a file reasonably does.
    """
    content = path.read_bytes()
    if content[:4] != b"qres":
        raise ValueError(f"{path}: is no Qt resource file")
    try:
        return _read_tree(content)
    except (struct.error, zlib.error, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{path}: damaged Qt resource file ({error})") from error


def _read_tree(content: bytes) -> dict[str, bytes]:
    version, tree, data, names = struct.unpack_from(">IIII", content, 4)
    node_bytes = 14 if version < 2 else 22
    max_nodes = min(_MAX_FILES, (len(content) - tree) // node_bytes)
    found: dict[str, bytes] = {}
    room = _MAX_UNPACKED
    seen: set[int] = set()
    waiting = [(0, "")]  # (node, path of its folder)
    while waiting:
        node, folder = waiting.pop()
        if node in seen:
            raise ValueError("a folder is in itself")
        seen.add(node)
        offset = tree + node * node_bytes
        name_offset, flags = struct.unpack_from(">IH", content, offset)
        name = folder + (_name(content, names + name_offset) if node else "")
        if len(name) > _MAX_DEPTH_BYTES:
            raise ValueError(f"a path of more than {_MAX_DEPTH_BYTES} characters")
        if flags & _DIRECTORY:
            num_children, first = struct.unpack_from(">II", content, offset + 6)
            if first + num_children > max_nodes:
                raise ValueError(f"a folder of {num_children} files, or more than {_MAX_FILES} in all")
            waiting += [(child, f"{name}/" if node else "") for child in range(first, first + num_children)]
        elif not flags & _ZSTD:
            (data_offset,) = struct.unpack_from(">I", content, offset + 10)
            found[name] = _data(content, data + data_offset, compressed=bool(flags & _ZLIB), room=max(1, room))
            room -= len(found[name])
    return found


def _name(content: bytes, offset: int) -> str:
    (num_characters,) = struct.unpack_from(">H", content, offset)
    return content[offset + 6 : offset + 6 + 2 * num_characters].decode("utf-16-be")


def _data(content: bytes, offset: int, *, compressed: bool, room: int) -> bytes:
    (num_bytes,) = struct.unpack_from(">I", content, offset)
    stored = content[offset + 4 : offset + 4 + num_bytes]
    if len(stored) != num_bytes:
        raise ValueError("a file ends too early")
    if not compressed:
        return stored
    # Compressed data begin with their unpacked length, which is not believed.
    unpacking = zlib.decompressobj()
    unpacked = unpacking.decompress(stored[4:], room)
    if not unpacking.eof:
        raise ValueError(f"a file is cut, or all unpack to more than {_MAX_UNPACKED >> 20} MB")
    return unpacked
