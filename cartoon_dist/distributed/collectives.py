"""Rank, world size and collectives; every function works in a single process too.

All data goes through host memory and a gloo group: it neither waits for the GPU nor enters a captured step.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from cartoon_dist.console.escape import escape_line, truncated
from cartoon_dist.errors import LostProcessError

Item = TypeVar("Item")

TIMEOUT_SECONDS = 1800
"""How long a process waits for the others before it fails. Longer than the slowest task that one process does alone."""


def rank() -> int:
    """This process's number; before the group exists, the launcher's RANK."""
    return dist.get_rank() if dist.is_initialized() else int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes train together; before the group exists, the launcher's WORLD_SIZE."""
    return dist.get_world_size() if dist.is_initialized() else int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """This process's number on its node: which of the node's GPUs is its own."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def node_share() -> slice:
    """This process's share of a list that the processes of a node divide among themselves; all of it where the launcher
    does not say how many there are."""
    num = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return slice(local_rank(), None, num) if local_rank() < num else slice(None)


def is_main_process() -> bool:
    """Whether this process writes the run's files."""
    return rank() == 0


def all_gather(item: Item) -> list[Item]:
    """Every process's item, in the order of the ranks, on every process. Waits for all of them."""
    if world_size() == 1:
        return [item]
    items: list[Item] = [item] * world_size()
    dist.all_gather_object(items, item, group=_host_group())
    return items


def all_reduce_mean(values: torch.Tensor) -> torch.Tensor:
    """The mean over the processes of a float tensor in host memory. Waits for all of them."""
    if world_size() == 1:
        return values
    total = values.clone()
    dist.all_reduce(total, group=_host_group())
    return total / world_size()


def all_reduce_max(value: int) -> int:
    """The largest of the processes' values, on every process. Waits for all of them."""
    if world_size() == 1:
        return value
    tensor = torch.tensor(value)
    dist.all_reduce(tensor, op=dist.ReduceOp.MAX, group=_host_group())
    return int(tensor)


def init_process_group() -> None:
    """Form a gloo group with the other processes that the launcher started; does nothing in a single process.

    LostProcessError when they do not connect within the time limit.
    """
    if world_size() > 1 and not dist.is_initialized():
        with explain_rendezvous_failure():
            dist.init_process_group("gloo", timeout=timedelta(seconds=TIMEOUT_SECONDS))


@contextmanager
def explain_rendezvous_failure(failures: type[RuntimeError] = dist.DistError) -> Iterator[None]:
    """Run the rendezvous in this block: when it fails, LostProcessError replaces torch's own error.

    failures: what torch raises then; every later failure among processes is a plain RuntimeError.
    """
    try:
        yield
    except failures as error:
        if world_size() == 1:
            raise
        where = f"{os.environ.get('MASTER_ADDR', 'no address')}:{os.environ.get('MASTER_PORT', '')}"
        reason = truncated(escape_line(" ".join(str(error).split())))
        raise LostProcessError(
            f"process {rank()} of {world_size()} did not meet the others at {where} ({reason}); see their own last "
            "lines and whether that address is reached from their nodes (docs/cluster.md), then run the same command "
            "again",
            rank=None,
        ) from None


def destroy_process_group() -> None:
    """Destroy the process group, where there is one; without it NCCL warns at exit."""
    if dist.is_initialized():
        _host_group.cache_clear()
        dist.destroy_process_group()


@functools.cache
def _host_group() -> dist.ProcessGroup:
    """A gloo group beside the one of the gradients, which on GPUs is NCCL and knows device tensors only."""
    group = dist.new_group(backend="gloo", timeout=timedelta(seconds=TIMEOUT_SECONDS))
    assert isinstance(group, dist.ProcessGroup)  # every process is in it
    return group
