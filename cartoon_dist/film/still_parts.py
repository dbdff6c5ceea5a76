"""What stands still in a film is eased from frame to frame, so that the noise of a camera does not move the drawing.

Where frame t differs little from the eased frame before, by d levels on average around a pixel and by at most 3 d
there, the pixel becomes x_t + w (x'_{t-1} - x_t) with w = p exp(-(d / 8)^2): nearly p where only noise differs, nothing
where something moves.
"""

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cartoon_dist.image.decode import Picture

_WINDOW = 7
"""Side in pixels of the square around a pixel over which differences are averaged: one pixel's is mostly noise."""
_NOISE_PEAK = 3.0
"""A pixel that differs by more than so many times what is usual around it moves, whatever is around it."""
_LEVELS = 8.0
"""From about this difference (0..255) on something moves. Noise with a deviation of 4 levels differs by 4.5."""
_STEPS = 256
"""The eased frame is kept in steps of 1/256 of a level, so that it is the same after a restart."""


class StillParts:
    """The eased frame so far; begins anew with a weight of 0."""

    def __init__(self) -> None:
        self._before: npt.NDArray[np.float32] | None = None

    def ease(self, picture: Picture, past_weight: float) -> Picture:
        """The next frame (h, w, 3), uint8, eased; past_weight: p, 0 where a scene begins."""
        values = picture.astype(np.float32)
        if self._before is not None and past_weight > 0:
            change = self._before - values
            own = np.abs(change).mean(axis=2)
            around = cv2.boxFilter(own, -1, (_WINDOW, _WINDOW), borderType=cv2.BORDER_REFLECT)
            moved = np.maximum(around, own / _NOISE_PEAK)
            values += (past_weight * np.exp(-np.square(moved / _LEVELS)))[..., None] * change
            values = (np.rint(values * _STEPS) / _STEPS).astype(np.float32)
        self._before = values
        return np.rint(values).astype(np.uint8)

    def state(self) -> dict[str, Tensor]:
        """What `restore` goes on from."""
        assert self._before is not None
        return {"before": torch.from_numpy((self._before * _STEPS).astype(np.uint16))}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on after the frame at which `state` was taken."""
        self._before = state["before"].numpy().astype(np.float32) / np.float32(_STEPS)
