"""Which pictures the built-in model may learn from, and the resource files in which they lie."""

import struct
import zlib
from pathlib import Path

import pytest

from bench.attribution import is_permissive
from bench.permissive_pictures import PHOTOS, credits_of
from bench.qt_resources import read_resources

README = """Copyright: Timothee Giet, 2018
License: CC-BY-SA 4.0
Files:
question.svg
map.webp

Copyright: Kurt Kaiser
License: CC0-1.0
Source: https://commons.wikimedia.org/wiki/File:American_Bison_9.jpg
Files:
bison.webp

Copyright: JJ Harrison
License: CC-BY-3.0
Comments: cropping
Files: gibbon.webp

Copyright: Bruno Coudoin
License: GPLv3
Files: cat.ogg cat.webp

Copyright: Sergio Cambelo
Files: france/giraffe.webp
License: Public domain
"""


def test_only_permissive_licences_are_taken() -> None:
    taken = {file: (credit.author, credit.licence) for file, credit in credits_of(README)}
    assert taken == {
        "bison.webp": ("Kurt Kaiser", "CC0-1.0"),
        "gibbon.webp": ("JJ Harrison", "CC-BY-3.0"),
        "france/giraffe.webp": ("Sergio Cambelo", "Public domain"),
    }


def test_the_listed_photos_are_permissive() -> None:
    licences = {licence for by_patterns in PHOTOS.values() for _, licence in by_patterns.values()}
    assert all(is_permissive(licence) for licence in licences)
    assert not any("SA" in licence or "GPL" in licence for licence in licences)


def resource_file(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A resource file of version 1 with one folder `inner` that holds the files; each with its flags."""
    names, data, nodes = b"", b"", []
    offsets = []
    for name in ("inner", *files):
        offsets.append(len(names))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    nodes.append(struct.pack(">IHII", 0, 2, 1, 1))  # the root, whose name is not read: one child, node 1
    nodes.append(struct.pack(">IHII", offsets[0], 2, len(files), 2))
    for offset, (content, flags) in zip(offsets[1:], files.values(), strict=True):
        nodes.append(struct.pack(">IHHHI", offset, flags, 0, 0, len(data)))
        stored = struct.pack(">I", len(content)) + zlib.compress(content) if flags == 1 else content
        data += struct.pack(">I", len(stored)) + stored
    tree = b"".join(nodes)
    start = 20
    header = b"qres" + struct.pack(">IIII", 1, start, start + len(tree), start + len(tree) + len(data))
    return header + tree + data + names


def test_files_in_a_resource_file(tmp_path: Path) -> None:
    path = tmp_path / "a.rcc"
    path.write_bytes(resource_file({"plain": (b"as it is", 0), "packed": (b"x" * 1000, 1), "other": (b"zstd", 4)}))
    assert read_resources(path) == {"inner/plain": b"as it is", "inner/packed": b"x" * 1000}


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.rcc"
    path.write_bytes(b"RIFF" + bytes(100))
    with pytest.raises(ValueError, match="is no Qt resource file"):
        read_resources(path)
