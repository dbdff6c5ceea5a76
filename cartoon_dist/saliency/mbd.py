"""MBD, minimum barrier distance: a pixel is salient when every path to the border crosses a step of brightness.

Zhang, Sclaroff, Lin, Shen, Price, Mech, "Minimum Barrier Salient Object Detection at 80 FPS", ICCV 2015, with its MB+
additions. Written from the paper; no line of the authors' code is here. Their code says that a patent is pending and
allows research only: whoever uses this elsewhere must look into the patent for themselves.
"""

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit
from skimage.color import rgb2lab
from skimage.morphology import reconstruction

from cartoon_dist.pixels.decode import Picture
from cartoon_dist.saliency.margins import unlike_margins_author, unlike_margins_public
from cartoon_dist.saliency.picture import SaliencyMap, Variant, fit, is_flat, resize, stretch

Floats = npt.NDArray[np.float64]

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
    return stretch(saliency).astype(np.float32)


def barrier_distance(brightness: Floats, *, passes: tuple[int, ...]) -> Floats:
    """Least max - min of brightness (h, w) along a path to the border, near enough (the paper's FastMBD): (h, w).

    Each pass, RASTER or INVERSE, goes once over the picture and offers each inner pixel the paths of the two
    neighbours it has just left behind; three passes find nearly all.
    """
    distance = np.zeros(brightness.shape)
    distance[1:-1, 1:-1] = np.inf
    highest, lowest = brightness.copy(), brightness.copy()
    for step in passes:
        _sweep(brightness, distance, highest, lowest, step)
    return distance


@njit(cache=True)
def _sweep(brightness: Floats, distance: Floats, highest: Floats, lowest: Floats, step: int) -> None:
    """One pass over the inner pixels in steps of `step`; highest and lowest are those of each pixel's path so far."""
    height, width = brightness.shape
    first_row, past_row = (1, height - 1) if step > 0 else (height - 2, 0)
    first_column, past_column = (1, width - 1) if step > 0 else (width - 2, 0)
    for y in range(first_row, past_row, step):
        for x in range(first_column, past_column, step):
            for from_y, from_x in ((y - step, x), (y, x - step)):
                high = max(highest[from_y, from_x], brightness[y, x])
                low = min(lowest[from_y, from_x], brightness[y, x])
                if high - low < distance[y, x]:
                    distance[y, x] = high - low
                    highest[y, x] = high
                    lowest[y, x] = low


def _public(photo: Picture) -> Floats:
    """As the widely used Python code: mean of RGB, Mahalanobis margins, round centre map, sigmoid about 0.5."""
    barrier = barrier_distance(photo.mean(axis=2), passes=(INVERSE, RASTER, INVERSE))
    both = stretch(barrier) + unlike_margins_public(rgb2lab(photo))
    height, width = photo.shape[:2]
    centred = stretch(both * _centre_map(height, width, half_height=height / 2, half_width=width / 2))
    return _sigmoid(centred, middle=0.5)


def _author(photo: Picture) -> Floats:
    """As the method's authors: at 300 pixels, in Lab, evened out by morphology, sigmoid about this map's own middle."""
    small = fit(photo, longest_pixels=_LONGEST_PIXELS)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    channels = [cv2.medianBlur(channel, _MEDIAN_PIXELS).astype(np.float64) for channel in cv2.split(lab)]
    barrier = sum(barrier_distance(channel, passes=(RASTER, INVERSE, RASTER)) for channel in channels)
    both = stretch(np.asarray(barrier)) + unlike_margins_author(small.astype(np.float64))
    height, width = small.shape[:2]
    evened = _even_out(stretch(both * _centre_map(height, width, half_height=1, half_width=1)))
    contrasted = _sigmoid(evened, middle=_middle(evened))
    return resize(contrasted, height=photo.shape[0], width=photo.shape[1]).astype(np.float64)


def _centre_map(height: int, width: int, *, half_height: float, half_width: float) -> Floats:
    """1 in the centre, falling with distance to 0 at the corners; the halves say how distance counts each axis."""
    y = ((np.arange(height) + 0.5) * 2 / height - 1) * half_height
    x = ((np.arange(width) + 0.5) * 2 / width - 1) * half_width
    return 1 - np.hypot(y[:, None], x[None]) / np.hypot(half_height, half_width)


def _even_out(saliency: Floats) -> Floats:
    """Remove bright, then dark specks narrower than a square that grows with how much is salient.

    Opening, then closing, each by reconstruction: what stays keeps its exact outline.
    """
    side = max(3, int(_SMOOTHING * np.sqrt(saliency.mean())))
    square = np.ones((side, side), np.uint8)
    # OpenCV's even squares lie off the centre, but still over it: the seeds stay below, or above, the map.
    opened = reconstruction(cv2.erode(saliency, square), saliency, method="dilation")
    return reconstruction(cv2.dilate(opened, square), opened, method="erosion")


def _middle(saliency: Floats) -> float:
    """Half way between the mean of the pixels over half the maximum and the mean of the others."""
    bright = saliency >= saliency.max() / 2
    return float(saliency[bright].mean() + (saliency[~bright].mean() if not bright.all() else 0)) / 2


def _sigmoid(saliency: Floats, *, middle: float) -> Floats:
    return 1 / (1 + np.exp(-_SLOPE * (saliency - middle)))
