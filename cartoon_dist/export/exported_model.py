"""A generator as an ONNX graph: made from a trained one, and run by onnxruntime where no torch network is wanted."""

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
from cartoon_dist.files.atomic import MAX_EXPORT_BYTES, read_regular
from cartoon_dist.models.generator import Drawing, DrawingNetwork
from cartoon_dist.runs.exported import Facts, from_strings, to_strings
from cartoon_dist.runs.load_tensors import require_finite
from cartoon_dist.tensors import Images

INPUT, OUTPUT = "photo", "generated"
_SILENT = 4  # onnxruntime's levels: 0 says everything, 4 only what is fatal; the rest comes as an exception anyway


@dataclass(frozen=True)
class OnnxGenerator:
    """An exported generator that onnxruntime runs on the CPU."""

    session: onnxruntime.InferenceSession
    facts: Facts

    def __call__(self, photo: Images) -> Images:
        """The drawings of float32 photos in [-1, 1]; both sides must be multiples of 4, at least 8."""
        [generated] = self.session.run([OUTPUT], {INPUT: photo.numpy()})
        return torch.from_numpy(generated)


def load_onnx(path: Path) -> OnnxGenerator:
    """The generator in a `.onnx` file; CheckpointError when it is none that launch/export.py made."""
    try:
        content = read_regular(path, max_bytes=MAX_EXPORT_BYTES)
        model = onnx.load_model_from_string(content)
    except (OSError, DecodeError, ValueError) as error:
        raise CheckpointError(f"{path}: is no ONNX file ({error}); give what launch/export.py made") from None
    facts = from_strings({held.key: held.value for held in model.metadata_props}, path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    # Where each map lies is planned for a size and kept for good: 240 pictures of 40 sizes took 1,055 MB for 680.
    options.enable_mem_pattern = False
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 (its exceptions have no common ancestor of their own)
        raise CheckpointError(f"{path}: onnxruntime cannot run it ({error}); export it again") from None
    require_finite({held.name: _numbers(held) for held in model.graph.initializer}, path)
    return OnnxGenerator(session, facts)


def to_onnx(generator: DrawingNetwork, facts: Facts) -> bytes:
    """The whole content of an `.onnx` file: `photo` -> `generated`, n 3 h w float32, any n, h, w.

    Takes ten seconds or so: the network is traced and translated node by node.
    """
    network = _Draws(deepcopy(generator).float()).eval()
    height, width = (torch.export.Dim(name, min=2) for name in ("height_in_fours", "width_in_fours"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about torch's inner workings
        program = torch.onnx.export(
            network,
            # Two photos of unequal sides: a side of 1, or two that are equal, would be taken for a rule.
            (torch.zeros(2, 3, 24, 16),),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("photos"), 2: 4 * height, 3: 4 * width},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _forget_sources(model.graph)
    onnx.checker.check_model(model)
    for key, value in to_strings(facts).items():
        model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString())


def _numbers(held: onnx.TensorProto) -> torch.Tensor:
    """An initialiser's numbers; those of kinds that are no floats are always finite."""
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    return torch.from_numpy(numpy_helper.to_array(held).copy()) if held.data_type in floats else torch.zeros(0)


def _forget_sources(graph: onnx.GraphProto) -> None:
    """Take out what the exporter notes of the source: paths on this machine, in every node."""
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")


class _Draws(nn.Module):
    """The generator without its saliency map."""

    def __init__(self, generator: DrawingNetwork) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        drawing: Drawing = self.generator(photo)
        return drawing.generated
