"""What a picture file says of itself, read without decoding a pixel.

Decoders allocate before they check: a small file may claim 100,000 x 100,000 pixels. They also hide what matters for a
shard: whether the file is whole, how it is to be turned, and whether its bytes already are 8-bit RGB.

Sources: ITU T.81 (JPEG), the PNG specification, RFC 9649 (WebP), Microsoft's BITMAPINFOHEADER.
"""

import re
import struct
import zlib
from dataclasses import dataclass, field
from typing import Literal

from cartoon_dist.errors import PictureError
from cartoon_dist.image.colour_space import Colours, bmp_colours, jpeg_colours, png_colours
from cartoon_dist.image.exif import UPRIGHT, orientation_of

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
"""File names that end so are taken for pictures when a folder is searched."""

Kind = Literal["jpeg", "png", "webp", "bmp"]


@dataclass(frozen=True, kw_only=True)
class Header:
    """A picture file's own words: its kind, stored size in pixels and EXIF orientation (1..8).

    `num_channels` is known for JPEG and PNG, `bits` a channel for PNG. `plain` says that the stored pixels are 8-bit
    RGB without alpha, so that any reader sees what we see, once `colours` says nothing else. `key` is the one colour of
    a PNG that is transparent, as it is stored. `damage` tells why the file cannot be whole.
    """

    kind: Kind
    width: int
    height: int
    orientation: int = UPRIGHT
    num_channels: int = 3
    bits: int = 8
    plain: bool = False
    colours: Colours = field(default_factory=Colours)
    key: tuple[int, ...] | None = None
    damage: str | None = None


def read_header(data: bytes) -> Header:
    """Read the header of a JPEG, PNG, WebP or BMP file and check that the file goes on to its end.

    Raises PictureError for an empty, unknown, cut off or visibly damaged file.
    """
    header = scan_header(data)
    if header.damage:
        raise PictureError(header.damage)
    return header


def scan_header(data: bytes) -> Header:
    """As `read_header`, but a damaged file of which a decoder may still give a part comes back with its `damage`."""
    if not data:
        raise PictureError("the file is empty")
    try:
        header = _parse(data)
    except (struct.error, IndexError):
        raise PictureError("the file is cut off") from None
    if header.width < 1 or header.height < 1:
        raise PictureError(f"its header gives the size as {header.width} x {header.height}")
    return header


def _parse(data: bytes) -> Header:
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data.startswith(b"BM"):
        return _bmp(data)
    raise PictureError("not a JPEG, PNG, WebP or BMP file")


# Within JPEG's coded pixels 0xFF is followed by a stuffed zero or a restart mark; any other pair is the next marker.
# Of several 0xFF the last one counts; without a `+` for the others the search is a dozen times faster.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xCA})
_START_OF_SCAN, _END_OF_IMAGE, _APP1, _APP2 = 0xDA, 0xD9, 0xE1, 0xE2
_ICC, _NUM_COEFFICIENTS = b"ICC_PROFILE\0", 64


def _jpeg(data: bytes) -> Header:
    frame: tuple[int, int, int, int] | None = None
    exif, at, damage = b"", 2, None
    uncoded: dict[int, list[int]] = {}
    parts: dict[int, tuple[int, bytes]] = {}
    progressive = scanned = False
    while True:
        found = _NEXT_MARKER.search(data, at)
        if found is None:
            damage = "the JPEG file is cut off"
            break
        marker, at = data[found.end() - 1], found.end()
        if marker == _END_OF_IMAGE:
            break
        (length,) = struct.unpack_from(">H", data, at)
        segment = data[at + 2 : at + length]
        if marker in _FRAMES:
            frame, progressive = struct.unpack_from(">BHHB", data, at + 2), marker in _PROGRESSIVE
            uncoded = {segment[6 + 3 * n]: [1] * _NUM_COEFFICIENTS for n in range(segment[5])}
        elif marker == _APP1 and segment.startswith(b"Exif\0\0"):
            exif = segment[6:]
        elif marker == _APP2 and segment.startswith(_ICC) and len(segment) > 14:
            parts[segment[12]] = segment[13], segment[14:]
        elif marker == _START_OF_SCAN:
            if frame is None:
                raise PictureError("the JPEG file has no frame header")
            _note_scan(segment, uncoded, progressive=progressive)
            scanned = True
        at += length
    if frame is None or not scanned:
        raise PictureError(damage or "the JPEG file holds no picture")
    if damage is None and any(map(any, uncoded.values())):
        damage = "the JPEG file is cut off: not all of its scans are there"
    bits, height, width, num_channels = frame
    return Header(
        kind="jpeg",
        width=width,
        height=height,
        orientation=orientation_of(exif),
        num_channels=num_channels,
        plain=bits == 8 and num_channels == 3,
        colours=jpeg_colours(parts, exif),
        damage=damage,
    )


def _note_scan(scan: bytes, uncoded: dict[int, list[int]], *, progressive: bool) -> None:
    """Strike off what a scan brings: for each component and coefficient, how many low bits are left to come."""
    num = scan[0]
    first, last, approximation = struct.unpack_from("BBB", scan, 1 + 2 * num)
    for component in scan[1 : 1 + 2 * num : 2]:
        if progressive and component in uncoded:
            kept = slice(first, last + 1)
            uncoded[component][kept] = [approximation & 15] * len(uncoded[component][kept])
        else:
            uncoded[component] = []


_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by the header's colour type; a palette stands for RGB
_PNG_KEYED = {0: 1, 2: 3}  # for which colour types tRNS names one colour, of so many numbers
_PNG_NOTED = frozenset({b"eXIf", b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP"})


def _png(data: bytes) -> Header:
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    chunks: dict[bytes, bytes] = {}
    at, damage = 8, None
    while True:
        try:
            length, name = struct.unpack_from(">I4s", data, at)
            (stored,) = struct.unpack_from(">I", data, at + 8 + length)
        except struct.error:
            damage = "the PNG file is cut off"
            break
        sound = zlib.crc32(memoryview(data)[at + 4 : at + 8 + length]) == stored
        # Capital first letter: a chunk without which there is no picture. Decoders forgive damage in the others.
        if name[:1].isupper() and not sound:
            damage = f"the PNG file is damaged (its {name.decode('latin-1')} chunk)"
            break
        if name == b"IEND":
            break
        if name in _PNG_NOTED:
            chunks.setdefault(name, data[at + 8 : at + 8 + length] if sound else b"")
        at += 12 + length
    if damage and at == 8:
        raise PictureError(damage)  # not even the size can be believed
    num_key = _PNG_KEYED.get(colour, 0)
    key = chunks.get(b"tRNS", b"") if num_key else b""
    return Header(
        kind="png",
        width=width,
        height=height,
        orientation=orientation_of(chunks.get(b"eXIf", b"")),
        num_channels=_PNG_CHANNELS.get(colour, 3),
        bits=bits,
        plain=bits == 8 and colour == 2 and b"tRNS" not in chunks,
        colours=png_colours(chunks),
        key=struct.unpack(f">{num_key}H", key) if num_key and len(key) == 2 * num_key else None,
        damage=damage,
    )


def _webp(data: bytes) -> Header:
    (riff_bytes,) = struct.unpack_from("<I", data, 4)
    if len(data) < riff_bytes + 8:
        raise PictureError("the WebP file is cut off")
    size: tuple[int, int] | None = None
    colours, orientation, at = Colours(), UPRIGHT, 12
    while at + 8 <= riff_bytes + 8:
        name, length = struct.unpack_from("<4sI", data, at)
        if name == b"EXIF":
            orientation = orientation_of(data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        elif name == b"ICCP":
            colours = Colours(profile=data[at + 8 : at + 8 + length])
        # The canvas of VP8X comes first and counts; a frame's own size may be smaller.
        size = size or _webp_size(name, data, at + 8)
        at += 8 + length + length % 2
    if size is None:
        raise PictureError("the WebP file holds no picture")
    return Header(kind="webp", width=size[0], height=size[1], orientation=orientation, colours=colours)


def _webp_size(name: bytes, data: bytes, at: int) -> tuple[int, int] | None:
    if name == b"VP8X":
        width = int.from_bytes(data[at + 4 : at + 7], "little")
        return width + 1, int.from_bytes(data[at + 7 : at + 10], "little") + 1
    if name == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, at + 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, at + 6)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _bmp(data: bytes) -> Header:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes < 40:
        raise PictureError("a BMP file of a kind older than Windows 3")
    width, height = struct.unpack_from("<ii", data, 18)
    # A negative height means rows from the top.
    return Header(kind="bmp", width=width, height=abs(height), colours=bmp_colours(data, header_bytes))
