"""Whether a step can be captured: three checks that need no GPU, for `launch/train.py ... --check-capture`.

What they cannot see: streams, the allocator, NCCL, cuDNN.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from cartoon_dist.capture import fake_device
from cartoon_dist.capture.cuda_rules import broken_rules
from cartoon_dist.capture.fault import current_line
from cartoon_dist.config.train import CaptureSettings
from cartoon_dist.cpu import switch
from cartoon_dist.errors import TrainingError
from cartoon_dist.gpu import layout
from cartoon_dist.tensors import Batch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.gradient_averaging import nothing_sent
from cartoon_dist.train.loop import TrainingStep

PHASES = ("warmup", "gan")
NUM_STEPS = 6
PLAIN = CaptureSettings()
Make = Callable[[Engine, CaptureSettings], TrainingStep]
"""Builds what is checked on an engine, always with the same weights; called anew for each check."""


@dataclass
class CheckResult:
    """What one check found of one phase's step: faults, or the fact that there are none."""

    check: str
    phase: str
    fact: str = ""
    faults: list[str] = field(default_factory=list)


def run_checks(
    make: Make, *, mode: str, size: int, batch_size: int, clip: float | None, precision: str, scaled: bool
) -> Iterator[CheckResult]:
    """All checks of both phases, from random pictures of `size` pixels.

    mode: what of a GAN step is recorded. scaled: whether training has gradient scalers (fp16). Runs on the CPU, also
    beside a GPU, with the convolutions, the layout and the fused operations of one.
    """
    fake_device.available()  # before the first backward, which counts the kinds of devices there are
    batches = [random_batch(size, batch_size, seed) for seed in range(NUM_STEPS)]
    with switch.disabled(), layout.forced():
        for phase in PHASES:
            plain, recorded = (_engine(precision, clip, recordable=recordable) for recordable in (False, True))
            yield replayed(make, plain, recorded, phase, batches, mode)
            yield repeated(make, _engine(precision, clip, recordable=True), phase, batches)
            yield on_fake_device(make, phase, batches[0], clip, scaled=scaled)


def _engine(precision: str, clip: float | None, *, recordable: bool) -> Engine:
    return Engine(precision=precision, clip=clip, recordable=recordable, device="cpu")


def replayed(make: Make, plain: Engine, recorded: Engine, phase: str, batches: list[Batch], mode: str) -> CheckResult:
    """The step recorded and replayed beside the plain one: a frozen number or a tensor that was replaced shows in the
    weights."""
    result = CheckResult("replayed", phase)
    capture = CaptureSettings(mode=mode, warmup_steps=2, require=True)  # type: ignore[arg-type]
    one, other = make(plain, PLAIN), make(recorded, capture)
    with other:
        for index, batch in enumerate(batches):
            try:
                for step in (one, other):
                    _set_scalars(step, index)
                    step(phase, batch)
            except TrainingError as error:
                result.faults.append(str(error).partition("cannot be captured: ")[2])
                return result
            if differing := _differing(one, other):
                result.faults.append(
                    f"after step {index + 1} {differing} is not what plain steps make it: a number that changes was "
                    "frozen into the recording, or a tensor was replaced by another"
                )
                return result
    count = sum(len(named) for named in one.state.tensors().values())
    result.fact = f"{len(batches)} steps, {count} tensors bit for bit those of plain steps"
    return result


def repeated(make: Make, engine: Engine, phase: str, batches: list[Batch]) -> CheckResult:
    """Two steps in a row, operation by operation: what differs would be frozen."""
    result = CheckResult("repeated", phase)
    step = make(engine, PLAIN)
    logs: list[list[tuple[str, tuple[Any, ...], str]]] = []
    places: dict[int, str] = {}
    inputs = Batch(*(side.clone() for side in batches[0]))
    for index, batch in enumerate(batches[:3]):
        _set_scalars(step, index)
        for place, side in zip(inputs, batch, strict=True):
            place.copy_(side)
        places = places if index > 1 else _places(step, inputs)
        with _Log(places) as log:
            step(phase, inputs)
        logs.append(log.operations)
    for before, after in zip_longest(*logs[1:], fillvalue=("nothing", (), "the step's end")):
        if before[:2] != after[:2]:
            result.faults.append(f"{after[2]} {_difference(before, after)}")
            return result
    result.fact = f"two steps issue the same {len(logs[1]):,} operations, with the same numbers, on the same memory"
    return result


def on_fake_device(make: Make, phase: str, batch: Batch, clip: float | None, *, scaled: bool = False) -> CheckResult:
    """The step where no value can be seen: each line that waits for the device, or brings numbers to it; and what CUDA
    asks of optimizers, scalers and modules."""
    result = CheckResult("fake device", phase)
    if missing := fake_device.available():
        result.fact = f"not checked: {missing}"
        return result
    with fake_device.no_values(), nothing_sent(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, about copies of tensors without numbers
        engine = fake_device.FakeEngine(clip=clip)
        step = make(engine, PLAIN)
        _set_scalars(step, 0)
        empty = Batch(*(torch.zeros(side.shape, dtype=side.dtype, device=engine.device) for side in batch))
        with fake_device.HostAccessRecorder() as reader:
            try:
                step(phase, empty)
            except Exception as error:  # noqa: BLE001  whatever ends the step is what was looked for
                reader.failed(error)
    result.faults = reader.faults + broken_rules(step, scaled=scaled)
    result.fact = f"no line of {reader.num_operations:,} operations waits for the device or copies from the host"
    return result


def _set_scalars(step: TrainingStep, index: int) -> None:
    """Other rates and weights in each step, as in a long run."""
    step.scalars.set(content_weight=0.25 / (index + 1), ema_share=0.5 / (index + 1))
    step.engine.set_learning_rates(dict.fromkeys(step.state.networks, 1e-3 / (index + 1)))


def random_batch(size: int, batch_size: int, seed: int) -> Batch:
    """Bytes of noise."""
    random = torch.Generator().manual_seed(seed)
    shapes = ((batch_size, channels, size, size) for channels in (3, 1, 3, 3))
    return Batch(*(torch.randint(256, shape, generator=random, dtype=torch.uint8) for shape in shapes))


def _differing(one: TrainingStep, other: TrainingStep) -> str:
    expected, actual = one.state.tensors(), other.state.tensors()
    for kind, named in expected.items():
        for name, tensor in named.items():
            if not torch.equal(tensor, actual[kind][name]):
                return f"{kind}.{name}"
    return ""


def _places(step: TrainingStep, inputs: Batch) -> dict[int, str]:
    """What has to keep its place, by its address."""
    places = {
        f"{kind}.{name}": tensor for kind, named in step.state.tensors().items() for name, tensor in named.items()
    }
    places |= {f"batch.{name}": side for name, side in zip(Batch._fields, inputs, strict=True)}
    places |= {"content_weight": step.scalars.content_weight, "ema_share": step.scalars.ema_share}
    return {tensor.data_ptr(): name for name, tensor in places.items()}


class _Log(TorchDispatchMode):
    """Each operation with its arguments: tensors by place where it is known, shape and type, numbers as they are."""

    def __init__(self, places: dict[int, str]) -> None:
        super().__init__()
        self.places = places
        self.operations: list[tuple[str, tuple[Any, ...], str]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        leaves = tuple(self._described(leaf) for leaf in pytree.tree_leaves((args, kwargs or {})))
        self.operations.append((str(func), leaves, current_line()))
        return func(*args, **(kwargs or {}))

    def _described(self, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return type(leaf).__name__ if isinstance(leaf, torch.ScriptObject) else repr(leaf)
        return (self.places.get(leaf.data_ptr(), "made in the step"), str(leaf.dtype), tuple(leaf.shape), leaf.stride())


def _difference(before: tuple[Any, ...], after: tuple[Any, ...]) -> str:
    if before[0] != after[0]:
        return f"issues {after[0]} where the step before issued {before[0]}"
    changed = [(was, now) for was, now in zip_longest(before[1], after[1]) if was != now]
    return f"gives {after[0]} {changed[0][1]} where the step before gave {changed[0][0]}: it would be frozen"
