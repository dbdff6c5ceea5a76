"""Gradients averaged over the processes inside a recorded step: what DDP does in a plain one.

The average begins within the backward: a bucket's sum is issued when its last gradient is there, on a stream of its
own, while the backward goes on. Buckets are sent in their order, on all processes the same, also where a later one is
complete first: messages of processes that send in different orders would meet wrongly.

Why memory is right without `record_stream` (whose blocks, freed while a graph is recorded, stay taken until its end):
* A gradient was made on the backward's stream and is read on the side stream. It is held here until the side stream was
  joined; what the allocator then gives its memory to comes after the join on the backward's stream.
* The flat buffer is allocated on the backward's stream, before the fork, is filled and summed on the side stream, and
  read by the optimizer after the join. Nobody lets go of it between; when the gradients are forgotten, its memory goes
  back to the stream that used it last.
* Within a recording both come from the graph's pool, as the backward's stream is recorded. A temporary copy of the side
  stream's own (of a gradient that lies otherwise than its weight) does as well, since the fork came before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from cartoon_dist.gpu import switch
from cartoon_dist.train.side_stream import SideStream

BUCKET_BYTES = 25 * 2**20
"""Gradients travel in flat pieces of about so many bytes: few messages, and little memory beside the gradients."""
_sending = True


class _Sent(NamedTuple):
    """A bucket on its way: its gradients, laid out as their weights lie in memory, and the flat sum of theirs."""

    gradients: list[Tensor]
    orders: list[list[int]]
    flat: Tensor


class GradientAveraging:
    """Averages the gradients of some weights, in buckets whose make-up depends on the weights alone.

    Every process has computed the mean over its equal share of the batch: the mean of these is that of the whole batch.

    weights: by name, in the order in which the forward uses them: the backward makes their gradients in the reverse,
    and a bucket is sent as soon as the last of its own is there.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter], *, world_size: int) -> None:
        self.world_size = world_size
        self.names = {id(weight): name for name, weight in weights.items()}
        self.buckets: list[list[nn.Parameter]] = []
        size = BUCKET_BYTES + 1
        for weight in reversed(list(weights.values())):  # as the backward makes them
            num_bytes = weight.numel() * weight.element_size()
            if size + num_bytes > BUCKET_BYTES or weight.dtype != self.buckets[-1][0].dtype:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(weight)
            size += num_bytes
        self._begins_in_backward = world_size > 1 and switch.is_enabled("averaging_in_backward")
        self._side = SideStream(self.buckets[0][0].device, used=self._begins_in_backward)
        self._arrived: set[int] = set()
        self._sent: list[_Sent] = []

    @contextmanager
    def in_backward(self) -> Iterator[None]:
        """Run in this block the backward after which the gradients are complete: each bucket is sent as soon as it is.

        The weights' hooks are there only meanwhile. A backward that fails leaves what was sent: `abandon`.
        """
        if not self._begins_in_backward:
            yield
            return
        if self._arrived:
            raise RuntimeError("a backward was averaged and no step followed: finish the step or abandon it")
        hooks = [
            weight.register_post_accumulate_grad_hook(self._arrive) for bucket in self.buckets for weight in bucket
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @torch.no_grad()
    def __call__(self) -> None:
        """Put the average in the place of each gradient; nothing in a process alone. What the backward did not send is
        sent now.

        RuntimeError where a weight has no gradient, by its name; where all processes lack it, on all of them.
        """
        if self.world_size == 1:
            return
        try:
            self._require_gradients()
            while len(self._sent) < len(self.buckets):
                self._send(self.buckets[len(self._sent)])
            self._side.join()
            for bucket, sent in zip(self.buckets, self._sent, strict=True):
                parts = sent.flat.split([weight.numel() for weight in bucket])
                for weight, gradient, order, part in zip(bucket, sent.gradients, sent.orders, parts, strict=True):
                    weight.grad = part.view(gradient.shape).permute(_inverse(order))
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Forget what was sent of a step that was begun and not finished; its gradients stay as the backward made them.

        The other processes abandon the same step, or end.
        """
        self._side.join()  # else memory that is being sent would be given to others
        self._arrived.clear()
        self._sent.clear()

    @torch.no_grad()
    def _arrive(self, weight: Tensor) -> None:
        """A weight's gradient is complete: the sum over its uses and over the earlier parts of the batch."""
        if id(weight) in self._arrived:
            raise RuntimeError(
                f"{self.names[id(weight)]} got a second gradient in one backward: a checkpoint with use_reentrant=True "
                "runs one inside another; use_reentrant=False does not"
            )
        self._arrived.add(id(weight))
        self._side.await_current()
        while len(self._sent) < len(self.buckets) and self._is_complete(self.buckets[len(self._sent)]):
            self._send(self.buckets[len(self._sent)])

    def _is_complete(self, bucket: Sequence[nn.Parameter]) -> bool:
        return all(id(weight) in self._arrived for weight in bucket)

    def _send(self, bucket: Sequence[nn.Parameter]) -> None:
        """Issue the average of a bucket's gradients; it may be read after the join."""
        orders = [_memory_order(weight) for weight in bucket]
        laid_out = [_gradient(weight).permute(order) for weight, order in zip(bucket, orders, strict=True)]
        flat = torch.empty(sum(map(torch.numel, bucket)), dtype=bucket[0].dtype, device=bucket[0].device)
        self._sent.append(_Sent(laid_out, orders, flat))
        with self._side.fork():
            torch.cat([gradient.reshape(-1) for gradient in laid_out], out=flat)
            flat.div_(self.world_size)
            sum_over_processes(flat)

    def _require_gradients(self) -> None:
        lacking = {id(weight) for bucket in self.buckets for weight in bucket if weight.grad is None}
        names = [name for weight, name in self.names.items() if weight in lacking]
        if names[1:]:
            raise RuntimeError(f"{len(names)} weights have no gradient, {names[0]} first: no loss reaches them")
        if names:
            raise RuntimeError(f"{names[0]} has no gradient: no loss reaches it")


@contextmanager
def nothing_sent() -> Iterator[None]:
    """While a step is written down: `sum_over_processes` leaves its numbers as they are, so that a process which fails
    there keeps no other waiting."""
    global _sending
    before, _sending = _sending, False
    try:
        yield
    finally:
        _sending = before


@torch.library.custom_op("cartoon_dist::sum_over_processes", mutates_args={"flat"})
def sum_over_processes(flat: Tensor) -> None:
    """The sum over the processes in place. One operation to whoever records: a replay does all of it anew."""
    if _sending:
        dist.all_reduce(flat)


@sum_over_processes.register_fake
def _(flat: Tensor) -> None:
    """Where nothing is computed, nothing is sent."""


def _memory_order(weight: Tensor) -> list[int]:
    """The dimensions of a weight as they lie in memory, the outermost first.

    A gradient must lie as its weight does: fused Adam refuses mixed strides on CUDA, and on a CPU computes nonsense
    without a word.
    """
    strides = weight.stride()
    return sorted(range(weight.dim()), key=lambda dimension: -strides[dimension])


def _inverse(order: Sequence[int]) -> list[int]:
    return sorted(range(len(order)), key=lambda place: order[place])


def _gradient(weight: nn.Parameter) -> Tensor:
    assert weight.grad is not None
    return weight.grad
