"""Two processes that train plain and replayed, started by test_capture.py."""

import json
import sys
from itertools import product
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.train import gradient_averaging
from cartoon_dist.train.check_replicas import require_equal_replicas
from cartoon_dist.train.loop import TrainingStep
from tests.capture.capturing import (
    PLAIN,
    ROWS,
    WORDS,
    batch,
    capture,
    differing,
    recorded_faster,
    run_step,
    settings,
    train,
    training_step,
)
from tests.running import ROOT

NUM_STEPS = 6
"""Two plain ones, the recording, and three that replay it."""


def main(folder: Path) -> None:
    """Leave what was found as JSON, a file a process."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    found: dict[str, object] = {"replayed": replayed()}
    found["ddp"] = from_ddp()
    found["buffers_sent"] = buffers_sent()
    fallen = training_step(settings("ressal_cbam"), capture("iteration", require=False), fails_on_one)
    plain = training_step(settings("ressal_cbam"), PLAIN)
    for number in range(NUM_STEPS):
        run_step(plain, number)
        run_step(fallen, number)
    found["fallen_back"] = fallen.wrapped["gan"].refused
    found["after_falling_back"] = differing(plain, fallen)
    (folder / f"{dist.get_rank()}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


def replayed() -> dict[str, list[str]]:
    """By case, the tensors that a replay makes otherwise than plain steps."""
    found = {}
    for number, (row, precision) in enumerate(product(ROWS, ("fp32", "bf16"))):
        # In parts, and of each kind, every second time.
        num_parts, mode = 1 + number // 2 % 2, ("generator", "iteration")[number % 2 ^ number // 4]
        small = settings(row, f"precision={precision}", f"accumulate={num_parts}")
        plain, recorded = training_step(small, PLAIN), training_step(small, capture(mode))
        expected, got = train(plain, NUM_STEPS), train(recorded, NUM_STEPS)
        assert got == expected, (row, precision, num_parts)
        found[f"{row}, {precision}, {num_parts} parts, {mode}"] = differing(plain, recorded)
    return found


def from_ddp() -> float:
    """The largest difference of any tensor between DDP's steps and ours in float64."""
    small = settings("ressal_cbam", "precision=fp64")
    plain, recorded = training_step(small, PLAIN), training_step(small, capture("iteration"))
    for made in (plain, recorded):
        train(made, 12, num_warmup=6)
    one, other = plain.state.tensors(), recorded.state.tensors()
    return max((t - other[kind][n]).abs().max().item() for kind, named in one.items() for n, t in named.items())


def buffers_sent() -> list[str]:
    """AnimeGAN's networks whose buffers DDP would send at each forward; they are the same without (TrainingError
    otherwise)."""
    small = read(TrainSettings, [ROOT / "configs/baseline/animegan.yaml"], WORDS, run_dir="none")
    made = training_step(small, PLAIN)
    for number in range(3):
        run_step(made, number, given=batch(number + 10 * dist.get_rank()))
    require_equal_replicas(made.state)
    wrapped = made.engine.wrapped.items()
    assert all(isinstance(network, DistributedDataParallel) for _, network in wrapped)
    return [name for name, network in wrapped if network.will_sync_module_buffers()]  # type: ignore[operator]


def fails_on_one(made: TrainingStep) -> None:
    """One process cannot record."""
    if dist.get_rank() == 1:

        def refuse(*_given: object, **_named: object) -> None:
            raise RuntimeError("planted")

        made.wrapped["gan"].recorder.record = refuse  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    gradient_averaging.BUCKET_BYTES = 4096  # several are sent while the backward runs
    with recorded_faster():
        main(Path(sys.argv[1]))
