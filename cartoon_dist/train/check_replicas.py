"""Whether all processes hold the same weights: one checksum a tensor, computed on its device."""

from collections.abc import Iterable

import torch
from torch import Tensor

from cartoon_dist.distributed import collectives
from cartoon_dist.errors import TrainingError
from cartoon_dist.train.state import TrainState

_ODD = 0x9E3779B97F4A7C15 - 2**64
"""An odd multiplier (2**64 over the golden ratio) spreads what it multiplies over all of 2**64."""
_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def require_equal_replicas(state: TrainState) -> None:
    """Compare the networks' weights and the running average bit by bit over the processes.

    Waits for the device and the other processes. Raises TrainingError on all of them, naming the first tensor that
    differs and the processes that hold it otherwise than process 0.
    """
    named = {f"{kind}.{name}": weight for kind, network in _networks(state) for name, weight in network}
    own = checksums(named.values()).tolist()
    of_all = collectives.all_gather(own)
    for index, name in enumerate(named):
        others = [rank for rank, theirs in enumerate(of_all) if theirs[index] != of_all[0][index]]
        if others:
            raise TrainingError(
                f"after step {state.step} {name} is not the same on all processes: {_listed(others)} "
                "otherwise than process 0; a device or its memory fails, or the nodes run different versions: "
                "look there, then run the same command again to go on from the last checkpoint"
            )


@torch.no_grad()
def checksums(weights: Iterable[Tensor]) -> Tensor:
    """A number for each tensor that changes with any bit of it, and with the place of any (int64, modulo 2**64); in
    host memory."""
    return torch.stack([_checksum(weight.detach()) for weight in weights]).cpu()


def _checksum(weight: Tensor) -> Tensor:
    bits = weight.contiguous().view(_BITS[weight.element_size()]).flatten().to(torch.int64)
    mixed = bits + torch.arange(1, len(bits) + 1, device=bits.device) * _ODD
    mixed = (mixed ^ (mixed >> 32)) * _ODD
    # Integers wrap, so the sum is the same in whichever order the device adds.
    return (mixed ^ (mixed >> 29)).sum()


def _networks(state: TrainState) -> Iterable[tuple[str, Iterable[tuple[str, Tensor]]]]:
    for kind, network in {**state.networks, "ema": state.ema}.items():
        yield kind, network.state_dict().items()


def _listed(ranks: list[int]) -> str:
    shown = ", ".join(map(str, ranks[:8])) + (" and others" if len(ranks) > 8 else "")
    return f"process {shown} holds it" if len(ranks) == 1 else f"processes {shown} hold it"
