"""Sample pictures put into a page: few enough, and small enough, that the page stays below some megabytes."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cartoon_dist.files.atomic import MAX_RECORD_BYTES, read_regular
from cartoon_dist.image.codec import read_pixels

MOST = 24
"""How many pictures a page holds at most."""
BUDGET = 8_000_000
"""How many characters they may take together; the first and the last are put in whatever they take."""
_LARGE_BYTES = 300_000
_JPEG_QUALITY = 85


@dataclass(frozen=True)
class Frame:
    """One picture: after which step, and as a data: address."""

    step: int
    address: str
    width: int
    height: int


@dataclass(frozen=True)
class Frames:
    """What a page shows of `num_found` pictures; `unreadable` names those that are no whole picture."""

    shown: list[Frame]
    num_found: int
    unreadable: list[str]

    @property
    def compressed(self) -> bool:
        """Whether any was written anew."""
        return any(frame.address.startswith("data:image/jpeg") for frame in self.shown)


def frames(found: Sequence[tuple[int, Path]], *, most: int = MOST, budget: int = BUDGET) -> Frames:
    """Pictures by their steps, spread evenly over the run, the first and the last among them.

    PNGs go in as they are; large ones (8 photos at 256 px make 3 MB) are written anew as JPEG.
    """
    rest, unreadable = list(found), []
    last: Frame | None = None
    while rest and last is None:
        step, path = rest.pop()
        last = _frame(step, path)
        if last is None:
            unreadable.append(path.name)
    if last is None:
        return Frames([], len(found), unreadable)
    # A run's pictures are all alike, so the last one tells what the others weigh.
    fitting = max(2, min(most, budget // len(last.address)))
    earlier = [rest[number] for number in spread(len(rest) + 1, fitting)[:-1]]
    read = [(path.name, _frame(step, path)) for step, path in earlier]
    unreadable += [name for name, frame in read if frame is None]
    return Frames([*(frame for _, frame in read if frame), last], len(found), sorted(unreadable))


def spread(num: int, most: int) -> list[int]:
    """At most so many of 0 .. num - 1, evenly spread, the first and the last among them."""
    if num <= most:
        return list(range(num))
    return sorted({round(place) for place in np.linspace(0, num - 1, most)})


def _frame(step: int, path: Path) -> Frame | None:
    """A picture, or None when it is no whole one."""
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
    address = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return Frame(step, address, pixels.shape[1], pixels.shape[0])
