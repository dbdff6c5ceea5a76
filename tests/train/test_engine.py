"""A network's update: clipped, and in fp16 with a scaler of its own. All of it on the CPU, where no network trains in
fp16: the scaler's logic is the same there."""

import pytest
import torch
from torch import nn

from cartoon_dist.train.engine import NetworkOptimizer

SCALE = 2.0**16


def update(
    *, weights: list[float], clip: float | None = None, scaled: bool = False
) -> tuple[NetworkOptimizer, nn.Parameter]:
    weight = nn.Parameter(torch.tensor(weights))
    optimizer = torch.optim.SGD([weight], lr=1.0, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=SCALE, growth_interval=3, enabled=scaled)
    return NetworkOptimizer("generator", optimizer, scaler, clip=clip), weight


@pytest.mark.parametrize("scaled", [False, True])
def test_a_long_gradient_is_shortened_and_its_length_told(*, scaled: bool) -> None:
    step, weight = update(weights=[1.0, 1.0], clip=1.0, scaled=scaled)
    step.backward((weight * torch.tensor([3.0, 4.0])).sum())
    figures = step.step()
    assert figures["norm/generator"].item() == pytest.approx(5.0)
    assert weight.tolist() == pytest.approx([1 - 3 / 5, 1 - 4 / 5], abs=1e-6)
    assert weight.grad is None


def test_a_short_gradient_is_left_as_it_is() -> None:
    step, weight = update(weights=[1.0], clip=10.0)
    step.backward((weight * 0.5).sum())
    assert step.step()["norm/generator"].item() == 0.5
    assert weight.item() == 0.5


def test_parts_of_a_batch_add_up() -> None:
    step, weight = update(weights=[1.0], scaled=True)
    for part in (0.25, 0.125):
        step.backward((weight * part).sum())
    assert step.step()["skipped/generator"].item() == 0
    assert weight.item() == 1 - 0.375


def test_an_overflow_leaves_the_step_out_and_halves_this_networks_scale_alone() -> None:
    first, weight = update(weights=[1.0], scaled=True)
    other, others = update(weights=[1.0], scaled=True)
    first.backward((weight * torch.tensor(torch.inf)).sum())
    first.step()
    other.backward((others * 0.5).sum())
    other.step()
    assert (weight.item(), others.item()) == (1.0, 0.5)
    assert (first.scaler.get_scale(), other.scaler.get_scale()) == (SCALE / 2, SCALE)
    for _ in range(3):  # growth_interval good steps double it again
        first.backward((weight * 0.0).sum())
        first.step()
    assert first.scaler.get_scale() == SCALE


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_step_left_out_is_told_and_leaves_weights_and_moments_alone(clip: float | None) -> None:
    """As training makes it: fused Adam, whose step count must not move either."""
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = torch.optim.Adam([weight], lr=torch.tensor(0.1), fused=True)
    step = NetworkOptimizer("generator", optimizer, torch.amp.GradScaler("cpu", init_scale=SCALE), clip=clip)
    step.backward((weight * 0.5).sum())
    assert step.step()["skipped/generator"].item() == 0
    before = {"weight": weight.detach().clone()} | {
        name: held.clone() for name, held in optimizer.state[weight].items()
    }
    for bad in (torch.inf, torch.nan):
        step.backward((weight * torch.tensor(bad)).sum())
        assert step.step()["skipped/generator"].item() == 1
        after = {"weight": weight.detach(), **optimizer.state[weight]}
        assert all(torch.equal(after[name], held) for name, held in before.items())
    step.backward((weight * 0.5).sum())
    assert step.step()["skipped/generator"].item() == 0
    assert not torch.equal(weight, before["weight"])


def test_without_a_scaler_nothing_is_said_of_skipped_steps() -> None:
    step, weight = update(weights=[1.0])
    step.backward((weight * 0.5).sum())
    assert step.step() == {}


def test_a_checkpoint_brings_the_scale_back() -> None:
    first, weight = update(weights=[1.0], scaled=True)
    first.backward((weight * torch.tensor(torch.inf)).sum())
    first.step()
    again, _ = update(weights=[1.0], scaled=True)
    again.scaler.load_state_dict(first.scaler.state_dict())
    assert again.scaler.get_scale() == SCALE / 2
