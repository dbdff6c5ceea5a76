"""MBD, minimum barrier distance: a pixel is salient when every path to the border crosses a step of brightness.

Zhang, Sclaroff, Lin, Shen, Price, Mech, "Minimum Barrier Salient Object Detection at 80 FPS", ICCV 2015, with its MB+
additions. Written from the paper; no line of the authors' code is here. Their code says that a patent is pending and
allows research only: whoever uses this elsewhere must look into the patent for themselves.
"""

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from cartoon_dist.image.decode import Picture
from cartoon_dist.saliency.margins import boundary_contrast_author, boundary_contrast_public
from cartoon_dist.saliency.picture import SaliencyMap, Variant, is_flat, min_max_scale, resize, resize_longest_side
from cartoon_dist.saliency.reconstruction import by_dilation, by_erosion
from cartoon_dist.superpixels.lab import rgb_to_lab

Map = npt.NDArray[np.float32]

_LONGEST_PIXELS = 300
"""author: the size at which the authors' constants hold."""
_MEDIAN_PIXELS = 5
_SMOOTHING = 50.0
_SLOPE = 10.0

RASTER, INVERSE = 1, -1


def mbd(photo: Picture, *, variant: Variant) -> SaliencyMap:
    """MBD's saliency of a photo, uint8 RGB (h, w, 3): float32 (h, w) in [0, 1]; zeros for a photo of one colour."""
    if is_flat(photo):
        return np.zeros(photo.shape[:2], np.float32)
    saliency = _public(photo) if variant == "public" else _author(photo)
    return min_max_scale(saliency).astype(np.float32)


def barrier_distance(brightness: Map, *, passes: tuple[int, ...]) -> Map:
    """Least max - min of brightness (h, w) along a path to the border, approximately (the paper's FastMBD): (h, w).

    Each pass, RASTER or INVERSE, goes once over the picture and extends to each inner pixel the paths of the two
    neighbours just visited; three passes find nearly all minima. float32 throughout.
    """
    level = np.asarray(brightness, np.float32, order="C")
    distance = np.zeros(level.shape, np.float32)
    distance[1:-1, 1:-1] = np.inf
    highest, lowest = level.copy(), level.copy()
    for step in passes:
        _raster_pass(level, distance, highest, lowest, step)
    return distance


@njit(cache=True)
def _raster_pass(brightness: Map, distance: Map, highest: Map, lowest: Map, step: int) -> None:
    """One pass over the inner pixels in steps of `step`; highest and lowest are those of each pixel's path so far."""
    height, width = brightness.shape
    first_row, past_row = (1, height - 1) if step > 0 else (height - 2, 0)
    first_column, past_column = (1, width - 1) if step > 0 else (width - 2, 0)
    for y in range(first_row, past_row, step):
        beside_high, beside_low = highest[y, first_column - step], lowest[y, first_column - step]
        for x in range(first_column, past_column, step):
            level, least = brightness[y, x], distance[y, x]
            best_high, best_low = highest[y, x], lowest[y, x]
            above_high, above_low = max(highest[y - step, x], level), min(lowest[y - step, x], level)
            if above_high - above_low < least:
                least, best_high, best_low = above_high - above_low, above_high, above_low
            beside_high, beside_low = max(beside_high, level), min(beside_low, level)
            if beside_high - beside_low < least:
                least, best_high, best_low = beside_high - beside_low, beside_high, beside_low
            distance[y, x], highest[y, x], lowest[y, x] = least, best_high, best_low
            beside_high, beside_low = best_high, best_low


def _public(photo: Picture) -> Map:
    """As the widely used Python code: mean of RGB, Mahalanobis margins, round centre map, sigmoid about 0.5."""
    red, green, blue = cv2.split(photo.astype(np.float32))
    # The sum instead of the mean: with whole numbers, ties between paths do not depend on rounding.
    barrier = barrier_distance(red + green + blue, passes=(INVERSE, RASTER, INVERSE))
    both = min_max_scale(barrier) + boundary_contrast_public(rgb_to_lab(photo))
    height, width = photo.shape[:2]
    centred = min_max_scale(both * _centre_map(height, width, half_height=height / 2, half_width=width / 2))
    return _sigmoid(centred, middle=0.5)


def _author(photo: Picture) -> Map:
    """As the method's authors: at 300 pixels, in Lab, smoothed by morphology, sigmoid about this map's own middle."""
    small = resize_longest_side(photo, longest_pixels=_LONGEST_PIXELS)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    channels = [cv2.medianBlur(channel, _MEDIAN_PIXELS).astype(np.float32) for channel in cv2.split(lab)]
    barrier = sum(barrier_distance(channel, passes=(RASTER, INVERSE, RASTER)) for channel in channels)
    both = min_max_scale(np.asarray(barrier)) + boundary_contrast_author(small.astype(np.float32))
    height, width = small.shape[:2]
    smoothed = _remove_specks(min_max_scale(both * _centre_map(height, width, half_height=1, half_width=1)))
    contrasted = _sigmoid(smoothed, middle=_threshold(smoothed))
    return resize(contrasted, height=photo.shape[0], width=photo.shape[1]).astype(np.float32)


def _centre_map(height: int, width: int, *, half_height: float, half_width: float) -> Map:
    """1 in the centre, falling with distance to 0 at the corners; the halves say how distance counts each axis."""
    y = (((np.arange(height) + 0.5) * 2 / height - 1) * half_height).astype(np.float32)
    x = (((np.arange(width) + 0.5) * 2 / width - 1) * half_width).astype(np.float32)
    corner = np.float32(np.hypot(half_height, half_width))
    return np.float32(1) - np.sqrt(np.square(y)[:, None] + np.square(x)[None]) / corner


def _remove_specks(saliency: Map) -> Map:
    """Remove bright, then dark specks narrower than a square that grows with how much is salient.

    Opening, then closing, each by reconstruction: what stays keeps its exact outline.
    """
    side = max(3, int(_SMOOTHING * np.sqrt(saliency.mean())))
    square = np.ones((side, side), np.uint8)
    # OpenCV's even squares lie off the centre, but still over it: the seeds stay below, or above, the map.
    opened = by_dilation(cv2.erode(saliency, square), saliency)
    return by_erosion(cv2.dilate(opened, square), opened)


def _threshold(saliency: Map) -> float:
    """Half way between the mean of the pixels over half the maximum and the mean of the others."""
    bright = saliency >= saliency.max() / 2
    return float(saliency[bright].mean() + (saliency[~bright].mean() if not bright.all() else 0)) / 2


def _sigmoid(saliency: Map, *, middle: float) -> Map:
    return np.float32(1) / (np.float32(1) + np.exp(np.float32(-_SLOPE) * (saliency - np.float32(middle))))
