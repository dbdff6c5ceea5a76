"""The saliency label z of a photo: the target of the saliency network, computed once, offline.

The mean of RBD and MBD, as in the paper and in SDP-GAN: either alone fails on some photos.
"""

import numpy as np
import numpy.typing as npt

from cartoon_dist.image.decode import Picture
from cartoon_dist.saliency.border_removal import content_window
from cartoon_dist.saliency.mbd import mbd
from cartoon_dist.saliency.picture import SaliencyMap, Variant, as_rgb, resize, resize_longest_side
from cartoon_dist.saliency.rbd import rbd

_LONGEST_PIXELS = 300
"""A larger photo is shrunk to this first: the methods' constants were chosen for it, and time grows with the pixels."""


def label(photo: npt.NDArray[np.uint8], *, variant: Variant = "public") -> SaliencyMap:
    """Where a viewer looks first in a photo, uint8 RGB (h, w, 3): float32 (h, w) in [0, 1], 1 = salient.

    z = (RBD + MBD) / 2, each scaled to [0, 1]. The same photo gives the same label. A photo of one colour gives
    zeros, and so does what is outside a frame or a letterbox. Grey pictures, with or without alpha, and RGB with alpha
    are taken too; alpha is laid on white. Raises PictureError for anything but a uint8 picture.
    """
    rgb = as_rgb(photo)
    window = content_window(rgb)
    saliency = np.zeros(rgb.shape[:2], np.float32)
    saliency[window] = _label_without_frame(rgb[window], variant)
    return saliency


def _label_without_frame(photo: Picture, variant: Variant) -> SaliencyMap:
    height, width = photo.shape[:2]
    small = (
        resize_longest_side(photo, longest_pixels=_LONGEST_PIXELS) if max(height, width) > _LONGEST_PIXELS else photo
    )
    mean = (rbd(small, variant=variant) + mbd(small, variant=variant)) / 2
    return np.clip(resize(mean, height=height, width=width), 0, 1).astype(np.float32)
