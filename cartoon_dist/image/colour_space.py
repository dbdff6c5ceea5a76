"""The colour space that a picture file declares, read without decoding a pixel.

Sources: ICC.1:2022 annex B (profiles in JPEG, PNG and BMP), the PNG specification (third edition), RFC 9649 (WebP),
Microsoft's BITMAPV5HEADER.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from cartoon_dist.image.exif import is_adobe_rgb

_MAX_PROFILE_BYTES = 16 << 20
"""A compressed profile that unpacks to more is refused."""


@dataclass(frozen=True, kw_only=True)
class ColourSpace:
    """The colour space that a file declares; all None where it declares none.

    `profile` is an embedded ICC profile. `gamma` and `primaries` (x and y of white, red, green, blue) are PNG's gAMA
    and cHRM, `cicp` its code points of primaries, transfer, matrix and range. `unreadable` names the damaged part.
    """

    profile: bytes | None = None
    gamma: float | None = None
    primaries: tuple[float, ...] | None = None
    cicp: tuple[int, ...] | None = None
    unreadable: str | None = None


_ADOBE_RGB = ColourSpace(gamma=256 / 563, primaries=(0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06))


def jpeg_colours(parts: Mapping[int, tuple[int, bytes]], exif: bytes) -> ColourSpace:
    """The ICC profile, which is cut into parts of at most 64 kB (`parts`: index of a part -> number of parts and
    data), or the camera's note in EXIF."""
    if not parts:
        return _ADOBE_RGB if is_adobe_rgb(exif) else ColourSpace()
    if sorted(parts) != list(range(1, len(parts) + 1)) or {of for of, _ in parts.values()} != {len(parts)}:
        return ColourSpace(unreadable="a part of its colour profile is missing")
    return ColourSpace(profile=b"".join(parts[index][1] for index in sorted(parts)))


def png_colours(chunks: Mapping[bytes, bytes]) -> ColourSpace:
    """Of several declarations the first counts, in the order cICP, iCCP, sRGB, gAMA with cHRM."""
    if len(cicp := chunks.get(b"cICP", b"")) == 4:
        return ColourSpace(cicp=tuple(cicp))
    if b"iCCP" in chunks:
        profile = _unpacked(chunks[b"iCCP"].partition(b"\0")[2][1:])
        return ColourSpace(profile=profile) if profile else ColourSpace(unreadable="its iCCP chunk is damaged")
    if b"sRGB" in chunks:
        return ColourSpace()
    gamma = primaries = None
    if len(chunks.get(b"gAMA", b"")) == 4:
        gamma = struct.unpack(">I", chunks[b"gAMA"])[0] / 1e5
    if len(chunks.get(b"cHRM", b"")) == 32:
        primaries = tuple(value / 1e5 for value in struct.unpack(">8I", chunks[b"cHRM"]))
    return ColourSpace(gamma=gamma or None, primaries=primaries)


def _unpacked(packed: bytes) -> bytes | None:
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed, _MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return profile if unpacker.eof else None


_BMP_HEADER_AT, _BMP_WITH_PROFILE = 14, 124


def bmp_colours(data: bytes, header_bytes: int) -> ColourSpace:
    """The ICC profile that the longest kind of header may point to."""
    if header_bytes < _BMP_WITH_PROFILE or data[_BMP_HEADER_AT + 56 : _BMP_HEADER_AT + 60] != b"DEBM":  # MBED, turned
        return ColourSpace()
    start, length = struct.unpack_from("<II", data, _BMP_HEADER_AT + 112)
    profile = data[_BMP_HEADER_AT + start : _BMP_HEADER_AT + start + length]
    return (
        ColourSpace(profile=profile)
        if len(profile) == length
        else ColourSpace(unreadable="its colour profile is cut off")
    )
