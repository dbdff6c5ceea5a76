"""Two processes whose averages begin in the backward, beside two that average after it; started by
test_gradient_averaging_together.py: `averaging_together.py OUT` compares, `averaging_together.py OUT lacking` lets one
process lack a gradient."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate.state import AcceleratorState
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from cartoon_dist.commands.check_capture import built
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.gpu import switch
from cartoon_dist.train import gradient_averaging
from cartoon_dist.train.check_replicas import require_equal_replicas
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.gradient_averaging import GradientAveraging
from cartoon_dist.train.loop import TrainingStep
from tests.capture.capturing import PLAIN, batch, differing, run_step, settings

NUM_STEPS, NUM_WARMUP = 4, 2
OVERFLOWS = 1
"""The step of the case `scaled` in which a gradient of process 1 is not finite."""
CASES: dict[str, Sequence[str]] = {
    "fp32": (),
    "fp64": ("precision=fp64", "optimizer.clip=null"),
    "parts": ("accumulate=2",),
    "checkpointed": ("model.checkpoint_blocks=true", "model.num_blocks=2"),
    "channels_last": ("precision=fp64",),
    "scaled": (),
}


class Averages(Engine):
    """The engine that averages itself; weights as channels_last where a case says so."""

    channels_last = False

    def place(self, network: nn.Module) -> nn.Module:
        placed = super().place(network)
        return placed.to(memory_format=torch.channels_last) if self.channels_last else placed  # type: ignore[call-overload, no-any-return]


class ChannelsLast(Averages):
    channels_last = True


class Sums(TorchDispatchMode):
    """Counts the sums that are sent before a convolution's backward."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = self.early = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        self.sent += name == "sum_over_processes"
        if name == "convolution_backward":
            self.early = self.sent
        return func(*args, **(kwargs or {}))


def main(folder: Path) -> None:
    """Leave what was found by case as JSON, a file a process."""
    found = {case: compared(case, settings("ressal_cbam", *words)) for case, words in CASES.items()}
    found["abandoned"] = {"differing": abandoned(settings("ressal_cbam"))}
    found["nowhere"] = {"error": error_of(nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)]))}
    (folder / f"{dist.get_rank()}.json").write_text(json.dumps(found))


def training_step(of: TrainSettings, case: str) -> TrainingStep:
    """A step whose engine averages itself, always from the same weights."""
    AcceleratorState._reset_state(reset_partial_state=True)
    kind = ChannelsLast if case == "channels_last" else Averages
    engine = kind(precision=of.precision, clip=of.optimizer.clip, recordable=True)
    if case == "scaled":
        for name in ("generator", "discriminator"):
            engine.scalers[name] = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    return built(of, engine, PLAIN)


def compared(case: str, of: TrainSettings) -> dict[str, object]:
    """Some steps of each way on this process's own pictures: what differs at the end, and the sums of a step."""
    with switch.disabled("averaging_in_backward"):
        after = training_step(of, case)
    within = training_step(of, case)
    begun = [weight.detach().clone() for weight in _weights(within)]
    told: list[list[dict[str, str]]] = [[], []]
    sums = [Sums(), Sums()]
    for number in range(NUM_STEPS):
        phase = "warmup" if number < NUM_WARMUP else "gan"
        for made, figures, counted in zip((after, within), told, sums, strict=True):
            overflow = torch.inf if (case, number, dist.get_rank()) == ("scaled", OVERFLOWS, 1) else 1.0
            hook = _weights(made)[0].register_hook(lambda gradient, factor=overflow: gradient * factor)
            with counted:
                log = run_step(made, number, phase=phase, given=batch(10 * number + dist.get_rank()))
            hook.remove()
            figures.append({name: repr(value.item()) for name, value in log.figures.items()})
    require_equal_replicas(within.state)
    return {
        "differing": differing(after, within),
        "figures_differ": told[0] != told[1],
        "moved": sum(not torch.equal(weight, held) for weight, held in zip(_weights(within), begun, strict=True)),
        "early": [counted.early for counted in sums],
        "sent": [counted.sent for counted in sums],
        "skipped": [float(figures.get("skipped/generator", 0)) for figures in told[1]],
        "strides": [
            name
            for network in within.state.networks.values()
            for name, weight in network.named_parameters()
            for moment in [within.state.optimizers["generator"].state.get(weight, {}).get("exp_avg")]
            if moment is not None and moment.stride() != weight.stride()
        ],
    }


def _weights(made: TrainingStep) -> list[nn.Parameter]:
    return [weight for network in made.state.networks.values() for weight in network.parameters()]


def abandoned(of: TrainSettings) -> list[str]:
    """What differs after a step that failed within its backward, when some sums were on their way, from never having
    begun it."""
    one, other = training_step(of, ""), training_step(of, "")
    fails = next(other.state.networks["generator"].parameters()).register_hook(lambda _: 1 / 0)
    with Sums() as counted:
        try:
            run_step(other, 9, phase="warmup")
        except ZeroDivisionError:
            other.engine.abandon()
    assert counted.sent > 0
    fails.remove()
    for made in (one, other):
        run_step(made, 0, phase="warmup")
        run_step(made, 1)
    return differing(one, other)


def error_of(network: nn.ModuleList) -> str:
    """What is said where no process's loss reaches the second layer."""
    average = GradientAveraging(dict(network.named_parameters()), world_size=2)
    with average.in_backward():
        network[0](torch.ones(1, 2)).sum().backward()
    try:
        average()
    except RuntimeError as error:
        return str(error)
    return ""


def lacking(folder: Path) -> None:
    """Process 1 has no gradient of the second layer, says so and ends; what process 0 hears."""
    network = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    average = GradientAveraging(dict(network.named_parameters()), world_size=2)
    try:
        with average.in_backward():
            given = torch.ones(1, 2)
            (network[0](network[1](given)) if dist.get_rank() == 0 else network[0](given)).sum().backward()
        average()
    except RuntimeError as error:
        (folder / f"{dist.get_rank()}.json").write_text(json.dumps(f"{type(error).__name__}: {error}"))
    os._exit(0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    gradient_averaging.BUCKET_BYTES = 4096
    dist.init_process_group("gloo")
    if sys.argv[2:]:
        lacking(Path(sys.argv[1]))
    main(Path(sys.argv[1]))
    dist.destroy_process_group()
