"""Convolutions that onnxruntime computes for a block of neighbouring pixels at once, each pixel as channels of its own.

onnxruntime computes channels in groups of 8 or 16, and fills a group up with zeros: a 7x7 convolution onto 3 channels
costs as much as one onto 16. Where a block of 2x2 pixels is computed as 12 channels, little is wasted, and each number
that is read serves more of them: it takes a half to a third of the time (docs/performance.md). A convolution of a map
that was doubled by nearest neighbour is the same in the other direction: all four pixels of a block see the same 2x2
pixels of the small map, so four products do the work of nine.
"""

import torch
from torch import Tensor

from cartoon_dist.inference.onnx_graph import OnnxGraph

_GROUP = 16
"""Channels that are computed together, at most: with AVX-512."""


def block_side(weight: Tensor, width_divisor: int) -> int:
    """How many columns and rows of pixels a convolution of stride 1 with this weight is best computed for at once.

    width_divisor: a divisor of the map's width; the side divides it.
    """
    num_outputs, kernel = weight.shape[0], weight.shape[2]
    if kernel == 1:
        return 1
    return max(
        side for side in (1, 2, 4) if side == 1 or (num_outputs * side**2 <= _GROUP and not width_divisor % side)
    )


def add_blocked_convolution(
    graph: OnnxGraph, name: str, weight: Tensor, bias: Tensor | None, *, pads: list[int], side: int
) -> str:
    """A convolution of stride 1, computed for blocks of side x side pixels.

    pads: zeros above, left, below, right. The number of rows and of columns must be a multiple of the side.
    """
    num_outputs, num_inputs, kernel, _ = weight.shape
    window = kernel + side - 1
    blocks = weight.new_zeros(side, side, num_outputs, num_inputs, window, window)  # column, row of the block
    for column in range(side):
        for row in range(side):
            blocks[column, row, :, :, row : row + kernel, column : column + kernel] = weight
    given = [blocks.flatten(0, 2)] if bias is None else [blocks.flatten(0, 2), bias.repeat(side**2)]
    convolved = graph.add(
        "Conv",
        name,
        *(graph.constant(one.float()) for one in given),
        kernel_shape=[window, window],
        pads=pads,
        strides=[side, side],
    )
    return _interleaved(graph, convolved, num_outputs, side)


def add_doubled_convolution(
    graph: OnnxGraph, name: str, weight: Tensor, bias: Tensor | None, *, is_mirrored: bool
) -> str:
    """Twice as many rows and columns by nearest neighbour, then a 3x3 convolution, which sees zeros beyond the borders,
    or the map mirrored there.

    A row 2p - 1 and the row 2p below it are computed from the rows p - 1 and p of the small map; columns likewise. So a
    2x2 convolution gives the blocks, and the outermost row and column of pixels on each side are cut off. The mirrored
    row beyond a border of the doubled map is the small map's outermost row once more.
    """
    num_outputs = weight.shape[0]
    # By row of the block, row of the small map, row of the weight: of the doubled map's rows around 2p - 1, two are
    # its row p - 1 and one its row p; around 2p, one and two.
    shares = torch.tensor([[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1]]], dtype=torch.float64)
    blocks = torch.einsum("oiyx,ajy,bkx->baoijk", weight.double(), shares, shares).flatten(0, 2)
    given = [blocks] if bias is None else [blocks, bias.repeat(4)]
    if is_mirrored:
        name = graph.add("Pad", name, graph.integers(0, 0, 1, 1, 0, 0, 1, 1), mode="edge")
    convolved = graph.add(
        "Conv",
        name,
        *(graph.constant(one.float()) for one in given),
        kernel_shape=[2, 2],
        pads=[0 if is_mirrored else 1] * 4,
    )
    doubled = _interleaved(graph, convolved, num_outputs, 2)
    return graph.add("Slice", doubled, graph.integers(1, 1), graph.integers(-1, -1), graph.integers(2, 3))


def _interleaved(graph: OnnxGraph, name: str, num_channels: int, side: int) -> str:
    """n (column row c) y x -> n c (y row) (x column).

    One axis after the other is moved, which onnxruntime does fast; its DepthToSpace takes three times as long.
    """
    if side == 1:
        return name
    height, width = (graph.add("Shape", name, start=axis, end=axis + 1) for axis in (2, 3))

    def reshaped(value: str, *sizes: int | str) -> str:
        parts = [size if isinstance(size, str) else graph.integers(size) for size in sizes]
        return graph.add("Reshape", value, graph.add("Concat", *parts, axis=0))

    wide = graph.add("Mul", width, graph.integers(side))
    split = reshaped(name, 0, side, side * num_channels, height, width)
    columns = graph.add("Transpose", split, perm=[0, 2, 3, 4, 1])
    split = reshaped(columns, 0, side, num_channels, height, wide)
    rows = graph.add("Transpose", split, perm=[0, 2, 3, 1, 4])
    return reshaped(rows, 0, num_channels, -1, wide)
