"""The same steps on a GPU and on the CPU: in float64 nearly to the bit, in other precisions as near as they are."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from cartoon_dist.commands.check_capture import built
from cartoon_dist.config.fields import DeviceName
from cartoon_dist.config.train import CaptureSettings, OptimizerSettings
from cartoon_dist.cpu import switch
from cartoon_dist.losses.flattening import Flattening
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.loop import TrainingStep
from cartoon_dist.train.state import copy_to_host, initial_state
from tests.capture.capturing import PLAIN, capture, largest_difference, run_step, settings
from tests.running import metrics, tiny, train

pytestmark = pytest.mark.gpu


def made(name: DeviceName, how: CaptureSettings = PLAIN) -> TrainingStep:
    AcceleratorState._reset_state(reset_partial_state=True)
    small = settings("ressal_cbam", "precision=fp64", "optimizer.clip=null")
    return built(small, Engine(precision="fp64", recordable=how.mode != "none", device=name), how)


@pytest.mark.parametrize("mode", ["none", "iteration"])
def test_float64_steps_are_those_of_a_cpu(
    mode: str, device: torch.device, record_property: Callable[[str, object], None]
) -> None:
    with switch.disabled():
        on_cpu = made("cpu")
        here = made("cpu" if device.type == "cpu" else "cuda", capture(mode) if mode != "none" else PLAIN)
        for number in range(6):
            run_step(on_cpu, number)
            run_step(here, number)
        assert here.engine.device.type == device.type
        difference = largest_difference(on_cpu, here)
    record_property("largest_difference", difference)
    assert difference < 1e-9


def test_a_flattened_photo_is_that_of_a_cpu_where_convolutions_may_use_tf32(device: torch.device) -> None:
    """Calm sectors are told apart by variances far below what TF32 tells apart."""
    noise = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    photos = (torch.linspace(-0.9, 0.9, 64) + 0.02 * noise).clamp(-1, 1)
    flatten = Flattening(radius=4, passes=2, ink=8.0)
    exact = flatten(photos.double())
    torch.backends.cudnn.allow_tf32 = True  # as training has it
    found = flatten.to(device)(photos.to(device)).cpu()
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=2e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_training_by_the_command_begins_as_on_the_cpu(
    shards: Path, tmp_path: Path, precision: str, device: torch.device, *, rehearsal: bool
) -> None:
    if rehearsal and precision != "fp32":
        pytest.skip("half precisions are of a GPU")
    runs = {name: tmp_path / name for name in ("cpu", device.type)}
    for name, run in runs.items():
        chosen = "fp32" if name == "cpu" else precision
        done = train(tiny(shards, run, f"precision={chosen}", "max_steps=4", f"device={name}", "data.num_workers=1"))
        assert done.returncode == 0, done.stderr
        assert f"1 process on {name}" in done.stderr
    expected, found = metrics(runs["cpu"])[0], metrics(runs[device.type])
    assert len(found) == 4
    rel = 1e-2 if precision == "fp32" else 0.05  # TF32, and half precision
    assert found[0]["loss/content"] == pytest.approx(expected["loss/content"], rel=rel)


def test_a_copy_on_the_host_is_page_locked_and_left_alone(device: torch.device, *, rehearsal: bool) -> None:
    state = initial_state({"generator": torch.nn.Linear(3, 2).to(device)}, OptimizerSettings())
    copies = copy_to_host(state.tensors())["generator"]
    expected = {name: held.cpu().clone() for name, held in state.networks["generator"].state_dict().items()}
    with torch.no_grad():
        for weight in state.networks["generator"].parameters():
            weight.zero_()
    for name, held in copies.items():
        assert torch.equal(held, expected[name])
        assert held.is_pinned() is not rehearsal
