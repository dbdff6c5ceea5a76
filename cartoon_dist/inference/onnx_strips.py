"""A pass over a map in strips, each of them computed by onnxruntime: the rows and their moments by one graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cartoon_dist.inference.onnx_graph import InferenceSession, OnnxGraph
from cartoon_dist.inference.onnx_nodes import add_measured_norm, add_nodes, add_slice, row_attributes
from cartoon_dist.inference.row_maps import Normalised, RowMap, RowRange
from cartoon_dist.inference.strip_plan import Pass, needed_rows

_ROWS, _MEAN, _VARIANCE, _MAXIMUM = "rows", "mean", "variance", "maximum"


@dataclass(frozen=True)
class _Program:
    """A session for strips of one layout, and the stored maps that it reads."""

    layout: tuple[Any, ...]
    session: InferenceSession
    stored: Sequence[RowMap]


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
        inputs = {
            f"stored{index}": row_map.values[:, :, slice(*needed[row_map])].contiguous().numpy()
            for index, row_map in enumerate(self._program.stored)
            if row_map.values is not None
        }
        names = [output.name for output in self._program.session.get_outputs()]
        results = map(torch.from_numpy, self._program.session.run(names, inputs))
        computed: dict[str, Tensor] = dict(zip(names, results, strict=True))
        if target.needs_moments:
            mean = computed[_MEAN]
            target.moments.merge(
                (rows[1] - rows[0]) * target.width,
                mean=mean,
                variance=computed.get(_VARIANCE, torch.zeros_like(mean)),
                maximum=computed.get(_MAXIMUM, mean),
            )
        return computed.get(_ROWS)

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
        target = self._pass.row_map
        if self._pass.is_stored:
            graph.output(names[target], _ROWS)
        if target.needs_moments:
            _add_moments(graph, target, names[target])
        return _Program(layout, graph.session(), stored)

    @staticmethod
    def _added(graph: OnnxGraph, row_map: RowMap, needed: dict[RowMap, RowRange], names: dict[RowMap, str]) -> str:
        cut = []
        for source, (top, bottom) in _source_rows(row_map, needed):
            offset, end = needed[source]
            is_all = (top, bottom) == (offset, end)
            cut.append(names[source] if is_all else add_slice(graph, names[source], (top - offset, bottom - offset)))
        if isinstance(row_map, Normalised):
            return add_measured_norm(graph, row_map, cut[0])
        return add_nodes(graph, row_map, needed[row_map], cut)


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


def _add_moments(graph: OnnxGraph, target: RowMap, name: str) -> None:
    sides = graph.integers(2, 3)
    mean = graph.add("ReduceMean", name, sides, keepdims=1)
    graph.output(mean, _MEAN)
    if target.needs_variance:
        centred = graph.add("Sub", name, mean)
        graph.output(graph.add("ReduceMean", graph.add("Mul", centred, centred), sides, keepdims=1), _VARIANCE)
    if target.needs_maximum:
        graph.output(graph.add("ReduceMax", name, sides, keepdims=1), _MAXIMUM)
