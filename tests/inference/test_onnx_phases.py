"""Convolutions by blocks of pixels: the same numbers as torch's, for all sizes that they are used for."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.inference.doubled import doubled_and_convolved
from cartoon_dist.inference.onnx_graph import OnnxGraph
from cartoon_dist.inference.onnx_phases import add_blocked_convolution, add_doubled_convolution, block_side


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def run(graph: OnnxGraph, name: str, maps: Tensor) -> Tensor:
    output = graph.output(name)
    [made] = graph.session().run([output], {"maps": np.ascontiguousarray(maps.numpy())})
    return torch.from_numpy(made)


@pytest.mark.parametrize(("num_outputs", "kernel", "side"), [(3, 7, 2), (1, 7, 4), (1, 7, 2), (4, 3, 2)])
@pytest.mark.parametrize("num", [1, 3])
def test_a_blocked_convolution(num_outputs: int, kernel: int, side: int, num: int) -> None:
    maps, weight, bias = numbers(num, 5, 12, 20), numbers(num_outputs, 5, kernel, kernel), numbers(num_outputs)
    graph, edge = OnnxGraph(), kernel // 2
    name = graph.input("maps", ["n", 5, "h", "w"])
    for given in (bias, None):
        made = run(graph, add_blocked_convolution(graph, name, weight, given, pads=[edge] * 4, side=side), maps)
        assert torch.allclose(made, functional.conv2d(maps, weight, given, padding=edge), atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (6, 7)])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_a_convolution_of_a_doubled_map(height: int, width: int, *, is_mirrored: bool) -> None:
    maps, weight, bias = numbers(2, 5, height, width), numbers(3, 5, 3, 3), numbers(3)
    graph = OnnxGraph()
    name = graph.input("maps", ["n", 5, "h", "w"])
    for given in (bias, None):
        made = run(graph, add_doubled_convolution(graph, name, weight, given, is_mirrored=is_mirrored), maps)
        assert torch.allclose(made, doubled_and_convolved(maps, weight, given, is_mirrored=is_mirrored), atol=1e-4)


@pytest.mark.parametrize(
    ("num_outputs", "kernel", "divisor", "side"),
    [(3, 7, 1000, 2), (3, 7, 1001, 1), (1, 7, 1000, 4), (1, 7, 1002, 2), (12, 3, 1000, 1), (64, 3, 8, 1), (1, 1, 8, 1)],
)
def test_blocks_fill_the_channels_that_are_computed_together(
    num_outputs: int, kernel: int, divisor: int, side: int
) -> None:
    assert block_side(torch.zeros(num_outputs, 12, kernel, kernel), divisor) == side
