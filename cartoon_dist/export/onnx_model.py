"""A generator as an ONNX graph: exported from a trained one, and run by onnxruntime without torch's networks."""

import warnings
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import nn

from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.bounded import MAX_EXPORT_BYTES, read_regular
from cartoon_dist.models.generator import CartoonGenerator, GeneratorOutput
from cartoon_dist.runs.export_file import ExportMetadata, from_strings, to_strings
from cartoon_dist.runs.load_tensors import require_finite
from cartoon_dist.tensors import Images

INPUT, OUTPUT = "photo", "generated"
_SILENT = 4  # onnxruntime's log levels: 0 is verbose, 4 only fatal; other errors are raised as exceptions anyway


@dataclass(frozen=True)
class OnnxGenerator:
    """An exported generator that onnxruntime runs on the CPU."""

    session: onnxruntime.InferenceSession
    facts: ExportMetadata

    def __call__(self, photo: Images) -> Images:
        """The cartoons of float32 photos in [-1, 1]; both sides must be multiples of 4, at least 8."""
        [generated] = self.session.run([OUTPUT], {INPUT: photo.numpy()})
        return torch.from_numpy(generated)


def load_onnx(path: Path) -> OnnxGenerator:
    """The generator in a `.onnx` file; CheckpointError when launch/export.py did not write it."""
    try:
        content = read_regular(path, max_bytes=MAX_EXPORT_BYTES)
        model = onnx.load_model_from_string(content)
    except (OSError, DecodeError, ValueError) as error:
        raise CheckpointError(f"{path}: is no ONNX file ({error}); give what launch/export.py made") from None
    facts = from_strings({entry.key: entry.value for entry in model.metadata_props}, path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    # Otherwise a memory plan is kept for each picture size: 240 pictures of 40 sizes took 1,055 MB instead of 680.
    options.enable_mem_pattern = False
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 (its exceptions have no common ancestor of their own)
        raise CheckpointError(f"{path}: onnxruntime cannot run it ({error}); export it again") from None
    require_finite({tensor.name: _to_torch(tensor) for tensor in model.graph.initializer}, path)
    return OnnxGenerator(session, facts)


def to_onnx(generator: CartoonGenerator, facts: ExportMetadata) -> bytes:
    """The whole content of an `.onnx` file: `photo` -> `generated`, n 3 h w float32, any n, h, w.

    Takes ten seconds or so: the network is traced and translated node by node.
    """
    network = _GeneratedOnly(deepcopy(generator).float()).eval()
    height, width = (torch.export.Dim(name, min=2) for name in ("height_in_fours", "width_in_fours"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about torch's internals
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


def _to_torch(tensor: onnx.TensorProto) -> torch.Tensor:
    """An initialiser as a torch tensor; empty where its type is no float, as it is finite then."""
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    return torch.from_numpy(numpy_helper.to_array(tensor).copy()) if tensor.data_type in floats else torch.zeros(0)


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
