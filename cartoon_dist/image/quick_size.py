"""How many pixels a picture has, from the beginning of its file: quick enough to ask of each file of a folder."""

import struct
from collections.abc import Sequence
from pathlib import Path

from cartoon_dist.errors import PictureError
from cartoon_dist.files.bounded import open_regular
from cartoon_dist.image.file_kinds import format_of
from cartoon_dist.image.header import scan_header
from cartoon_dist.image.isobmff import main_picture

_HEAD_BYTES, _MAX_BYTES = 1 << 16, 1 << 40


def num_pixels(path: Path) -> int | None:
    """The number of pixels that the beginning of a file gives, unchecked; None where it gives none, as of a TIFF, whose
    header may stand at its end."""
    try:
        with open_regular(path, max_bytes=_MAX_BYTES) as file:
            width, height = _size(file.read(_HEAD_BYTES))
    except (OSError, PictureError, struct.error):
        return None
    return width * height


def estimated_pixels(paths: Sequence[Path], *, max_asked: int) -> list[float]:
    """The pixels of each picture, to tell how much work they are. Of more than `max_asked` an even sample is read; what
    is not read, and what does not tell its size, counts as the mean of the others."""
    asked = range(0, len(paths), -(-len(paths) // max_asked) or 1)
    known = {index: float(pixels) for index in asked if (pixels := num_pixels(paths[index]))}
    mean = sum(known.values()) / len(known) if known else 1.0
    return [known.get(index, mean) for index in range(len(paths))]


def _size(head: bytes) -> tuple[int, int]:
    match format_of(head):
        case "gif":
            width, height = struct.unpack_from("<HH", head, 6)
            return width, height
        case "avif" | "heic":
            main = main_picture(head)
            return main.width, main.height
        case "webp":  # as if the file ended here
            head = head[:4] + struct.pack("<I", len(head) - 8) + head[8:]
    header = scan_header(head)
    return header.width, header.height
