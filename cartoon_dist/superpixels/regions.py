"""Cuts a photo into superpixels, a few hundred patches of similar colour, and computes their colours, centres and
neighbours."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from cartoon_dist.image.decode import Picture
from cartoon_dist.superpixels.connectivity import enforce_connectivity
from cartoon_dist.superpixels.lab import rgb_to_lab
from cartoon_dist.superpixels.slic import slic

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.integer]

_MIN_PIECE_SHARE = 0.25
"""With `connected`, pieces under this share of the usual size join a neighbour."""


@dataclass(frozen=True, kw_only=True)
class Superpixels:
    """`labels` (h, w) gives each pixel's superpixel, 0..num-1; each of them holds at least one pixel."""

    labels: Labels
    num: int

    def means(self, values: npt.NDArray[np.generic]) -> Floats:
        """Average values (h, w, c) within each superpixel: (num, c)."""
        return _totals(self.labels, np.asarray(values, order="C"), self.num) / self.sizes()[:, None]

    def sizes(self) -> npt.NDArray[np.intp]:
        """Number of pixels of each superpixel: (num,)."""
        return np.bincount(self.labels.ravel())

    def centres(self) -> Floats:
        """Mean row and column of each superpixel, in pixels: (num, 2)."""
        return _totals_of_places(self.labels, self.num) / self.sizes()[:, None]

    def neighbours(self) -> Mask:
        """Which superpixels share a side of a pixel: (num, num), symmetric, none with itself."""
        return _adjacency(self.labels, self.num)

    def on_border(self, *, band_pixels: int) -> Mask:
        """Which superpixels reach into the outermost `band_pixels` rows and columns: (num,)."""
        inner = slice(band_pixels, -band_pixels)
        outside = np.ones(self.labels.shape, np.bool_)
        outside[inner, inner] = False
        touches_border = np.zeros(self.num, np.bool_)
        touches_border[self.labels[outside]] = True
        return touches_border

    def paint(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Give each pixel its superpixel's value: (num,) -> (h, w)."""
        return values[self.labels]


def split_into_superpixels(
    photo: Picture, *, num_segments: int, compactness: float, blur_pixels: float, connected: bool
) -> Superpixels:
    """Cut a photo, uint8 RGB (h, w, 3), into about `num_segments` superpixels; the same photo gives the same ones.

    `compactness` weighs position against Lab colour, `blur_pixels` is the sigma of the blur before; with `connected`
    each superpixel is one piece, and pieces under a quarter of the usual size join the neighbour most like them.
    """
    lab, num_pixels = rgb_to_lab(photo), photo.shape[0] * photo.shape[1]
    if blur_pixels > 0:
        lab = np.asarray(cv2.GaussianBlur(lab, (0, 0), blur_pixels, borderType=cv2.BORDER_REFLECT), np.float32)
    num_segments = min(num_segments, num_pixels)
    labels = slic(lab, num_segments=num_segments, compactness=compactness)
    if connected:
        labels = enforce_connectivity(labels, lab, _MIN_PIECE_SHARE * num_pixels / num_segments)
    # Superpixels that have lost all their pixels are left out: they have no mean.
    used = np.bincount(labels.ravel()) > 0
    compact = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return Superpixels(labels=compact[labels], num=int(used.sum()))


@njit(cache=True)
def _totals(labels: Labels, values: npt.NDArray[np.generic], num: int) -> Floats:
    """Sum of values (h, w, c) over each superpixel: (num, c)."""
    height, width, channels = values.shape
    totals = np.zeros((num, channels))
    for y in range(height):
        for x in range(width):
            for channel in range(channels):
                totals[labels[y, x], channel] += values[y, x, channel]
    return totals


@njit(cache=True)
def _totals_of_places(labels: Labels, num: int) -> Floats:
    """Sums of rows and columns over each superpixel: (num, 2)."""
    totals = np.zeros((num, 2))
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            totals[labels[y, x], 0] += y
            totals[labels[y, x], 1] += x
    return totals


@njit(cache=True)
def _adjacency(labels: Labels, num: int) -> Mask:
    """Which superpixels share a side of a pixel: (num, num)."""
    height, width = labels.shape
    touching = np.zeros((num, num), np.bool_)
    for y in range(height):
        for x in range(width):
            own = labels[y, x]
            right, below = labels[y, min(x + 1, width - 1)], labels[min(y + 1, height - 1), x]
            if right != own:
                touching[own, right] = touching[right, own] = True
            if below != own:
                touching[own, below] = touching[below, own] = True
    return touching
