"""White-box's superpixels, for which each step waits: `python -m bench.superpixel_pool`.

Sixteen pictures, the authors' batch, computed by two processes against this one; milliseconds a picture are
printed as well.
"""

from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
import torch

from bench.processes import ROOT
from bench.ratios import Measured, publish, show, summarise, time_in_turn
from cartoon_dist.image import crop
from cartoon_dist.image.decode import decode
from cartoon_dist.runs.superpixel_pool import SuperpixelPool
from cartoon_dist.tensors import Images, from_bytes

BATCH, ROUNDS, GOAL = 16, 5, 0.6


def main() -> Iterator[Measured]:
    """The time of two processes over that of one, at 64 and at 256 pixels."""
    cv2.setNumThreads(1)
    in_process, in_pool = (SuperpixelPool(num_workers=number, num_segments=200) for number in (0, 2))
    for size in (64, 256):
        pictures = photos(size)
        in_pool(pictures)  # starts the processes, and compiles in each
        in_process(pictures)
        pairs = [time_in_turn(partial(in_pool, pictures), partial(in_process, pictures)) for _ in range(ROUNDS)]
        show(f"{size} px: {1e3 * min(theirs for _, theirs in pairs) / BATCH:.1f} ms a picture")
        yield summarise(
            pairs,
            name=f"superpixels_two_processes_{size}px",
            goal=GOAL,
            better="lower",
            against=f"the same {BATCH} pictures cut by the training process itself",
        )


def photos(size: int) -> Images:
    """Squares of the embedded photos, n 3 size size."""
    files = sorted((ROOT / "shards/samples/photos").glob("*.jpg"))[:BATCH]
    squares = [crop.resize_and_crop(decode(file.read_bytes(), max_megapixels=100), size=size).pixels for file in files]
    return from_bytes(torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2), torch.float32)


if __name__ == "__main__":
    publish(main())
