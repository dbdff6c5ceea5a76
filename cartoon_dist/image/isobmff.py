"""What the header of an AVIF or HEIC file says of its main picture, read without decoding a pixel.

Such a file is a tree of boxes. The box `meta` names the main picture (`pitm`) and gives each picture its properties
(`iprp`): the size, the turn and mirror that a decoder applies, the colour space.

Source: ISO/IEC 23008-12 (HEIF) over ISO/IEC 14496-12.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from cartoon_dist.errors import PictureError
from cartoon_dist.image.colour_space import ColourSpace

_MAX_BOXES = 10_000
"""A header with more boxes in one place is refused: a camera writes some dozens."""
_UNSPECIFIED = 2
_SRGB_PRIMARIES, _SRGB_TRANSFER, _IDENTITY, _FULL_RANGE = 1, 13, 0, 1


@dataclass(frozen=True, kw_only=True)
class MainPicture:
    """Width and height in pixels as stored, before it is cut and turned, and the colour space."""

    width: int
    height: int
    colours: ColourSpace


def main_picture(data: bytes) -> MainPicture:
    """The main picture of an AVIF or HEIC file; PictureError where its header is damaged or does not say its size."""
    try:
        properties = list(_properties(data))
        sizes = [struct.unpack_from(">II", content, 4) for name, content in properties if name == b"ispe"]
    except (struct.error, IndexError):
        raise PictureError("its header is damaged") from None
    if not sizes:
        raise PictureError("its header does not say how large the picture is")
    width, height = sizes[0]
    if width < 1 or height < 1:
        raise PictureError(f"its header gives the size as {width} x {height}")
    return MainPicture(
        width=width, height=height, colours=_colours([content for name, content in properties if name == b"colr"])
    )


def _properties(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each property of the main picture."""
    meta = dict(_boxes(dict(_boxes(data)).get(b"meta", b"")[4:]))
    number = _main_number(meta.get(b"pitm", b""))
    parts = list(_boxes(meta.get(b"iprp", b"")))
    known = [property_ for name, content in parts if name == b"ipco" for property_ in _boxes(content)]
    for name, content in parts:
        if name == b"ipma":
            for index in _associated(content, number):
                if 1 <= index <= len(known):
                    yield known[index - 1]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each box; the last one of a file that is cut off is as short as the file."""
    offset = 0
    for _ in range(_MAX_BOXES):
        if offset + 8 > len(data):
            return
        length, name = struct.unpack_from(">I4s", data, offset)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, offset + 8)
            head = 16
        elif length == 0:
            length = len(data) - offset
        if length < head:
            raise PictureError("its header is damaged")
        yield name, data[offset + head : offset + length]
        offset += length
    raise PictureError("its header is damaged")


def _main_number(pitm: bytes) -> int:
    form = ">I" if pitm[0] else ">H"
    (number,) = struct.unpack_from(form, pitm, 4)
    return int(number)


def _associated(ipma: bytes, wanted: int) -> list[int]:
    """The numbers, from 1, of the properties of a picture."""
    version, long_indices = ipma[0], ipma[3] & 1
    (num_pictures,) = struct.unpack_from(">I", ipma, 4)
    offset = 8
    for _ in range(num_pictures):
        (number,) = struct.unpack_from(">I" if version else ">H", ipma, offset)
        offset += 4 if version else 2
        count, offset = ipma[offset], offset + 1
        if long_indices:
            indices = [value & 0x7FFF for value in struct.unpack_from(f">{count}H", ipma, offset)]
        else:
            indices = [value & 0x7F for value in struct.unpack_from(f">{count}B", ipma, offset)]
        offset += count * (2 if long_indices else 1)
        if number == wanted:
            return indices
    return []


def _colours(declared: list[bytes]) -> ColourSpace:
    """An ICC profile counts before code points; what is left open in these is as in sRGB."""
    for content in declared:
        if content[:4] in (b"prof", b"rICC"):
            return ColourSpace(profile=content[4:])
    for content in declared:
        if content[:4] == b"nclx":
            primaries, transfer = struct.unpack_from(">HH", content, 4)
            if max(primaries, transfer) > 255:
                return ColourSpace(unreadable=f"its colours are coded as {primaries}-{transfer}, which is not known")
            primaries = _SRGB_PRIMARIES if primaries == _UNSPECIFIED else primaries
            transfer = _SRGB_TRANSFER if transfer == _UNSPECIFIED else transfer
            # A decoder has undone the matrix and the range by the time that colours are converted.
            return ColourSpace(cicp=(primaries, transfer, _IDENTITY, _FULL_RANGE))
    return ColourSpace()
