"""From a picture of any size to squares of one size: scaled and cut once, or tiled at several scales."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import Picture

MAX_ASPECT = 32
"""A picture longer than this many times its short side is refused: scaled up, it would fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A square cut out of a scaled picture.

    `original` and `scaled` are the width and height in pixels of the whole picture before and after it was scaled;
    `left` and `top` are the square's corner there. `untouched` says that the square is the whole picture,
    neither scaled nor cut.
    """

    pixels: Picture
    original: tuple[int, int]
    scaled: tuple[int, int]
    left: int
    top: int
    untouched: bool


def resize_and_crop(picture: Picture, *, size: int) -> Crop:
    """Scale the short side to `size` pixels and cut the centre.

    Raises PictureError for a strip longer than MAX_ASPECT times its short side.
    """
    scaled = _scale(picture, short=size)
    left, top = (scaled.shape[1] - size) // 2, (scaled.shape[0] - size) // 2
    return _cut(picture, scaled, left=left, top=top, size=size)


def crop_like(whole: Picture, square: Crop) -> Picture:
    """Scale and cut another picture of the same size, such as a saliency map, uint8 (h, w), exactly as `square` was."""
    size = square.pixels.shape[0]
    scaled = _fit(whole, square.scaled)
    return np.ascontiguousarray(scaled[square.top : square.top + size, square.left : square.left + size])


def tile(picture: Picture, *, size: int, scales: Sequence[float], flat_below: float) -> list[Crop]:
    """Cut the picture, scaled to each short side of scale * size pixels, into a centred grid of squares.

    Scales that would enlarge the picture are left out, except the first. Squares whose grey values have a standard
    deviation below `flat_below` (0..255) are left out too. Raises PictureError as `resize` does.
    """
    crops: list[Crop] = []
    for index, scale in enumerate(scales):
        short = round(scale * size)
        if index == 0 or short <= min(picture.shape[:2]):
            crops += _grid(picture, _scale(picture, short=short), size=size)
    return [crop for crop in crops if _grey_deviation(crop.pixels) >= flat_below]


def _grid(picture: Picture, scaled: Picture, *, size: int) -> Iterator[Crop]:
    height, width = scaled.shape[:2]
    for top in range(height % size // 2, height - size + 1, size):
        for left in range(width % size // 2, width - size + 1, size):
            yield _cut(picture, scaled, left=left, top=top, size=size)


def _scale(picture: Picture, *, short: int) -> Picture:
    height, width = picture.shape[:2]
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise PictureError(f"{width} x {height} pixels are a strip longer than {MAX_ASPECT} times its short side")
    ratio = short / min(height, width)
    if ratio == 1:
        return picture
    return _fit(picture, (max(short, round(width * ratio)), max(short, round(height * ratio))))


def _fit(picture: Picture, size: tuple[int, int]) -> Picture:
    """Scale to a width and height in pixels."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    # Area averages what falls together; when enlarging it would only repeat pixels.
    how = cv2.INTER_AREA if size[0] * size[1] < picture.shape[0] * picture.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def _cut(picture: Picture, scaled: Picture, *, left: int, top: int, size: int) -> Crop:
    return Crop(
        pixels=np.ascontiguousarray(scaled[top : top + size, left : left + size]),
        original=(picture.shape[1], picture.shape[0]),
        scaled=(scaled.shape[1], scaled.shape[0]),
        left=left,
        top=top,
        untouched=picture.shape[:2] == (size, size) == scaled.shape[:2],
    )


def _grey_deviation(square: Picture) -> float:
    return float(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY).std())
