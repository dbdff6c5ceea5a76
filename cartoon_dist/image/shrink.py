"""A photo made smaller before it is drawn: what a model changes has a size in pixels, so it then shows more."""

import cv2
import numpy as np

from cartoon_dist.image.decode import Picture


def shrink(photo: Picture, long_side: int | None) -> Picture:
    """The photo with its long side at most so long; None, or a photo that is smaller, leaves it as it is."""
    height, width = photo.shape[:2]
    longest = max(height, width)
    if long_side is None or longest <= long_side:
        return photo
    size = (max(1, round(width * long_side / longest)), max(1, round(height * long_side / longest)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
