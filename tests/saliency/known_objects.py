"""Photos whose salient thing is known: sharp pieces of one sample photo laid off-centre on a blurred tile of another.

As a script it says how well each method and variant finds them: `python tests/saliency/known_objects.py`.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cartoon_dist.saliency.label import label
from cartoon_dist.saliency.mbd import mbd
from cartoon_dist.saliency.rbd import rbd
from tests.running import ROOT

PHOTOS = ROOT / "shards" / "samples" / "photos"
NUM_SCENES = 60
SIDES = (128, 160, 192, 224, 256)

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Map = npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A photo, uint8 RGB (h, w, 3), and which of its pixels (h, w) are the thing."""

    photo: Picture
    thing: Mask


def sample_photos() -> list[Picture]:
    files = sorted(PHOTOS.glob("*.jpg"))
    return [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in files]


def scenes(*, count: int, seed: int) -> Iterator[Scene]:
    """The same scenes for the same seed; heights and widths are drawn one by one, so few are square."""
    random = np.random.default_rng(seed)
    photos = sample_photos()
    for number in range(count):
        height, width = (int(side) for side in random.choice(SIDES, 2))
        front, back = random.choice(len(photos), 2, replace=False)
        thing = _thing(random, height, width, ragged=number % 2 == 1)
        ground = cv2.GaussianBlur(_tile(random, photos[back], height, width), (0, 0), min(height, width) / 10)
        texture = _tile(random, photos[front], height, width)
        yield Scene(photo=np.where(thing[..., None], texture, ground), thing=thing)


def _tile(random: np.random.Generator, photo: Picture, height: int, width: int) -> Picture:
    top, left = random.integers(photo.shape[0] - height + 1), random.integers(photo.shape[1] - width + 1)
    return photo[top : top + height, left : left + width]


def _thing(random: np.random.Generator, height: int, width: int, *, ragged: bool) -> Mask:
    """An ellipse, or a blob whose radius waves, its centre well off the photo's and all of it inside."""
    y, x = np.mgrid[:height, :width]
    radius_y, radius_x = random.uniform(0.13, 0.2, 2) * (height, width)
    towards = random.uniform(0, 2 * np.pi)
    centre_y = height / 2 + np.sin(towards) * 0.2 * height
    centre_x = width / 2 + np.cos(towards) * 0.2 * width
    angle = np.arctan2((y - centre_y) / radius_y, (x - centre_x) / radius_x)
    waves = 0.15 * np.cos(3 * angle + random.uniform(0, 6)) + 0.1 * np.cos(5 * angle + random.uniform(0, 6))
    reach = 1 + waves if ragged else 1
    return np.hypot((y - centre_y) / radius_y, (x - centre_x) / radius_x) < reach


def contrast(saliency: Map, thing: Mask) -> float:
    """Mean inside the thing minus mean outside."""
    return float(saliency[thing].mean() - saliency[~thing].mean())


def auc(saliency: Map, thing: Mask) -> float:
    """Chance that a pixel of the thing is more salient than one outside, ties counting half."""
    inside, outside = np.sort(saliency[thing]), np.sort(saliency[~thing])
    below = np.searchsorted(outside, inside, side="left") + np.searchsorted(outside, inside, side="right")
    return float(below.mean() / 2 / len(outside))


def centred_gaussian(photo: Picture) -> Map:
    """What a method without eyes would say."""
    y, x = (np.linspace(-1, 1, side) for side in photo.shape[:2])
    return np.exp(-2 * (y[:, None] ** 2 + x[None] ** 2))


def judge(method: Callable[[Picture], Map], chosen: list[Scene]) -> tuple[float, float]:
    """Contrast and AUC of a method, averaged over the scenes."""
    found = [(method(scene.photo), scene.thing) for scene in chosen]
    return float(np.mean([contrast(*pair) for pair in found])), float(np.mean([auc(*pair) for pair in found]))


def table() -> Iterator[str]:
    """What docs/saliency.md shows, line by line."""
    chosen = list(scenes(count=NUM_SCENES, seed=0))
    yield "| variant | method | contrast | AUC |"
    yield "|---|---|---|---|"
    yield "| - | centred Gaussian | {:.3f} | {:.3f} |".format(*judge(centred_gaussian, chosen))
    for variant in ("public", "author"):
        for name, method in (("rbd", rbd), ("mbd", mbd), ("label", label)):
            figures = judge(lambda photo, method=method, variant=variant: method(photo, variant=variant), chosen)
            yield "| {} | {} | {:.3f} | {:.3f} |".format(variant, name, *figures)


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in table())
