"""Where torch is asked for deterministic algorithms: the same numbers, and no operation that CUDA refuses then."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from cartoon_dist.cpu import switch
from cartoon_dist.gpu.fused_padding import reflection_pad
from cartoon_dist.inference.batched import torch_cartoonizer
from cartoon_dist.models.blocks import convolution
from cartoon_dist.models.generator import CartoonGenerator
from cartoon_dist.runs import networks_from_config
from tests.capture.capturing import PLAIN, ROWS, run_step, settings, training_step

REFUSED = (
    "adaptive_avg_pool2d_backward",
    "adaptive_max_pool2d_backward",
    "avg_pool3d_backward",
    "fractional_max_pool",
    "grid_sampler",
    "histc",
    "bincount",
    "kthvalue",
    "max_unpool",
    "median",
    "put_",
    "reflection_pad2d_backward",
    "replication_pad2d_backward",
    "scatter_reduce",
    "upsample_bilinear2d_backward",
    "upsample_linear1d_backward",
    "upsample_bicubic2d_backward",
)
"""Parts of the names of the operations that torch.use_deterministic_algorithms lists as refused on CUDA, as far as
networks of pictures could use them."""


@pytest.fixture(autouse=True)
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(mode=True)
    try:
        with switch.disabled():
            yield
    finally:
        torch.use_deterministic_algorithms(mode=False)


class Names(TorchDispatchMode):
    """The operations that were issued."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("row", ROWS)
def test_a_step_issues_nothing_that_cuda_refuses(row: str) -> None:
    made = training_step(settings(row, "upsample=resize" if row == "sal" else "upsample=transposed"), PLAIN)
    with Names() as names:
        run_step(made, 0, phase="warmup")
        run_step(made, 1)
    assert {"convolution_backward", "_fused_adam_"} <= names.seen
    assert [name for name in names.seen if any(refused in name for refused in REFUSED)] == []


@pytest.mark.parametrize("edges", [(1, 1, 1, 1), (3, 3, 3, 3), (0, 1, 0, 1), (2, 0, 1, 3)])
def test_a_reflection_of_slices_is_torchs(edges: tuple[int, int, int, int]) -> None:
    maps = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, 5 + sum(edges[2:]), 6 + sum(edges[:2]), dtype=torch.float64)
    ours, theirs = reflection_pad(maps, edges), functional.pad(maps, edges, mode="reflect")
    assert torch.equal(ours, theirs)
    assert "Cat" in type(ours.grad_fn).__name__
    gradients: list[Tensor] = [torch.autograd.grad((side * weights).sum(), maps)[0] for side in (ours, theirs)]
    assert (gradients[0] - gradients[1]).abs().max() < 1e-14


@pytest.mark.parametrize("stride", [1, 2])
def test_a_reflecting_convolution_is_the_same(stride: int) -> None:
    layer = convolution(3, 4, kernel=7, stride=stride, padding="reflect")
    maps = torch.randn(2, 3, 9, 10, requires_grad=True)
    ours = layer(maps)
    torch.use_deterministic_algorithms(mode=False)
    assert torch.equal(ours, layer(maps))


def test_a_drawing_in_strips_is_made_as_ever() -> None:
    """Strips know torch's own reflection, and nothing needs another one where no gradient is taken."""
    generator = (
        networks_from_config.initial_networks(settings("ressal_cbam"))["generator"]
        .eval()
        .requires_grad_(requires_grad=False)
    )
    assert isinstance(generator, CartoonGenerator)
    photo = np.random.default_rng(0).integers(0, 256, (60, 40, 3), np.uint8)
    cartoonizers = (torch_cartoonizer(generator, torch.device("cpu"), megapixels=size) for size in (1.0, 0.001))
    whole, strips = (each.cartoonize([photo], on_pass=lambda *_: None)[0] for each in cartoonizers)
    assert np.abs(whole.astype(int) - strips.astype(int)).max() <= 1
