"""An exported generator that onnxruntime runs on the CPU, without torch's networks."""

from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from cartoon_dist.console.command_names import command_name
from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.bounded import MAX_EXPORT_BYTES, read_regular
from cartoon_dist.inference.onnx_graph import InferenceSession, session_of
from cartoon_dist.runs.export_file import ExportMetadata, from_strings
from cartoon_dist.runs.load_tensors import require_finite
from cartoon_dist.tensors import Images

INPUT, OUTPUT = "photo", "generated"


@dataclass(frozen=True)
class OnnxGenerator:
    """An exported generator that onnxruntime runs on the CPU."""

    session: InferenceSession
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
        raise CheckpointError(f"{path}: is no ONNX file ({error}); give what {command_name('export')} made") from None
    facts = from_strings({entry.key: entry.value for entry in model.metadata_props}, path)
    try:
        session = session_of(content)
    except Exception as error:  # noqa: BLE001 (its exceptions have no common ancestor of their own)
        raise CheckpointError(f"{path}: onnxruntime cannot run it ({error}); export it again") from None
    require_finite({tensor.name: _to_torch(tensor) for tensor in model.graph.initializer}, path)
    return OnnxGenerator(session, facts)


def _to_torch(tensor: onnx.TensorProto) -> torch.Tensor:
    """An initialiser as a torch tensor; empty where its type is no float, as it is finite then."""
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    return torch.from_numpy(numpy_helper.to_array(tensor).copy()) if tensor.data_type in floats else torch.zeros(0)
