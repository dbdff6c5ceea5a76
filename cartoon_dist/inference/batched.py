"""Pictures of any size and shape -> drawings of the same size: padded, drawn in batches or in strips, cropped back."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from cartoon_dist.cpu.malloc import keep_few_kernels
from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import Picture
from cartoon_dist.inference.tiled import Tell, draw_in_strips
from cartoon_dist.models.generator import Drawing, DrawingNetwork
from cartoon_dist.tensors import Images, from_bytes, to_bytes

_MULTIPLE, _LEAST = 4, 8
"""What the networks need of a side: see models.blocks.check_sides."""
_WAITING = 16
"""How many batches' worth of pixels may wait for company of their size."""

Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True)
class Cartoonist:
    """Draws pictures in one piece where they are small, in strips where they are not.

    whole: draws a batch in [-1, 1]. strips: draws one photo in strips; None where the model can only draw whole ones.
    megapixels: the largest picture, or batch, that is drawn in one piece.
    """

    whole: Callable[[Images], Images]
    strips: Callable[[Images, Tell], Images] | None
    megapixels: float

    @property
    def pixels(self) -> int:
        """The most pixels that are drawn in one piece."""
        return round(self.megapixels * 1e6)

    def draw(self, pictures: Sequence[Picture], *, tell: Tell = lambda _done, _of: None) -> list[Picture]:
        """The drawings of pictures, (h, w, 3) uint8 RGB, whose padded sizes are equal; of one where it is a large one.

        PictureError where one is too large for this model or for the memory, or where its drawing is not finite. tell:
        see strips.
        """
        batch = np.stack([padded(picture) for picture in pictures])  # n h w 3
        photos = from_bytes(torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous())
        try:
            with torch.no_grad():
                drawing = self._drawn(photos, tell)
                if not drawing.isfinite().all():
                    raise PictureError("what the model draws of it is not finite: its training had diverged")
                drawn = to_bytes(drawing).cpu()
        except Exception as error:
            if _is_for_want_of_memory(error):
                raise PictureError("does not fit the memory; make the picture smaller") from None
            raise
        pixels = drawn.permute(0, 2, 3, 1).numpy()
        return [
            np.ascontiguousarray(drawing[: picture.shape[0], : picture.shape[1]])
            for drawing, picture in zip(pixels, pictures, strict=True)
        ]

    def _drawn(self, photos: Images, tell: Tell) -> Images:
        num, _, height, width = photos.shape
        if num * height * width <= self.pixels or num > 1:
            return self.whole(photos)
        if self.strips is None:
            raise PictureError(
                f"{height * width / 1e6:.1f} megapixels are more than the {self.megapixels:g} that an .onnx may draw "
                "in one go; use the run or a .safetensors export, or raise --megapixels"
            )
        return self.strips(photos, tell)


def by_torch(generator: DrawingNetwork, device: torch.device, *, megapixels: float) -> Cartoonist:
    """A generator on a device, in float32, or in float64 where its weights are."""
    keep_few_kernels()
    dtype = next(generator.parameters()).dtype
    dtype = dtype if dtype == torch.float64 else torch.float32
    generator.to(device, dtype)

    def whole(photos: Images) -> Images:
        drawing: Drawing = generator(photos.to(device, dtype))
        return drawing.generated

    def strips(photos: Images, tell: Tell) -> Images:
        return draw_in_strips(generator, photos.to(device, dtype), tell=tell)

    return Cartoonist(whole=whole, strips=strips, megapixels=megapixels)


def padded(picture: Picture) -> Picture:
    """The picture, (h, w, 3), with its mirror image below and on the right until its sides fit the networks."""
    height, width = (padded_side(side) for side in picture.shape[:2])
    # Mirrored again where the padding is longer than the picture; a single row or column is repeated.
    return np.pad(picture, ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)), mode="reflect")


def padded_side(pixels: int) -> int:
    """The next multiple of 4, at least 8."""
    return max(_LEAST, -(-pixels // _MULTIPLE) * _MULTIPLE)


def batches(pictures: Iterable[tuple[Key, Picture]], *, pixels: int) -> Iterator[list[tuple[Key, Picture]]]:
    """Pictures in company of the same padded size, at most so many pixels together; a larger picture is alone.

    A picture waits for company as long as few pixels wait in all, so what is held stays small however many there are.
    """
    waiting: dict[tuple[int, int], list[tuple[Key, Picture]]] = {}
    num_waiting = 0
    for key, picture in pictures:
        size = (padded_side(picture.shape[0]), padded_side(picture.shape[1]))
        area = size[0] * size[1]
        company = waiting.setdefault(size, [])
        company.append((key, picture))
        num_waiting += area
        if (len(company) + 1) * area > pixels:
            num_waiting -= len(company) * area
            yield waiting.pop(size)
        elif num_waiting > _WAITING * pixels:
            oldest = next(iter(waiting))
            num_waiting -= len(waiting[oldest]) * oldest[0] * oldest[1]
            yield waiting.pop(oldest)
    yield from waiting.values()


def _is_for_want_of_memory(error: Exception) -> bool:
    # On a CPU torch raises no type of its own, and onnxruntime never does.
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in str(error)
