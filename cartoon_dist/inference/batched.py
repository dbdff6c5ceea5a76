"""Photos of any size -> cartoons of the same size: padded, generated in batches or in strips, cropped back."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from cartoon_dist.config.commands import Precision
from cartoon_dist.cpu.malloc import limit_kernel_cache
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.image.decode import Picture
from cartoon_dist.tensors import Bytes, Images, from_bytes, to_bytes

if TYPE_CHECKING:
    from cartoon_dist.inference.tiled import PassProgress
    from cartoon_dist.models.generator import CartoonGenerator, GeneratorOutput

_MULTIPLE, _MIN_SIDE = 4, 8
"""What the networks need of a side: see models.blocks.check_sides."""
_MAX_WAITING_BATCHES = 16
"""How many batches' worth of pixels may wait for pictures of the same size."""

_DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

Key = TypeVar("Key")
Drawn = Callable[[], tuple[Picture, bool]]
"""Waits for a batch, n h w 3; and whether all of its numbers are finite."""


@dataclass(frozen=True, kw_only=True)
class Cartoonizer:
    """Makes cartoons of photos: in one forward where they are small, in strips where they are large.

    generate: the generator's forward on a batch in [-1, 1]. generate_large: on one photo's bytes, in strips; None
    where the model cannot be run so. megapixels: the largest picture, or batch, that is generated in one forward.
    begin: takes the place of both, where the drawing is a device's work: it begins a batch, and what it returns waits.
    """

    generate: Callable[[Images], Images]
    generate_large: "Callable[[Bytes, PassProgress], Images] | None"
    megapixels: float
    begin: "Callable[[Picture, PassProgress], Drawn] | None" = None

    @property
    def leaves_the_cpu_free(self) -> bool:
        """Whether this process's CPU can decode and encode while it draws."""
        return self.begin is not None

    @property
    def max_batch_pixels(self) -> int:
        """The most pixels that go through one forward."""
        return round(self.megapixels * 1e6)

    def cartoonize(
        self, pictures: Sequence[Picture], *, on_pass: "PassProgress" = lambda _done, _of: None
    ) -> list[Picture]:
        """The cartoons of pictures, (h, w, 3) uint8 RGB, whose padded sizes are equal; a large picture comes alone.

        PictureError where one is too large for this model or for the memory, or where its cartoon is not finite.
        on_pass: called before each pass of a picture in strips.
        """
        return self.start(pictures, on_pass=on_pass)()

    def start(
        self, pictures: Sequence[Picture], *, on_pass: "PassProgress" = lambda _done, _of: None
    ) -> Callable[[], list[Picture]]:
        """As `cartoonize`, in two halves: what this returns waits for the cartoons, and raises PictureError too. On a
        GPU the next batch may be started before; elsewhere all is done in the second half."""
        batch = np.stack([pad_sides(picture) for picture in pictures])  # n h w 3
        with _told_of_memory():
            wait = self.begin(batch, on_pass) if self.begin else partial(self._pixels, batch, on_pass)

        def cartoons() -> list[Picture]:
            with _told_of_memory():
                pixels, is_finite = wait()
            if not is_finite:
                raise PictureError("what the model draws of it is not finite: its training had diverged")
            return [
                np.ascontiguousarray(cartoon[: picture.shape[0], : picture.shape[1]])
                for cartoon, picture in zip(pixels, pictures, strict=True)
            ]

        return cartoons

    def _pixels(self, batch: Picture, on_pass: "PassProgress") -> tuple[Picture, bool]:
        photos = torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous()
        with torch.no_grad():
            generated = self._generated(photos, on_pass)
            return to_bytes(generated).cpu().permute(0, 2, 3, 1).numpy(), bool(generated.isfinite().all())

    def _generated(self, photos: Bytes, on_pass: "PassProgress") -> Images:
        num, _, height, width = photos.shape
        if num * height * width <= self.max_batch_pixels or num > 1:
            return self.generate(from_bytes(photos))
        if self.generate_large is None:
            raise PictureError(
                f"{height * width / 1e6:.1f} megapixels are more than the {self.megapixels:g} that an .onnx may draw "
                "in one go; use the run or a .safetensors export, or raise megapixels="
            )
        return self.generate_large(photos, on_pass)


def torch_cartoonizer(
    generator: "CartoonGenerator", device: torch.device, *, megapixels: float, precision: Precision = "fp32"
) -> Cartoonizer:
    """A cartoonizer that runs a generator on a device: in float32 on the CPU by onnxruntime, elsewhere by torch.

    precision: the numbers it computes in; with fp32 a generator that was trained in float64 stays so. ConfigError where
    the device cannot compute in them.
    """
    limit_kernel_cache()
    dtype = next(generator.parameters()).dtype
    if precision != "fp32" or dtype != torch.float64:
        dtype = _DTYPES[precision]
    _require_dtype(device, dtype, precision)
    generator.to(device, dtype)
    if device.type == "cpu" and dtype == torch.float32:
        # Here, as below: only who draws needs it.
        from cartoon_dist.inference.cpu_drawing import CpuDrawing

        drawing = CpuDrawing(generator)
        return Cartoonizer(generate=drawing.generate, generate_large=drawing.generate_large, megapixels=megapixels)
    begin = None
    if device.type == "cuda":
        # What a CPU's drawing does not need is not imported for it.
        from cartoon_dist.inference.cuda_drawing import CudaDrawing

        begin = CudaDrawing(generator, device, dtype, max_pixels=round(megapixels * 1e6)).begin

    def generate(photos: Images) -> Images:
        output: GeneratorOutput = generator(photos.to(device, dtype))
        return output.generated

    def generate_large(photo: Bytes, on_pass: "PassProgress") -> Images:
        from cartoon_dist.inference.tiled import generate_in_strips

        return generate_in_strips(generator, from_bytes(photo).to(device, dtype), on_pass=on_pass)

    return Cartoonizer(generate=generate, generate_large=generate_large, megapixels=megapixels, begin=begin)


def _require_dtype(device: torch.device, dtype: torch.dtype, precision: Precision) -> None:
    """ConfigError where the device has no convolution of such numbers; tried out, as torch has no list of them."""
    if dtype in (torch.float32, torch.float64):
        return
    maps = torch.zeros(1, 3, 8, 8, device=device, dtype=dtype)
    try:
        torch.nn.functional.conv2d(maps, maps[:, :, :3, :3])
    except (RuntimeError, NotImplementedError):
        raise ConfigError(
            f"precision={precision}: this {device.type} does not compute so; use precision=fp32"
        ) from None


def pad_sides(picture: Picture) -> Picture:
    """The picture, (h, w, 3), with its mirror image below and on the right until its sides fit the networks."""
    height, width = (padded_side(side) for side in picture.shape[:2])
    # Mirrored again where the padding is longer than the picture; a single row or column is repeated.
    return np.pad(picture, ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)), mode="reflect")


def padded_side(pixels: int) -> int:
    """The next multiple of 4, at least 8."""
    return max(_MIN_SIDE, -(-pixels // _MULTIPLE) * _MULTIPLE)


def batch_by_size(pictures: Iterable[tuple[Key, Picture]], *, max_pixels: int) -> Iterator[list[tuple[Key, Picture]]]:
    """Batches of the same padded size, of at most so many pixels together; a larger picture is alone.

    A picture waits for others of its size as long as few pixels wait in all, so memory does not grow with their number.
    """
    waiting: dict[tuple[int, int], list[tuple[Key, Picture]]] = {}
    num_waiting = 0
    for key, picture in pictures:
        size = (padded_side(picture.shape[0]), padded_side(picture.shape[1]))
        area = size[0] * size[1]
        batch = waiting.setdefault(size, [])
        batch.append((key, picture))
        num_waiting += area
        if (len(batch) + 1) * area > max_pixels:
            num_waiting -= len(batch) * area
            yield waiting.pop(size)
        elif num_waiting > _MAX_WAITING_BATCHES * max_pixels:
            oldest = next(iter(waiting))
            num_waiting -= len(waiting[oldest]) * oldest[0] * oldest[1]
            yield waiting.pop(oldest)
    yield from waiting.values()


@contextmanager
def _told_of_memory() -> Iterator[None]:
    """PictureError in the place of an error that says that memory is not there."""
    try:
        yield
    except Exception as error:
        if _is_out_of_memory(error):
            raise PictureError("does not fit the memory; make the picture smaller") from None
        raise


def _is_out_of_memory(error: Exception) -> bool:
    # On a CPU torch raises no type of its own, and onnxruntime never does.
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in str(error)
