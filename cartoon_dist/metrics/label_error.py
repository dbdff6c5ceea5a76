"""How well the saliency network has learned its labels, against the best map that does not look at the photo."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cartoon_dist.data.format.reader import Shards
from cartoon_dist.distributed import collectives
from cartoon_dist.models.generator import Drawing, DrawingNetwork
from cartoon_dist.tensors import from_bytes


@dataclass(frozen=True)
class LabelError:
    """Mean absolute error against the labels, both in [-1, 1] (Eq 10): of S, and of one map for all photos."""

    network: float
    constant: float


def constant_map(train: Shards) -> NDArray[np.uint8]:
    """The per-pixel median of the training labels (h, w, 1): no constant map has a smaller mean absolute error on
    them."""
    labels = np.stack([train.read(number).companion for number in range(len(train))])
    return np.median(labels, axis=0).astype(np.uint8)


@torch.no_grad()
def label_error(
    shards: Shards, generator: DrawingNetwork, constant: NDArray[np.uint8], device: torch.device, dtype: torch.dtype
) -> LabelError:
    """The error over all photos of the shards, shared by the processes. Waits for the others."""
    mine = range(collectives.rank(), len(shards), collectives.world_size())
    errors = [
        error
        for part in collectives.gather([_errors(shards, n, generator, constant, device, dtype) for n in mine])
        for error in part
    ]
    network, flat = np.mean(errors, axis=0)
    return LabelError(float(network), float(flat))


def _errors(
    shards: Shards,
    number: int,
    generator: DrawingNetwork,
    constant: NDArray[np.uint8],
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[float, float]:
    sample = shards.read(number)
    photo, label, flat = (
        from_bytes(torch.from_numpy(pixels).permute(2, 0, 1)[None].to(device), dtype)
        for pixels in (sample.picture, sample.companion, constant)
    )
    drawing: Drawing = generator(photo)
    assert drawing.saliency is not None
    return float((drawing.saliency - label).abs().mean()), float((flat - label).abs().mean())
