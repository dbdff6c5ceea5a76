"""The leaky ReLU that keeps its result: torch's own to the bit, and nothing else is kept."""

import pytest
import torch
from torch.nn import functional

from cartoon_dist.gpu.leaky_relu import leaky_relu


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_values_and_gradients_are_those_of_torch(slope: float) -> None:
    maps = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    upstream = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    ours, theirs = leaky_relu(maps, slope), functional.leaky_relu(maps, slope)
    assert torch.equal(ours, theirs)
    [gradient], [expected] = (torch.autograd.grad(result, [maps], upstream) for result in (ours, theirs))
    assert torch.equal(gradient, expected)


def test_the_result_alone_is_kept_for_the_backward() -> None:
    maps = torch.randn(2, 3, 4, 5).requires_grad_()
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        result = leaky_relu(maps, 0.2)
    assert [tensor.data_ptr() for tensor in kept] == [result.data_ptr()]
