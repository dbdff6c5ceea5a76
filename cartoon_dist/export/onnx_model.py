"""A trained generator as an ONNX graph."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import onnx
import torch
from torch import nn

from cartoon_dist.inference.onnx_generator import INPUT, OUTPUT
from cartoon_dist.models.generator import CartoonGenerator, GeneratorOutput
from cartoon_dist.runs.export_file import ExportMetadata, to_strings


def to_onnx(generator: CartoonGenerator, facts: ExportMetadata) -> bytes:
    """The whole content of an `.onnx` file: `photo` -> `generated`, n 3 h w float32, any n, h, w.

    Takes ten seconds or so: the network is traced and translated node by node.
    """
    network = _GeneratedOnly(deepcopy(generator).float()).eval()
    height, width = (torch.export.Dim(name, min=2) for name in ("height_in_fours", "width_in_fours"))
    with _exporter_quiet():
        program = torch.onnx.export(
            network,
            # Two photos of unequal sides: the exporter would treat a side of 1, or two equal ones, as fixed.
            (torch.zeros(2, 3, 24, 16),),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("photos"), 2: 4 * height, 3: 4 * width},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _remove_source_notes(model.graph)
    onnx.checker.check_model(model)
    for key, value in to_strings(facts).items():
        model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString())


@contextmanager
def _exporter_quiet() -> Iterator[None]:
    """Without what the exporter says of torch's internals, and of torchvision, whose operators no generator has."""
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registry.level
    registry.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        registry.setLevel(level)


def _remove_source_notes(graph: onnx.GraphProto) -> None:
    """Remove the exporter's notes on the source code: every node holds paths of this machine."""
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")


class _GeneratedOnly(nn.Module):
    """The generator without its saliency map."""

    def __init__(self, generator: CartoonGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        output: GeneratorOutput = self.generator(photo)
        return output.generated
