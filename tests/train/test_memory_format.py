"""Weights that lie in memory as channels_last train as contiguous ones: gradients and moments lie as they do."""

from collections.abc import Iterator

import pytest
import torch
from accelerate.state import AcceleratorState
from torch import nn

from cartoon_dist.capture.cuda_rules import broken_rules
from cartoon_dist.commands.check_capture import built
from cartoon_dist.config.train import OptimizerSettings
from cartoon_dist.cpu import switch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.gradient_averaging import GradientAveraging, nothing_sent
from cartoon_dist.train.loop import TrainingStep
from cartoon_dist.train.state import initial_state
from tests.capture.capturing import PLAIN, capture, flat, largest_difference, run_step, settings


class ChannelsLast(Engine):
    """Every network's weights lie as channels_last; averages as if of two processes, where it averages itself."""

    def place(self, network: nn.Module) -> nn.Module:
        return super().place(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def _average(self, network: nn.Module) -> GradientAveraging:
        return GradientAveraging(dict(network.named_parameters()), world_size=2)


class Contiguous(ChannelsLast):
    """The same, with weights as they are made."""

    def place(self, network: nn.Module) -> nn.Module:
        return Engine.place(self, network)


def made(kind: type[Engine], *, recordable: bool) -> TrainingStep:
    AcceleratorState._reset_state(reset_partial_state=True)
    how = capture("iteration") if recordable else PLAIN
    small = settings("ressal_cbam", "precision=fp64", "optimizer.clip=null")
    return built(small, kind(precision="fp64", recordable=recordable), how)


@pytest.fixture(autouse=True)
def _convolutions_of_torch() -> Iterator[None]:
    with switch.disabled():
        yield


def lies_otherwise(step: TrainingStep) -> list[str]:
    """Moments whose strides are not those of their weights, and weights that are not channels_last."""
    wrong = broken_rules(step, scaled=False)
    for network in step.state.networks.values():
        wrong += [
            name
            for name, weight in network.named_parameters()
            if weight.dim() == 4 and not weight.is_contiguous(memory_format=torch.channels_last)
        ]
    return [line for line in wrong if "capturable" not in line]


@pytest.mark.slow
@pytest.mark.parametrize("recordable", [False, True])
def test_channels_last_weights_train_as_contiguous_ones(*, recordable: bool) -> None:
    with nothing_sent():
        one, other = made(Contiguous, recordable=recordable), made(ChannelsLast, recordable=recordable)
        for number in range(6):
            run_step(one, number)
            run_step(other, number)
    assert lies_otherwise(other) == []
    assert largest_difference(one, other) < 1e-12
    before = flat(made(Contiguous, recordable=recordable))
    moved = [name for name, held in before.items() if not torch.equal(held, flat(other)[name])]
    assert {"generator/encoder.0.conv.weight", "discriminator/layers.0.conv.weight"} <= set(moved), moved


def test_a_checkpoint_of_contiguous_tensors_goes_on_in_channels_last_ones() -> None:
    one, other = made(Contiguous, recordable=False), made(ChannelsLast, recordable=False)
    for number in range(3):
        run_step(one, number)
    held = {
        kind: {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in named.items()}
        for kind, named in one.state.tensors().items()
    }
    other.state.load(3, held)
    assert lies_otherwise(other) == []
    for number in range(3, 6):
        run_step(one, number)
        run_step(other, number)
    assert lies_otherwise(other) == []
    assert largest_difference(one, other) < 1e-12


SHAPES = [(8, 4, 3, 3), (1, 4, 3, 3), (8, 1, 3, 3), (8, 4, 1, 1), (8, 4, 1, 7), (8,), (2, 3), ()]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_averaged_gradient_lies_as_its_weight(shape: tuple[int, ...], memory_format: torch.memory_format) -> None:
    """Whichever way the gradient came: to the bit the numbers, in the weight's strides."""
    if len(shape) != 4 and memory_format == torch.channels_last:
        memory_format = torch.contiguous_format
    weights = [nn.Parameter(torch.zeros(shape).contiguous(memory_format=memory_format)) for _ in range(2)]
    gradients = [torch.randn(shape), torch.randn(shape)]
    weights[0].grad = gradients[0].clone()
    weights[1].grad = gradients[1].contiguous(memory_format=memory_format)
    with nothing_sent():
        GradientAveraging({str(index): weight for index, weight in enumerate(weights)}, world_size=2)()
    for weight, gradient in zip(weights, gradients, strict=True):
        assert weight.grad is not None
        assert torch.equal(weight.grad, gradient / 2)
        assert weight.grad.stride() == weight.stride()


def test_moments_of_another_shape_are_refused() -> None:
    state = initial_state({"generator": nn.Linear(3, 2)}, OptimizerSettings())
    tensors = state.tensors()
    tensors["optimizer-generator"] = {"weight:exp_avg": torch.zeros(1)}
    with pytest.raises(Exception, match=r"weight:exp_avg has the shape \(1,\) instead of \(2, 3\)"):
        state.load(0, tensors)
