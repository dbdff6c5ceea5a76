"""The saliency network's L1 error on its labels, beside that of the best map that is the same for all photos."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cartoon_dist.data.format.reader import Shards
from cartoon_dist.distributed import collectives
from cartoon_dist.models.generator import CartoonGenerator, GeneratorOutput
from cartoon_dist.tensors import from_bytes


@dataclass(frozen=True)
class SaliencyL1:
    """Mean absolute error against the labels, both in [-1, 1] (Eq 10): of S, and of one map for all photos."""

    network: float
    constant: float


def constant_map(train: Shards) -> NDArray[np.uint8]:
    """The per-pixel median of the training labels (h, w, 1): no constant map has a smaller mean absolute error on
    them."""
    labels = np.stack([train.read(index).companion for index in range(len(train))])
    return np.median(labels, axis=0).astype(np.uint8)


@torch.no_grad()
def saliency_l1(
    shards: Shards, generator: CartoonGenerator, constant: NDArray[np.uint8], device: torch.device, dtype: torch.dtype
) -> SaliencyL1:
    """The error over all photos of the shards, shared by the processes. Waits for the others."""
    mine = range(collectives.rank(), len(shards), collectives.world_size())
    parts = collectives.all_gather([_errors(shards, index, generator, constant, device, dtype) for index in mine])
    network_error, constant_error = np.mean([errors for part in parts for errors in part], axis=0)
    return SaliencyL1(float(network_error), float(constant_error))


def _errors(
    shards: Shards,
    index: int,
    generator: CartoonGenerator,
    constant: NDArray[np.uint8],
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[float, float]:
    sample = shards.read(index)
    photo, label, constant_saliency = (
        from_bytes(torch.from_numpy(pixels).permute(2, 0, 1)[None].to(device), dtype)
        for pixels in (sample.picture, sample.companion, constant)
    )
    output: GeneratorOutput = generator(photo)
    assert output.saliency is not None
    return float((output.saliency - label).abs().mean()), float((constant_saliency - label).abs().mean())
