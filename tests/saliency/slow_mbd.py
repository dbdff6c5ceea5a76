"""MBD once more, whole and as slowly as it is written down, to hold the real one against."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from skimage.color import rgb2lab

Floats = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]


def slow_scan(brightness: Floats, passes: tuple[int, ...]) -> Floats:
    """Carries each pixel's whole path's extremes in a tuple, in plain Python."""
    height, width = brightness.shape
    paths: dict[tuple[int, int], tuple[float, float]] = {}
    for y in range(height):
        for x in range(width):
            if y in (0, height - 1) or x in (0, width - 1):
                paths[y, x] = (brightness[y, x], brightness[y, x])
    for step in passes:
        for y in range(1, height - 1)[::step]:
            for x in range(1, width - 1)[::step]:
                for before in ((y - step, x), (y, x - step)):
                    if before in paths:
                        high = max(paths[before][0], brightness[y, x])
                        low = min(paths[before][1], brightness[y, x])
                        if (y, x) not in paths or high - low < paths[y, x][0] - paths[y, x][1]:
                            paths[y, x] = (high, low)
    return np.array([[paths[y, x][0] - paths[y, x][1] for x in range(width)] for y in range(height)])


def slow_reconstruction(seed: Floats, mask: Floats) -> Floats:
    """Spread one pixel at a time under the mask, over and over until nothing changes."""
    found, height, width = np.minimum(seed, mask), *seed.shape
    while True:
        padded = np.pad(found, 1, mode="edge")
        highest = np.max([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)], axis=0)
        spread = np.minimum(highest, mask)
        if (spread == found).all():
            return found
        found = spread


def stretched(values: Floats) -> Floats:
    return (values - values.min()) / (values.max() - values.min())


def margins(colours: Floats, ridge: float, norm: int) -> Floats:
    rows, columns = int(0.1 * colours.shape[0]), int(0.1 * colours.shape[1])
    maps = []
    for strip in (colours[:rows], colours[-rows:], colours[:, :columns], colours[:, -columns:]):
        flat = strip.reshape(-1, 3)
        variances, axes = np.linalg.eigh(np.cov(flat, rowvar=False) + ridge * np.eye(3))
        white = (colours - flat.mean(axis=0)) @ (axes @ np.diag(variances**-0.5) @ axes.T)
        maps.append(stretched(np.linalg.norm(white, ord=norm, axis=-1)))
    return stretched(np.sum(maps, axis=0) - np.max(maps, axis=0))


def centre_map(height: int, width: int, halves: tuple[float, float]) -> Floats:
    y, x = np.mgrid[:height, :width]
    away = np.hypot(((y + 0.5) * 2 / height - 1) * halves[0], ((x + 0.5) * 2 / width - 1) * halves[1])
    return 1 - away / np.hypot(*halves)


def slow_public(photo: Picture) -> Floats:
    height, width = photo.shape[:2]
    both = stretched(slow_scan(photo.sum(axis=2).astype(np.float64), (-1, 1, -1))) + margins(rgb2lab(photo), 1, 2)
    centred = stretched(both * centre_map(height, width, (height / 2, width / 2)))
    return stretched(1 / (1 + np.exp(-10 * (centred - 0.5))))


def slow_author(photo: Picture) -> Floats:
    """For photos whose longest side has 300 pixels already."""
    channels = cv2.split(cv2.cvtColor(photo, cv2.COLOR_RGB2LAB))
    barrier = sum(slow_scan(cv2.medianBlur(each, 5).astype(np.float64), (1, -1, 1)) for each in channels)
    both = stretched(barrier) + margins(photo.astype(np.float64), 50, 1)
    saliency = stretched(both * centre_map(*photo.shape[:2], (1, 1)))
    square = np.ones((max(3, int(50 * np.sqrt(saliency.mean()))),) * 2, np.uint8)
    opened = slow_reconstruction(cv2.erode(saliency, square), saliency)
    closed = -slow_reconstruction(-cv2.dilate(opened, square), -opened)
    bright = closed >= closed.max() / 2
    middle = (closed[bright].mean() + closed[~bright].mean()) / 2
    return stretched(1 / (1 + np.exp(-10 * (closed - middle))))


SLOW: dict[str, Callable[[Picture], Floats]] = {"public": slow_public, "author": slow_author}
