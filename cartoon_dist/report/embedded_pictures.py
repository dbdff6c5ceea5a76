"""Sample pictures embedded in a page: few and small enough that the page stays below some megabytes."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cartoon_dist.files.bounded import MAX_RECORD_BYTES, read_regular
from cartoon_dist.image.codec import read_pixels

MAX_PICTURES = 24
"""How many pictures a page holds at most."""
MAX_CHARACTERS = 8_000_000
"""How many characters they may take together; the first and the last are embedded whatever they take."""
_LARGE_BYTES = 300_000
_JPEG_QUALITY = 85


@dataclass(frozen=True)
class EmbeddedPicture:
    """One picture: after which step, and as a data: URL."""

    step: int
    data_url: str
    width: int
    height: int


@dataclass(frozen=True)
class EmbeddedPictures:
    """What a page shows of `num_files` pictures; `unreadable` names the files that are damaged."""

    shown: list[EmbeddedPicture]
    num_files: int
    unreadable: list[str]

    @property
    def compressed(self) -> bool:
        """Whether any was encoded again."""
        return any(picture.data_url.startswith("data:image/jpeg") for picture in self.shown)


def embed_pictures(
    files: Sequence[tuple[int, Path]], *, max_pictures: int = MAX_PICTURES, max_characters: int = MAX_CHARACTERS
) -> EmbeddedPictures:
    """Pictures by their steps, spread evenly over the run, the first and the last among them.

    PNGs go in as they are; large ones (8 photos at 256 px make 3 MB) are encoded again as JPEG.
    """
    rest, unreadable = list(files), []
    last: EmbeddedPicture | None = None
    while rest and last is None:
        step, path = rest.pop()
        last = _embed(step, path)
        if last is None:
            unreadable.append(path.name)
    if last is None:
        return EmbeddedPictures([], len(files), unreadable)
    # A run's pictures are all alike, so the last one tells the size of the others.
    num_fitting = max(2, min(max_pictures, max_characters // len(last.data_url)))
    earlier = [rest[index] for index in evenly_spaced(len(rest) + 1, num_fitting)[:-1]]
    embedded = [(path.name, _embed(step, path)) for step, path in earlier]
    unreadable += [name for name, picture in embedded if picture is None]
    shown = [*(picture for _, picture in embedded if picture), last]
    return EmbeddedPictures(shown, len(files), sorted(unreadable))


def evenly_spaced(num: int, max_indices: int) -> list[int]:
    """At most so many of 0 .. num - 1, evenly spaced, the first and the last among them."""
    if num <= max_indices:
        return list(range(num))
    return sorted({round(position) for position in np.linspace(0, num - 1, max_indices)})


def _embed(step: int, path: Path) -> EmbeddedPicture | None:
    """A picture, or None when it is damaged."""
    try:
        content = read_regular(path, max_bytes=MAX_RECORD_BYTES)
    except OSError:
        return None
    pixels, complaint = read_pixels(content, cv2.IMREAD_COLOR)
    # A PNG that was cut off decodes to a picture with a black end.
    if pixels is None or complaint or not content.startswith(b"\x89PNG") or b"IEND" not in content[-16:]:
        return None
    kind = "png"
    if len(content) > _LARGE_BYTES:
        _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        kind, content = "jpeg", encoded.tobytes()
    data_url = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return EmbeddedPicture(step, data_url, pixels.shape[1], pixels.shape[0])
