"""Processes that make one step whenever they are told to: `python -m bench.driven KIND SIZE BATCH`.

Each answers a line on its standard input, the number of steps to make, with the seconds that one took, by the clock and
of processor time.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import nn

from bench.textbook import Textbook, Weights
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import OptimizerSettings, TrainSettings
from cartoon_dist.cpu.malloc import reuse_freed_memory
from cartoon_dist.distributed import collectives
from cartoon_dist.methods.method import Method
from cartoon_dist.runs import method_from_config, networks_from_config
from cartoon_dist.tensors import Batch, from_bytes
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.gradient_averaging import BUCKET_BYTES, sum_over_processes
from cartoon_dist.train.loop import TrainingStep
from cartoon_dist.train.state import TrainState, initial_state

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
Step = Callable[[], object]
ROOT = Path(__file__).parents[1]
RATE = 2e-4
QUIET = {"OMP_WAIT_POLICY": "passive"}
"""A thread that waits for another uses no processor time, which would be counted as work."""


def settings(size: int, batch_size: int, *words: str) -> TrainSettings:
    """The paper's networks at a size; further settings as on a command line."""
    return read(TrainSettings, [], [f"image_size={size}", f"batch_size={batch_size}", *words], run_dir="runs/bench")


def features(chosen: TrainSettings) -> nn.Module:
    """The config's VGG with random weights that keep the scale of what goes through: speed does not see values."""
    made = method_from_config.empty_features(chosen)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for module in made.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    return made


def byte_batch(chosen: TrainSettings) -> Batch:
    """Noise in the shape of a batch."""
    noise = torch.Generator().manual_seed(2)
    side, num = chosen.image_size, chosen.batch_size
    return Batch(*(torch.randint(256, (num, c, side, side), generator=noise, dtype=torch.uint8) for c in (3, 1, 3, 3)))


def float_batch(chosen: TrainSettings, dtype: torch.dtype = torch.float32) -> Batch:
    """The same noise in [-1, 1]."""
    return Batch(*(from_bytes(side, dtype) for side in byte_batch(chosen)))


def our_method(chosen: TrainSettings, engine: Engine, seen: nn.Module) -> tuple[Method, TrainState]:
    """The config's networks in the engine's charge, at one learning rate."""
    engine.place(seen)
    networks = {name: engine.place(network) for name, network in networks_from_config.initial_networks(chosen).items()}
    state = initial_state(networks, OptimizerSettings())
    engine.prepare(state)
    engine.set_learning_rates(dict.fromkeys(networks, RATE))
    return method_from_config.bind_method(chosen, networks, seen), state


def our_step(chosen: TrainSettings) -> Step:
    """A step of the trainer's own loop, with its engine; under a launcher's variables one of several processes."""
    reuse_freed_memory()
    engine = Engine(precision=chosen.precision)
    method, state = our_method(chosen, engine, features(chosen))
    step = TrainingStep(method=method, engine=engine, state=state)
    step.scalars.set(content_weight=chosen.loss.content.weight, ema_share=0.001)
    return partial(step.gan, byte_batch(chosen))


def textbook_step(chosen: TrainSettings, drawn: str) -> Step:
    """A step as it is usually written, on the same networks and numbers."""
    weights = Weights(content=chosen.loss.content.weight, saliency=chosen.loss.saliency.weight)
    book = Textbook(
        networks_from_config.initial_networks(chosen),
        features(chosen),
        rate=RATE,
        weights=weights,
        drawn="detached" if drawn == "detached" else "undetached",
    )
    return partial(book.step, float_batch(chosen))


class Driven:
    """A process that steps when it is told to; leave its `with` and it ends."""

    def __init__(self, kind: str, size: int, batch_size: int, **environment: str) -> None:
        words = [sys.executable, "-m", "bench.driven", kind, str(size), str(batch_size)]
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | QUIET | environment,
        )

    def __enter__(self) -> "Driven":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def ask(self, steps: int) -> None:
        """Begin so many steps."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()

    def answer(self) -> list[float]:
        """What the process has to say: seconds of a step, of processor time, and for a ceiling its FLOPs."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended")
        return [float(word) for word in line.split()]


def answers_of(driven: Sequence[Driven], steps: int = 1) -> list[list[float]]:
    """The answers of processes that step at the same time."""
    for one in driven:
        one.ask(steps)
    return [one.answer() for one in driven]


def ranks(kind: str, size: int, batch_size: int, num: int, **environment: str) -> list[Driven]:
    """Processes that meet over gloo: `ours` train together, each on so many samples; `traffic` only send."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(num), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)} | environment
    return [Driven(kind, size, batch_size, RANK=str(rank), LOCAL_RANK=str(rank), **shared) for rank in range(num)]


def _made(kind: str, chosen: TrainSettings) -> Callable[[int], str]:
    if kind == "ceiling":
        from bench.ceiling import Ceiling

        ceiling = Ceiling(our_step(chosen))
        return lambda _: " ".join(map(str, (*ceiling.seconds(), ceiling.flops)))
    if kind == "traffic":
        return _traffic()
    step = our_step(chosen) if kind == "ours" else textbook_step(chosen, kind)

    def timed(steps: int) -> str:
        begun, worked = time.perf_counter(), time.process_time()
        for _ in range(steps):
            step()
        return f"{(time.perf_counter() - begun) / steps} {(time.process_time() - worked) / steps}"

    return timed


def _traffic() -> Callable[[int], str]:
    """Averages so many bytes, as a step does: in its buckets."""
    collectives.init_process_group()

    def timed(num_bytes: int) -> str:
        full, rest = divmod(num_bytes, BUCKET_BYTES)
        buckets = [torch.zeros(max(1, size // 4)) for size in [BUCKET_BYTES] * full + [rest] * (rest > 0)]
        begun, worked = time.perf_counter(), time.process_time()
        for bucket in buckets:
            sum_over_processes(bucket)
        return f"{time.perf_counter() - begun} {time.process_time() - worked}"

    return timed


def main(kind: str, size: str, batch_size: str, *words: str) -> None:
    """Answer until the input ends."""
    answer = _made(kind, settings(int(size), int(batch_size), *words))
    for line in sys.stdin:
        sys.stdout.write(answer(int(line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
