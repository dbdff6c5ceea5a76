"""What a GPU's drawing does, with the recorder that any machine has: the same pixels, in order, whatever fails."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from cartoon_dist.errors import PictureError
from cartoon_dist.gpu.graphs import TracingRecorder
from cartoon_dist.inference import cuda_drawing
from cartoon_dist.inference.batched import Cartoonizer, torch_cartoonizer
from cartoon_dist.inference.cuda_drawing import CudaDrawing
from cartoon_dist.inference.steady import SteadyStatistics
from cartoon_dist.inference.tiled import generate_in_strips
from cartoon_dist.models.generator import CartoonGenerator
from cartoon_dist.tensors import from_bytes
from tests.inference.test_batched import CPU, generator, noise


def by_torch(generator: CartoonGenerator, *, megapixels: float = 1.0) -> Cartoonizer:
    """Draws plain, by torch, in this thread."""
    generator.to(torch.float32)
    return Cartoonizer(
        generate=lambda photos: generator(photos).generated,
        generate_large=lambda photo, tell: generate_in_strips(generator, from_bytes(photo), on_pass=tell),
        megapixels=megapixels,
    )


class Memory:
    """A device with so much free memory, of which a forward takes so much a pixel."""

    def __init__(self, free: int, needed_a_pixel: int) -> None:
        self.bytes, self.needed_a_pixel, self.num_asked = free, needed_a_pixel, 0

    def free(self) -> int:
        return self.bytes

    def peak_of(self, run: Callable[[], object]) -> int:  # noqa: ARG002
        self.num_asked += 1
        return self.needed_a_pixel * cuda_drawing._PROBE_SIDE**2


def on_stand_in(memory: Memory | None = None, *, max_pixels: int = 10**6) -> CudaDrawing:
    return CudaDrawing(
        generator(),
        CPU,
        torch.float32,
        max_pixels=max_pixels,
        recorder=TracingRecorder(),
        memory=memory or Memory(1 << 30, 1000),
    )


def cartoonizer_of(drawing: CudaDrawing) -> Cartoonizer:
    return replace(by_torch(drawing.generator, megapixels=drawing.max_pixels / 1e6), begin=drawing.begin)


def test_recorded_drawings_are_the_plain_ones_to_the_byte_and_in_order() -> None:
    drawing = on_stand_in()
    captured, plain = cartoonizer_of(drawing), by_torch(generator())
    batches = [[noise(21 + index % 3, 30, 3) // (index + 1), noise(24, 32, 3)] for index in range(5)]
    started = captured.start(batches[0])
    for index, batch in enumerate(batches):
        following = captured.start(batches[index + 1]) if index < 4 else None
        for one, other in zip(started(), plain.cartoonize(batch), strict=True):
            assert np.array_equal(one, other)
        started = following or started
    assert drawing.captured.num_graphs == 1
    assert not drawing.captured.refused
    assert captured.leaves_the_cpu_free
    assert not plain.leaves_the_cpu_free


def test_half_precision_is_the_plain_ways_too() -> None:
    drawing = CudaDrawing(generator(), CPU, torch.bfloat16, max_pixels=10**6, recorder=TracingRecorder())
    plain = torch_cartoonizer(generator(), CPU, megapixels=1, precision="bf16")
    for _ in range(3):
        [one], [other] = (each.cartoonize([noise(24, 32, 3)]) for each in (cartoonizer_of_half(drawing), plain))
        assert np.array_equal(one, other)


def cartoonizer_of_half(drawing: CudaDrawing) -> Cartoonizer:
    return Cartoonizer(generate=lambda x: x, generate_large=None, megapixels=1, begin=drawing.begin)


def test_weights_that_were_replaced_are_recorded_anew() -> None:
    drawing = on_stand_in()
    captured = cartoonizer_of(drawing)
    picture = noise(24, 32, 3)
    before = [captured.cartoonize([picture]) for _ in range(3)][-1][0]
    for weight in drawing.generator.parameters():
        weight.data = weight.data * 0.5
    [after] = captured.cartoonize([picture])
    [expected] = by_torch(drawing.generator).cartoonize([picture])
    assert np.array_equal(after, expected)
    assert not np.array_equal(after, before)


def test_a_drawing_that_is_not_finite_is_an_error_of_its_batch_alone() -> None:
    drawing = on_stand_in()
    captured, picture = cartoonizer_of(drawing), noise(24, 32, 3)
    first = [captured.cartoonize([picture]) for _ in range(3)][-1][0]
    weight = next(drawing.generator.parameters())
    kept = weight.detach().clone()
    weight.fill_(torch.nan)
    started = captured.start([picture])
    with pytest.raises(PictureError, match="not finite"):
        started()
    weight.copy_(kept)
    assert np.array_equal(captured.cartoonize([picture])[0], first)


def test_out_of_memory_gives_the_recordings_up_and_draws_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = on_stand_in()
    captured, picture = cartoonizer_of(drawing), noise(24, 32, 3)
    expected = [captured.cartoonize([picture]) for _ in range(3)][-1][0]
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    plain = drawing.captured.function
    fails = [True, True]

    def sometimes(photos: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if photos.shape[0] == 2 and fails:
            fails.pop()
            raise torch.OutOfMemoryError("planted: CUDA out of memory")
        return plain(photos)

    drawing.captured.function = sometimes
    assert np.array_equal(captured.cartoonize([picture, picture])[1], expected)
    assert drawing.captured.num_graphs == 0
    with pytest.raises(PictureError, match="does not fit the memory"):  # nothing is left to give up
        captured.cartoonize([picture, picture])
    assert np.array_equal(captured.cartoonize([picture])[0], expected)


@pytest.mark.parametrize(
    ("free", "way"), [(10**9, "whole"), (64 * 128 * 100, "in strips"), (0, "in the smallest strips")]
)
def test_a_large_picture_is_drawn_as_the_free_memory_allows(
    free: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_drawing, "STRIP_PIXELS", 2048)
    memory = Memory(free, 100)
    captured = cartoonizer_of(on_stand_in(memory, max_pixels=1000))
    passes: list[tuple[int, int]] = []
    picture = noise(64, 128, 3)
    for _ in range(2):
        [drawn] = captured.cartoonize([picture], on_pass=lambda done, of: passes.append((done, of)))
    [expected] = by_torch(generator()).cartoonize([picture])
    assert np.abs(drawn.astype(int) - expected).max() <= 1
    assert memory.num_asked == 1
    assert (passes[0] == (0, 1)) == (way == "whole")


def test_a_picture_whose_maps_are_too_large_to_count_in_32_bits_is_drawn_in_strips(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawing, photo = on_stand_in(max_pixels=1000), noise(64, 128, 3)
    largest = cuda_drawing._largest_map(drawing.generator, torch.zeros(1, 3, 64, 128))
    assert 4 * 64 * 128 <= largest <= 16 * 64 * 128  # of 4 channels, 8 where they are joined or made larger
    for limit, is_whole in ((largest + 1, True), (largest, False)):
        monkeypatch.setattr(cuda_drawing, "_MAX_ELEMENTS", limit)
        passes: list[int] = []
        cartoonizer_of(drawing).cartoonize([photo], on_pass=lambda _done, of, passes=passes: passes.append(of))  # type: ignore[misc]
        assert (passes == [1]) == is_whole


def test_recordings_are_kept_where_a_large_picture_fits_beside_them() -> None:
    memory = Memory(10**9, 100)
    drawing = on_stand_in(memory, max_pixels=1000)
    captured, small, large = cartoonizer_of(drawing), noise(16, 32, 3), noise(64, 128, 3)
    for _ in range(3):
        captured.cartoonize([small])
    captured.cartoonize([large])
    assert drawing.captured.num_graphs == 1
    memory.bytes = 64 * 128 * 100
    captured.cartoonize([large])
    assert drawing.captured.num_graphs == 0


def test_a_large_picture_that_does_not_fit_after_all_is_drawn_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = on_stand_in(max_pixels=1000)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)

    def refuse(_: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("planted")

    monkeypatch.setattr(drawing, "_generated", refuse)
    [drawn] = cartoonizer_of(drawing).cartoonize([noise(64, 128, 3)])
    [expected] = by_torch(generator()).cartoonize([noise(64, 128, 3)])
    assert np.abs(drawn.astype(int) - expected).max() <= 1


def drawn_steadily(
    cartoonizer: Cartoonizer, made: CartoonGenerator, frames: list[np.ndarray]
) -> tuple[list[np.ndarray], dict[str, torch.Tensor]]:
    """The drawings, one frame a batch, and the state after them."""
    statistics, drawn = SteadyStatistics(made), []
    with statistics.attached():
        for index, frame in enumerate(frames):
            statistics.begin_batch([0.9 if index else 0.0])
            drawn += cartoonizer.cartoonize([frame])
    return drawn, statistics.state()


def test_steady_light_is_recorded_with_its_state() -> None:
    drawing, plain = on_stand_in(), generator()
    captured, frames = cartoonizer_of(drawing), [noise(24, 32, 3) // (index + 1) for index in range(8)]
    alone = [captured.cartoonize([frame])[0] for frame in frames][3]
    eased, state = drawn_steadily(captured, drawing.generator, frames)
    expected, expected_state = drawn_steadily(by_torch(plain), plain, frames)
    assert drawing.captured.num_graphs == 2
    assert all(np.array_equal(one, other) for one, other in zip(eased, expected, strict=True))
    assert state.keys() == expected_state.keys()
    assert all(torch.equal(values, expected_state[name]) for name, values in state.items())
    assert not np.array_equal(eased[3], alone)
    assert np.array_equal(captured.cartoonize([frames[3]])[0], alone)  # nothing of it is left
