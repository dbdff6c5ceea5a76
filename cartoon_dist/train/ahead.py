"""Batches made ready ahead: by a thread, and on a GPU copied there on a stream of their own while the step runs."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import NamedTuple

import torch

from cartoon_dist.cpu.beside import prepared_ahead
from cartoon_dist.data.load.loader import DamagedSample, LocalBatch
from cartoon_dist.errors import ShardError
from cartoon_dist.tensors import Batch


class OnDevice(NamedTuple):
    """A batch that is being copied to a GPU, when it is there, and the damaged samples replaced in it."""

    batch: Batch
    there: torch.cuda.Event
    damaged: list[DamagedSample]


class DeviceCopies:
    """Copies batches to a GPU on a stream of its own.

    gather: makes the batch on the device out of picks (data/load/picks.py); None copies the batch itself.
    """

    def __init__(self, device: torch.device, gather: Callable[[Batch], Batch] | None = None) -> None:
        self.device = device
        self.gather = gather if gather is not None else self._copied

    def begin(self) -> None:
        """In the thread that copies, before the first copy: it is on this process's GPU."""
        torch.cuda.set_device(self.device)
        self.stream = torch.cuda.Stream(self.device)

    def copy(self, local_batch: LocalBatch) -> OnDevice:
        """Begin to copy. The batch's memory may be used again after this call."""
        with torch.cuda.stream(self.stream):
            batch = self.gather(local_batch.batch)
            return OnDevice(batch, self.stream.record_event(), list(local_batch.damaged))

    def hand_over(self, copied: OnDevice) -> LocalBatch:
        """The batch, for the current stream: what is issued there from now on finds it whole, and its memory is not
        used again before that is done."""
        current = torch.cuda.current_stream(self.device)
        current.wait_event(copied.there)
        for side in copied.batch:
            side.record_stream(current)
        return LocalBatch(copied.batch, copied.damaged)

    def _copied(self, batch: Batch) -> Batch:
        # Copied twice, in a thread that has the time: a copy from other memory would wait for the device.
        pinned = (side if side.is_pinned() else side.pin_memory() for side in batch)
        return Batch(*(side.to(self.device, non_blocking=True) for side in pinned))


def on_device_ahead(
    local_batches: Iterator[LocalBatch | ShardError], copies: DeviceCopies
) -> Generator[LocalBatch | ShardError]:
    """The batches on the GPU, copied there while the step before runs."""
    copied = (each if isinstance(each, ShardError) else copies.copy(each) for each in local_batches)
    with closing(prepared_ahead(copied, begin=copies.begin)) as ahead:
        for each in ahead:
            yield each if isinstance(each, ShardError) else copies.hand_over(each)
