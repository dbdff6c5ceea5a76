"""The training state: its average, and its way into a checkpoint and back."""

import pytest
import torch
from torch import nn

from cartoon_dist.config.train import OptimizerSettings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.train.state import TrainState, copy_to_host, initial_state, reset_optimizer, update_ema


def trained(steps: int, width: int = 3) -> TrainState:
    torch.manual_seed(1)
    state = initial_state({"generator": nn.Linear(width, 2), "discriminator": nn.Linear(2, 1)}, OptimizerSettings())
    step_on(state, steps)
    return state


def step_on(state: TrainState, steps: int) -> None:
    for _ in range(steps):
        for name, network in state.networks.items():
            optimizer = state.optimizers[name]
            optimizer.param_groups[0]["lr"] = 0.1
            optimizer.zero_grad()
            sum(weight.square().sum() for weight in network.parameters()).backward()
            optimizer.step()
        update_ema(state.ema, state.networks["generator"], torch.tensor(0.1))
        state.step += 1


def test_the_average_by_hand() -> None:
    average, network = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    average.requires_grad_(requires_grad=False)
    nn.init.constant_(average.weight, 1.0)
    nn.init.constant_(network.weight, 3.0)
    update_ema(average, network, torch.tensor(0.25))
    assert average.weight.item() == pytest.approx(1 + 0.25 * 2)
    update_ema(average, network, torch.tensor(1.0))
    assert average.weight.item() == pytest.approx(3.0)


def test_going_on_from_saved_tensors_changes_nothing() -> None:
    whole = trained(5)
    saved = trained(3)
    resumed = trained(1)
    resumed.load(3, {stem: {k: v.clone() for k, v in named.items()} for stem, named in saved.tensors().items()})
    step_on(resumed, 2)
    expected, found = whole.tensors(), resumed.tensors()
    assert expected.keys() == found.keys() == {
        "generator", "discriminator", "ema", "optimizer-generator", "optimizer-discriminator"
    }  # fmt: skip
    for stem, named in expected.items():
        assert named.keys() == found[stem].keys()
        assert all(torch.equal(named[name], found[stem][name]) for name in named)


def test_the_optimizer_has_a_step_and_two_moments_for_each_weight() -> None:
    held = trained(2).tensors()["optimizer-generator"]
    assert held.keys() == {f"{w}:{k}" for w in ("weight", "bias") for k in ("step", "exp_avg", "exp_avg_sq")}
    assert held["weight:step"].item() == 2


def test_forgetting_starts_the_optimizer_afresh() -> None:
    state = trained(2)
    reset_optimizer(state.optimizers["generator"])
    assert state.tensors()["optimizer-generator"] == {}
    step_on(state, 1)
    assert state.tensors()["optimizer-generator"]["weight:step"].item() == 1


def test_a_checkpoint_of_other_networks_is_refused() -> None:
    other = trained(1, width=4).tensors()
    with pytest.raises(CheckpointError, match="generator: does not fit the config: weight has the shape"):
        trained(1).load(1, other)
    lacking = {k: v for k, v in trained(1).tensors().items() if k != "ema"}
    with pytest.raises(CheckpointError):
        trained(1).load(1, lacking)


def test_a_copy_on_the_host_is_left_alone() -> None:
    held = {
        "turned": torch.arange(6.0).reshape(2, 3).t(),
        "whole": torch.tensor([2**62, -1]),
        "double": torch.tensor(0.1, dtype=torch.float64),
    }
    copies = copy_to_host({"network": held})["network"]
    expected = {"turned": [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]], "whole": [2**62, -1], "double": 0.1}
    for name, tensor in held.items():
        tensor.zero_()
        assert copies[name].tolist() == expected[name]
        assert copies[name].dtype == tensor.dtype
        assert copies[name].is_contiguous()
        assert (copies[name].device.type, copies[name].is_pinned()) == ("cpu", False)
