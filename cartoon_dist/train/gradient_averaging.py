"""Gradients averaged over the processes inside a recorded step: what DDP does in a plain one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

BUCKET_BYTES = 25 * 2**20
"""Gradients travel in flat pieces of about so many bytes: few messages, and little memory beside the gradients."""
_sending = True


class GradientAveraging:
    """Averages the gradients of some weights, in buckets whose make-up depends on the weights alone.

    Every process has computed the mean over its equal share of the batch: the mean of these is that of the whole batch.
    """

    def __init__(self, weights: Sequence[nn.Parameter], *, world_size: int) -> None:
        self.world_size = world_size
        self.buckets: list[list[nn.Parameter]] = []
        size = BUCKET_BYTES + 1
        for weight in reversed(weights):  # as the backward makes them
            num_bytes = weight.numel() * weight.element_size()
            if size + num_bytes > BUCKET_BYTES or weight.dtype != self.buckets[-1][0].dtype:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(weight)
            size += num_bytes

    @torch.no_grad()
    def __call__(self) -> None:
        """Put the average in the place of each gradient; nothing in a process alone."""
        if self.world_size == 1:
            return
        for bucket in self.buckets:
            orders = [_memory_order(weight) for weight in bucket]
            laid_out = [_gradient(weight).permute(order) for weight, order in zip(bucket, orders, strict=True)]
            flat = torch.cat([gradient.reshape(-1) for gradient in laid_out])
            flat.div_(self.world_size)
            sum_over_processes(flat)
            parts = flat.split([weight.numel() for weight in bucket])
            for weight, gradient, order, part in zip(bucket, laid_out, orders, parts, strict=True):
                weight.grad = part.view(gradient.shape).permute(_inverse(order))


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
    if weight.grad is None:
        raise RuntimeError(f"a weight of shape {tuple(weight.shape)} has no gradient: no loss reaches it")
    return weight.grad
