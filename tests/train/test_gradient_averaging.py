"""Averages that begin in the backward: in the order of the buckets, each as soon as it may; what is refused by name.

As if of two processes that send nothing; two real ones are in test_gradient_averaging_together.py.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from cartoon_dist.gpu import switch
from cartoon_dist.train import gradient_averaging
from cartoon_dist.train.engine import NetworkOptimizer
from cartoon_dist.train.gradient_averaging import GradientAveraging, nothing_sent


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(gradient_averaging, "BUCKET_BYTES", 4 * 16)  # a weight of `Chain` fills one
    with nothing_sent():
        yield


class Chain(nn.Module):
    """Layers of 4 numbers to 4, used in the order that is given."""

    def __init__(self, *order: int, num: int = 3) -> None:
        super().__init__()
        self.order = order
        self.layers = nn.ModuleList(nn.Linear(4, 4, bias=False) for _ in range(num))

    def forward(self, values: Tensor) -> Tensor:
        for index in self.order:
            values = self.layers[index](values).tanh()
        return values.sum()


class Operations(TorchDispatchMode):
    """Names of what is issued: `sum` of so many numbers, and the products of the backward."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket.__name__ in ("sum_over_processes", "mm", "tanh_backward"):
            self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def averaging(network: nn.Module) -> GradientAveraging:
    return GradientAveraging(dict(network.named_parameters()), world_size=2)


def issued(network: Chain) -> tuple[list[str], list[str]]:
    """What a backward issues, and what the end of the step issues after it."""
    average, loss = averaging(network), network(torch.ones(2, 4))
    with Operations() as within, average.in_backward():
        loss.backward()
    with Operations() as after:
        average()
    return within.names, after.names


def test_a_bucket_is_sent_when_its_last_gradient_is_there() -> None:
    within, after = issued(Chain(0, 1, 2))
    assert within.count("sum_over_processes") == 3
    # The last layer's goes before the first layer's gradient is computed, and so on.
    layer = ["tanh_backward", "mm", "mm", "sum_over_processes"]
    assert within == [*layer, *layer, "tanh_backward", "mm", "sum_over_processes"]
    assert after == []


def test_a_bucket_that_is_complete_too_early_waits_for_its_turn() -> None:
    """The last layer of the list is used first: its bucket is the first, and complete last."""
    within, after = issued(Chain(2, 0, 1))
    assert within[-4:] == ["mm", *["sum_over_processes"] * 3]
    assert within.count("sum_over_processes") == 3
    assert after == []


def test_switched_off_everything_is_sent_at_the_end() -> None:
    with switch.disabled("averaging_in_backward"):
        within, after = issued(Chain(0, 1, 2))
    assert "sum_over_processes" not in within
    assert after == ["sum_over_processes"] * 3


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 1, 0, 2, 1), (1, 1, 1, 0, 2)])
def test_gradients_are_those_of_the_end_of_the_backward(order: tuple[int, ...]) -> None:
    """Also of a weight that is used twice, and of one that had a gradient before."""
    network = Chain(*order)
    found = []
    for names in ((), ("averaging_in_backward",)):
        network.zero_grad()
        with switch.disabled(*names):  # type: ignore[arg-type]
            average = averaging(network)
        network(torch.full((2, 4), 2.0)).backward()
        with average.in_backward():
            network(torch.ones(2, 4)).backward()
        average()
        found.append([weight.grad.clone() for weight in network.parameters() if weight.grad is not None])
    assert len(found[0]) == 3
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_hooks_are_there_only_while_the_backward_runs() -> None:
    network = Chain(0, 1, 2)
    average = averaging(network)
    with pytest.raises(ZeroDivisionError), average.in_backward():
        _ = 1 / 0
    with Operations() as noted:
        network(torch.ones(2, 4)).backward()
    assert "sum_over_processes" not in noted.names


def test_a_weight_without_a_gradient_is_named() -> None:
    network = Chain(0, 2)
    step = NetworkOptimizer(
        "generator",
        torch.optim.SGD(network.parameters(), lr=1.0),
        torch.amp.GradScaler("cpu", enabled=False),
        clip=None,
        average=averaging(network),
    )
    step.backward(network(torch.ones(2, 4)))
    with pytest.raises(RuntimeError, match=r"^layers\.1\.weight has no gradient: no loss reaches it$"):
        step.step()
    step.abandon()
    network.order = (0, 1, 2)
    step.backward(network(torch.ones(2, 4)))
    step.step()
    assert all(weight.grad is None for weight in network.parameters())


def test_a_gradient_of_an_earlier_part_alone_is_averaged_too() -> None:
    network = Chain(0, 1, 2)
    average = averaging(network)
    network(torch.ones(2, 4)).backward()
    earlier = network.layers[1].weight.grad.clone()  # type: ignore[union-attr, operator]
    network.order = (0, 2)
    with average.in_backward():
        network(torch.ones(2, 4)).backward()
    average()
    assert torch.equal(network.layers[1].weight.grad, earlier / 2)  # type: ignore[arg-type]


def test_a_backward_within_a_backward_is_refused_by_name() -> None:
    network = Chain(0, 1, 2)
    average, given = averaging(network), torch.ones(2, 4, requires_grad=True)
    loss = sum(checkpoint(network, given, use_reentrant=True) for _ in range(2))
    with average.in_backward(), pytest.raises(RuntimeError, match=r"layers\.2\.weight got a second gradient"):
        loss.backward()


def test_after_a_step_that_was_abandoned_the_next_is_right() -> None:
    network = Chain(0, 1, 2)
    average = averaging(network)
    fails = network.layers[0].weight.register_hook(lambda _: 1 / 0)  # type: ignore[operator, union-attr]
    with Operations() as noted, pytest.raises(ZeroDivisionError), average.in_backward():
        network(torch.ones(2, 4)).backward()
    assert noted.names.count("sum_over_processes") == 2  # they were on their way
    fails.remove()
    with pytest.raises(RuntimeError, match="abandon"), average.in_backward():
        pass
    average.abandon()
    network.zero_grad()
    network(torch.ones(2, 4)).backward()
    expected = [weight.grad.clone() / 2 for weight in network.parameters() if weight.grad is not None]
    network.zero_grad()
    with average.in_backward():
        network(torch.ones(2, 4)).backward()
    average()
    found = [weight.grad for weight in network.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))  # type: ignore[arg-type]
