"""Tensors of a file into a network: refused by name where they are another network's, or no finite numbers."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cartoon_dist.errors import CheckpointError

Named = Mapping[str, Tensor]


def fill(network: nn.Module, tensors: Named, source: Path | str) -> None:
    """Load the tensors into the network, in place and in its precision.

    CheckpointError naming the source and the first tensor that is missing, of another shape, unknown to the network, or
    not finite.
    """
    refuse_misfit(network.state_dict(), tensors, source)
    require_finite(tensors, source)
    network.load_state_dict(tensors)


def refuse_misfit(own: Named, tensors: Named, source: Path | str) -> None:
    """CheckpointError as `fill` raises it; a network on the meta device will do, which takes no memory."""
    wrong = misfit(own, tensors)
    if wrong:
        raise CheckpointError(
            f"{source}: does not fit the config: {wrong}; it is of another method, or of other model.* or upsample"
        )


def misfit(own: Named, tensors: Named) -> str:
    """The first tensor that keeps `tensors` from taking the place of `own`, in words; empty where they fit."""
    for name, tensor in own.items():
        if name not in tensors:
            return f"it has no tensor {name}"
        if tensors[name].shape != tensor.shape:
            return f"{name} has the shape {list(tensors[name].shape)} instead of {list(tensor.shape)}"
    return next((f"its tensor {name} is of no use" for name in tensors if name not in own), "")


def require_finite(tensors: Named, source: Path | str) -> None:
    """CheckpointError naming the source and the first tensor that holds NaN or an infinite number."""
    found = not_finite(tensors.items())
    if found:
        raise CheckpointError(
            f"{source}: {found} holds numbers that are not finite, so nothing can be drawn or trained with it: the "
            "training that made it had diverged, or the file was damaged; use an earlier checkpoint"
        )


@torch.no_grad()
def not_finite(named: Iterable[tuple[str, Tensor]]) -> str:
    """The name of the first tensor that holds NaN or an infinite number; empty where none does. Waits for the device,
    once."""
    floats = [(name, tensor) for name, tensor in named if tensor.is_floating_point()]
    if not floats:
        return ""
    finite = torch.stack([_is_finite(tensor) for _, tensor in floats]).tolist()
    return next((name for (name, _), good in zip(floats, finite, strict=True) if not good), "")


def _is_finite(tensor: Tensor) -> Tensor:
    # torch has no isfinite for numbers of one byte.
    return torch.isfinite(tensor if tensor.element_size() > 1 else tensor.float()).all()
