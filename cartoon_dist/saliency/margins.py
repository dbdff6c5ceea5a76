"""Boundary contrast: how much each pixel differs from the border strips of the photo (the MB+ addition to MBD)."""

import numpy as np
import numpy.typing as npt
from numba import njit

from cartoon_dist.saliency.picture import min_max_scale

Floats = npt.NDArray[np.floating]
Map = npt.NDArray[np.float32]
Colours = npt.NDArray[np.float32]

_STRIP_SHARE = 0.1
"""Each strip's width, as a share of the side it is cut from."""


def boundary_contrast_public(colours: Colours) -> Map:
    """Mahalanobis distance of each pixel to four border strips: Lab (h, w, 3) -> float32 (h, w) in [0, 1].

    The covariance gets 1 Lab unit^2 on its diagonal, about a photo's noise: a strip of one colour has no inverse.
    """
    return _boundary_contrast(colours, ridge=1.0, norm=2)


def boundary_contrast_author(colours: Colours) -> Map:
    """Whitened L1 distance of each pixel to four border strips: RGB in 0..255 (h, w, 3) -> float32 (h, w) in [0, 1]."""
    return _boundary_contrast(colours, ridge=50.0, norm=1)


def _boundary_contrast(colours: Colours, *, ridge: float, norm: int) -> Map:
    spreads = [_mean_and_whitening(strip, ridge) for strip in border_strips(colours)]
    means = np.stack([mean for mean, _ in spreads])
    whitenings = np.stack([whitening for _, whitening in spreads])
    planes = np.ascontiguousarray(np.moveaxis(colours, -1, 0), np.float32)
    lows, highs = _ranges(planes, means, whitenings, norm)
    return min_max_scale(_sum_without_largest(planes, means, whitenings, norm, lows, highs - lows))


def border_strips(colours: Colours) -> list[Colours]:
    """The colours (n, 3) along the top, bottom, left and right side."""
    rows = max(1, int(_STRIP_SHARE * colours.shape[0]))
    columns = max(1, int(_STRIP_SHARE * colours.shape[1]))
    parts = (colours[:rows], colours[-rows:], colours[:, :columns], colours[:, -columns:])
    return [part.reshape(-1, colours.shape[2]) for part in parts]


def _mean_and_whitening(strip: Colours, ridge: float) -> tuple[Colours, Colours]:
    """A strip's mean colour (3,), and the matrix (3, 3) that whitens its variation."""
    count = len(strip)
    total, products = _moments(np.asarray(strip, np.float32, order="C"))
    mean = total / count
    covariance = (products - count * np.outer(mean, mean)) / max(count - 1, 1) + ridge * np.eye(3)
    variances, axes = np.linalg.eigh(covariance)
    return mean.astype(np.float32), np.ascontiguousarray(axes / np.sqrt(variances) @ axes.T, np.float32)


@njit(cache=True)
def _moments(colours: Colours) -> tuple[Floats, Floats]:
    """Sum of colours (n, 3) and of their products (3, 3), in float64."""
    total, products = np.zeros(3), np.zeros((3, 3))
    for index in range(len(colours)):
        for i in range(3):
            value = np.float64(colours[index, i])
            total[i] += value
            for j in range(i + 1):
                products[i, j] += value * colours[index, j]
    for i in range(3):
        for j in range(i):
            products[j, i] = products[i, j]
    return total, products


# Each map is computed twice, a row at a time: for its range, and for the sum with the others. That costs less than the
# memory of four whole maps. Knowing that there are no NaNs, the compiler takes eight minima at a time.


@njit(cache=True, fastmath={"nnan", "nsz"})
def _ranges(planes: Colours, means: Colours, whitenings: Colours, norm: int) -> tuple[Colours, Colours]:
    """The lowest and the highest value of each of the four maps: (4,) and (4,)."""
    lows, highs = np.full(4, np.inf, np.float32), np.zeros(4, np.float32)
    _, height, width = planes.shape
    distance = np.empty(width, np.float32)
    for y in range(height):
        for side in range(4):
            _distance(planes[0, y], planes[1, y], planes[2, y], means[side], whitenings[side], norm, distance)
            low, high = lows[side], highs[side]
            for x in range(width):
                low, high = min(low, distance[x]), max(high, distance[x])
            lows[side], highs[side] = low, high
    return lows, highs


@njit(cache=True, fastmath={"nnan", "nsz"})
def _sum_without_largest(
    planes: Colours, means: Colours, whitenings: Colours, norm: int, lows: Colours, spreads: Colours
) -> Map:
    """Sum of the four maps, each scaled to [0, 1], minus the largest of them: (h, w).

    The salient object itself may touch one side.
    """
    _, height, width = planes.shape
    result = np.empty((height, width), np.float32)
    distance, largest = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(height):
        total = result[y]
        total[:] = 0
        largest[:] = 0
        for side in range(4):
            _distance(planes[0, y], planes[1, y], planes[2, y], means[side], whitenings[side], norm, distance)
            low = lows[side]
            scale = np.float32(1) / spreads[side] if spreads[side] > 0 else np.float32(0)
            for x in range(width):
                share = (distance[x] - low) * scale
                total[x] += share
                largest[x] = max(largest[x], share)
        for x in range(width):
            total[x] -= largest[x]
    return result


@njit(cache=True, fastmath={"nnan", "nsz"})
def _distance(
    row_0: Colours, row_1: Colours, row_2: Colours, mean: Colours, whitening: Colours, norm: int, distance: Map
) -> None:
    """Distance of each pixel to a strip's mean in units of the strip's own variation; norm 2 is Mahalanobis.

    A row of each channel (w,), whitening symmetric (3, 3), distance (w,).
    """
    mean_0, mean_1, mean_2 = mean[0], mean[1], mean[2]
    to_00, to_11, to_22 = whitening[0, 0], whitening[1, 1], whitening[2, 2]
    to_01, to_02, to_12 = whitening[0, 1], whitening[0, 2], whitening[1, 2]
    for x in range(len(distance)):
        off_0, off_1, off_2 = row_0[x] - mean_0, row_1[x] - mean_1, row_2[x] - mean_2
        along_0 = to_00 * off_0 + to_01 * off_1 + to_02 * off_2
        along_1 = to_01 * off_0 + to_11 * off_1 + to_12 * off_2
        along_2 = to_02 * off_0 + to_12 * off_1 + to_22 * off_2
        if norm == 1:
            distance[x] = abs(along_0) + abs(along_1) + abs(along_2)
        else:
            distance[x] = np.sqrt(along_0 * along_0 + along_1 * along_1 + along_2 * along_2)
