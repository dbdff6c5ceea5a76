"""Steps a second on a GPU, plain, compiled and captured, by batch size and precision: `python -m bench.gpu`.

Without a GPU there is nothing to measure; `python -m bench.gpu --rehearse` then runs the same code on the CPU with
networks too small to mean anything, to see that it works.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median

import torch
from accelerate.state import AcceleratorState

from bench.ratios import FILE, show
from cartoon_dist.commands.check_capture import built
from cartoon_dist.config import CaptureSettings, TrainSettings, read
from cartoon_dist.tensors import Batch
from cartoon_dist.train.capture_check import random_batch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.phases import Phases

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
PRECISIONS = ("fp32", "bf16", "fp16")
KINDS = ("plain", "compiled", "generator", "iteration")
SIZE, WARM, STEPS = 256, 6, 20
REHEARSAL = ("model.channels=2", "model.num_blocks=1", "loss.content.network=vgg16", "loss.content.layer=conv1_2")


@dataclass(frozen=True)
class Row:
    """What one kind of step did; `launch_share` is the share of a step's time in which the GPU had nothing to do."""

    device: str
    precision: str
    batch_size: int
    kind: str
    steps_per_second: float
    launch_share: float | None
    peak_mib: float | None
    refused: str = ""


def main(words: Sequence[str]) -> int:
    """Print a table and add its rows to bench.jsonl; a rehearsal adds nothing."""
    rehearsal = "--rehearse" in words
    if not rehearsal and not torch.cuda.is_available():
        show("bench.gpu: not run, there is no CUDA device")
        return 0
    show("| device | precision | batch | step | steps/s | idle share | peak MiB |\n|---|---|---|---|---|---|---|")
    for row in rows(rehearsal=rehearsal):
        show(in_words(row))
        if not rehearsal:
            with FILE.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps({"name": "gpu_step", "date": f"{datetime.now(UTC):%F}", **asdict(row)}) + "\n")
    return 0


def rows(*, rehearsal: bool) -> Iterator[Row]:
    """All measurements, each with networks of its own; a batch that does not fit the memory ends its precision."""
    size, sizes, precisions = (16, (2,), ("fp32",)) if rehearsal else (SIZE, BATCH_SIZES, PRECISIONS)
    for precision in precisions:
        if precision == "bf16" and torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
            continue
        for batch_size in sizes:
            settings = read(
                TrainSettings,
                [],
                [f"precision={precision}", f"batch_size={batch_size}", *(REHEARSAL if rehearsal else ())],
                run_dir="none",
            )
            measured = [measure(settings, kind, size) for kind in KINDS]
            yield from measured
            if any("out of memory" in row.refused for row in measured):
                break


def measure(settings: TrainSettings, kind: str, size: int) -> Row:
    """One kind of step: the median of single steps, timed to the device's end."""
    AcceleratorState._reset_state()  # one process, several precisions
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    mode = kind if kind in ("generator", "iteration") else "none"
    engine = Engine(precision=settings.precision, recordable=mode != "none")
    try:
        phases = built(settings, engine, CaptureSettings(mode=mode, require=True))  # type: ignore[arg-type]
        if kind == "compiled":
            for network in phases.state.networks.values():
                network.compile()
        batch = engine.moved(random_batch(size, settings.batch_size, seed=0))
        _forget_peak()
        with phases:
            for _ in range(WARM):
                _step(phases, batch)
            seconds = median(_step(phases, batch) for _ in range(STEPS))
            idle = _idle_share(phases, batch)
    except Exception as error:  # noqa: BLE001  the table says so, and goes on with the next kind
        what = str(error).strip().splitlines()[0][:120]
        return Row(name, settings.precision, settings.batch_size, kind, 0.0, None, None, what)
    return Row(name, settings.precision, settings.batch_size, kind, 1 / seconds, idle, _peak())


def in_words(row: Row) -> str:
    """A line of the table."""
    head = f"| {row.device} | {row.precision} | {row.batch_size} | {row.kind} |"
    if row.refused:
        return f"{head} {row.refused} | | |"
    idle = "" if row.launch_share is None else f"{row.launch_share:.0%}"
    peak = "" if row.peak_mib is None else f"{row.peak_mib:.0f}"
    return f"{head} {row.steps_per_second:.2f} | {idle} | {peak} |"


def _step(phases: Phases, batch: Batch) -> float:
    before = time.perf_counter()
    phases.knobs.turn(content_weight=0.25, ema_share=0.001)
    phases.engine.set_learning_rates({"generator": 2e-4, "discriminator": 2e-4})
    phases("gan", batch)
    _wait()
    return time.perf_counter() - before


def _idle_share(phases: Phases, batch: Batch) -> float | None:
    """The share of a step in which no kernel ran, by torch's profiler over a few steps."""
    if not torch.cuda.is_available():
        return None
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        seconds = sum(_step(phases, batch) for _ in range(3))
    busy = sum(event.self_device_time_total for event in profile.key_averages()) * 1e-6
    return max(0.0, 1 - float(busy) / seconds)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _forget_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> float | None:
    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
