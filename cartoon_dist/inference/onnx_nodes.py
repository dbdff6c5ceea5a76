"""The nodes of an ONNX graph that compute some rows of a map, from those rows of its sources that it needs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.inference.doubled import doubled_and_convolved
from cartoon_dist.inference.onnx_graph import OnnxGraph
from cartoon_dist.inference.onnx_phases import add_blocked_convolution, add_doubled_convolution, block_side
from cartoon_dist.inference.row_maps import (
    SOURCE,
    Call,
    Convolved,
    Downsampled,
    Normalised,
    Pointwise,
    Pooled,
    ReflectionPadded,
    RowMap,
    RowRange,
    Upsampled,
    Windowed,
    ZeroPadded,
)

Names = Sequence[str]
"""Of the sources' rows in the graph."""


def add_nodes(graph: OnnxGraph, row_map: RowMap, rows: RowRange, names: Names, *, divisor: int) -> str:
    """The name of these rows of a map. Where they are all of its rows, the nodes do not depend on its size, but that
    its width, and its height then, must be multiples of the divisor.

    NotImplementedError for a function that has no rule here.
    """
    if isinstance(row_map, Convolved):
        return _convolved(graph, row_map, rows, names, divisor)
    if isinstance(row_map, ReflectionPadded):
        return _reflected(graph, row_map, rows, names)
    if isinstance(row_map, ZeroPadded):
        return _zero_padded(graph, row_map, rows, names)
    if isinstance(row_map, Upsampled):
        return _cut(graph, _upsampled(graph, row_map, names), row_map, rows)
    if isinstance(row_map, Windowed):
        return _cut(graph, _averaged(graph, row_map, names), row_map, rows)
    if isinstance(row_map, Downsampled):
        return graph.add("AveragePool", *names, kernel_shape=[2, 2], strides=[2, 2])
    assert isinstance(row_map, Pointwise), row_map
    return _pointwise(graph, _call(row_map), list(names))


def row_attributes(row_map: RowMap, rows: RowRange) -> tuple[int, ...]:
    """What the nodes of `add_nodes` depend on but the map: equal for two ranges of rows, so are the nodes."""
    match row_map:
        case Convolved():
            first, end = row_map.rows_under_kernel(rows)
            return max(0, -first), max(0, end - row_map.source_height)
        case ReflectionPadded():
            indices = row_map.source_indices(rows)
            if int(indices[-1]) - int(indices[0]) == len(indices) - 1:
                return ()  # nothing is reflected
            return tuple((indices - indices.min()).tolist())
        case ZeroPadded():
            return row_map.rows_beyond(rows)
        case Upsampled() | Windowed():
            return (row_map.skipped_rows(rows[0]),)
        case _:
            return ()


def add_whole_norm(graph: OnnxGraph, norm: Normalised, name: str) -> str:
    """An instance norm of a map that the graph holds as a whole."""
    ones = torch.ones(norm.channels)
    scale, shift = (ones if norm.weight is None else norm.weight), (0 * ones if norm.bias is None else norm.bias)
    return graph.add(
        "InstanceNormalization", name, graph.constant(scale), graph.constant(shift), epsilon=float(norm.epsilon)
    )


def add_measured_norm(graph: OnnxGraph, norm: Normalised, name: str) -> str:
    """An instance norm of rows of a map that has been measured: a factor and a summand for each channel.

    onnxruntime makes them a part of the convolution before them.
    """
    mean, variance = norm.moments_used().chunk(2)
    scale = (variance + norm.epsilon).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean * scale if norm.bias is None else norm.bias - mean * scale
    zeros = torch.zeros(norm.channels)
    values = (scale.float(), shift.float(), zeros, zeros + 1)
    return graph.add("BatchNormalization", name, *(graph.constant(value) for value in values), epsilon=0.0)


def add_whole_pool(graph: OnnxGraph, pooled: Pooled, name: str) -> str:
    """The mean or the largest value of a map that the graph holds as a whole."""
    operator = "ReduceMean" if pooled.kind == "mean" else "ReduceMax"
    return graph.add(operator, name, graph.integers(2, 3), keepdims=1)


def _call(row_map: RowMap) -> Call:
    assert row_map.call is not None, "only maps that a forward made are computed"
    return row_map.call


def _convolved(graph: OnnxGraph, row_map: Convolved, rows: RowRange, names: Names, divisor: int) -> str:
    above, below = row_attributes(row_map, rows)
    if rows == (0, row_map.height):
        below = row_map.padding  # a row that no stride reaches, perhaps; but for every size the same
    side = block_side(row_map.weight, divisor) if (row_map.stride, row_map.groups) == (1, 1) else 1
    if side > 1:
        num_rows = rows[1] - rows[0]
        missing = -num_rows % side  # where these are not all rows of the map
        pads = [above, row_map.padding, below + missing, row_map.padding]
        name = add_blocked_convolution(graph, names[0], row_map.weight, row_map.bias, pads=pads, side=side)
        return add_slice(graph, name, (0, num_rows)) if missing else name
    given = [row_map.weight] if row_map.bias is None else [row_map.weight, row_map.bias]
    return graph.add(
        "Conv",
        *names,
        *(graph.constant(one.float()) for one in given),
        kernel_shape=list(row_map.weight.shape[2:]),
        pads=[above, row_map.padding, below, row_map.padding],
        strides=[row_map.stride] * 2,
        group=row_map.groups,
    )


def _reflected(graph: OnnxGraph, row_map: ReflectionPadded, rows: RowRange, names: Names) -> str:
    [name], (left, right) = names, row_map.columns
    above = below = 0
    if rows == (0, row_map.height):
        above, below = row_map.rows
    elif indices := row_attributes(row_map, rows):
        name = graph.add("Gather", name, graph.integers(*indices), axis=2)
    return graph.add("Pad", name, graph.integers(0, 0, above, left, 0, 0, below, right), mode="reflect")


def _zero_padded(graph: OnnxGraph, row_map: ZeroPadded, rows: RowRange, names: Names) -> str:
    (above, below), (left, right) = row_attributes(row_map, rows), row_map.columns
    return graph.add("Pad", *names, graph.integers(0, 0, above, left, 0, 0, below, right))


def _upsampled(graph: OnnxGraph, row_map: Upsampled, names: Names) -> str:
    call = _call(row_map)
    if call.function is doubled_and_convolved:
        _, weight, bias = call.arguments
        return add_doubled_convolution(graph, names[0], weight, bias, **call.keywords)
    if call.function is functional.conv_transpose2d:
        given = [one for one in call.arguments[1:3] if one is not None]
        return graph.add(
            "ConvTranspose",
            *names,
            *(graph.constant(one.float()) for one in given),
            kernel_shape=[3, 3],
            strides=[2, 2],
            pads=[1, 1, 1, 1],
            output_padding=[1, 1],
        )
    scales = graph.constant(np.array([1, 1, 2, 2], np.float32))
    if call.keywords["mode"] == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return graph.add("Resize", *names, "", scales, **how)


def _averaged(graph: OnnxGraph, row_map: Windowed, names: Names) -> str:
    [name] = names
    side = int(_call(row_map).arguments[1])
    edge = side // 2
    return graph.add("AveragePool", name, kernel_shape=[side, side], pads=[edge] * 4, count_include_pad=0)


def _cut(graph: OnnxGraph, name: str, row_map: Upsampled | Windowed, rows: RowRange) -> str:
    """The rows that are asked for of those that a function made."""
    if rows == (0, row_map.height):
        return name
    [skipped] = row_attributes(row_map, rows)
    return add_slice(graph, name, (skipped, skipped + rows[1] - rows[0]))


def add_slice(graph: OnnxGraph, name: str, rows: RowRange) -> str:
    """Some of the rows."""
    first, end = rows
    return graph.add("Slice", name, graph.integers(first), graph.integers(end), graph.integers(2))


def _pointwise(graph: OnnxGraph, call: Call, names: list[str]) -> str:
    function, arguments = call.function, call.arguments
    if function is Tensor.to:
        return names[0]  # all is computed in float32
    if function in _OPERATORS:
        return graph.add(_OPERATORS[function], *_operands(graph, arguments, names))
    if function is functional.leaky_relu:
        slope = call.keywords.get("negative_slope", arguments[1] if len(arguments) > 1 else 0.01)
        return graph.add("LeakyRelu", *names, alpha=float(slope))
    if function is torch.cat:
        return graph.add("Concat", *names, axis=1)
    if function in (Tensor.mean, Tensor.amax):
        operator = "ReduceMean" if function is Tensor.mean else "ReduceMax"
        return graph.add(operator, *names, graph.integers(1), keepdims=1)
    raise NotImplementedError(f"{function}: onnxruntime has no rule for it; add one to inference/onnx_nodes.py")


def _operands(graph: OnnxGraph, arguments: Sequence[Any], names: list[str]) -> list[str]:
    """What a function of one or two values is given: sources, numbers, tensors."""
    remaining = iter(names)
    operands = []
    for argument in arguments:
        if argument is SOURCE:
            operands.append(next(remaining))
        elif isinstance(argument, Tensor):
            operands.append(graph.constant(argument.float()))
        elif not isinstance(argument, bool):  # in place or not
            operands.append(graph.constant(np.array(argument, np.float32)))
    return operands


_OPERATORS: dict[Callable[..., Any], str] = {
    functional.relu: "Relu",
    torch.tanh: "Tanh",
    Tensor.tanh: "Tanh",
    torch.sigmoid: "Sigmoid",
    Tensor.add: "Add",
    Tensor.mul: "Mul",
    Tensor.sub: "Sub",
    Tensor.div: "Div",
}
