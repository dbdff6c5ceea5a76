"""The averages on a stream of their own: every order that CUDA needs is asked for, as a race detector finds on a CPU
(streams.py). What CUDA itself does is tested on GPUs (tests/gpu)."""

from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from accelerate.state import AcceleratorState
from torch import nn

from cartoon_dist.commands.check_capture import built
from cartoon_dist.gpu import switch
from cartoon_dist.train import gradient_averaging
from cartoon_dist.train.engine import Engine, weights_by_use
from cartoon_dist.train.gradient_averaging import GradientAveraging, nothing_sent
from cartoon_dist.train.loop import TrainingStep
from cartoon_dist.train.side_stream import SideStream
from tests.capture.capturing import PLAIN, run_step, settings
from tests.train.streams import Stream, Streams

Plant = Callable[[GradientAveraging], None]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(gradient_averaging, "BUCKET_BYTES", 4096)
    with nothing_sent():
        yield


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    return Streams(monkeypatch)


class BesideEngine(Engine):
    """As of two processes, with averages beside the backward as on CUDA."""

    def __init__(self, plant: Plant) -> None:
        super().__init__(precision="fp32", clip=5.0, recordable=True)
        self.plant = plant
        self.averages: list[GradientAveraging] = []

    def _average(self, network: nn.Module) -> GradientAveraging:
        average = GradientAveraging(weights_by_use(network), world_size=2)
        average._side = SideStream(torch.device("cuda"))
        self.averages.append(average)
        self.plant(average)
        return average


def trained(streams: Streams, plant: Plant = lambda _: None, *, num_steps: int = 2) -> TrainingStep:
    """Some steps, with every operation on a stream."""
    AcceleratorState._reset_state(reset_partial_state=True)
    made = built(settings("ressal_cbam"), BesideEngine(plant), PLAIN)
    with streams:
        for number in range(num_steps):
            run_step(made, number)
    return made


def sides(made: TrainingStep) -> list[Stream]:
    return [average._side.stream for average in made.engine.averages]  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_step_has_no_race_and_ends_with_everything_joined(streams: Streams) -> None:
    made = trained(streams)
    assert streams.races == []
    for side in sides(made):
        assert side.priority == -1
        assert streams.num_on[side] > 10  # buckets are filled, divided and summed there
        assert streams.main.known[side] == side.known[side]


def never_joins(average: GradientAveraging) -> None:
    average._side.join = lambda: None  # type: ignore[method-assign]


def never_waits(average: GradientAveraging) -> None:
    average._side.stream.wait_stream = lambda _other: None  # type: ignore[union-attr, method-assign]


def lets_go_of_gradients(average: GradientAveraging) -> None:
    send = average._send

    def sent(bucket: Sequence[nn.Parameter]) -> None:
        send(bucket)
        held = average._sent[-1]
        average._sent[-1] = held._replace(gradients=[gradient.clone() for gradient in held.gradients])
        for weight in bucket:
            weight.grad = None

    average._send = sent  # type: ignore[method-assign]
    average._require_gradients = lambda: None  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("plant", "race"),
    [(never_joins, "before another stream"), (never_waits, "cat"), (lets_go_of_gradients, "given back")],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_order_that_is_not_asked_for_is_found(streams: Streams, plant: Plant, race: str) -> None:
    trained(streams, plant, num_steps=1)
    assert any(race in found for found in streams.races), streams.races


def test_gradients_of_several_streams_are_all_waited_for(streams: Streams) -> None:
    """A backward runs each operation on the stream of its forward."""
    weights = {str(index): nn.Parameter(torch.zeros(4)) for index in range(3)}
    average = GradientAveraging(weights, world_size=2)
    average._side = SideStream(torch.device("cuda"))
    others = [Stream() for _ in weights]
    with streams:
        for weight, stream in zip(weights.values(), others, strict=True):
            with streams.on(stream):
                weight.grad = torch.ones(4)
                average._arrive(weight)
        for stream in others:
            streams.main.wait_stream(stream)  # as the end of a backward does
        average()
        assert [weight.grad.sum().item() for weight in weights.values() if weight.grad is not None] == [2.0] * 3
    assert streams.races == []
    assert all(average._side.stream.known[stream] > 0 for stream in others)  # type: ignore[union-attr]


def test_what_is_abandoned_is_joined_before_its_memory_is_given_back(streams: Streams) -> None:
    network = nn.Linear(4, 4)
    average = GradientAveraging(dict(network.named_parameters()), world_size=2)
    average._side = SideStream(torch.device("cuda"))
    with streams:
        with average.in_backward():
            network(torch.ones(1, 4)).sum().backward()
        average.abandon()
        network.zero_grad()
    assert streams.num_on[average._side.stream] == 3  # type: ignore[index]
    assert streams.races == []


def test_switched_off_or_on_a_cpu_there_is_no_other_stream(streams: Streams) -> None:
    assert SideStream(torch.device("cpu")).stream is None
    assert SideStream(torch.device("cuda"), used=False).stream is None
    network = nn.Linear(4, 4)
    with switch.disabled("averaging_in_backward"):
        average = GradientAveraging(dict(network.named_parameters()), world_size=2)
    assert average._side.stream is None
    with streams:
        with average.in_backward():
            network(torch.ones(1, 4)).sum().backward()
        average()
    assert set(streams.num_on) == {streams.main}
