"""Convolutions with few outputs against torch's, forward and backward."""

import pytest
import torch
from torch import nn

from cartoon_dist.cpu import narrow_conv
from cartoon_dist.models.convolution import Convolution

LAYERS = [(5, 3, 7), (20, 1, 7), (2, 1, 7), (20, 1, 3), (3, 2, 3)]
"""Inputs, outputs, kernel."""


@pytest.mark.parametrize("padding", ["reflect", "zeros"])
@pytest.mark.parametrize(("inputs", "outputs", "kernel"), LAYERS)
def test_the_same_in_float64(inputs: int, outputs: int, kernel: int, padding: str) -> None:
    torch.manual_seed(0)
    ours = Convolution(inputs, outputs, kernel, padding=kernel // 2, padding_mode=padding).double()
    theirs = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, padding_mode=padding).double()
    theirs.load_state_dict(ours.state_dict())
    maps = torch.randn(2, inputs, 9, 14, dtype=torch.float64, requires_grad=True)
    assert narrow_conv.is_faster(maps, ours.weight, ours.stride)
    made, expected = ours(maps), theirs(maps)
    torch.testing.assert_close(made, expected, rtol=1e-12, atol=1e-12)
    steer = torch.randn_like(made)
    for mine, other in zip(
        torch.autograd.grad(made, [maps, *ours.parameters()], steer),
        torch.autograd.grad(expected, [maps, *theirs.parameters()], steer),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=1e-11, atol=1e-11)


def test_what_it_does_not_suit() -> None:
    maps = torch.randn(1, 3, 8, 8)
    assert narrow_conv.is_faster(maps, torch.randn(1, 3, 3, 3), (1, 1))
    assert not narrow_conv.is_faster(maps, torch.randn(1, 3, 1, 1), (1, 1))
    assert not narrow_conv.is_faster(maps, torch.randn(1, 3, 3, 3), (2, 2))
    assert not narrow_conv.is_faster(maps, torch.randn(8, 3, 3, 3), (1, 1))
    assert not narrow_conv.is_faster(maps.to("meta"), torch.randn(1, 3, 3, 3), (1, 1))
