"""Drawings on a GPU: beside the CPU's, recorded beside plain, in strips beside whole."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from cartoon_dist.config.commands import Precision
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.gpu.graphs import TracingRecorder
from cartoon_dist.gpu.tf32 import without_tf32
from cartoon_dist.inference.batched import Cartoonizer, torch_cartoonizer
from cartoon_dist.inference.cuda_drawing import CudaDrawing
from cartoon_dist.inference.tiled import generate_in_strips
from cartoon_dist.models.generator import CartoonGenerator
from cartoon_dist.runs import networks_from_config
from cartoon_dist.tensors import from_bytes, to_bytes

pytestmark = pytest.mark.gpu
CPU = torch.device("cpu")
SHAPE = (148, 204, 3)


def generator(method: str) -> CartoonGenerator:
    """A generator whose weights are large enough for a drawing that is far from grey."""
    words = ["model.channels=8", "model.num_blocks=2", f"method={method}"]
    words += [] if method == "cartoongan" else ["model.saliency=none", "model.attention=none"]
    made = networks_from_config.initial_networks(read(TrainSettings, [], words, run_dir="none"))["generator"]
    assert isinstance(made, CartoonGenerator)
    shaken = torch.Generator().manual_seed(0)
    for weight in made.parameters():
        weight.data.add_(torch.randn(weight.shape, generator=shaken) * 0.1)
    return made.eval().requires_grad_(requires_grad=False)


def photo(*, height: int = SHAPE[0], width: int = SHAPE[1], seed: int = 0) -> np.ndarray:
    """Coarse coloured noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return coarse.repeat(4, 0).repeat(4, 1)


@torch.no_grad()
def drawn_plain(made: CartoonGenerator, device: torch.device, dtype: torch.dtype, batch: np.ndarray) -> np.ndarray:
    """By one plain forward."""
    numbers = from_bytes(torch.from_numpy(batch).permute(0, 3, 1, 2).to(device)).to(dtype)
    return to_bytes(made(numbers).generated).permute(0, 2, 3, 1).cpu().numpy()


def difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize("megapixels", [1.0, 0.01], ids=["a batch", "alone"])
@pytest.mark.parametrize("method", ["cartoongan", "animegan"])
def test_a_drawing_is_the_cpus(
    method: str, megapixels: float, device: torch.device, record_property: Callable[[str, object], None]
) -> None:
    drawings = []
    with without_tf32():
        for where in (CPU, device):
            cartoonizer: Cartoonizer = torch_cartoonizer(generator(method), where, megapixels=megapixels)
            [drawing] = cartoonizer.cartoonize([photo()], on_pass=lambda _done, _of: None)
            drawings.append(drawing)
    assert drawings[0].std() > 10
    record_property("largest_difference", difference(*drawings))
    assert difference(*drawings) <= 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_recorded_drawings_are_the_plain_ones(
    precision: Precision,
    device: torch.device,
    rehearsal: bool,  # noqa: FBT001
    record_property: Callable[[str, object], None],
) -> None:
    """Batches of two sizes in turn, the next one begun before one is waited for."""
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    recorder = TracingRecorder() if rehearsal else None
    made = generator("cartoongan")
    drawing = CudaDrawing(made, device, dtype, max_pixels=10**6, recorder=recorder)
    batches = [
        np.stack([photo(height=64 + 16 * (index % 2), width=96, seed=2 * index + one) for one in range(2)])
        for index in range(10)
    ]
    with without_tf32():
        plain = [drawn_plain(made, device, dtype, batch) for batch in batches]
        waits, drawn = [], []
        for batch in batches:
            waits.append(drawing.begin(batch, lambda _done, _of: None))
            if len(waits) > 1:
                drawn.append(waits.pop(0)()[0])
        drawn.append(waits.pop()()[0])
    assert drawing.captured.num_graphs == 2
    assert not drawing.captured.refused
    largest = max(difference(one, other) for one, other in zip(drawn, plain, strict=True))
    record_property("largest_difference", largest)
    # Kernels may be others than those of a warm-up; the numbers are the same up to rounding.
    assert largest <= (1 if precision == "fp32" else 4)


def test_a_large_picture_in_strips_is_the_whole_one(device: torch.device) -> None:
    made = generator("cartoongan").to(device)
    numbers = from_bytes(torch.from_numpy(photo()).permute(2, 0, 1)[None].contiguous()).to(device)
    with without_tf32(), torch.no_grad():
        whole = to_bytes(made(numbers).generated)
        in_strips = to_bytes(generate_in_strips(made, numbers, rows=40))
    assert difference(whole.cpu().numpy(), in_strips.cpu().numpy()) <= 1
