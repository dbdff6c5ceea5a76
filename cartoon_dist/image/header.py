"""The header of a JPEG, PNG, WebP or BMP file, read without decoding a pixel.

Decoders allocate memory before they check: a small file may claim 100,000 x 100,000 pixels. They also hide what a shard
must know: whether the file is complete, its EXIF orientation, and whether its pixels already are 8-bit RGB.

Sources: ITU T.81 (JPEG), the PNG specification, RFC 9649 (WebP), Microsoft's BITMAPINFOHEADER.
"""

import re
import struct
import zlib
from dataclasses import dataclass, field

from cartoon_dist.errors import PictureError
from cartoon_dist.image.colour_space import ColourSpace, bmp_colours, jpeg_colours, png_colours
from cartoon_dist.image.exif import UPRIGHT, orientation_of
from cartoon_dist.image.file_kinds import FileFormat, format_of


@dataclass(frozen=True, kw_only=True)
class ImageHeader:
    """A picture file's format, stored size in pixels, EXIF orientation (1..8) and colour space.

    `num_channels` is known for JPEG and PNG, `bits` per channel for PNG. `is_plain_rgb`: the stored pixels are RGB of
    8 bits without alpha, so that any reader gets the same pixels as we do if `colours` is empty. `transparent_colour`
    is the one stored colour of a PNG that is transparent (tRNS chunk). `exif` is the EXIF block, empty without one.
    `damage` says why the file is not complete.
    """

    file_format: FileFormat
    width: int
    height: int
    orientation: int = UPRIGHT
    num_channels: int = 3
    bits: int = 8
    is_plain_rgb: bool = False
    colours: ColourSpace = field(default_factory=ColourSpace)
    transparent_colour: tuple[int, ...] | None = None
    exif: bytes = b""
    damage: str | None = None


def read_header(data: bytes) -> ImageHeader:
    """Read the header of a JPEG, PNG, WebP or BMP file and check that the file is complete (BMP: its header alone).

    Raises PictureError for an empty, unknown, cut off or visibly damaged file.
    """
    header = scan_header(data)
    if header.damage:
        raise PictureError(header.damage)
    return header


def scan_header(data: bytes) -> ImageHeader:
    """As `read_header`, but a damaged file that a decoder may still read in part gives a header with `damage` set."""
    if not data:
        raise PictureError("the file is empty")
    try:
        header = _parse(data)
    except (struct.error, IndexError):
        raise PictureError("the file is cut off") from None
    if header.width < 1 or header.height < 1:
        raise PictureError(f"its header gives the size as {header.width} x {header.height}")
    return header


def _parse(data: bytes) -> ImageHeader:
    match format_of(data):
        case "jpeg":
            return _jpeg(data)
        case "png":
            return _png(data)
        case "webp":
            return _webp(data)
        case "bmp":
            return _bmp(data)
        case _:
            raise PictureError("not a JPEG, PNG, WebP or BMP file")


# In JPEG's coded pixels 0xFF is followed by a stuffed zero or a restart marker; any other pair is the next marker.
# Of several 0xFF the last one counts; without a `+` for the others the search is twelve times faster.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE_MARKERS = frozenset({0xC2, 0xCA})
_START_OF_SCAN, _END_OF_IMAGE, _APP1, _APP2 = 0xDA, 0xD9, 0xE1, 0xE2
_ICC, _NUM_DCT_COEFFICIENTS = b"ICC_PROFILE\0", 64


def _jpeg(data: bytes) -> ImageHeader:
    frame: tuple[int, int, int, int] | None = None
    exif, offset, damage = b"", 2, None
    missing_bits: dict[int, list[int]] = {}
    icc_parts: dict[int, tuple[int, bytes]] = {}
    progressive = has_scan = False
    while True:
        match = _NEXT_MARKER.search(data, offset)
        if match is None:
            damage = "the JPEG file is cut off"
            break
        marker, offset = data[match.end() - 1], match.end()
        if marker == _END_OF_IMAGE:
            break
        (length,) = struct.unpack_from(">H", data, offset)
        segment = data[offset + 2 : offset + length]
        if marker in _FRAME_MARKERS:
            frame, progressive = struct.unpack_from(">BHHB", data, offset + 2), marker in _PROGRESSIVE_MARKERS
            missing_bits = {segment[6 + 3 * n]: [1] * _NUM_DCT_COEFFICIENTS for n in range(segment[5])}
        elif marker == _APP1 and segment.startswith(b"Exif\0\0"):
            exif = segment[6:]
        elif marker == _APP2 and segment.startswith(_ICC) and len(segment) > 14:
            icc_parts[segment[12]] = segment[13], segment[14:]
        elif marker == _START_OF_SCAN:
            if frame is None:
                raise PictureError("the JPEG file has no frame header")
            _record_scan(segment, missing_bits, progressive=progressive)
            has_scan = True
        offset += length
    if frame is None or not has_scan:
        raise PictureError(damage or "the JPEG file holds no picture")
    if damage is None and any(map(any, missing_bits.values())):
        damage = "the JPEG file is cut off: not all of its scans are there"
    bits, height, width, num_channels = frame
    return ImageHeader(
        file_format="jpeg",
        width=width,
        height=height,
        orientation=orientation_of(exif),
        exif=exif,
        num_channels=num_channels,
        is_plain_rgb=bits == 8 and num_channels == 3,
        colours=jpeg_colours(icc_parts, exif),
        damage=damage,
    )


def _record_scan(scan: bytes, missing_bits: dict[int, list[int]], *, progressive: bool) -> None:
    """Update, for each component and DCT coefficient, how many low bits are still missing after this scan."""
    num_components = scan[0]
    first, last, approximation = struct.unpack_from("BBB", scan, 1 + 2 * num_components)
    for component in scan[1 : 1 + 2 * num_components : 2]:
        if progressive and component in missing_bits:
            band = slice(first, last + 1)
            missing_bits[component][band] = [approximation & 15] * len(missing_bits[component][band])
        else:
            missing_bits[component] = []


_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by the header's colour type; a palette stands for RGB
_PNG_NUM_KEY_VALUES = {0: 1, 2: 3}  # by colour type: how many numbers of tRNS give the one transparent colour
_PNG_METADATA_CHUNKS = frozenset({b"eXIf", b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP"})


def _png(data: bytes) -> ImageHeader:
    width, height, bits, colour_type = struct.unpack_from(">IIBB", data, 16)
    chunks: dict[bytes, bytes] = {}
    offset, damage = 8, None
    while True:
        try:
            length, name = struct.unpack_from(">I4s", data, offset)
            (crc,) = struct.unpack_from(">I", data, offset + 8 + length)
        except struct.error:
            damage = "the PNG file is cut off"
            break
        crc_matches = zlib.crc32(memoryview(data)[offset + 4 : offset + 8 + length]) == crc
        # Capital first letter: a critical chunk. Decoders tolerate damage in the others.
        if name[:1].isupper() and not crc_matches:
            damage = f"the PNG file is damaged (its {name.decode('latin-1')} chunk)"
            break
        if name == b"IEND":
            break
        if name in _PNG_METADATA_CHUNKS:
            chunks.setdefault(name, data[offset + 8 : offset + 8 + length] if crc_matches else b"")
        offset += 12 + length
    if damage and offset == 8:
        raise PictureError(damage)  # even the size may be wrong
    exif = chunks.get(b"eXIf", b"")
    num_key_values = _PNG_NUM_KEY_VALUES.get(colour_type, 0)
    key = chunks.get(b"tRNS", b"") if num_key_values else b""
    has_key = num_key_values > 0 and len(key) == 2 * num_key_values
    return ImageHeader(
        file_format="png",
        width=width,
        height=height,
        orientation=orientation_of(exif),
        exif=exif,
        num_channels=_PNG_CHANNELS.get(colour_type, 3),
        bits=bits,
        is_plain_rgb=bits == 8 and colour_type == 2 and b"tRNS" not in chunks,
        colours=png_colours(chunks),
        transparent_colour=struct.unpack(f">{num_key_values}H", key) if has_key else None,
        damage=damage,
    )


def _webp(data: bytes) -> ImageHeader:
    (riff_bytes,) = struct.unpack_from("<I", data, 4)
    if len(data) < riff_bytes + 8:
        raise PictureError("the WebP file is cut off")
    size: tuple[int, int] | None = None
    colours, exif, offset = ColourSpace(), b"", 12
    while offset + 8 <= riff_bytes + 8:
        name, length = struct.unpack_from("<4sI", data, offset)
        if name == b"EXIF":
            exif = data[offset + 8 : offset + 8 + length].removeprefix(b"Exif\0\0")
        elif name == b"ICCP":
            colours = ColourSpace(profile=data[offset + 8 : offset + 8 + length])
        # The canvas size in VP8X comes first and is used; a frame's own size may be smaller.
        size = size or _webp_size(name, data, offset + 8)
        offset += 8 + length + length % 2
    if size is None:
        raise PictureError("the WebP file holds no picture")
    return ImageHeader(
        file_format="webp",
        width=size[0],
        height=size[1],
        orientation=orientation_of(exif),
        exif=exif,
        colours=colours,
    )


def _webp_size(chunk_name: bytes, data: bytes, offset: int) -> tuple[int, int] | None:
    if chunk_name == b"VP8X":
        width = int.from_bytes(data[offset + 4 : offset + 7], "little")
        return width + 1, int.from_bytes(data[offset + 7 : offset + 10], "little") + 1
    if chunk_name == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, offset + 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk_name == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, offset + 6)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _bmp(data: bytes) -> ImageHeader:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes < 40:
        raise PictureError("a BMP file of a kind older than Windows 3")
    width, height = struct.unpack_from("<ii", data, 18)
    # A negative height means that rows are stored from the top.
    return ImageHeader(file_format="bmp", width=width, height=abs(height), colours=bmp_colours(data, header_bytes))
