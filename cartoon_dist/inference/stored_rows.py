"""A map that is kept between two passes, in the pieces in which its strips came."""

import mmap
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from math import prod

import numpy as np
import torch
from torch import Tensor

RowRange = tuple[int, int]
"""The first row, and the one after the last."""


def fresh_rows(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Space for rows whose memory goes back to the system as soon as they are given up.

    On Linux, whose heap would keep some of it: what is freed between blocks that are in use stays. There it comes in
    large pages where the kernel has them, which takes a fourth of the time.
    """
    if sys.platform != "linux":
        return torch.empty(*shape, dtype=dtype)
    space = mmap.mmap(-1, dtype.itemsize * prod(shape), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):
        space.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(space, dtype=dtype).view(*shape)


class StoredRows:
    """Rows of a map, 1 c y x, that come from top to bottom, are read by ranges, and can be given up from the top on."""

    def __init__(self, whole: Tensor | None = None) -> None:
        self._pieces: deque[tuple[int, Tensor]] = deque()
        """The first row of each, and its rows."""
        if whole is not None:
            self.append(0, whole)

    def append(self, first: int, rows: Tensor) -> None:
        """Add the rows below those that are there."""
        self._pieces.append((first, rows))

    def read(self, rows: RowRange) -> Tensor:
        """These rows; on a CPU without gaps, a view where they are a whole piece."""
        first, end = rows
        parts = [
            piece[:, :, max(0, first - top) : end - top]
            for top, piece in self._pieces
            if top < end and first < top + piece.shape[2]
        ]
        if parts[0].device.type != "cpu":
            return torch.cat(parts, 2)
        if len(parts) == 1 and parts[0].is_contiguous():
            return parts[0]
        made = fresh_rows([*parts[0].shape[:2], end - first, parts[0].shape[3]], parts[0].dtype)
        # By numpy, in this thread: torch's would wait for each other busily, a third of a picture's processor time.
        as_bytes = [part.view(torch.uint8).numpy() for part in parts]
        np.concatenate(as_bytes, 2, out=made.view(torch.uint8).numpy())
        return made

    def give_up_above(self, row: int) -> None:
        """Free the pieces that lie above this row as a whole; nobody reads them any more."""
        while self._pieces and self._pieces[0][0] + self._pieces[0][1].shape[2] <= row:
            self._pieces.popleft()

    def give_up(self) -> None:
        """Free all."""
        self._pieces.clear()

    @property
    def dtype(self) -> torch.dtype:
        """Of the rows, of which some are there."""
        return self._pieces[0][1].dtype

    @property
    def num_rows_kept(self) -> int:
        """How many rows are there."""
        return sum(piece.shape[2] for _, piece in self._pieces)
