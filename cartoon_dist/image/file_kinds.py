"""The kinds of picture files: what their names end with, and how their first bytes tell them apart."""

from typing import Literal

FileFormat = Literal["jpeg", "png", "webp", "bmp", "tiff", "gif", "avif", "heic"]

FIRST_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
"""Of the kinds that were known from the beginning. A shard job that was begun with these alone goes on with them alone,
and labels are looked for among these."""
HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
LATER_SUFFIXES = frozenset({".tif", ".tiff", ".gif", ".avif"}) | HEIC_SUFFIXES
IMAGE_SUFFIXES = FIRST_SUFFIXES | LATER_SUFFIXES
"""The file name suffixes of pictures when a folder is searched, in lower case."""

_STARTS: tuple[tuple[bytes, FileFormat], ...] = (
    (b"\xff\xd8", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),  # BigTIFF
    (b"MM\0+", "tiff"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_MAX_BRANDS = 64


def format_of(data: bytes) -> FileFormat | None:
    """The format that a file's first bytes tell, whatever its name is; None for no picture that is known here."""
    for start, file_format in _STARTS:
        if data.startswith(start):
            return file_format
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        brands = _brands(data)
        if brands & _AVIF_BRANDS:
            return "avif"
        if brands & _HEIC_BRANDS:
            return "heic"
    return None


def _brands(data: bytes) -> set[bytes]:
    """The brands in the first box of a file of the ISO base media format, the one after its version left out."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 16 + 4 * _MAX_BRANDS)
    return {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}
