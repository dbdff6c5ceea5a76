"""Loads the tensors of a file into a network; refuses, by name, tensors that do not fit or are not finite."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cartoon_dist.errors import CheckpointError

NamedTensors = Mapping[str, Tensor]


def load_tensors(network: nn.Module, tensors: NamedTensors, source: Path | str) -> None:
    """Load the tensors into the network, in place and in its precision.

    CheckpointError names the source and the first tensor that is missing, of another shape, unknown to the network, or
    not finite.
    """
    require_matching(network.state_dict(), tensors, source)
    require_finite(tensors, source)
    network.load_state_dict(tensors)


def require_matching(expected: NamedTensors, tensors: NamedTensors, source: Path | str) -> None:
    """CheckpointError as `load_tensors` raises it. `expected` may be on the meta device, which takes no memory."""
    wrong = find_mismatch(expected, tensors)
    if wrong:
        raise CheckpointError(
            f"{source}: does not fit the config: {wrong}; it is of another method, or of other model.* or upsample"
        )


def find_mismatch(expected: NamedTensors, tensors: NamedTensors) -> str:
    """The first difference in name or shape from the expected tensors, in words; empty where they fit."""
    for name, tensor in expected.items():
        if name not in tensors:
            return f"it has no tensor {name}"
        if tensors[name].shape != tensor.shape:
            return f"{name} has the shape {list(tensors[name].shape)} instead of {list(tensor.shape)}"
    return next((f"its tensor {name} is of no use" for name in tensors if name not in expected), "")


def require_finite(tensors: NamedTensors, source: Path | str) -> None:
    """CheckpointError naming the source and the first tensor that holds NaN or an infinite number."""
    name = first_non_finite(tensors.items())
    if name:
        raise CheckpointError(
            f"{source}: {name} holds numbers that are not finite, so nothing can be drawn or trained with it: the "
            "training that made it had diverged, or the file was damaged; use an earlier checkpoint"
        )


@torch.no_grad()
def first_non_finite(named: Iterable[tuple[str, Tensor]]) -> str:
    """The name of the first tensor that holds NaN or an infinite number, or empty. Waits for the device once."""
    floats = [(name, tensor) for name, tensor in named if tensor.is_floating_point()]
    if not floats:
        return ""
    finite = torch.stack([_is_finite(tensor) for _, tensor in floats]).tolist()
    return next((name for (name, _), is_finite in zip(floats, finite, strict=True) if not is_finite), "")


def _is_finite(tensor: Tensor) -> Tensor:
    # torch has no isfinite for one-byte floats.
    return torch.isfinite(tensor if tensor.element_size() > 1 else tensor.float()).all()
