"""A function that is recorded for inputs that come often: with the recorder that any machine has."""

import logging

import pytest
import torch
from torch import Tensor

from cartoon_dist.gpu.captured_function import CapturedFunction
from cartoon_dist.gpu.graphs import CudaRecorder, Tensors, TracingRecorder
from tests.capture.test_cuda_graph import Cuda

CPU = torch.device("cpu")


class Squares:
    """x^2 + weight, which counts how often Python ran it and the device has."""

    def __init__(self) -> None:
        self.num_calls = 0
        self.weight, self.num_run = torch.tensor(1.0), torch.zeros(2)

    def __call__(self, values: Tensor) -> Tensors:
        self.num_calls += 1
        self.num_run.copy_(self.num_run + 1)
        return values.square() + self.weight, values.sum()


def captured(function: Squares, *, num_plain: int = 2, max_graphs: int = 8) -> CapturedFunction:
    return CapturedFunction(
        function, TracingRecorder(), name="squares", device=CPU, num_plain=num_plain, max_graphs=max_graphs
    )


def test_it_is_recorded_at_the_third_input_of_a_kind_and_replayed_from_then_on() -> None:
    function = Squares()
    squares = captured(function)
    for number in range(6):
        values = torch.rand(4, generator=torch.Generator().manual_seed(number))
        squared, total = squares(values)
        assert torch.equal(squared, values.square() + 1)
        assert torch.equal(total, values.sum())
        assert function.num_run.tolist() == [number + 1] * 2  # recording runs nothing
    assert function.num_calls == 3
    assert squares.num_graphs == 1


def test_a_replay_reads_the_weights_that_are_there() -> None:
    function = Squares()
    squares = captured(function, num_plain=1)
    for _ in range(2):
        squares(torch.ones(2))
    function.weight.fill_(5)
    assert squares(torch.ones(2))[0].tolist() == [6, 6]
    assert function.num_calls == 2


def test_other_shapes_and_what_it_depends_on_are_other_recordings() -> None:
    function, mode = Squares(), ["one"]
    squares = CapturedFunction(
        function, TracingRecorder(), name="x", device=CPU, depends_on=lambda: tuple(mode), num_plain=0
    )
    squares(torch.ones(2))
    squares(torch.ones(3))
    squares(torch.ones(2, dtype=torch.float64))
    assert (squares.num_graphs, function.num_calls) == (3, 3)
    mode[0] = "two"
    squares(torch.ones(2))
    assert (squares.num_graphs, function.num_calls) == (4, 4)


def test_inputs_that_are_all_different_record_nothing() -> None:
    squares = captured(Squares())
    for size in range(1, 1200):
        squares(torch.ones(size))
    assert squares.num_graphs == 0


def test_the_recording_that_was_longest_without_use_goes_first() -> None:
    function = Squares()
    squares = captured(function, num_plain=0, max_graphs=2)
    for size in (1, 2, 1, 3):  # 3 takes the place of 2
        squares(torch.ones(size))
    assert (squares.num_graphs, function.num_calls) == (2, 3)
    squares(torch.ones(1))
    assert function.num_calls == 3
    squares(torch.ones(2))
    assert function.num_calls == 4
    squares.release()
    assert squares.num_graphs == 0


def test_what_cannot_be_recorded_runs_plain_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    def reads_back(values: Tensor) -> Tensors:
        return (values * values.sum().item(),)

    squares = CapturedFunction(reads_back, TracingRecorder(), name="the drawing", device=CPU, num_plain=1)
    with caplog.at_level(logging.WARNING):
        for size in (2, 2, 2, 3, 3, 3):
            assert squares(torch.ones(size))[0].tolist() == [float(size)] * size
    [message] = [record.message for record in caplog.records if record.name.startswith("cartoon_dist")]
    assert message.startswith("warning: the drawing cannot be recorded as a CUDA graph and runs plain: ")
    assert squares.num_graphs == 0


def test_an_error_of_the_function_itself_is_the_callers() -> None:
    def fails(_: Tensor) -> Tensors:
        raise ValueError("planted")

    squares = CapturedFunction(fails, TracingRecorder(), name="x", device=CPU, num_plain=0)
    with pytest.raises(ValueError, match="planted"):
        squares(torch.ones(2))


def test_on_cuda_graphs_share_a_pool_and_each_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(monkeypatch)
    squares = CapturedFunction(lambda x: (x,), CudaRecorder(), name="x", device=CPU, num_plain=0, max_graphs=2)
    for size in (1, 2, 1, 3):
        squares(torch.ones(size))
        assert (cuda.stream, cuda.recording) == ("default", "")
    assert cuda.log == ["replay", "replay", "replay", "reset", "replay"]
    squares.release()
    assert cuda.log[5:] == ["reset", "reset"]


def test_on_cuda_a_recording_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(monkeypatch)
    recorder = CudaRecorder()
    kept = recorder.record(lambda: (torch.ones(1),))
    cuda.ending_fails = True
    with pytest.raises(RuntimeError, match="previous error"):
        recorder.record(lambda: (torch.ones(1),))
    assert (cuda.stream, cuda.recording) == ("default", "")
    cuda.ending_fails = False
    kept.replay()
    kept.release()
    assert cuda.log[-2:] == ["replay", "reset"]
