"""Names for the tensors that pass between the rooms, and the one mapping between pictures and numbers.

Pictures lie in files and shards as uint8 in 0..255 and in networks as floats in [-1, 1].
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

Images = Float[Tensor, "n 3 h w"]
"""Pictures in [-1, 1], RGB."""
Maps = Float[Tensor, "n 1 h w"]
"""Saliency maps in [-1, 1], 1 = salient."""
Logits = Float[Tensor, "n 1 y x"]
"""A discriminator's judgement of each patch, before any sigmoid."""
Features = Float[Tensor, "n c y x"]
"""What a network holds between two layers."""
Scalar = Float[Tensor, ""]
"""One number, kept on the device."""
Bytes = UInt8[Tensor, "n c h w"]
"""Pictures or maps in 0..255, as they come out of a shard."""


class Batch(NamedTuple):
    """One iteration's samples of this process; the photo side and the cartoon side are not paired."""

    photo: Images
    saliency: Maps
    cartoon: Images
    smoothed: Images

    def split(self, num_parts: int) -> list["Batch"]:
        """Equal parts of the batch, in order; a side without samples has none in each."""
        return [Batch(*sides) for sides in zip(*(side.tensor_split(num_parts) for side in self), strict=True)]


def from_bytes(
    pictures: Bytes, dtype: torch.dtype = torch.float32, memory_format: torch.memory_format = torch.contiguous_format
) -> Float[Tensor, "n c h w"]:
    """Map 0..255 onto [-1, 1]: x / 127.5 - 1, plane after plane in memory whatever the bytes' order is, or as asked."""
    return pictures.to(dtype, memory_format=memory_format) / 127.5 - 1.0


def to_bytes(pictures: Float[Tensor, "n c h w"]) -> Bytes:
    """Map [-1, 1] onto 0..255, rounded to the nearest and clipped."""
    return ((pictures.detach().float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
