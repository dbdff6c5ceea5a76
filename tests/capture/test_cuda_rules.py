"""What CUDA asks of optimizers, scalers and modules: our rule beside torch's own check, and each broken rule named."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cartoon_dist.capture.cuda_rules import broken_rules
from cartoon_dist.train.loop import TrainingStep
from tests.capture.capturing import PLAIN, run_step, settings, training_step
from tests.capture.faults import is_not_capturable


@pytest.fixture(scope="module")
def stepped() -> TrainingStep:
    """After a step, marked as an engine on CUDA marks its optimizers."""
    made = training_step(settings("ressal_cbam"), PLAIN)
    run_step(made, 0)
    return made


@pytest.fixture(autouse=True)
def _as_on_cuda(stepped: TrainingStep) -> None:
    for optimizer in stepped.state.optimizers.values():
        for group in optimizer.param_groups:
            group["capturable"] = True


def refused_by_torch(optimizer: torch.optim.Optimizer, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Torch's own health check, as if the current CUDA stream were recording."""
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "current_stream", lambda: SimpleNamespace(is_capturing=lambda: True))
    for name in ("_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check"):
        if check := getattr(optimizer, name, None):
            try:
                check()
            except RuntimeError as error:
                assert "capturable is False" in str(error)  # noqa: PT017
                return True
            return False
    raise AssertionError(f"torch {torch.__version__} has no such check")


def test_our_rule_is_torchs(stepped: TrainingStep, monkeypatch: pytest.MonkeyPatch) -> None:
    optimizers = stepped.state.optimizers
    assert broken_rules(stepped, scaled=True) == []
    assert [refused_by_torch(optimizer, monkeypatch) for optimizer in optimizers.values()] == [False, False]
    is_not_capturable(stepped)
    assert [refused_by_torch(optimizer, monkeypatch) for optimizer in optimizers.values()] == [True, True]
    assert broken_rules(stepped, scaled=False) == [
        f"optimizer of {name}: Adam with capturable=False: torch refuses to record its step on CUDA"
        for name in optimizers
    ]


def test_moments_and_rates_that_lie_elsewhere_or_otherwise_are_named(stepped: TrainingStep) -> None:
    optimizer = stepped.state.optimizers["discriminator"]
    weight = max(stepped.state.networks["discriminator"].parameters(), key=lambda weight: weight.shape[-1:] == (3,))
    held = optimizer.state[weight]
    before, rate = dict(held), optimizer.param_groups[0]["lr"]
    try:
        held["exp_avg"] = held["exp_avg"].to(memory_format=torch.channels_last)
        held["exp_avg_sq"] = held["exp_avg_sq"].to("meta")
        optimizer.param_groups[0]["lr"] = torch.zeros((), device="meta")
        found = broken_rules(stepped, scaled=False)
    finally:
        held.update(before)
        optimizer.param_groups[0]["lr"] = rate
    assert len(found) == 3
    assert found[0] == "optimizer of discriminator: its learning rate lies on meta, the weights on cpu"
    assert "exp_avg of a weight of shape" in found[1]
    assert "fused Adam refuses them" in found[1]
    assert found[2].endswith("lies on meta")


def test_a_scaler_with_an_optimizer_that_is_not_fused_is_named(stepped: TrainingStep) -> None:
    fused = stepped.state.optimizers["generator"]
    try:
        weights = stepped.state.networks["generator"].parameters()
        stepped.state.optimizers["generator"] = torch.optim.Adam(weights, capturable=True, fused=False)
        assert broken_rules(stepped, scaled=False) == []
        [line] = broken_rules(stepped, scaled=True)
    finally:
        stepped.state.optimizers["generator"] = fused
    assert line.startswith("scaler of generator: Adam is not fused")


def test_a_buffer_on_another_device_is_named(stepped: TrainingStep) -> None:
    network = stepped.state.networks["discriminator"]
    network.register_buffer("left_behind", nn.Buffer(torch.empty(1, device="meta")))
    try:
        [line] = broken_rules(stepped, scaled=False)
    finally:
        del network.left_behind
    assert line == "module discriminator: left_behind lies on meta: each step would copy it to cpu"
