"""External labels, a grey map for each picture: `saliency.external=FOLDER`.

The map of `deep/a.jpg` is `FOLDER/deep/a.png`, or the JPEG, WebP or BMP of that stem; the map of a film's frame is
`FOLDER/film.mp4/00h01m02.345s.png`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from cartoon_dist.data.inputs.search import IgnoredFiles, sizes_under
from cartoon_dist.data.inputs.sources import InputPicture
from cartoon_dist.errors import PictureError, ShardError
from cartoon_dist.files.bounded import read_regular
from cartoon_dist.image import crop
from cartoon_dist.image.decode import Picture, decode, max_file_bytes
from cartoon_dist.image.file_kinds import FIRST_SUFFIXES

_ENDINGS = (".png", *sorted(FIRST_SUFFIXES - {".png"}))
"""Of several maps with one stem the first in this order is taken."""


def with_map_sizes(pictures: Sequence[InputPicture], folder: Path, ignored: IgnoredFiles) -> tuple[InputPicture, ...]:
    """The pictures with the size in bytes of each one's map, 0 where it has none. Files that cannot be a map are added
    to `ignored`.

    Raises ShardError when the folder is not there.
    """
    if not folder.is_dir():
        raise ShardError(f"{folder}: no such folder; saliency.external names the folder that holds the maps")
    # One search of the folder is faster than a question for each map; only maps behind a second link are asked for.
    sizes = sizes_under(str(folder), ignored, suffixes=FIRST_SUFFIXES)
    return tuple(replace(picture, map_bytes=_size(picture, folder, sizes)) for picture in pictures)


def _size(picture: InputPicture, folder: Path, sizes: Mapping[str, int]) -> int:
    stem = f"{folder}/{_stem(picture)}"
    for ending in _ENDINGS:
        if size := sizes.get(f"{stem}{ending}"):
            return size
    return map_bytes(picture, folder)


def map_bytes(picture: InputPicture, folder: Path) -> int:
    """The size of a picture's map, 0 when there is none."""
    path = find_map(picture, folder)
    return path.stat().st_size if path else 0


def find_map(picture: InputPicture, folder: Path) -> Path | None:
    """The file that holds a picture's map, or None."""
    return next((path for ending in _ENDINGS if (path := folder / f"{_stem(picture)}{ending}").is_file()), None)


def _stem(picture: InputPicture) -> str:
    # The dot in a frame's time code does not begin a file ending.
    return picture.name if picture.frame else str(PurePosixPath(picture.name).with_suffix(""))


def read_map(
    picture: InputPicture, folder: Path, *, original: tuple[int, int], size: int, max_megapixels: float
) -> Picture:
    """A picture's map, uint8 grey (h, w). It is of the picture's shape, or the square of `size` that is cut from it.

    `original` is the picture's width and height in pixels. Raises PictureError, worded as the picture's reason, for a
    map that is missing, unreadable, coloured or of another shape, and OSError for one that cannot be read.
    """
    path = find_map(picture, folder)
    if path is None:
        raise PictureError(f"has no map in {folder}")
    try:
        data = read_regular(path, max_bytes=max_file_bytes(max_megapixels))
        pixels = decode(data, max_megapixels=max_megapixels, colours="ignored")
    except PictureError as error:
        raise PictureError(f"its map: {error}") from None
    if (pixels != pixels[..., :1]).any():
        raise PictureError("its map is coloured; give it in grey")
    height, width = pixels.shape[:2]
    if (width, height) != (size, size) and not _same_aspect((width, height), original):
        raise PictureError(f"its map has {width} x {height} pixels, which is not the shape of {_times(original)}")
    return np.ascontiguousarray(pixels[..., 0])


def crop_map(label_map: Picture, square: crop.Crop) -> Picture:
    """Cut from a map (h, w) the square that was cut from its picture, scaled alike."""
    size = square.pixels.shape[0]
    whole = _same_aspect((label_map.shape[1], label_map.shape[0]), square.original)
    return crop.crop_like(label_map, square) if whole else np.asarray(label_map[:size, :size])


def _same_aspect(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes (width, height) have the same aspect ratio, up to a pixel of rounding."""
    larger, smaller = max(size, other), min(size, other)
    ratio = max(smaller) / max(larger)
    return all(abs(small - ratio * large) < 1 for small, large in zip(smaller, larger, strict=True))


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
