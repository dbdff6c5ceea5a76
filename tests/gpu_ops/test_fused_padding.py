"""The padding's operation on a CPU, and the fallback that is deterministic."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.gpu.fused_operations import forced
from cartoon_dist.gpu.fused_padding import Edges, reflection_pad

EDGES: list[Edges] = [(3, 3, 3, 3), (0, 1, 0, 1), (2, 1, 0, 3)]


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_operation_has_the_bits_of_torch_and_lies_in_channels_last(edges: Edges, dtype: torch.dtype) -> None:
    def plain(maps: Tensor) -> Tensor:
        return functional.pad(maps, edges, mode="reflect")

    expected, of_expected = _with_gradient(plain, dtype)
    with forced():
        padded, of_maps = _with_gradient(lambda maps: reflection_pad(maps, edges), dtype)
    assert torch.equal(padded, expected)
    assert torch.equal(of_maps, of_expected)
    assert padded.is_contiguous(memory_format=torch.channels_last)
    assert of_maps.is_contiguous(memory_format=torch.channels_last)


# torch's own check of a compiled operation looks at a gradient that is not there.
@pytest.mark.filterwarnings("ignore:The .grad attribute")
@pytest.mark.parametrize("edges", EDGES)
def test_operation_keeps_the_rules_of_torch_library(edges: Edges) -> None:
    maps = torch.randn(2, 3, 6, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    torch.library.opcheck(torch.ops.cartoon_dist.reflection_pad.default, (maps, list(edges)))


@pytest.mark.parametrize("edges", EDGES)
def test_deterministic_fallback_pads_the_same(edges: Edges) -> None:
    expected, of_expected = _with_gradient(lambda maps: reflection_pad(maps, edges), torch.float64)
    torch.use_deterministic_algorithms(mode=True)
    try:
        padded, of_maps = _with_gradient(lambda maps: reflection_pad(maps, edges), torch.float64)
    finally:
        torch.use_deterministic_algorithms(mode=False)
    assert torch.equal(padded, expected)
    torch.testing.assert_close(of_maps, of_expected)


def test_more_pixels_than_there_are_to_mirror_are_refused_as_by_torch() -> None:
    maps = torch.randn(1, 8, 3, 3).contiguous(memory_format=torch.channels_last)
    with forced(), pytest.raises(RuntimeError, match="adding size"):
        reflection_pad(maps, (0, 3, 0, 0))


def _with_gradient(pad: Callable[[Tensor], Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 6, 5).to(dtype).contiguous(memory_format=torch.channels_last).requires_grad_()
    padded = pad(maps)
    [of_maps] = torch.autograd.grad(padded, maps, torch.randn(padded.shape).to(dtype))
    return padded.detach(), of_maps
