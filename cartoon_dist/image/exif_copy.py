"""Which EXIF of a photo goes into its drawing: the camera, the date and how it was taken; the place only on request.

A new block is written of the tags that are listed here. So nothing goes along that nobody asked for: no thumbnail of
the photo, no maker notes, no numbers of camera and lens, no comments. The drawing stands upright, and says so.

Sources: EXIF 2.32 over TIFF 6.0.
"""

import struct
from dataclasses import dataclass

SOFTWARE = "cartoon-dist"
"""What a drawing's EXIF names as its program: by it a drawing is told from a photo."""

_MAX_TAGS, _MAX_VALUE_BYTES = 256, 4096
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8, 13: 4}
_TEXT, _SHORT, _LONG, _DIRECTORY = 2, 3, 4, 13
_ORIENTATION, _SOFTWARE, _EXIF, _GPS, _COLOUR_SPACE = 0x0112, 0x0131, 0x8769, 0x8825, 0xA001
_UPRIGHT, _SRGB = 1, 1
_OF_THE_CAMERA = frozenset({0x010F, 0x0110, 0x0132, 0x013B, 0x8298})
"""Make, model, date of change, artist, copyright."""
_OF_THE_SHOT = frozenset(
    {0x829A, 0x829D, 0x8822, 0x8827, 0x8830, 0x8832, 0x9000, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012}
    | {0x9201, 0x9202, 0x9203, 0x9204, 0x9205, 0x9206, 0x9207, 0x9208, 0x9209, 0x920A, 0x9290, 0x9291, 0x9292}
    | {0xA402, 0xA403, 0xA404, 0xA405, 0xA406, 0xA408, 0xA409, 0xA40A, 0xA432, 0xA433, 0xA434}
)
"""Exposure, aperture, sensitivity, dates with their time zones, light, flash, focal length, scene, lens."""
_OF_THE_PLACE = frozenset(range(0x20))


@dataclass(frozen=True)
class _Tag:
    """A tag as it is stored, the numbers in its value in the order of its block."""

    number: int
    kind: int
    count: int
    value: bytes


def kept_exif(block: bytes, *, keep_place: bool) -> bytes:
    """The EXIF block of a drawing, from that of its photo (or a TIFF file, which begins like one); b"" has nothing.

    keep_place: whether the place goes along (the GPS tags). What is damaged in the photo's block is left out.
    """
    order = {b"II": "<", b"MM": ">"}.get(block[:2], "<")
    first = _read(block, order, None)
    shot = _read(block, order, _number(first.get(_EXIF), order))
    place = _read(block, order, _number(first.get(_GPS), order)) if keep_place else {}
    camera = [tag for number, tag in first.items() if number in _OF_THE_CAMERA]
    camera.append(_Tag(_ORIENTATION, _SHORT, 1, struct.pack(f"{order}H", _UPRIGHT)))
    camera.append(_Tag(_SOFTWARE, _TEXT, len(SOFTWARE) + 1, SOFTWARE.encode() + b"\0"))
    taken = [tag for number, tag in shot.items() if number in _OF_THE_SHOT]
    taken.append(_Tag(_COLOUR_SPACE, _SHORT, 1, struct.pack(f"{order}H", _SRGB)))
    return _write(camera, {_EXIF: taken, _GPS: [place[number] for number in _OF_THE_PLACE if number in place]}, order)


def is_drawing(block: bytes) -> bool:
    """Whether an EXIF block is one that `kept_exif` wrote: the file is a drawing of this program."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2], "<")
    tag = _read(block, order, None).get(_SOFTWARE)
    return tag is not None and tag.value.rstrip(b"\0") == SOFTWARE.encode()


def _read(block: bytes, order: str, place: int | None) -> dict[int, _Tag]:
    """The tags of a directory, of the first one for None, of none at 0."""
    tags: dict[int, _Tag] = {}
    try:
        if place is None:
            magic, place = struct.unpack_from(f"{order}HI", block, 2)
            place = place if magic == 42 else 0
        if not place:
            return tags
        (num_tags,) = struct.unpack_from(f"{order}H", block, place)
        for entry in range(place + 2, place + 2 + 12 * min(num_tags, _MAX_TAGS), 12):
            number, kind, count, offset = struct.unpack_from(f"{order}HHII", block, entry)
            length = count * _TYPE_BYTES.get(kind, 0)
            start = entry + 8 if length <= 4 else offset
            value = block[start : start + length]
            if 0 < length <= _MAX_VALUE_BYTES and len(value) == length:
                tags.setdefault(number, _Tag(number, kind, count, value))
    except struct.error:
        pass
    return tags


def _number(tag: _Tag | None, order: str) -> int:
    """The number that a tag holds, where a directory begins; 0 without one."""
    if tag is None or tag.kind not in (_LONG, _DIRECTORY):
        return 0
    return int(struct.unpack_from(f"{order}I", tag.value)[0])


def _write(first: list[_Tag], inner: dict[int, list[_Tag]], order: str) -> bytes:
    """A block with a first directory and those that it points to; one without tags is left out."""
    inner = {number: tags for number, tags in inner.items() if tags}
    block = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    starts: dict[int, int] = {}
    pointers = [_Tag(number, _LONG, 1, bytes(4)) for number in inner]
    at = 8 + len(_directory([*first, *pointers], 8, order))
    parts = []
    for number, tags in inner.items():
        starts[number] = at
        parts.append(_directory(tags, at, order))
        at += len(parts[-1])
    pointers = [_Tag(number, _LONG, 1, struct.pack(f"{order}I", start)) for number, start in starts.items()]
    return block + _directory([*first, *pointers], 8, order) + b"".join(parts)


def _directory(tags: list[_Tag], at: int, order: str) -> bytes:
    """A directory that begins at an offset of its block, with the values that are too long for it behind it."""
    entries, values = b"", b""
    behind = at + 2 + 12 * len(tags) + 4
    for tag in sorted(tags, key=lambda tag: tag.number):
        entries += struct.pack(f"{order}HHI", tag.number, tag.kind, tag.count)
        if len(tag.value) <= 4:
            entries += tag.value.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", behind + len(values))
            values += tag.value + b"\0" * (len(tag.value) % 2)
    return struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + values
