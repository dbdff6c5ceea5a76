"""A pass over a map in strips, each of them computed by onnxruntime: the rows and their moments by one graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from cartoon_dist.inference.onnx_graph import InferenceSession, OnnxGraph
from cartoon_dist.inference.onnx_nodes import add_measured_norm, add_nodes, add_slice, row_attributes
from cartoon_dist.inference.row_maps import Normalised, RowMap, RowRange
from cartoon_dist.inference.strip_plan import Pass, needed_rows

_Result = Literal["rows", "mean", "squares", "maximum"]
"""squares: the sum of the squared distances from the mean."""


@dataclass(frozen=True)
class _Program:
    """A session for strips of one layout, the stored maps that it reads, and what its results are called in it."""

    layout: tuple[Any, ...]
    session: InferenceSession
    stored: Sequence[RowMap]
    results: Mapping[_Result, str]

    def run(self, needed: Mapping[RowMap, RowRange]) -> dict[_Result, Tensor]:
        """The results for a strip that needs these rows of the stored maps."""
        inputs = {
            f"stored{index}": row_map.values[:, :, slice(*needed[row_map])].contiguous().numpy()
            for index, row_map in enumerate(self.stored)
            if row_map.values is not None
        }
        arrays = self.session.run(list(self.results.values()), inputs)
        return dict(zip(self.results, map(torch.from_numpy, arrays), strict=True))


class OnnxPass:
    """Computes the strips of a pass; measurements of earlier passes are a part of its graphs.

    A graph fits all strips that do not touch the picture's borders, so there are three or so; only the last is kept.
    """

    def __init__(self, one_pass: Pass, order: Sequence[RowMap]) -> None:
        self._pass, self._order = one_pass, order
        self._program: _Program | None = None

    def strip(self, rows: RowRange) -> Tensor | None:
        """Compute these rows and add their moments; the rows themselves where they are to be stored."""
        target = self._pass.row_map
        needed = needed_rows(target, rows, self._order)
        layout = _layout(self._order, needed)
        if self._program is None or self._program.layout != layout:
            self._program = None  # its memory first
            self._program = self._made(layout, needed)
        results = self._program.run(needed)
        if target.needs_moments:
            mean, count = results["mean"], (rows[1] - rows[0]) * target.width
            variance = results["squares"] / count if target.needs_variance else torch.zeros_like(mean)
            target.moments.merge(count, mean=mean, variance=variance, maximum=results.get("maximum", mean))
        return results.get("rows")

    def _made(self, layout: tuple[Any, ...], needed: dict[RowMap, RowRange]) -> _Program:
        graph = OnnxGraph()
        names: dict[RowMap, str] = {}
        stored: list[RowMap] = []
        for row_map in self._order:
            first, end = needed[row_map]
            if row_map.values is None:
                names[row_map] = self._added(graph, row_map, needed, names)
            elif row_map.height == 1:
                names[row_map] = graph.constant(row_map.values)
            else:
                names[row_map] = graph.input(f"stored{len(stored)}", [1, row_map.channels, end - first, row_map.width])
                stored.append(row_map)
        results = _add_moments(graph, self._pass.row_map, names[self._pass.row_map])
        if self._pass.is_stored:
            results["rows"] = graph.output(names[self._pass.row_map])
        return _Program(layout, graph.session(spinning=False), stored, results)

    @staticmethod
    def _added(graph: OnnxGraph, row_map: RowMap, needed: dict[RowMap, RowRange], names: dict[RowMap, str]) -> str:
        cut = []
        for source, (top, bottom) in _source_rows(row_map, needed):
            offset, end = needed[source]
            is_all = (top, bottom) == (offset, end)
            cut.append(names[source] if is_all else add_slice(graph, names[source], (top - offset, bottom - offset)))
        if isinstance(row_map, Normalised):
            return add_measured_norm(graph, row_map, cut[0])
        return add_nodes(graph, row_map, needed[row_map], cut, divisor=row_map.width)


def _layout(order: Sequence[RowMap], needed: dict[RowMap, RowRange]) -> tuple[Any, ...]:
    """What the graph of a strip depends on: equal for two strips, so are their graphs."""
    parts: list[Any] = []
    for row_map in order:
        first, end = needed[row_map]
        parts.append(end - first)
        if row_map.values is None:
            parts.append((end - first == row_map.height, row_attributes(row_map, (first, end))))
            for source, (top, bottom) in _source_rows(row_map, needed):
                parts.append((top - needed[source][0], bottom - needed[source][0]))
    return tuple(parts)


def _source_rows(row_map: RowMap, needed: dict[RowMap, RowRange]) -> list[tuple[RowMap, RowRange]]:
    return list(zip(row_map.sources, row_map.needed_rows(needed[row_map]), strict=True))


def _add_moments(graph: OnnxGraph, target: RowMap, name: str) -> dict[_Result, str]:
    results: dict[_Result, str] = {}
    if target.needs_moments:
        sides = graph.integers(2, 3)
        results["mean"] = graph.output(graph.add("ReduceMean", name, sides, keepdims=1))
        if target.needs_variance:
            centred = graph.add("Sub", name, results["mean"])
            results["squares"] = graph.output(graph.add("ReduceSumSquare", centred, sides, keepdims=1))
        if target.needs_maximum:
            results["maximum"] = graph.output(graph.add("ReduceMax", name, sides, keepdims=1))
    return results
