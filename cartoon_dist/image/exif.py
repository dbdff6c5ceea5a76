"""EXIF: the orientation of a picture, and whether its colours are Adobe RGB.

Sources: EXIF 2.3 over TIFF 6.0, and DCF 2.0 for the colours.
"""

import struct

UPRIGHT = 1
_ORIENTATION, _EXIF, _INTEROPERABILITY, _INDEX = 0x0112, 0x8769, 0xA005, 0x0001
_ADOBE_RGB = b"R03\0"

_Value = tuple[int, bytes]
"""A tag's value as a number, and its four bytes as they are stored."""


def orientation_of(block: bytes) -> int:
    """The orientation (1..8) that the first directory of an EXIF block gives; upright if the block makes no sense."""
    value, stored = _tags(block, None).get(_ORIENTATION, (UPRIGHT, b""))
    if stored:  # a short number stands in the first two of the four bytes
        (value,) = struct.unpack(f"{_order(block)}H", stored[:2])
    return value if 1 <= value <= 8 else UPRIGHT


def is_adobe_rgb(block: bytes) -> bool:
    """Whether EXIF declares Adobe RGB, as some cameras do that embed no profile."""
    place: int | None = None
    for step in (_EXIF, _INTEROPERABILITY):
        value = _tags(block, place).get(step)
        if value is None:
            return False
        place = value[0]
    return _tags(block, place).get(_INDEX, (0, b""))[1] == _ADOBE_RGB


def _order(block: bytes) -> str:
    return {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4], "")


def _tags(block: bytes, place: int | None) -> dict[int, _Value]:
    """The tags of a directory, of the first for None; those that can be read, where the block ends early."""
    order, tags = _order(block), dict[int, _Value]()
    if not order:
        return tags
    try:
        if place is None:
            (place,) = struct.unpack_from(f"{order}I", block, 4)
        (num_tags,) = struct.unpack_from(f"{order}H", block, place)
        for entry in range(place + 2, place + 2 + 12 * num_tags, 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHII", block, entry)
            tags.setdefault(tag, (value, block[entry + 8 : entry + 12]))
    except struct.error:
        pass
    return tags
