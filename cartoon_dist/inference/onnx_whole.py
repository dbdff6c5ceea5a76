"""The generator's forward as one ONNX graph for batches and sizes of all kinds, from the trace of its own forward."""

from collections.abc import Sequence

import torch
from torch import nn

from cartoon_dist.inference.onnx_graph import OnnxGraph
from cartoon_dist.inference.onnx_nodes import add_nodes, add_whole_norm, add_whole_pool
from cartoon_dist.inference.row_maps import Normalised, Pooled, RowMap
from cartoon_dist.inference.tracing import ordered, trace
from cartoon_dist.tensors import Images

_INPUT = "photo"
_MULTIPLE = 4
"""Each side of a picture is a multiple of it."""
_SIDE = 16
"""Of the picture that is traced: the forward is the same for each size that fits the networks."""


class WholeForward:
    """The generator's forward, drawn by onnxruntime; made in a fraction of a second, from weights as they are now.

    Only what the picture needs is computed: not the saliency map.
    """

    def __init__(self, generator: nn.Module) -> None:
        photo = torch.zeros(()).expand(1, 3, _SIDE, _SIDE)
        root = trace(generator, photo)
        graph = OnnxGraph()
        names: dict[RowMap, str] = {}
        for row_map in ordered([root]):
            if row_map.stored is not None:
                names[row_map] = graph.input(_INPUT, ["n", 3, "h", "w"])
            else:
                names[row_map] = _added(graph, row_map, [names[source] for source in row_map.sources])
        self._output = graph.output(names[root])
        self._session = graph.session()

    def __call__(self, photos: Images) -> Images:
        """The cartoons of float32 photos in [-1, 1]; both sides must be multiples of 4, at least 8."""
        [generated] = self._session.run([self._output], {_INPUT: photos.numpy()})
        return torch.from_numpy(generated)


def _added(graph: OnnxGraph, row_map: RowMap, names: Sequence[str]) -> str:
    if isinstance(row_map, Normalised):
        return add_whole_norm(graph, row_map, names[0])
    if isinstance(row_map, Pooled):
        return add_whole_pool(graph, row_map, names[0])
    return add_nodes(graph, row_map, (0, row_map.height), names, divisor=row_map.height * _MULTIPLE // _SIDE)
