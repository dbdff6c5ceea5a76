"""Pictures to be scored, by their numbers: cartoons out of shards, and what a generator draws of photos out of
shards."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import nn

from cartoon_dist.data.format.reader import Shards
from cartoon_dist.errors import CartoonError
from cartoon_dist.metrics.features import Pictures
from cartoon_dist.models.generator import Drawing
from cartoon_dist.tensors import Bytes, from_bytes, to_bytes


def stored(shards: Shards, *, size: int) -> Pictures:
    """The pictures of a domain as they lie in the shards, shrunk by area where they are larger than `size`."""

    def one(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        picture = shards.read(number).picture
        if picture.shape[0] > size:
            picture = np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
        return picture

    def take(numbers: Sequence[int]) -> Bytes:
        pictures = np.stack([one(number) for number in numbers])  # n h w 3
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()

    return take


def drawn(photos: Pictures, generator: nn.Module, device: torch.device, dtype: torch.dtype) -> Pictures:
    """What the generator draws of each photo; one by one, so that no drawing depends on its company. CartoonError for
    a drawing that is no picture, as it would be black."""

    @torch.no_grad()
    def take(numbers: Sequence[int]) -> Bytes:
        drawings = []
        for number in numbers:
            drawing: Drawing = generator(from_bytes(photos([number]).to(device), dtype))
            if not drawing.generated.isfinite().all():
                raise CartoonError(
                    f"what the generator draws of photo {number} is not finite: its training had diverged; take an "
                    "earlier checkpoint"
                )
            drawings.append(to_bytes(drawing.generated).cpu())
        return torch.cat(drawings)

    return take
