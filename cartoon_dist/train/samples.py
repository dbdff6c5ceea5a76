"""The picture grid of a run: fixed photos, always the same, so that a person sees training move."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cartoon_dist.data.load.loader import SampleStream
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.tensors import Images, Maps, from_bytes, to_bytes

_CAPTION_PIXELS = 14


@dataclass(frozen=True)
class Samples:
    """The fixed photos and their labels, in [-1, 1], on the device."""

    photo: Images
    saliency: Maps


def fixed_samples(stream: SampleStream, count: int, device: torch.device, dtype: torch.dtype) -> Samples:
    """The first `count` photos of the stream: for one seed always the same."""
    pairs = [stream.pair(index) for index in range(min(count, len(stream.shards)))]
    photo, saliency = (torch.from_numpy(np.stack(side)) for side in zip(*pairs, strict=True))
    return Samples(from_bytes(photo.to(device), dtype), from_bytes(saliency.to(device), dtype))


@torch.no_grad()
def sample_grid(samples: Samples, generator: nn.Module, caption: str) -> NDArray[np.uint8]:
    """Rows of photo | label | predicted saliency | generated, (h, w, 3) RGB; without a saliency network its column is
    left out."""
    # One by one: memory for one picture.
    outputs: list[GeneratorOutput] = [generator(photo[None]) for photo in samples.photo]
    columns = {"photo": samples.photo, "saliency": samples.saliency}
    predicted = [output.saliency for output in outputs if output.saliency is not None]
    if predicted:
        columns["predicted"] = torch.cat(predicted)
    columns[f"G, {caption}"] = torch.cat([output.generated for output in outputs])
    return np.concatenate([_captioned(_column(pictures), name) for name, pictures in columns.items()], axis=1)


def write_sample_grid(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an RGB picture as PNG, whole or not at all."""
    _, content = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    write_atomically(path, content.tobytes())


def _column(pictures: Tensor) -> NDArray[np.uint8]:
    rgb = to_bytes(pictures.expand(-1, 3, -1, -1)).permute(0, 2, 3, 1).cpu().numpy()  # n h w 3
    return np.asarray(rgb.reshape(-1, *rgb.shape[2:]), dtype=np.uint8)


def _captioned(column: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    head = np.zeros((_CAPTION_PIXELS, column.shape[1], 3), np.uint8)
    cv2.putText(head, name, (2, _CAPTION_PIXELS - 4), cv2.FONT_HERSHEY_PLAIN, 0.7, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([head, column])
