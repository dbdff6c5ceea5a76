"""Shared by the saliency methods: the pictures they take, the maps they return, and how both are scaled."""

from typing import Literal, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import Picture

Variant = Literal["public", "author"]
"""`public`: the code that the paper's labels came from, with corrections. `author`: what the methods' authors run."""

Floating = TypeVar("Floating", np.float32, np.float64)
SaliencyMap = npt.NDArray[np.float32]
"""(h, w) in [0, 1], 1 = salient."""

_MIN_SPREAD = 1e-9
"""A range below this is rounding error, far below the effect of one grey level in any of the maps."""


def as_rgb(photo: npt.NDArray[np.generic]) -> Picture:
    """A uint8 picture as RGB (h, w, 3): grey is repeated, alpha is laid on white.

    Takes (h, w) and (h, w, 1) grey, (h, w, 2) grey and alpha, (h, w, 3) RGB, (h, w, 4) RGB and alpha. Raises
    PictureError for anything else.
    """
    known = photo.ndim == 2 or (photo.ndim == 3 and photo.shape[2] in (1, 2, 3, 4))
    if photo.dtype != np.uint8 or not known or 0 in photo.shape:
        raise PictureError(
            f"a label needs a uint8 picture of 1 to 4 channels, not {photo.dtype} {photo.shape}; decode it to 8-bit RGB"
        )
    if photo.ndim == 3 and photo.shape[2] == 3:
        return np.ascontiguousarray(photo, np.uint8)
    pixels = np.atleast_3d(photo).astype(np.float64)
    if pixels.shape[2] in (2, 4):
        opacity = pixels[..., -1:] / 255
        pixels = np.rint(opacity * pixels[..., :-1] + (1 - opacity) * 255)
    return np.repeat(pixels, 3 // pixels.shape[2], axis=2).astype(np.uint8)


def resize(values: npt.NDArray[np.generic], *, height: int, width: int) -> npt.NDArray[np.generic]:
    """Scale a picture or a map: averaging when it shrinks, cubic when it grows."""
    if values.shape[:2] == (height, width):
        return values
    shrinks = height * width < values.shape[0] * values.shape[1]
    # cv2's names hold width before height; cubic overshoots, so callers that need a range clip floats.
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def resize_longest_side(photo: Picture, *, longest_pixels: int) -> Picture:
    """Scale a photo so that its longest side has `longest_pixels`."""
    height, width = photo.shape[:2]
    ratio = longest_pixels / max(height, width)
    scaled = resize(photo, height=max(1, round(height * ratio)), width=max(1, round(width * ratio)))
    return scaled.astype(np.uint8)


def min_max_scale(values: npt.NDArray[Floating]) -> npt.NDArray[Floating]:
    """Map the smallest value to 0 and the largest to 1; values that are all alike become zeros."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high - low > _MIN_SPREAD else np.zeros_like(values)


def is_flat(photo: Picture) -> bool:
    """Whether all pixels have the same colour: such a photo has nothing salient."""
    # The first row tells nearly all photos apart from such a one.
    return bool((photo[0] == photo[0, 0]).all() and (photo == photo[0, 0]).all())
