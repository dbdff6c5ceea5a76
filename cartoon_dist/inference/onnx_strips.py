"""A pass over a picture in strips, each of them computed by onnxruntime: rows and moments by one graph."""

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cartoon_dist.inference.moments import Moments
from cartoon_dist.inference.onnx_graph import InferenceSession, OnnxGraph, give_back_shared_memory
from cartoon_dist.inference.onnx_nodes import add_measured_norm, add_nodes, add_slice, row_attributes
from cartoon_dist.inference.row_maps import Normalised, RowMap, RowRange
from cartoon_dist.inference.stored_rows import RowMemory, Scratch
from cartoon_dist.inference.strip_plan import Computed, Pass, Strip


@dataclass(frozen=True)
class _Measures:
    """What the moments of a map are called in a graph. squares: the sum of the squared distances from the mean."""

    mean: str
    squares: str | None
    maximum: str | None

    def moments(self, row_map: RowMap, strip: Strip, values: Mapping[str, Tensor]) -> Moments:
        """Those of the map's rows in a strip; what is not measured is nowhere asked for."""
        first, end = strip.targets[row_map]
        mean = values[self.mean]
        squares = values[self.squares] if self.squares else torch.zeros_like(mean)
        maximum = values[self.maximum] if self.maximum else mean
        return Moments((end - first) * row_map.width, mean, squares, maximum)


@dataclass(frozen=True)
class _Program:
    """A session for strips of one layout (`_layout`), the stored maps that it reads, and its results' names in it."""

    session: InferenceSession
    read: Mapping[str, RowMap]
    measured: Mapping[RowMap, _Measures]
    stored: Mapping[RowMap, str]

    def run(self, strip: Strip, scratch: defaultdict[str, Scratch], memory: RowMemory) -> Computed:
        """Compute a strip; several threads may, with a scratch each for the maps that are read.

        memory: that of the rows that are to be stored.
        """
        binding = self.session.io_binding()
        for name, row_map in self.read.items():
            assert row_map.stored is not None
            binding.bind_cpu_input(name, row_map.stored.read(strip.needed[row_map], scratch[name]).numpy())
        rows = {}
        for row_map, name in self.stored.items():
            first, end = strip.targets[row_map]
            # Written where they stay, not copied there.
            rows[row_map] = made = memory.rows([1, row_map.channels, end - first, row_map.width], torch.float32)
            binding.bind_output(name, "cpu", 0, np.float32, list(made.shape), made.data_ptr())
        small = [
            name for names in self.measured.values() for name in (names.mean, names.squares, names.maximum) if name
        ]
        for name in small:
            binding.bind_output(name)
        self.session.run_with_iobinding(binding)
        results = dict(zip([*self.stored.values(), *small], binding.get_outputs(), strict=True))
        values = {name: torch.from_numpy(results[name].numpy()) for name in small}
        return Computed(rows, {one: names.moments(one, strip, values) for one, names in self.measured.items()})


class OnnxPass:
    """Computes the strips of a pass, in one thread or several; measurements of earlier passes are a part of its graphs.

    A graph fits all strips that do not touch the picture's borders, so there are three or so. As many are kept as
    strips are computed at a time, the ones used last.
    """

    def __init__(self, one_pass: Pass, memory: RowMemory, at_once: int) -> None:
        give_back_shared_memory()  # what earlier passes left: their strips took other sizes
        self._pass = one_pass
        self._memory = memory
        self._at_once = at_once
        self._num_threads = max(1, torch.get_num_threads() // at_once)
        self._making = threading.Lock()
        self._programs: dict[tuple[Any, ...], _Program] = {}
        self._scratch: defaultdict[int, defaultdict[str, Scratch]] = defaultdict(partial(defaultdict, Scratch))

    def strip(self, strip: Strip) -> Computed:
        """The rows that are to be stored, and the moments of the measured ones."""
        layout = _layout(strip)
        with self._making:
            program = self._programs.pop(layout, None) or self._made(strip)
            self._programs[layout] = program
            while len(self._programs) > self._at_once:
                del self._programs[next(iter(self._programs))]
            scratch = self._scratch[threading.get_ident()]
        return program.run(strip, scratch, self._memory)

    def _made(self, strip: Strip) -> _Program:
        graph = OnnxGraph()
        names: dict[RowMap, str] = {}
        read: dict[str, RowMap] = {}
        for row_map in strip.order:
            first, end = strip.needed[row_map]
            if row_map.stored is None:
                names[row_map] = _added(graph, row_map, strip.needed, names)
            elif row_map.height == 1:
                names[row_map] = graph.constant(row_map.stored.read((0, 1)))
            else:
                name = f"stored{len(read)}"
                names[row_map], read[name] = _added_input(graph, name, row_map, end - first), row_map
        rows = {
            row_map: _cut(graph, names[row_map], strip.needed[row_map], own) for row_map, own in strip.targets.items()
        }
        measured = {one: _add_moments(graph, one, rows[one]) for one in self._pass.measured if one in rows}
        stored = {one: graph.output(rows[one]) for one in self._pass.stored if one in rows}
        return _Program(graph.session(num_threads=self._num_threads, in_strips=True), read, measured, stored)


def _added_input(graph: OnnxGraph, name: str, row_map: RowMap, num_rows: int) -> str:
    """Rows of a stored map, in float32; of a photo's bytes, as numbers in [-1, 1]."""
    assert row_map.stored is not None
    dtype = row_map.stored.dtype
    graph.input(name, [1, row_map.channels, num_rows, row_map.width], dtype)
    if dtype == torch.float32:
        return name
    assert dtype == torch.uint8, dtype
    wide = graph.add("Div", graph.to_float32(name), graph.constant(np.array(127.5, np.float32)))
    return graph.add("Sub", wide, graph.constant(np.array(1, np.float32)))


def _added(graph: OnnxGraph, row_map: RowMap, needed: Mapping[RowMap, RowRange], names: Mapping[RowMap, str]) -> str:
    """The nodes of a map's needed rows."""
    cut = [_cut(graph, names[source], needed[source], rows) for source, rows in _source_rows(row_map, needed)]
    if isinstance(row_map, Normalised):
        return add_measured_norm(graph, row_map, cut[0])
    return add_nodes(graph, row_map, needed[row_map], cut, divisor=row_map.width)


def _cut(graph: OnnxGraph, name: str, rows: RowRange, wanted: RowRange) -> str:
    """The wanted ones of these rows."""
    return name if wanted == rows else add_slice(graph, name, (wanted[0] - rows[0], wanted[1] - rows[0]))


def _layout(strip: Strip) -> tuple[Any, ...]:
    """What the graph of a strip depends on: equal for two strips, so are their graphs."""
    parts: list[Any] = [tuple(strip.order)]
    parts += [
        (strip.order.index(row_map), first - strip.needed[row_map][0], end - first)
        for row_map, (first, end) in strip.targets.items()
    ]
    for row_map in strip.order:
        first, end = strip.needed[row_map]
        parts.append(end - first)
        if row_map.stored is None:
            parts.append((end - first == row_map.height, row_attributes(row_map, (first, end))))
            for source, (top, bottom) in _source_rows(row_map, strip.needed):
                parts.append((top - strip.needed[source][0], bottom - strip.needed[source][0]))
    return tuple(parts)


def _source_rows(row_map: RowMap, needed: Mapping[RowMap, RowRange]) -> list[tuple[RowMap, RowRange]]:
    return list(zip(row_map.sources, row_map.needed_rows(needed[row_map]), strict=True))


def _add_moments(graph: OnnxGraph, row_map: RowMap, name: str) -> _Measures:
    sides = graph.integers(2, 3)
    mean = graph.output(graph.add("ReduceMean", name, sides, keepdims=1))
    squares = maximum = None
    if row_map.needs_variance:
        centred = graph.add("Sub", name, mean)
        squares = graph.output(graph.add("ReduceSumSquare", centred, sides, keepdims=1))
    if row_map.needs_maximum:
        maximum = graph.output(graph.add("ReduceMax", name, sides, keepdims=1))
    return _Measures(mean, squares, maximum)
