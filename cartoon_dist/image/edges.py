"""Edge smoothing: the third set of pictures that the discriminator learns to refuse.

Cartoons without clear edges count as not real. Figs 11-12 of the paper; constants as in all public CartoonGANs.
"""

import cv2
import numpy as np

from cartoon_dist.image.decode import Picture

_LOW, _HIGH = 100, 200
_AROUND = np.ones((5, 5), np.uint8)
_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16  # OpenCV's 5-tap Gaussian for sigma 0
_TRUNCATED = 1 / 512 - 0.5
"""Added before rounding a multiple of 1/256, it gives the whole number below; never a tie."""


def smooth_edges(cartoon: Picture) -> Picture:
    """Blur a cartoon, uint8 RGB (h, w, 3), near its edges only; the rest stays as it is.

    Edges: Canny(100, 200) on grey, dilated once by 5x5. Blur: 5x5 Gaussian [1,4,6,4,1]/16 in each direction, mirrored
    at the border without repeating it, truncated. Bit for bit what the loops of the public CartoonGANs give.
    """
    grey = cv2.cvtColor(cartoon, cv2.COLOR_RGB2GRAY)
    near_edges = cv2.dilate(cv2.Canny(grey, _LOW, _HIGH), _AROUND)
    # The sums are multiples of 1/256 below 2^16, exact in OpenCV's integers and in its float32 alike.
    # cv2.GaussianBlur would round.
    blurred = cv2.sepFilter2D(
        cartoon, cv2.CV_8U, _BINOMIAL, _BINOMIAL, delta=_TRUNCATED, borderType=cv2.BORDER_REFLECT_101
    )
    return np.asarray(cv2.copyTo(blurred, near_edges, cartoon.copy()), np.uint8)
