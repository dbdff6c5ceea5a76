"""When in a step each bucket of gradients is complete: `python -m bench.overlap [SETTING=VALUE ...]`.

Counted, not timed: a step of the config runs on tensors without numbers, and of its FLOPs (those of convolutions and
products) those are counted that were issued before each bucket's sum, and before the optimizer that waits for it. As if
of two processes; nothing is sent.
"""

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from bench.driven import our_method, settings
from bench.ratios import show
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.cpu import switch
from cartoon_dist.runs import method_from_config
from cartoon_dist.tensors import Batch
from cartoon_dist.train.engine import Engine, weights_by_use
from cartoon_dist.train.gradient_averaging import GradientAveraging, nothing_sent
from cartoon_dist.train.loop import TrainingStep

SIZE = 256


@dataclass(frozen=True, kw_only=True)
class BucketSum:
    """The sum of a bucket over the processes: its bytes, and the shares of the step's FLOPs that are issued before it
    begins and before an optimizer waits for it."""

    num_bytes: int
    begins: float
    awaited: float


class _TwoProcesses(Engine):
    """Averages as if of two processes; its networks stay where they are."""

    def place(self, network: nn.Module) -> nn.Module:
        """The network as it is: what has no numbers cannot be moved."""
        return network

    def _average(self, network: nn.Module) -> GradientAveraging:
        return GradientAveraging(weights_by_use(network), world_size=2)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """FLOPs so far at each sum and at each optimizer's step."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self.sums: list[tuple[int, int]] = []
        self.steps: list[tuple[int, int]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if func.overloadpacket in flop_registry:
            self.flops += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=result)
        if name == "sum_over_processes":
            self.sums.append((args[0].nbytes, self.flops))
        if name == "_fused_adam_":
            self.steps.append((len(self.sums), self.flops))
        return result


def sums_of_step(chosen: TrainSettings) -> list[BucketSum]:
    """The sums of a step of the GAN phase, in the order in which they are sent."""
    with warnings.catch_warnings(), FakeTensorMode(allow_non_fake_inputs=True), switch.disabled(), nothing_sent():
        warnings.simplefilter("ignore")  # torch's, about the addresses of tensors without numbers
        engine = _TwoProcesses(precision="fp32", recordable=True, device="cpu")
        method, state = our_method(chosen, engine, method_from_config.empty_features(chosen))
        step = TrainingStep(method=method, engine=engine, state=state)
        num, side = chosen.batch_size, chosen.image_size
        batch = Batch(*(torch.zeros(num, channels, side, side, dtype=torch.uint8) for channels in (3, 1, 3, 3)))
        with _Counter() as counted:
            step.gan(batch)
    sums, begun = [], 0
    for num_sums, flops in counted.steps:
        sums += [
            BucketSum(num_bytes=size, begins=before / counted.flops, awaited=flops / counted.flops)
            for size, before in counted.sums[begun:num_sums]
        ]
        begun = num_sums
    return sums


def table(sums: Sequence[BucketSum]) -> str:
    """A row for each bucket, and a line of what begins before its backward ends."""
    rows = ["| bucket | MB | begins | awaited | the step's work beside it |", "|---|---|---|---|---|"]
    for index, one in enumerate(sums, start=1):
        beside = one.awaited - one.begins
        rows.append(f"| {index} | {one.num_bytes / 1e6:.1f} | {one.begins:.1%} | {one.awaited:.1%} | {beside:.1%} |")
    early = sum(one.num_bytes for one in sums if one.begins < one.awaited)
    total = sum(one.num_bytes for one in sums)
    return "\n".join([*rows, f"{early / 1e6:.1f} of {total / 1e6:.1f} MB are sent before the backward ends"])


if __name__ == "__main__":
    show(table(sums_of_step(settings(SIZE, 1, *sys.argv[1:]))))
