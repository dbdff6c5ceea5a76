"""Steps of several kinds on the same networks and numbers, timed in turn."""

import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from accelerate.state import AcceleratorState
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from bench.gpu_proof.kernels import Kernel
from bench.textbook import Textbook, Weights
from cartoon_dist.capture.checks import random_batch
from cartoon_dist.commands.check_capture import built
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import CaptureSettings, TrainSettings
from cartoon_dist.cpu import switch
from cartoon_dist.runs import method_from_config, networks_from_config
from cartoon_dist.tensors import Batch, from_bytes
from cartoon_dist.train.engine import Engine

Step = Callable[[], object]

RATE, CONTENT_WEIGHT, EMA_SHARE = 2e-4, 0.25, 0.001
MODES = {"plain": "none", "iteration": "iteration", "generator": "generator"}
"""Our kinds of step, each with its `capture.mode`; the other kind is `textbook`."""
TINY = (
    "image_size=16",
    "model.channels=2",
    "model.num_blocks=1",
    "loss.content.network=vgg16",
    "loss.content.layer=conv1_2",
)
"""Settings of a rehearsal."""


def settings_of(*words: str, rehearse: bool) -> TrainSettings:
    """The paper's networks, 64 channels at 256 px with VGG19's conv4_4; further settings as on a command line."""
    return read(TrainSettings, [], [*(TINY if rehearse else ()), *words], run_dir="none")


def wait() -> None:
    """Until the GPU has done all that it was given; nothing on a CPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def device_name() -> str:
    """The GPU's name, or `cpu`."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


class AutocastTextbook(Textbook):
    """The textbook's step under autocast, its backward and its updates outside of it, as torch's notes say."""

    def __init__(self, *args: Any, device: str, dtype: torch.dtype | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.device, self.dtype = device, dtype

    def step(self, batch: Batch) -> dict[str, float]:
        """One update of each network."""
        with torch.autocast(self.device, self.dtype, enabled=self.dtype is not None):
            return super().step(batch)

    def _descend(self, name: str, loss: Tensor) -> None:
        with torch.autocast(self.device, self.dtype, enabled=False):
            super()._descend(name, loss)


def textbook_step(settings: TrainSettings) -> Step:
    """The loop as it is usually written (bench/textbook.py), on the GPU where there is one; bf16 by autocast."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    book = AutocastTextbook(
        {name: network.to(device) for name, network in networks_from_config.initial_networks(settings).items()},
        method_from_config.empty_features(settings).to(device),
        rate=RATE,
        weights=Weights(content=CONTENT_WEIGHT, saliency=settings.loss.saliency.weight),
        drawn="detached",
        device=device,
        dtype=torch.bfloat16 if settings.precision == "bf16" else None,
    )
    bytes_of = random_batch(settings.image_size, settings.batch_size, seed=0)
    batch = Batch(*(from_bytes(side.to(device)) for side in bytes_of))
    return lambda: book.step(batch)


def our_step(settings: TrainSettings, mode: str, stack: ExitStack) -> Step:
    """A step of the trainer's GAN phase, with all that the loop does around it; `stack` gives its graph back."""
    engine = Engine(precision=settings.precision, recordable=mode != "none")
    capture = CaptureSettings(mode=mode, require=True)  # type: ignore[arg-type]
    training_step = stack.enter_context(built(settings, engine, capture))
    batch = engine.to_device(random_batch(settings.image_size, settings.batch_size, seed=0))
    rates = dict.fromkeys(training_step.state.networks, RATE)

    def step() -> object:
        training_step.scalars.set(content_weight=CONTENT_WEIGHT, ema_share=EMA_SHARE)
        engine.set_learning_rates(rates)
        return training_step("gan", batch)

    return step


def forget_precision() -> None:
    """Let the next engine have another precision than the last: accelerate allows one a process."""
    AcceleratorState._reset_state()


@dataclass
class Timed:
    """A kind of step, and what came of it.

    seconds: of a step, once a round. peak_bytes: the most memory held at once, above what other kinds hold.
    busy_seconds: the time of a step in which kernels ran. flops: of a step. failure: why it could not be measured.
    not_counted: why kernels or FLOPs could not be counted.
    """

    kind: str
    step: Step | None = None
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int | None = None
    busy_seconds: float | None = None
    flops: int | None = None
    failure: str = ""
    not_counted: str = ""

    def row(self, *, batch_size: int, peak_flops: float | None) -> dict[str, Any]:
        """The measurement as fields of its line; peak_flops: what the device makes in a second on convolutions."""
        if self.failure or not self.seconds:
            return {"kind": self.kind, "failure": self.failure or "not timed"}
        middle = median(self.seconds)
        share = self.flops / peak_flops / middle if self.flops and peak_flops else None
        return {
            "kind": self.kind,
            "ms": round(middle * 1e3, 3),
            "ms_low": round(min(self.seconds) * 1e3, 3),
            "ms_high": round(max(self.seconds) * 1e3, 3),
            "rounds": len(self.seconds),
            "images_per_second": round(batch_size / middle, 2),
            "peak_mib": None if self.peak_bytes is None else round(self.peak_bytes / 2**20),
            "idle_share": None if self.busy_seconds is None else round(max(0.0, 1 - self.busy_seconds / middle), 4),
            "gflop": self.flops and round(self.flops / 1e9, 1),
            "share_of_ceiling": share and round(share, 4),
        } | ({"not_counted": self.not_counted} if self.not_counted else {})


def prepared(kind: str, make: Callable[[], Step], *, num_warm: int) -> Timed:
    """A kind of step after so many steps, in which libraries choose kernels and a graph is recorded."""
    timed = Timed(kind)
    on_gpu = torch.cuda.is_available()
    before = torch.cuda.memory_allocated() if on_gpu else 0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    timed.step = make()
    for _ in range(num_warm):
        timed.step()
    wait()
    if on_gpu:
        timed.peak_bytes = torch.cuda.max_memory_allocated() - before
    return timed


def time_in_turn(steps: Mapping[str, Timed], *, num_rounds: int, steps_a_round: int, until: Callable[[], bool]) -> None:
    """Rounds over all kinds, so that what else the machine does slows all alike; no new one once `until` is true.

    A kind that fails is left out of further rounds, and says why.
    """
    for number in range(num_rounds):
        if number and until():
            return
        for timed in steps.values():
            if timed.failure:
                continue
            assert timed.step is not None
            try:
                wait()
                begun = time.perf_counter()
                for _ in range(steps_a_round):
                    timed.step()
                wait()
                timed.seconds.append((time.perf_counter() - begun) / steps_a_round)
            except Exception:  # noqa: BLE001  its line says so, and the other kinds are measured
                timed.failure = traceback.format_exc()


def recorded_kernels(step: Step, *, num_steps: int) -> list[Kernel]:
    """The kernels of so many steps by torch's profiler, copies included; on a CPU torch's operations instead.

    Spans that the profiler draws on the device around several kernels (`Optimizer.step`) are left out: they would count
    these twice.
    """
    on_gpu = torch.cuda.is_available()
    wait()
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as recorded:
        for _ in range(num_steps):
            step()
        wait()
    seconds: Counter[str] = Counter()
    launches: Counter[str] = Counter()
    for event in recorded.events() or ():
        if on_gpu and (event.device_type.name == "CPU" or getattr(event, "is_user_annotation", False)):
            continue
        microseconds = event.time_range.elapsed_us() if on_gpu else event.self_cpu_time_total
        seconds[event.name] += microseconds * 1e-6
        launches[event.name] += 1
    return [Kernel(name, seconds[name], launches[name]) for name in launches]


def kernel_seconds(step: Step, *, num_steps: int = 2) -> float | None:
    """Seconds of a step in which kernels ran, those that ran at the same time added up; None on a CPU."""
    if not torch.cuda.is_available():
        return None
    return sum(kernel.seconds for kernel in recorded_kernels(step, num_steps=num_steps)) / num_steps


def flops_of(step: Step) -> int:
    """FLOPs of a plain step as `FlopCounterMode` counts them, all convolutions torch's own."""
    with switch.disabled(), FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())
