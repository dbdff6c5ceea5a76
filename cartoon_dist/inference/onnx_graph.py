"""An ONNX graph that is put together node by node and run by onnxruntime on the CPU."""

import functools
import os
from collections.abc import Sequence
from typing import Any

# Read when onnxruntime is imported: its packages report each use to their maker unless they are told not to.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import numpy.typing as npt
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession as InferenceSession
from onnxruntime import (
    OrtAllocatorType,
    OrtMemoryInfo,
    OrtMemType,
    RunOptions,
    SessionOptions,
    create_and_register_allocator,
)

Array = npt.NDArray[Any]
Dimension = int | str

_TYPES: dict[torch.dtype, int] = {
    torch.float32: TensorProto.FLOAT,
    torch.uint8: TensorProto.UINT8,
}
_OPSET, _IR_VERSION = 18, 9  # what onnxruntime 1.20, our oldest, reads with certainty
_SILENT = 4  # onnxruntime's log levels: 0 is verbose, 4 only fatal; other errors are raised as exceptions anyway


class OnnxGraph:
    """A graph that grows: each method adds to it and names what it added."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._small: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, shape: Sequence[Dimension], dtype: torch.dtype = torch.float32) -> str:
        """An input; a dimension may be a name, and is any number then."""
        self._inputs.append(helper.make_tensor_value_info(name, _TYPES[dtype], list(shape)))
        return name

    def output(self, value: str) -> str:
        """Give a value in float32 out, by its own name."""
        self._outputs.append(helper.make_tensor_value_info(value, TensorProto.FLOAT, None))
        return value

    def to_float32(self, value: str) -> str:
        """A value of another type."""
        return self.add("Cast", value, to=TensorProto.FLOAT)

    def constant(self, values: Array | torch.Tensor) -> str:
        """Numbers; those that are there already, where they are few, are used again."""
        array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
        array = np.ascontiguousarray(array)
        key = (array.dtype.str, array.shape, array.tobytes() if array.size < 1024 else b"")
        if array.size < 1024 and key in self._small:
            return self._small[key]
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(array, name))
        if array.size < 1024:
            self._small[key] = name
        return name

    def integers(self, *values: int) -> str:
        """A list of whole numbers, as sizes, axes and paddings are given."""
        return self.constant(np.array(values, np.int64))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """A node with one result."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def session(self, *, num_threads: int | None = None, in_strips: bool = False) -> InferenceSession:
        """The graph, ready to run; see `session_of`."""
        graph = helper.make_graph(self._nodes, "drawing", self._inputs, self._outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        return session_of(model.SerializeToString(), num_threads=num_threads, in_strips=in_strips)


def session_of(content: bytes, *, num_threads: int | None = None, in_strips: bool = False) -> InferenceSession:
    """An .onnx file's content, ready to run: silent, without a plan of the memory for each picture size.

    num_threads: those that a run takes, as many as torch's by default.

    in_strips: one of many sessions that do a few long steps each. They share one memory, which each would otherwise
    request anew, page by page; and their threads sleep while they wait. Elsewhere these wait for the next node, and a
    while after the last, by asking all the time, which saves time between many short nodes.
    """
    chosen = SessionOptions()
    chosen.log_severity_level = _SILENT
    # Otherwise a memory plan is kept for each picture size: 240 pictures of 40 sizes took 1,055 MB instead of 680.
    chosen.enable_mem_pattern = False
    chosen.intra_op_num_threads = num_threads or torch.get_num_threads()
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0" if in_strips else "1")
    if in_strips:
        _have_shared_memory()
        chosen.add_session_config_entry("session.use_env_allocators", "1")
    return InferenceSession(content, chosen, providers=["CPUExecutionProvider"])


def give_back_shared_memory() -> None:
    """Return to the system what sessions for strips have left: their results are not touched."""
    graph = OnnxGraph()
    graph.output(graph.add("Neg", graph.input("number", [1])))
    options = RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    graph.session(in_strips=True).run(None, {"number": np.zeros(1, np.float32)}, options)


@functools.cache
def _have_shared_memory() -> None:
    """Once for the process."""
    memory = OrtMemoryInfo("Cpu", OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, OrtMemType.DEFAULT)
    create_and_register_allocator(memory, None)
