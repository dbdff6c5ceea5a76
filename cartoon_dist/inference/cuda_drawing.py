"""Drawing on a GPU: batches of one size are recorded as a CUDA graph and replayed; bytes alone cross to it and back.

Photos go there as uint8 from page-locked memory, become numbers there, and come back as uint8: a fourth of what float32
both ways would be. Copies run on streams of their own, so that a batch is on its way while the one before is drawn.
"""

from collections.abc import Callable, Hashable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cartoon_dist.gpu import layout
from cartoon_dist.gpu.captured_function import CapturedFunction
from cartoon_dist.gpu.graphs import CudaRecorder, Recorder, Tensors
from cartoon_dist.inference.tiled import STRIP_PIXELS, PassProgress, generate_in_strips
from cartoon_dist.inference.tracing import ordered, trace
from cartoon_dist.models.generator import CartoonGenerator, GeneratorOutput
from cartoon_dist.tensors import Images, from_bytes, to_bytes

Pixels = npt.NDArray[np.uint8]
"""A batch of pictures, n h w 3."""
Drawn = Callable[[], tuple[Pixels, bool]]
"""Waits for the drawings of a batch; and whether all of their numbers are finite."""
_PROBE_SIDE = 512
_WHOLE_SHARE, _STRIP_SHARE = 0.6, 0.25
"""Of the free memory: the most that one forward may take, and a strip, beside which half-size maps are stored."""
_MAX_ELEMENTS = 2**31
"""Of a map: above it kernels that count in 32 bits fail, or are slow."""
_MAX_STRIP_PIXELS = 4_000_000
"""As many pixels as a strip may have, whatever the memory: far below what counts in 32 bits, and large enough."""


class DeviceMemory(Protocol):
    """What a device tells of its memory, in bytes."""

    def free(self) -> int:
        """What can be allocated now."""
        ...

    def peak_of(self, run: Callable[[], object]) -> int:
        """The most that is allocated while `run` runs, beside what is there."""
        ...


class CudaMemory:
    """A GPU's memory."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def free(self) -> int:
        """What the driver has, after torch has given back what it keeps for later."""
        torch.cuda.empty_cache()
        return int(torch.cuda.mem_get_info(self.device)[0])

    def peak_of(self, run: Callable[[], object]) -> int:
        """See DeviceMemory."""
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        run()
        return torch.cuda.max_memory_allocated(self.device) - before


class CudaDrawing:
    """A generator on a GPU that draws batches of bytes.

    max_pixels: of a batch; a single larger picture is drawn without a recording, in one forward where the free memory
    allows it, else in strips as large as it allows. recorder, memory: a GPU's, unless given.
    """

    def __init__(
        self,
        generator: CartoonGenerator,
        device: torch.device,
        dtype: torch.dtype,
        *,
        max_pixels: int,
        recorder: Recorder | None = None,
        memory: DeviceMemory | None = None,
    ) -> None:
        # A generator that stays where it is keeps the tensors that it has: recordings read them.
        self.generator = generator.to(device, dtype, memory_format=layout.memory_format(device))  # type: ignore[call-overload]
        self.device, self.dtype, self.max_pixels = device, dtype, max_pixels
        self.memory = memory or CudaMemory(device)
        self.captured = CapturedFunction(
            self._draw,
            recorder or CudaRecorder(),
            name="the drawing of a batch",
            device=device,
            depends_on=self._depends_on,
        )
        self._transfers = [_Transfer(device), _Transfer(device)]
        self._bytes_a_pixel = 0.0

    def begin(self, photos: Pixels, on_pass: PassProgress) -> Drawn:
        """Begin to draw a batch; the result waits for it. Two may be under way: a third waits for the first."""
        transfer = self._transfers.pop(0)
        self._transfers.append(transfer)
        num, height, width, _ = photos.shape
        is_large = num == 1 and height * width > self.max_pixels
        with torch.no_grad():
            return transfer.through(
                photos, lambda there: self._draw_large(there, on_pass) if is_large else self._draw_batch(there)
            )

    def _draw_batch(self, photos: Tensor) -> Tensors:
        try:
            return self.captured(photos)
        except torch.OutOfMemoryError:
            if not self.captured.num_graphs:
                raise
        self.captured.release()
        torch.cuda.empty_cache()
        return self._draw(photos)

    def _draw(self, photos: Tensor) -> Tensors:
        """The cartoons, uint8 n h w 3, and whether all of their numbers are finite."""
        return _as_bytes(self._generated(self._numbers(photos)))

    def _numbers(self, photos: Tensor) -> Images:
        """uint8 n h w 3 -> n 3 h w in [-1, 1], rounded to the device's numbers as the CPU rounds them."""
        numbers = from_bytes(photos.permute(0, 3, 1, 2))
        return numbers.to(self.dtype, memory_format=layout.memory_format(self.device))

    def _generated(self, numbers: Images) -> Images:
        output: GeneratorOutput = self.generator(numbers)
        return output.generated

    def _draw_large(self, photos: Tensor, on_pass: PassProgress) -> Tensors:
        numbers = self._numbers(photos)
        area, needed = numbers.shape[2] * numbers.shape[3], self._bytes_needed_a_pixel()
        is_countable = _largest_map(self.generator, numbers) < _MAX_ELEMENTS
        fits = area * needed <= _WHOLE_SHARE * self.memory.free()
        if not fits and self.captured.num_graphs:  # their memory is worth more to this picture
            self.captured.release()
            fits = area * needed <= _WHOLE_SHARE * self.memory.free()
        if fits and is_countable:
            on_pass(0, 1)
            try:
                return _as_bytes(self._generated(numbers))
            except torch.OutOfMemoryError:
                self.captured.release()
        strip = max(STRIP_PIXELS, int(min(_STRIP_SHARE * self.memory.free() / needed, _MAX_STRIP_PIXELS)))
        try:
            return _as_bytes(self._in_strips(numbers, strip, on_pass))
        except torch.OutOfMemoryError:
            if strip == STRIP_PIXELS and not self.captured.num_graphs:
                raise
        self.captured.release()
        torch.cuda.empty_cache()
        return _as_bytes(self._in_strips(numbers, STRIP_PIXELS, on_pass))

    def _in_strips(self, numbers: Images, strip_pixels: int, on_pass: PassProgress) -> Images:
        rows = max(16, strip_pixels // numbers.shape[3])
        return generate_in_strips(self.generator, numbers, rows=rows, on_pass=on_pass)

    def _bytes_needed_a_pixel(self) -> float:
        """What one forward takes at its peak for each pixel of the picture, tried out once on a small one."""
        if not self._bytes_a_pixel:
            probe = torch.zeros(1, _PROBE_SIDE, _PROBE_SIDE, 3, dtype=torch.uint8, device=self.device)
            self._bytes_a_pixel = max(1, self.memory.peak_of(lambda: self._draw(probe))) / _PROBE_SIDE**2
        return self._bytes_a_pixel

    def _depends_on(self) -> Hashable:
        """What a recording holds: the memory of the weights, whether TF32 may be used, and methods that other code has
        put in the place of a layer's, as films with steady light do."""
        cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
        weights = tuple((weight.data_ptr(), weight.dtype) for weight in self.generator.parameters())
        methods = tuple(
            vars(module)[name]
            for module in self.generator.modules()
            for name in ("forward", "pool")
            if name in vars(module)
        )
        return weights, methods, cudnn.allow_tf32, matmul.allow_tf32


def _largest_map(generator: CartoonGenerator, numbers: Images) -> int:
    """Of all maps of a forward on one picture, the elements of the largest; counted without computing any."""
    maps = ordered([trace(generator, numbers)])
    widths = [max(one.channels, *(source.channels for source in one.sources), 1) for one in maps]
    return max(width * one.height * numbers.shape[3] for width, one in zip(widths, maps, strict=True))


def _as_bytes(generated: Images) -> Tensors:
    return to_bytes(generated).permute(0, 2, 3, 1).contiguous(), generated.isfinite().all()


class _Transfer:
    """A batch's way to the device and back. Its page-locked memory is kept for the next batch, and grows with it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.on_gpu = device.type == "cuda"
        self._under_way: _UnderWay | None = None
        self._is_grown = False
        self._memory: dict[str, Tensor] = {}
        self._streams: tuple[torch.cuda.Stream, torch.cuda.Stream] | None = None

    def through(self, photos: Pixels, draw: Callable[[Tensor], Tensors]) -> Drawn:
        """Upload, draw, download; the result waits. Errors of `draw` are raised here."""
        if self._under_way is not None:
            self._under_way.wait()
            self._under_way = None
        if not self.on_gpu:
            pixels, is_finite = draw(torch.from_numpy(photos))
            return _UnderWay(pixels.clone(), is_finite.clone(), None).wait
        self._streams = self._streams or (torch.cuda.Stream(self.device), torch.cuda.Stream(self.device))
        upload, download = self._streams
        here = torch.cuda.current_stream(self.device)
        self._is_grown = False
        staged, there = self._view("staged", photos), self._view("there", photos)
        np.copyto(staged.numpy(), photos)
        if self._is_grown:  # what was in this memory before may still be read
            upload.wait_stream(here)
        with torch.cuda.stream(upload):
            there.copy_(staged, non_blocking=True)
        here.wait_stream(upload)
        try:
            pixels, is_finite = draw(there)
        except BaseException:
            upload.synchronize()  # the next batch writes over what this one sends
            raise
        drawn, back = self._view("drawn", photos), self._view("back", photos)
        drawn.copy_(pixels)  # a replay's own memory is written over by the next batch
        flag, flag_back = self._flags()
        flag.copy_(is_finite)
        download.wait_stream(here)
        with torch.cuda.stream(download):
            back.copy_(drawn, non_blocking=True)
            flag_back.copy_(flag, non_blocking=True)
            done = torch.cuda.Event()
            done.record(download)
        self._under_way = _UnderWay(back, flag_back, done)
        return self._under_way.wait

    def _view(self, purpose: str, photos: Pixels) -> Tensor:
        """Memory of the photos' shape, out of what is kept for the purpose."""
        kept = self._memory.get(purpose)
        if kept is None or kept.numel() < photos.size:
            on_host = purpose in ("staged", "back")
            kept = torch.empty(
                photos.size, dtype=torch.uint8, device="cpu" if on_host else self.device, pin_memory=on_host
            )
            self._memory[purpose], self._is_grown = kept, True
        return kept[: photos.size].view(photos.shape)

    def _flags(self) -> tuple[Tensor, Tensor]:
        if "flag" not in self._memory:
            self._memory["flag"] = torch.empty((), dtype=torch.bool, device=self.device)
            self._memory["flag_back"] = torch.empty((), dtype=torch.bool, pin_memory=True)
        return self._memory["flag"], self._memory["flag_back"]


class _UnderWay:
    """Drawings that are on their way back."""

    def __init__(self, pixels: Tensor, is_finite: Tensor, done: torch.cuda.Event | None) -> None:
        self._pixels, self._is_finite, self._done = pixels, is_finite, done
        self._collected: tuple[Pixels, bool] | None = None

    def wait(self) -> tuple[Pixels, bool]:
        """See Drawn; what has been waited for is out of the memory that the next batch uses."""
        if self._collected is None:
            if self._done is not None:
                self._done.synchronize()
            self._collected = self._pixels.numpy().copy(), bool(self._is_finite)
        return self._collected
