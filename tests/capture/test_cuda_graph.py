"""Recording on CUDA, with torch's CUDA replaced by one that counts: what a recording leaves behind when it fails.

What CUDA itself does is tested on a GPU (tests/gpu); the order of the calls, and that each is taken back, anywhere.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from cartoon_dist.capture.cuda_graph import CudaGraphRecorder
from cartoon_dist.train.phase import EagerUpdate, StepOutput

POOL = (0, 7)


class Cuda:
    """Streams, graphs and pools as names in a list; ending a recording fails where it is planted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stream = "default"
        self.recording = ""
        self.ending_fails = False
        self.log: list[str] = []
        cuda = self

        class Graph:
            def capture_begin(self, *, pool: object, capture_error_mode: str) -> None:
                assert (pool, capture_error_mode) == (POOL, "thread_local")
                assert not cuda.recording
                cuda.recording = cuda.stream

            def capture_end(self) -> None:
                cuda.recording, on = "", cuda.recording
                if on != cuda.stream or cuda.ending_fails:
                    raise RuntimeError("operation failed due to a previous error during capture")

            def replay(self) -> None:
                cuda.log.append("replay")

            def reset(self) -> None:
                cuda.log.append("reset")

        @contextmanager
        def stream(name: str) -> Iterator[None]:
            before, self.stream = self.stream, name
            try:
                yield
            finally:
                self.stream = before

        made = iter(f"stream {number}" for number in range(10))
        for name, value in {
            "CUDAGraph": Graph,
            "stream": stream,
            "Stream": lambda: next(made),
            "synchronize": lambda: None,
            "empty_cache": lambda: None,
            "current_device": lambda: 0,
            "graph_pool_handle": lambda: POOL,
            "default_generators": (SimpleNamespace(),),
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)
        for name in ("_cuda_endAllocateToPool", "_cuda_releasePool"):
            monkeypatch.setattr(torch._C, name, self._noted(name), raising=False)

    def _noted(self, name: str) -> Callable[..., None]:
        def call(device: int, pool: object) -> None:
            assert (device, pool) == (0, POOL)
            self.log.append(name)

        return call


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    return Cuda(monkeypatch)


def test_a_recording_begins_and_ends_on_one_stream_of_its_own(cuda: Cuda) -> None:
    graphs = CudaGraphRecorder(lambda: None)
    replay = graphs.record(in_two(cuda), whole=False)
    assert (cuda.stream, cuda.recording) == ("default", "")
    assert replay().figures["loss/content"].item() == 1.0
    graphs.release()
    assert cuda.log == ["replay", "update", "replay", "reset", "reset"]


@pytest.mark.parametrize("fault", ["in the step", "at its end"])
def test_a_recording_that_fails_leaves_torch_on_the_stream_it_was_on(cuda: Cuda, fault: str) -> None:
    abandoned: list[bool] = []
    graphs = CudaGraphRecorder(lambda: abandoned.append(True))
    cuda.ending_fails = fault == "at its end"
    with pytest.raises(RuntimeError, match="planted" if fault == "in the step" else "previous error during capture"):
        graphs.record(fails if fault == "in the step" else in_two(cuda), whole=True)
    assert (cuda.stream, cuda.recording) == ("default", "")
    assert abandoned == [True, True]  # no gradient is left in the pool
    returned = ["_cuda_endAllocateToPool", "_cuda_releasePool"]
    assert [name for name in cuda.log if name != "update"] == (returned if cuda.ending_fails else [])
    # And the next recording is one.
    cuda.ending_fails = False
    graphs.release()
    assert graphs.record(in_two(cuda), whole=True)().figures.keys() == {"loss/content"}


def in_two(cuda: Cuda) -> Callable[[EagerUpdate], StepOutput]:
    """A step with an update that is left out of the graph."""

    def update(_drawn: object) -> StepOutput:
        cuda.log.append("update")
        return StepOutput({}, {})

    def step(apart: EagerUpdate) -> StepOutput:
        assert cuda.recording == cuda.stream != "default"
        apart(update, [])
        assert cuda.recording == cuda.stream
        return StepOutput({"loss/content": torch.tensor(1.0)}, {})

    return step


def fails(*_: Any) -> StepOutput:
    raise RuntimeError("planted")
