"""Host memory that is page-locked for CUDA, so that copies from it run beside the step."""

import logging
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
from numpy.typing import NDArray

_log = logging.getLogger(__name__)


class PageLock:
    """Locks these arrays for CUDA until `release`; memory that other processes share, too. Where CUDA refuses, that is
    said once, and copies from it are right but wait for the device."""

    def __init__(self, arrays: Sequence[NDArray[np.uint8]]) -> None:
        self._locked: list[int] = []
        for array in arrays:
            if not array.nbytes:
                continue
            status = torch.cuda.cudart().cudaHostRegister(array.ctypes.data, array.nbytes, 0)
            if int(status):
                _log.warning("data.keep=host: CUDA cannot page-lock the memory (error %d); copies are slower", status)
                with suppress(RuntimeError):  # CUDA tells an error again at the next launch, once
                    torch.zeros(1, device="cuda")
                break
            self._locked.append(array.ctypes.data)

    def release(self) -> None:
        """Unlock, before the memory is given back. Waits for copies under way."""
        if self._locked:
            torch.cuda.synchronize()
        while self._locked:
            torch.cuda.cudart().cudaHostUnregister(self._locked.pop())
