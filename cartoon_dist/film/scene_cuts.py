"""Where a film's scenes begin, frame by frame as it is drawn: there nothing of the frames before is to be seen."""

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cartoon_dist.image.decode import Picture

_SIDE = 16
"""Frames are compared as squares of so many pixels: a cut shows, noise and small movements do not."""
_CUT_LEVELS, _CUT_RATIO = 12.0, 2.5
"""At a cut the mean difference (0..255) is above the first, and so many times that of the frames before it: a fast pan
differs much too, but steadily; only its first frame may be taken for a cut."""
_MEMORY = 0.7
"""How much of the mean difference so far counts with each frame."""


class SceneCuts:
    """Compares each frame with the one before."""

    def __init__(self) -> None:
        self._before: npt.NDArray[np.float64] | None = None
        self._usual = 0.0

    def begins_scene(self, picture: Picture) -> bool:
        """Whether a scene begins with this frame (h, w, 3); the first one begins one."""
        small = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
        before, self._before = self._before, small
        if before is None:
            return True
        difference = float(np.abs(small - before).mean())
        if difference > max(_CUT_LEVELS, _CUT_RATIO * self._usual):
            self._usual = difference
            return True
        self._usual = _MEMORY * self._usual + (1 - _MEMORY) * difference
        return False

    def state(self) -> dict[str, Tensor]:
        """What `restore` goes on from."""
        assert self._before is not None
        return {"before": torch.from_numpy(self._before), "usual": torch.tensor([self._usual], dtype=torch.float64)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on after the frame at which `state` was taken."""
        self._before, self._usual = state["before"].numpy(), float(state["usual"])
