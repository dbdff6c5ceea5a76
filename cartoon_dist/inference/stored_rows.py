"""A map that is kept between two passes, in the pieces in which its strips came."""

import mmap
import sys
import threading
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


class RowMemory:
    """Memory for the rows of strips: what is given up serves the next rows of the same size, up to `MAX_FREE_BYTES` of
    it. The system would hand it out anew page by page, and fill each with zeros. For several threads."""

    MAX_FREE_BYTES = 2**26

    def __init__(self) -> None:
        self._free: deque[Tensor] = deque()
        self._lock = threading.Lock()

    def rows(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Space for these rows, which holds anything."""
        num_bytes = dtype.itemsize * prod(shape)
        with self._lock:
            found = next((place for place, block in enumerate(self._free) if len(block) == num_bytes), None)
            if found is None:
                return fresh_rows(shape, dtype)
            block = self._free[found]
            del self._free[found]
        return block.view(dtype).view(*shape)

    def give_up(self, rows: Tensor) -> None:
        """Nobody reads them any more."""
        with self._lock:
            self._free.append(rows.view(-1).view(torch.uint8))
            while sum(len(block) for block in self._free) > self.MAX_FREE_BYTES:
                self._free.popleft()


class Scratch:
    """Memory for rows that are copied, used again for the next ones: a page that is requested anew costs more than its
    copy."""

    def __init__(self) -> None:
        self._space = torch.empty(0, dtype=torch.uint8)

    def rows(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Space for these rows; what was there before is overwritten."""
        num_bytes = dtype.itemsize * prod(shape)
        if len(self._space) < num_bytes:
            self._space = fresh_rows([num_bytes], torch.uint8)
        return self._space[:num_bytes].view(dtype).view(*shape)


class StoredRows:
    """Rows of a map, 1 c y x, that come from top to bottom, are read by ranges, and can be given up from the top on."""

    def __init__(self, whole: Tensor | None = None, memory: RowMemory | None = None) -> None:
        """memory: that of the rows which will come, where it is to have them back."""
        self._memory = memory
        self._pieces: deque[tuple[int, Tensor]] = deque()
        """The first row of each, and its rows."""
        if whole is not None:
            self.append(0, whole)

    def append(self, first: int, rows: Tensor) -> None:
        """Add the rows below those that are there."""
        self._pieces.append((first, rows))

    def read(self, rows: RowRange, scratch: Scratch | None = None) -> Tensor:
        """These rows; on a CPU without gaps, a view where they are a whole piece.

        scratch: for copied rows, which stay there until it is used again.
        """
        first, end = rows
        parts = [
            piece[:, :, max(0, first - top) : end - top]
            for top, piece in tuple(self._pieces)  # others may be given up meanwhile, by another thread
            if top < end and first < top + piece.shape[2]
        ]
        if parts[0].device.type != "cpu":
            return torch.cat(parts, 2)
        if len(parts) == 1 and parts[0].is_contiguous():
            return parts[0]
        shape = [*parts[0].shape[:2], end - first, parts[0].shape[3]]
        made = (scratch.rows if scratch is not None else fresh_rows)(shape, parts[0].dtype)
        # By numpy, in this thread: torch's would wait for each other busily, a third of a picture's processor time.
        as_bytes = [part.view(torch.uint8).numpy() for part in parts]
        np.concatenate(as_bytes, 2, out=made.view(torch.uint8).numpy())
        return made

    def give_up_above(self, row: int) -> None:
        """Free the pieces that lie above this row as a whole; nobody reads them any more."""
        while self._pieces and self._pieces[0][0] + self._pieces[0][1].shape[2] <= row:
            self._give_up(self._pieces.popleft()[1])

    def _give_up(self, piece: Tensor) -> None:
        if self._memory is not None:
            self._memory.give_up(piece)

    @property
    def dtype(self) -> torch.dtype:
        """Of the rows, of which some are there."""
        return self._pieces[0][1].dtype

    @property
    def num_rows_kept(self) -> int:
        """How many rows are there."""
        return sum(piece.shape[2] for _, piece in self._pieces)
