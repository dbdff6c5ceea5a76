"""Photos above their drawings in one picture: `python -m bench.before_after OUT.jpg MODEL PHOTO...`.

It made docs/pictures/built-in.jpg. MODEL is a run, a checkpoint or an export; `built-in` is the model in the box.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.ratios import show
from cartoon_dist.built_in import built_in_model
from cartoon_dist.image.decode import Picture, decode
from cartoon_dist.inference.load import load_model

WIDTH, HEIGHT, GAP, QUALITY = 400, 300, 6, 88
"""Of each picture, and the white between them, in pixels."""
DRAWN_HEIGHT = 450
"""The photos are drawn at this height, as the model's stylisation has a size of its own, and shown smaller."""


def main(out: Path, model: str, photos: Sequence[Path]) -> None:
    """Draw the photos and write the picture."""
    loaded = load_model(
        built_in_model() if model == "built-in" else Path(model), weights=None, device="cpu", megapixels=1.0
    )
    columns = []
    for path in photos:
        photo = cut(decode(path.read_bytes(), max_megapixels=200.0))
        [drawing] = loaded.cartoonizer.cartoonize([photo])
        columns.append(np.vstack([small(photo), white(GAP, WIDTH), small(drawing)]))
    between = white(columns[0].shape[0], GAP)
    row = np.hstack([part for column in columns for part in (between, column)][1:])
    cv2.imwrite(str(out), cv2.cvtColor(row, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    show(f"{out}: {len(columns)} photos, {out.stat().st_size:,} bytes")


def cut(photo: Picture) -> Picture:
    """The middle of a photo at the sides' ratio, DRAWN_HEIGHT high."""
    height, width = photo.shape[:2]
    rows, columns = min(height, width * HEIGHT // WIDTH), min(width, height * WIDTH // HEIGHT)
    top, left = (height - rows) // 2, (width - columns) // 2
    return resized(photo[top : top + rows, left : left + columns], DRAWN_HEIGHT * WIDTH // HEIGHT, DRAWN_HEIGHT)


def small(picture: Picture) -> Picture:
    """As it is shown."""
    return resized(picture, WIDTH, HEIGHT)


def resized(picture: Picture, width: int, height: int) -> Picture:
    """The picture at this size."""
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def white(height: int, width: int) -> Picture:
    """A white strip."""
    return np.full((height, width, 3), 255, np.uint8)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], [Path(name) for name in sys.argv[3:]])
