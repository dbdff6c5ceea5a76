"""Torch's random generators of a process: what a checkpoint keeps of them, and how it is restored.

Every random choice of ours (order of the samples, flips, first weights) is a function of the seed and the position, and
draws from none of these. They are kept for any other code that draws from torch: with the same number of
processes a run that goes on draws what it would have drawn in one go. Python's and numpy's generators are not kept:
nothing here uses them.
"""

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

States = Mapping[str, Tensor]
"""Device type -> the generator's state, as bytes in host memory."""


def seed_generators(*, seed: int, step: int, rank: int) -> None:
    """Seed this process's default generators: torch itself seeds them otherwise in every process."""
    digest = hashlib.sha256(f"{seed} {step} {rank}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "big"))


def read_states(device: torch.device) -> dict[str, Tensor]:
    """The states of this process's default generators: the CPU's, and its GPU's where it has one."""
    states = {"cpu": torch.get_rng_state()}
    return states | {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else states


def restore_states(states: States, device: torch.device) -> None:
    """Put this process's default generators into these states."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


def by_stored_name(states_of_ranks: Sequence[States]) -> dict[str, Tensor]:
    """The states of all processes by the names they are stored under: `rank-0:cpu`."""
    return {
        f"rank-{rank}:{kind}": state for rank, states in enumerate(states_of_ranks) for kind, state in states.items()
    }


def states_of_rank(stored: Mapping[str, Tensor], rank: int) -> dict[str, Tensor]:
    """One process's states out of those that were stored."""
    prefix = f"rank-{rank}:"
    return {name.removeprefix(prefix): state for name, state in stored.items() if name.startswith(prefix)}
