"""ICC profiles and picture files for tests, written by hand from the specifications."""

import struct
import zlib

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
"""Display P3's red, green and blue in XYZ under D50, as its published profile has them."""
P3_TO_SRGB = np.array(
    [
        [1.2249401762805598, -0.22494017628055996, 0.0],
        [-0.04205695470968816, 1.0420569547096881, 0.0],
        [-0.019637554590334432, -0.07863604555063188, 1.0982736001409663],
    ]
)
"""On light, as CSS Color 4 publishes it."""
_SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
SRGB_CURVE = struct.pack(">4sIHH5i", b"para", 0, 3, 0, *(round(number * 65536) for number in _SRGB))


def gamma_curve(gamma: float) -> bytes:
    return struct.pack(">4sIHHi", b"para", 0, 0, 0, round(gamma * 65536))


def _xyz(values: tuple[float, ...]) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *(round(value * 65536) for value in values))


def _text(words: str) -> bytes:
    coded = words.encode("utf-16-be")
    return struct.pack(">4sIII4sII", b"mluc", 0, 1, 12, b"enUS", len(coded), 28) + coded


def profile(space: bytes, curve: bytes, corners: tuple[tuple[float, ...], ...] = ()) -> bytes:
    """A version 4 display profile: of grey by a curve, or of RGB by one curve and three corners."""
    tags: dict[bytes, bytes] = {}
    if corners:
        tags |= {name: _xyz(corner) for name, corner in zip((b"rXYZ", b"gXYZ", b"bXYZ"), corners, strict=True)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    else:
        tags[b"kTRC"] = curve
    return _written(tags, kind=b"mntr", space=space, seen=b"XYZ ")


def ink_profile(lab: dict[tuple[int, int, int, int], tuple[int, int, int]]) -> bytes:
    """A profile of CMYK by a table of its 16 corners: the Lab, in bytes, of those given (0 or 1 an ink); else black."""
    corners = [lab.get((c, m, y, k), (0, 128, 128)) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    same = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * (n % 4 == 0) for n in range(9)))
    table = struct.pack(">4sIBBBB", b"mft1", 0, 4, 3, 2, 0) + identity + 4 * same
    table += bytes(level for corner in corners for level in corner) + 3 * same
    return _written({b"A2B0": table}, kind=b"prtr", space=b"CMYK", seen=b"Lab ")


def _written(own: dict[bytes, bytes], *, kind: bytes, space: bytes, seen: bytes) -> bytes:
    tags = {b"desc": _text("test"), b"cprt": _text("none"), b"wtpt": _xyz(D50), **own}
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(content))
        body += content
    white = (round(value * 65536) for value in D50)
    head = struct.pack(
        ">I4sI4s4s4s12x4s28x3i", at + len(body), bytes(4), 0x04300000, kind, space, seen, b"acsp", *white
    )
    return head.ljust(128, b"\0") + table + body


DISPLAY_P3 = profile(b"RGB ", SRGB_CURVE, P3)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(pixels: np.ndarray, *chunks: bytes, bits: int = 8, colour: int | None = None) -> bytes:
    """Samples (h, w) or (h, w, channels) as a PNG; `bits` below 8 only for rows that fill whole bytes."""
    height, width = pixels.shape[:2]
    num_channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    flat = pixels.reshape(height, width * num_channels)
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in flat]
    elif bits == 8:
        rows = [row.astype(np.uint8).tobytes() for row in flat]
    else:
        spread = (flat[..., None].astype(np.uint8) >> np.arange(bits - 1, -1, -1, dtype=np.uint8)) & 1
        rows = [np.packbits(row.reshape(-1)).tobytes() for row in spread]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[num_channels] if colour is None else colour
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *chunks, chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    )


def iccp(content: bytes) -> bytes:
    return chunk(b"iCCP", b"test\0\0" + zlib.compress(content))


def with_profile(jpeg: bytes, content: bytes, part_bytes: int = 65519) -> bytes:
    """A JPEG with an ICC profile, in as many parts as it takes."""
    parts = [content[at : at + part_bytes] for at in range(0, len(content), part_bytes)]
    segments = [b"ICC_PROFILE\0" + bytes([n, len(parts)]) + part for n, part in enumerate(parts, start=1)]
    return jpeg[:2] + b"".join(b"\xff\xe2" + struct.pack(">H", len(s) + 2) + s for s in segments) + jpeg[2:]


def to_light(levels: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, from 0..255."""
    part = levels / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def from_light(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
