"""Photos above their drawings in one picture: `python -m bench.before_after OUT.jpg MODEL[,MODEL...] PHOTO...`.

It made docs/pictures/built-in.jpg. MODEL is a run, a checkpoint or an export; `built-in` is the model in the box. Each
has a row of its own. `--weights raw` draws with a run's raw weights. It also prints how strong fine stripes are in each
model's drawings, against the photos' (bench/stripes.py).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bench import stripes
from bench.ratios import show
from cartoon_dist.built_in import built_in_model
from cartoon_dist.config.commands import Weights
from cartoon_dist.image.decode import Picture, decode
from cartoon_dist.inference.load import load_model

WIDTH, HEIGHT, GAP, QUALITY = 400, 300, 6, 88
"""Of each picture, and the white between them, in pixels."""
DRAWN_HEIGHT = 450
"""The photos are drawn at this height, as the model's stylisation has a size of its own, and shown smaller."""


def main(out: Path, models: Sequence[str], photos: Sequence[Path], *, weights: Weights | None) -> None:
    """Draw the photos with each model and write the picture."""
    cartoonizers = [
        load_model(
            built_in_model() if model == "built-in" else Path(model), weights=weights, device="cpu", megapixels=1.0
        ).cartoonizer
        for model in models
    ]
    taken = [cut(decode(path.read_bytes(), max_megapixels=200.0)) for path in photos]
    rows = [taken, *([cartoonizer.cartoonize([photo])[0] for photo in taken] for cartoonizer in cartoonizers)]
    columns = [
        np.vstack([part for each in shown for part in (white(GAP, WIDTH), small(each))][1:])
        for shown in zip(*rows, strict=True)
    ]
    for model, drawings in zip(models, rows[1:], strict=True):
        nyquist, half = stripes.against(drawings, taken)
        show(f"{model}: energy at the Nyquist frequency {nyquist:.2f} of the photos', at half of it {half:.2f}")
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.before_after", description=__doc__)
    parser.add_argument("out", metavar="OUT.jpg", type=Path)
    parser.add_argument("models", metavar="MODEL[,MODEL...]")
    parser.add_argument("photos", metavar="PHOTO", type=Path, nargs="+")
    parser.add_argument("--weights", choices=("ema", "raw"))
    return parser


if __name__ == "__main__":
    _given = _parser().parse_args()
    main(_given.out, _given.models.split(","), _given.photos, weights=_given.weights)
