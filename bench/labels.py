"""A saliency label against one call of scikit-image's SLIC on the same photo: `python -m bench.labels`."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from skimage.segmentation import slic

from bench.ratios import Measured, publish, seconds, show, summarise, time_in_turn
from cartoon_dist.image.crop import resize_and_crop
from cartoon_dist.image.decode import Picture, decode
from cartoon_dist.saliency.border_removal import content_window
from cartoon_dist.saliency.label import label
from cartoon_dist.saliency.margins import boundary_contrast_public
from cartoon_dist.saliency.mbd import INVERSE, RASTER, barrier_distance, mbd
from cartoon_dist.saliency.picture import Variant
from cartoon_dist.saliency.rbd import rank_public, rbd
from cartoon_dist.superpixels.lab import rgb_to_lab
from cartoon_dist.superpixels.regions import split_into_superpixels

PHOTOS = Path(__file__).parents[1] / "shards" / "samples" / "photos"
SIZE = 256
ROUNDS = 3
"""Times each photo is labelled."""
GOALS: dict[Variant, tuple[str, float]] = {"public": ("label_vs_slic", 0.35), "author": ("label_author_vs_slic", 0.35)}


def main() -> Iterator[Measured]:
    """Both variants over the sample photos; the default one's stages are printed as well."""
    cv2.setNumThreads(1)
    photos = [
        resize_and_crop(decode(file.read_bytes(), max_megapixels=100), size=SIZE).pixels
        for file in sorted(PHOTOS.glob("*.jpg"))
    ]
    for variant, (name, goal) in GOALS.items():
        make, theirs = partial(label, variant=variant), partial(slic, n_segments=250)
        make(photos[0]), theirs(photos[0])  # the first call loads what was compiled
        pairs = [time_in_turn(partial(make, photo), partial(theirs, photo)) for _ in range(ROUNDS) for photo in photos]
        show(
            f"{name}: {1000 * median(ours for ours, _ in pairs):.1f} ms to {1000 * median(t for _, t in pairs):.1f} ms"
        )
        yield summarise(pairs, name=name, goal=goal, better="lower", against="skimage.segmentation.slic, 250 segments")
    for stage, work in _stages(photos[0]).items():
        work(photos[0])
        show(f"  {stage}: {1000 * median(seconds(partial(work, photo)) for photo in photos):.2f} ms")


def _stages(photo: Picture) -> dict[str, Callable[[Picture], object]]:
    """Parts of a public label, each a function of the photo; their other inputs come from this photo."""
    make_superpixels = partial(split_into_superpixels, num_segments=250, compactness=10, blur_pixels=1, connected=False)
    superpixels = make_superpixels(photo)
    lab = rgb_to_lab(photo)
    return {
        "frame": content_window,
        "RBD": partial(rbd, variant="public"),
        "RBD, superpixels": partial(
            split_into_superpixels, num_segments=250, compactness=10, blur_pixels=1, connected=False
        ),
        "RBD, ranking": lambda each: rank_public(each, superpixels),
        "MBD": partial(mbd, variant="public"),
        "MBD, scans": lambda each: barrier_distance(each[..., 0].astype(np.float32), passes=(INVERSE, RASTER, INVERSE)),
        "MBD, margins": lambda _: boundary_contrast_public(lab),
        "Lab": rgb_to_lab,
    }


if __name__ == "__main__":
    publish(main())
