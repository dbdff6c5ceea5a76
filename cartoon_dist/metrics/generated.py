"""Pictures to be scored, read by their index: pictures out of shards, and what a generator makes of photos."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import nn

from cartoon_dist.data.format.reader import Shards
from cartoon_dist.errors import CartoonError
from cartoon_dist.gpu.captured_function import CapturedFunction
from cartoon_dist.gpu.graphs import CudaRecorder, Recorder, Tensors
from cartoon_dist.metrics.features import PictureReader
from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.tensors import Bytes, from_bytes, to_bytes


def shard_pictures(shards: Shards, *, size: int) -> PictureReader:
    """Reads the pictures of a domain out of the shards, shrunk by area where they are larger than `size`."""

    def read_one(index: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        picture = shards.read(index).picture
        if picture.shape[0] > size:
            picture = np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
        return picture

    def read(indices: Sequence[int]) -> Bytes:
        pictures = np.stack([read_one(index) for index in indices])  # n h w 3
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()

    return read


def generated_pictures(
    photos: PictureReader,
    generator: nn.Module,
    device: torch.device,
    dtype: torch.dtype,
    *,
    recorder: Recorder | None = None,
) -> PictureReader:
    """Reads what the generator makes of each photo, one photo a forward, so that no picture depends on its batch.
    CartoonError for a picture that is not finite, as it would be black.

    recorder: with one the forward is recorded and replayed; on a GPU it is the GPU's own, unless given.
    """

    def draw(photo: Bytes) -> Tensors:
        output: GeneratorOutput = generator(from_bytes(photo, dtype))
        return to_bytes(output.generated), output.generated.isfinite().all()

    if recorder is None and device.type == "cuda":
        recorder = CudaRecorder()
    # The weights stay where they are while a generator is scored, and so does TF32.
    drawn = CapturedFunction(draw, recorder, name="the drawing of a photo", device=device) if recorder else draw

    @torch.no_grad()
    def read(indices: Sequence[int]) -> Bytes:
        generated = []
        for index in indices:
            picture, is_finite = drawn(photos([index]).to(device))
            if not is_finite:
                raise CartoonError(
                    f"what the generator draws of photo {index} is not finite: its training had diverged; take an "
                    "earlier checkpoint"
                )
            generated.append(picture.to("cpu", copy=True))  # a replay writes over it
        return torch.cat(generated)

    return read
