"""From RGB to CIE L*a*b*, in which the distance of two colours is close to the perceived difference."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from cartoon_dist.image.decode import Picture

Lab = npt.NDArray[np.float32]
"""(h, w, 3): L in 0..100, a and b about -110..110."""
Table = npt.NDArray[np.float32]

_STEPS = 16384
"""Entries of the table of cube roots; between two of them it is a straight line, 0.001 Lab units off at most."""
_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
) / np.array([[0.95047], [1.0], [1.08883]])
"""Linear sRGB to X, Y and Z, each as a share of what it is in daylight, D65."""


def rgb_to_lab(photo: Picture) -> Lab:
    """sRGB, uint8 (h, w, 3), in CIE L*a*b* under daylight D65: float32 (h, w, 3)."""
    return _to_lab(np.ascontiguousarray(photo), _LINEAR, _ROOTS, _TO_XYZ32)


def _linear_levels() -> Table:
    """Linear light of each of the 256 levels of sRGB: float32 (256,) in [0, 1]."""
    levels = np.arange(256) / 255
    return np.where(levels > 0.04045, ((levels + 0.055) / 1.055) ** 2.4, levels / 12.92).astype(np.float32)


def _roots() -> Table:
    """Lab's cube root, linear near 0 where a root would be too steep, at _STEPS + 1 places of [0, 1] and one more."""
    shares = np.arange(_STEPS + 2) / _STEPS
    return np.where(shares > 0.008856, np.cbrt(shares), 7.787 * shares + 16 / 116).astype(np.float32)


_LINEAR, _ROOTS = _linear_levels(), _roots()
_TO_XYZ32 = _TO_XYZ.astype(np.float32)


@njit(cache=True)
def _to_lab(photo: Picture, linear: Table, roots: Table, to_xyz: Table) -> Lab:
    height, width = photo.shape[:2]
    lab = np.empty((height, width, 3), np.float32)
    for y in range(height):
        for x in range(width):
            red, green, blue = linear[photo[y, x, 0]], linear[photo[y, x, 1]], linear[photo[y, x, 2]]
            root_x = _root(to_xyz[0, 0] * red + to_xyz[0, 1] * green + to_xyz[0, 2] * blue, roots)
            root_y = _root(to_xyz[1, 0] * red + to_xyz[1, 1] * green + to_xyz[1, 2] * blue, roots)
            root_z = _root(to_xyz[2, 0] * red + to_xyz[2, 1] * green + to_xyz[2, 2] * blue, roots)
            lab[y, x, 0] = np.float32(116) * root_y - np.float32(16)
            lab[y, x, 1] = np.float32(500) * (root_x - root_y)
            lab[y, x, 2] = np.float32(200) * (root_y - root_z)
    return lab


@njit(cache=True)
def _root(share: Any, roots: Table) -> Any:
    """The table's root of a share of white, by linear interpolation."""
    position = min(max(share, np.float32(0)), np.float32(1)) * np.float32(_STEPS)
    below = np.int32(position)
    return roots[below] + (position - np.float32(below)) * (roots[below + 1] - roots[below])
